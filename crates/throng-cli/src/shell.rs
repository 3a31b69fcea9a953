//! The shell of `--shell`: that of the system, or a named program.

use std::ffi::OsString;

use anyhow::Context;
use throng::Command;

use crate::options::Run;
use crate::script::Rules;
use crate::sys;

/// Names the program if `--shell` does not. The variable alone does not switch the shell on.
const VARIABLE: &str = "THRONG_SHELL";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shell {
    /// None for that of the system.
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

    /// The command that runs this script with the shell.
    pub(crate) fn command(&self, script: Vec<u8>) -> anyhow::Result<Command> {
        sys::shell(self.program.as_deref(), script)
    }

    /// The rules for scripts of this shell.
    pub(crate) fn rules(&self, allows_code: bool) -> Rules {
        Rules {
            allows_code,
            is_strict: self.counts_in_arguments,
            ..Rules::default()
        }
    }

    /// Whether this is the shell in the log. A log of GNU parallel has no column for it; it always
    /// uses a shell.
    pub(crate) fn is_named(shell: Option<&Shell>, column: &[u8]) -> bool {
        match column {
            b"" => shell.is_some(),
            column => Shell::column(shell) == column,
        }
    }

    /// The column of a job log for the shell: 0 without one, 1 for that of the system, and the
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
