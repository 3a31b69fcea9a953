//! The shell that `--shell` gives scripts to: the system's, or a program that was named. Does not
//! know what is in scripts.

use std::ffi::OsString;

use anyhow::Context;
use throng::Command;

use crate::options::Run;
use crate::script::Rules;
use crate::sys;

/// Names a program where `--shell` does not. It switches nothing on.
const VARIABLE: &str = "THRONG_SHELL";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shell {
    /// None for the system's own.
    program: Option<OsString>,
    counts_in_arguments: bool,
}

impl Shell {
    /// The shell of this run, if it has one.
    pub(crate) fn of(args: &Run) -> anyhow::Result<Option<Shell>> {
        let Some(written) = &args.placeholders.shell else {
            return Ok(None);
        };
        let variable = || {
            let value = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
            value.filter(|_| !args.has_no_config())
        };
        let (program, origin) = match written {
            Some(program) => (Some(program.clone()), "--shell"),
            None => (variable(), VARIABLE),
        };
        let program = match program {
            Some(program) => sys::shell_program(&program)
                .with_context(|| format!("{origin} {}", crate::text::quoted_name(program)))?,
            None => None,
        };
        Ok(Some(Shell {
            counts_in_arguments: sys::counts_in_arguments(program.as_deref()),
            program,
        }))
    }

    /// The command that has the shell run this script.
    pub(crate) fn command(&self, script: Vec<u8>) -> anyhow::Result<Command> {
        sys::shell(self.program.as_deref(), script)
    }

    /// What a script for this shell depends on.
    pub(crate) fn rules(&self, allows_code: bool) -> Rules {
        Rules {
            allows_code,
            is_strict: self.counts_in_arguments,
            ..Rules::default()
        }
    }

    /// Whether this is the shell that the log names; GNU parallel's names none, and had one.
    pub(crate) fn is_named(shell: Option<&Shell>, column: &[u8]) -> bool {
        match column {
            b"" => shell.is_some(),
            column => Shell::column(shell) == column,
        }
    }

    /// What a job log has in its column for the shell: 0 without one, 1 for the system's, and the
    /// program otherwise.
    pub(crate) fn column(shell: Option<&Shell>) -> Vec<u8> {
        match shell {
            None => b"0".to_vec(),
            Some(Shell { program: None, .. }) => b"1".to_vec(),
            Some(Shell {
                program: Some(program),
                ..
            }) => program.as_encoded_bytes().to_vec(),
        }
    }
}
