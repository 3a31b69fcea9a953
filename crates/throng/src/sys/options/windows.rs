//! Settings that only Windows has. The public traits that set them are in `sys/os`.

use std::ffi::{OsStr, OsString};

use windows_sys::Win32::System::Threading::{
    ABOVE_NORMAL_PRIORITY_CLASS, BELOW_NORMAL_PRIORITY_CLASS, HIGH_PRIORITY_CLASS,
    IDLE_PRIORITY_CLASS, NORMAL_PRIORITY_CLASS,
};

use crate::sys::base::windows::system_directory;

/// Of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandOptions {
    pub(crate) console: Option<Console>,
    pub(crate) priority: Option<Priority>,
    /// What follows the arguments on the command line, as it is.
    pub(crate) raw_tail: Option<OsString>,
    pub(crate) allow_batch: bool,
    /// It is `cmd.exe`, which takes a shorter command line than others.
    pub(crate) is_shell: bool,
}

impl CommandOptions {
    /// Output is always captured here.
    pub(crate) fn inherits_output(&self) -> bool {
        false
    }
}

/// Of a [`Throng`](crate::Throng).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HostOptions {
    pub(crate) pipes: Pipes,
    pub(crate) pipe_size: Option<u32>,
    pub(crate) skip_packets: Option<bool>,
    pub(crate) guardian: bool,
}

impl HostOptions {
    /// Nothing is ever stopped here.
    pub(crate) fn watch_stops(&mut self) {}
}

/// The console of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Console {
    /// That of this program. If it has none, the process gets a new one in a window of its own.
    Inherit,
    /// None. This is the cheapest, for programs that start no others: a console program that is
    /// started by a process without a console gets a console and a window of its own, and its
    /// output goes there and is not captured, unless its parent passes its streams explicitly.
    None,
    /// One of its own that is not visible. The system starts a `conhost.exe` for it.
    Hidden,
}

/// The priority class of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// Runs when no other process needs the processor.
    Idle,
    /// Below the default of programs.
    BelowNormal,
    /// The default of programs.
    Normal,
    /// Above the default of programs.
    AboveNormal,
    /// Well above the default of programs.
    High,
}

impl Priority {
    /// The flag for `CreateProcessW`.
    pub(crate) fn flag(self) -> u32 {
        match self {
            Priority::Idle => IDLE_PRIORITY_CLASS,
            Priority::BelowNormal => BELOW_NORMAL_PRIORITY_CLASS,
            Priority::Normal => NORMAL_PRIORITY_CLASS,
            Priority::AboveNormal => ABOVE_NORMAL_PRIORITY_CLASS,
            Priority::High => HIGH_PRIORITY_CLASS,
        }
    }
}

/// How the pipes for the streams of a process are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pipes {
    /// Without a name, by `NtCreateNamedPipeFile`; no other process can open them. If the system
    /// refuses that, named ones are used.
    #[default]
    Unnamed,
    /// With a random name of 128 bits, created as the first instance of that name, and opened at
    /// once.
    Named,
}

/// The arguments by which the system's shell runs a script, and the settings for it.
///
/// `/e:ON` and `/v:OFF` set what the registry may have set otherwise, `/d` keeps the user's AutoRun
/// from running first, `/s` makes cmd.exe take off the outer quotes and leave all others alone
/// (`cmd /?`). It is the system's own, whatever `PATH` says.
pub(crate) fn shell(script: &OsStr) -> (Vec<OsString>, CommandOptions) {
    let mut argv = vec![system_directory().join("cmd.exe").into_os_string()];
    argv.extend(["/e:ON", "/v:OFF", "/d", "/s", "/c"].map(OsString::from));
    let mut quoted = OsString::from("\"");
    quoted.push(script);
    quoted.push("\"");
    let options = CommandOptions {
        raw_tail: Some(quoted),
        is_shell: true,
        ..CommandOptions::default()
    };
    (argv, options)
}
