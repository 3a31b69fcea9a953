//! Why a command was not started, in words: the stage that failed, and what it was about.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

use super::clone::{Failed, SpawnStage, has_nul_in_first_line};
use crate::job::command::Command;
use crate::job::command::Stdin;
use crate::model::error::ErrorKind;
use crate::sys::api::StartError;
use crate::sys::base::linux::memory;
use crate::sys::spawn_error::SpawnError;

/// A string of argv or of the environment may have this many bytes with its NUL: 32 pages
/// (`MAX_ARG_STRLEN`, include/uapi/linux/binfmts.h).
const STRING_PAGES: usize = 32;

/// As much of a file as the kernel reads to see how to run it (`BINPRM_BUF_SIZE`, since 5.1).
const READ_TO_RUN: usize = 256;

impl SpawnError {
    pub(crate) fn os(step: &str, kind: ErrorKind, errno: Errno) -> SpawnError {
        SpawnError::io(step, kind, errno.into())
    }

    pub(crate) fn empty_name() -> SpawnError {
        SpawnError::new("its name is empty".into(), ErrorKind::NotFound, None)
    }

    /// The new process has taken no step in its time.
    pub(crate) fn did_not_run() -> SpawnError {
        let step = "its process did not begin to run".into();
        SpawnError::new(step, ErrorKind::System, None).busy(true)
    }

    /// Its program took longer to load than is allowed.
    pub(crate) fn not_loaded(command: &Command, limit: Duration) -> SpawnError {
        let shown = command.program.to_string_lossy();
        let step = format!("exec {shown}: it was not loaded in {limit:?}");
        SpawnError::new(step, ErrorKind::System, None)
    }

    /// A fault that was injected.
    pub(crate) fn injected(stage: SpawnStage, errno: Errno, command: &Command) -> SpawnError {
        let failed = Failed {
            stage,
            errno: errno.raw_os_error(),
            candidate: 0,
            is_there: false,
            is_directory: false,
            head: Vec::new(),
        };
        SpawnError::in_child(&failed, &command.program, false, command)
    }

    /// What the new process reported before it ended.
    pub(crate) fn in_child(
        failed: &Failed,
        path: &OsStr,
        is_search: bool,
        command: &Command,
    ) -> SpawnError {
        let source = io::Error::from_raw_os_error(failed.errno);
        let (step, kind) = match failed.stage {
            SpawnStage::Exec => {
                if failed.errno == libc::ENOENT && is_search && !failed.is_there {
                    return SpawnError::new("not found in PATH".into(), ErrorKind::NotFound, None);
                }
                exec(failed, path, command)
            }
            SpawnStage::Stdin => {
                let file = match &command.stdin {
                    Stdin::File(file) => file.as_path(),
                    _ => Path::new("a file"),
                };
                (format!("open {}", file.display()), ErrorKind::Stdin)
            }
            SpawnStage::Directory => {
                let dir = command.dir.as_deref().unwrap_or(Path::new("."));
                (
                    format!("chdir to {}", dir.display()),
                    ErrorKind::BadDirectory,
                )
            }
            SpawnStage::None | SpawnStage::Clone => ("create a process".into(), ErrorKind::System),
            SpawnStage::Descriptors => ("place its descriptors".into(), ErrorKind::System),
            SpawnStage::Group => ("make a process group".into(), ErrorKind::System),
            SpawnStage::Terminal => ("give it the terminal".into(), ErrorKind::System),
            SpawnStage::ParentDeath => ("tie its life to ours".into(), ErrorKind::System),
            SpawnStage::Limits => ("restore its limits".into(), ErrorKind::System),
            SpawnStage::Niceness => ("set its niceness".into(), ErrorKind::System),
            SpawnStage::Signals => ("reset its signals".into(), ErrorKind::System),
        };
        SpawnError::io(step, kind, source)
            .busy(failed.errno == libc::ETXTBSY)
            .own(failed.stage > SpawnStage::Descriptors)
    }
}

/// The error for a process that cannot be captured, with the driver's reason.
pub(crate) fn cannot_capture(command: &Command, error: io::Error) -> StartError {
    SpawnError::io("watch its output", ErrorKind::System, error).into_start_error(command)
}

fn exec(failed: &Failed, path: &OsStr, command: &Command) -> (String, ErrorKind) {
    let shown = path.to_string_lossy();
    match failed.errno {
        libc::ENOENT | libc::ENOTDIR if failed.is_there => (
            format!("exec {shown}: {}", missing_interpreter(&failed.head)),
            ErrorKind::BadFormat,
        ),
        libc::ENOENT | libc::ENOTDIR => (format!("exec {shown}"), ErrorKind::NotFound),
        libc::EACCES if failed.is_directory => (
            format!("exec {shown}, which is a directory"),
            ErrorKind::NotExecutable,
        ),
        libc::EACCES | libc::EPERM => (format!("exec {shown}"), ErrorKind::NotExecutable),
        libc::ENOEXEC => (
            format!("exec {shown}, {}", unknown_format(&failed.head)),
            ErrorKind::BadFormat,
        ),
        libc::E2BIG => (
            format!("exec {shown}: {}", too_long(command)),
            ErrorKind::ArgumentsTooLong,
        ),
        _ => (format!("exec {shown}"), ErrorKind::System),
    }
}

/// The interpreter that a script names after `#!`.
fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let name = line.split(u8::is_ascii_whitespace).next();
    name.filter(|name| !name.is_empty())
}

fn missing_interpreter(head: &[u8]) -> String {
    match interpreter(head) {
        Some(name) => {
            let name = OsStr::from_bytes(name).to_string_lossy();
            format!("its interpreter is missing: {name}")
        }
        None => "its interpreter is missing".into(),
    }
}

fn unknown_format(head: &[u8]) -> String {
    let is_elf = head.starts_with(b"\x7fELF");
    if head.is_empty() {
        return "which is empty".into();
    }
    if is_elf {
        // The kind of machine: two bytes at 18, in the order given by the byte at 5 (elf(5)).
        let machine = match head.get(18..20) {
            Some([high, low]) if head.get(5) == Some(&2) => u16::from_be_bytes([*high, *low]),
            Some([low, high]) => u16::from_le_bytes([*low, *high]),
            _ => 0,
        };
        return format!("a program for another machine (ELF, machine {machine})");
    }
    let is_script = head.starts_with(b"#!");
    if is_script && !head.iter().take(READ_TO_RUN).any(|byte| *byte == b'\n') {
        return format!(
            "whose first line is longer than the {READ_TO_RUN} bytes that the system reads"
        );
    }
    if is_script && interpreter(head).is_none() {
        return "whose first line names no interpreter".into();
    }
    if has_nul_in_first_line(head) {
        return "which is in no format that this system can run".into();
    }
    "perhaps a script without #!".into()
}

/// What is too long: one string, or all of them.
fn too_long(command: &Command) -> String {
    let most = STRING_PAGES * memory::page_size();
    let longest = command.args.iter().map(|arg| arg.len() + 1);
    let longest = longest.enumerate().max_by_key(|(_, len)| *len);
    if let Some((place, len)) = longest
        && len > most
    {
        return format!(
            "argument {} has {len} bytes, and one may have {most}",
            place + 1
        );
    }
    let variables = command.env.vars.iter();
    let variables = variables.filter_map(|(key, value)| Some((key, value.as_ref()?)));
    for (key, value) in variables {
        let len = key.len() + value.len() + 2;
        if len > most {
            let key = key.to_string_lossy();
            return format!("the variable \"{key}\" has {len} bytes, and one may have {most}");
        }
    }
    let all: usize = command.args.iter().map(|arg| arg.len() + 1).sum();
    let count = command.args.len();
    format!("its {count} arguments have {all} bytes, too many together with the environment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unrunnable_file_is_recognised_by_its_first_bytes() {
        let long = [b"#!/".as_slice(), &[b'x'; 300]].concat();
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(18, 0);
        elf.extend([0xb7, 0]);
        for (head, expected) in [
            (&b""[..], "which is empty"),
            (&elf, "machine 183"),
            (&long, "longer than the 256 bytes"),
            (b"echo hello\n", "perhaps a script without #!"),
            (b"#! \necho hello\n", "names no interpreter"),
            (b"\xcf\xfa\0\0\n", "in no format that this system can run"),
        ] {
            let told = unknown_format(head);
            assert!(told.contains(expected), "{told}");
        }
        assert_eq!(
            missing_interpreter(b"\x7fELF"),
            "its interpreter is missing"
        );
        assert_eq!(
            missing_interpreter(b"#! /no/such -x\nabc"),
            "its interpreter is missing: /no/such"
        );
    }

    #[test]
    fn the_overlong_argument_is_named() {
        let mut command = Command::new("true");
        command.args(["a", &"x".repeat(140_000)]);
        assert!(too_long(&command).starts_with("argument 2 has 140001 bytes"));
        let mut command = Command::new("true");
        command.env("LONG", "x".repeat(140_000));
        assert!(too_long(&command).starts_with("the variable \"LONG\" has 140006 bytes"));
        let mut command = Command::new("true");
        command.args(["x"; 3]);
        assert!(too_long(&command).starts_with("its 3 arguments have 6 bytes"));
    }
}
