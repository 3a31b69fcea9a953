//! What the program needs of the operating system beyond the library. Above this folder nothing
//! asks which system it runs on.

pub(crate) mod api;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use throng::{Builder, Command, Stream};

use self::api::{Finding, Gauge, Limits, OnSignal, OnStop, PathRules, Writer};
use crate::script::{Layout, Quotes, Refusal, Rules, Token};

/// Exports each name of the system, and holds it to its type: where one is missing or different,
/// this does not compile.
macro_rules! both_systems_supply {
    ($($(#[$doc:meta])+ $name:ident: $type:ty;)+) => {
        $(
            $(#[$doc])+
            pub(crate) use system::$name;
            const _: $type = system::$name;
        )+
    };
}

both_systems_supply! {
    /// Looks at what the program was started with. Has to be called before anything else.
    take_stock: fn();
    /// Whether a process is stopped.
    is_stopped: fn(u32) -> bool;
    /// What a signal is called.
    signal_name: fn(i32) -> String;
    /// Whether what reads our stdout may write to our terminal.
    may_share_screen: fn() -> bool;
    /// Calls back when the user asks the program to end, or to list what runs.
    watch_interrupts: fn(OnSignal) -> io::Result<()>;
    /// Calls back before the program is suspended and after it is continued.
    watch_stops: fn(OnStop, OnStop) -> io::Result<()>;
    /// Ends the program as this signal would have, if its parent should see that.
    die_of: fn(i32);
    /// Where the user's own settings are.
    config_dir: fn() -> Option<PathBuf>;
    /// Why a file or directory may have been written by another user.
    foreign: fn(&Metadata) -> Option<String>;
    /// Options for files that nobody else can write.
    file_options: fn() -> OpenOptions;
    /// Makes directories that nobody else can write to.
    directory_builder: fn() -> DirBuilder;
    /// Opens a file, but not through links that other users have made.
    open_for_writing: fn(&Path, &mut OpenOptions) -> io::Result<File>;
    /// Opens a file for reading without waiting for another process.
    open_at_once: fn(&Path) -> io::Result<File>;
    /// Makes directories, but not through links that other users have made.
    create_directories: fn(&Path) -> io::Result<()>;
    /// What limits the machine.
    findings: fn() -> Vec<Finding>;
    /// The processor time of this program.
    own_cpu: fn() -> Option<Duration>;
    /// Makes a command that starts no others as cheap as it can be.
    set_leaf: fn(&mut Command);
    /// What the machine has left.
    gauge: fn(Gauge) -> anyhow::Result<f64>;
    /// An argument, a path or a variable from bytes. None contains a NUL.
    os_string: fn(Vec<u8>) -> anyhow::Result<OsString>;
    /// Our stdout, without the buffer of std's.
    stdout: fn() -> io::Result<Writer>;
    /// Our stderr, without the buffer of std's.
    stderr: fn() -> Writer;
    /// Which of our streams a file is, whatever its name.
    stream_of: fn(&Path) -> Option<Stream>;
    /// The words of a line that is a command.
    split: fn(&[u8]) -> anyhow::Result<Vec<OsString>>;
    /// How each value in a script for the shell has to be quoted.
    layout: fn(&[Token], Rules) -> Result<Layout, Refusal>;
    /// Appends a value to a script for the shell, as a part of one word.
    push_quoted: fn(&mut Vec<u8>, &[u8], Quotes) -> anyhow::Result<()>;
    /// The command that has this shell, or that of the system, run a script.
    shell: fn(Option<&OsStr>, Vec<u8>) -> anyhow::Result<Command>;
    /// The program of a shell; none if it is that of the system.
    shell_program: fn(&OsStr) -> anyhow::Result<Option<OsString>>;
    /// Whether a shell evaluates arithmetic where others read a number.
    counts_in_arguments: fn(Option<&OsStr>) -> bool;
    /// What in a line only a shell would act on.
    shell_syntax: fn(&[u8]) -> Option<String>;
    /// Whether there is a program of this name.
    is_program: fn(&OsStr) -> bool;
    /// A command as a line that `split`, or the shell, would read back.
    command_line: fn(&Command) -> Vec<u8>;
    /// A command as a list of words.
    argv: fn(&Command) -> Vec<&OsStr>;
    /// A command as its user would recognize it.
    name: fn(&Command) -> Vec<u8>;
    /// The script of a command that has the shell run one.
    script: fn(&Command) -> Vec<u8>;
    /// A value as the name of a directory.
    escaped_name: fn(&[u8]) -> Vec<u8>;
    /// What the escapes in such a name begin with.
    ESCAPE: u8;
    /// Whether a file of this name would be a device.
    is_device: fn(&[u8]) -> bool;
    /// The length of the name of a file, as file systems count it.
    name_length: fn(&[u8]) -> usize;
    /// A path as bytes that are the same for the same file.
    folded_path: fn(&Path) -> Vec<u8>;
    /// The length of a word of a command, in the units of `limits`.
    word_length: fn(&[u8]) -> usize;
    /// The length of a script, in the units of `limits`.
    script_length: fn(&[u8]) -> usize;
    /// How long commands may be; the argument says whether they are scripts for the shell.
    limits: fn(bool) -> Limits;
    /// How paths are written.
    PATHS: PathRules;
    /// Runs the program as the guardian of the processes of another one.
    guard: fn() -> anyhow::Result<()>;
    /// The keys that end the input of a terminal.
    END_OF_INPUT: &str;
    /// The signals or keys that end what runs.
    ENDS: &str;
    /// The exit statuses after a signal, for the help.
    INTERRUPTS: &str;
    /// What slow starts may be due to.
    SLOW_STARTS: &str;
    /// How values are split into words, for the help.
    WORD_RULES: &str;
    /// Examples, for the help.
    EXAMPLES: &str;
}

/// The terminal that is lent to commands, one at a time, and options that only this system has.
pub(crate) use system::{SystemArgs, Tty};

const _: fn(&SystemArgs, bool) -> anyhow::Result<()> = SystemArgs::check;
const _: fn(&SystemArgs, &mut Command) = SystemArgs::set_command;
const _: fn(&SystemArgs, Builder, fn(&str)) -> Builder = SystemArgs::set_builder;
const _: fn() -> anyhow::Result<Tty> = Tty::open;
const _: fn(&Tty, &mut Command) = Tty::set_command;
const _: fn(&Tty, u32, i32) = Tty::stopped;
const _: fn(&Tty) = Tty::suspend;
const _: fn(&Tty, u32) = Tty::resume;
const _: fn(&Tty) -> Option<Duration> = Tty::pause;
const _: fn(&Tty) -> bool = Tty::pass_on_interrupt;

impl Gauge {
    pub(crate) fn read(self) -> anyhow::Result<f64> {
        gauge(self)
    }
}
