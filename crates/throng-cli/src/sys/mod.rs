//! What the program needs of the operating system beyond the library. Both systems supply these
//! names, held to the signatures below.
//!
//! | name | what it is |
//! |---|---|
//! | `take_stock` | looks at what we were started with; the first thing that the program does |
//! | `watch_interrupts` | calls back when somebody asks us to end, or what runs |
//! | `die_of` | ends us as this signal would have, where it is one of those that are passed on so |
//! | `gauge` | what the machine has left |
//! | `findings`, `own_cpu` | what limits the machine; the processor time of this program |
//! | `set_leaf` | has a command that starts no others run as cheaply as it can |
//! | `config_dir` | where the user's own settings are |
//! | `foreign` | why a file or directory may have been written by another user |
//! | `file_options`, `directory_builder` | make what nobody else can write |
//! | `open_for_writing`, `create_directories` | the same, past no link that others have planted |
//! | `open_at_once` | opens a file for reading without waiting for anybody |
//! | `watch_stops` | calls back before and after somebody has us stand still |
//! | `is_stopped`, `signal_name` | whether a process is stopped; what a signal is called |
//! | `may_share_screen` | whether what reads our stdout may write to our terminal |
//! | `os_string` | an argument from bytes |
//! | `os_string` | an argument, a path or a variable from bytes; none has a NUL |
//! | `stdout`, `stderr` | our streams, to be written without a buffer of std's |
//! | `stream_of` | which of them a file is, whatever its name |
//! | `split` | the words of a line that is a command |
//! | `layout` | how each value of a script for the shell is to be quoted |
//! | `push_quoted` | adds a value to a script for the shell, as a part of one word |
//! | `shell` | the command that has the shell run a script |
//! | `shell_program`, `counts_in_arguments` | which programs are shells, and what they evaluate |
//! | `shell_syntax` | what in a line that no shell reads only a shell would act on |
//! | `is_program` | whether there is such a program |
//! | `command_line` | a command as a line that `split`, or the shell, would read back |
//! | `argv` | a command as a list of words |
//! | `name` | a command as its user knows it again |
//! | `script` | the script of a command that has the shell run one |
//! | `escaped_name`, `ESCAPE` | a value as the name of a directory, and how its escapes begin |
//! | `is_device` | whether a file of this name would be a device |
//! | `name_length` | how long the name of a file is, as file systems count it |
//! | `folded_path` | a path as bytes that are the same for the same file |
//! | `word_length`, `script_length` | how long a word of a command is, or a script |
//! | `limits` | how long commands may be |
//! | `PATHS` | how paths are written |
//! | `keep` | what the program does when it is started to keep another one's processes |
//! | `Tty` | the terminal that is lent to commands, one at a time |
//! | `SystemArgs` | options that only this system has |
//! | `END_OF_INPUT`, `ENDS`, `INTERRUPTS`, `SLOW_STARTS` | words for the user |
//! | `WORD_RULES`, `EXAMPLES` | the same |

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
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use throng::{Builder, Command, Stream};

use crate::script::{Layout, Quotes, Refusal, Rules, Token};
use crate::sys::api::Finding;
use crate::sys::api::PathRules;
use crate::sys::api::{Gauge, Limits, OnSignal, Writer};

pub(crate) use system::{
    END_OF_INPUT, ENDS, ESCAPE, EXAMPLES, INTERRUPTS, PATHS, SLOW_STARTS, SystemArgs, Tty,
    WORD_RULES, argv, command_line, config_dir, counts_in_arguments, create_directories, die_of,
    directory_builder, escaped_name, file_options, findings, folded_path, foreign, gauge,
    is_device, is_program, is_stopped, keep, layout, limits, may_share_screen, name, name_length,
    open_at_once, open_for_writing, os_string, own_cpu, push_quoted, script, script_length,
    set_leaf, shell, shell_program, shell_syntax, signal_name, split, stderr, stdout, stream_of,
    take_stock, watch_interrupts, watch_stops, word_length,
};

impl Gauge {
    pub(crate) fn read(self) -> anyhow::Result<f64> {
        gauge(self)
    }
}

const _: fn() = take_stock;
const _: fn(u32) -> bool = is_stopped;
const _: fn(i32) -> String = signal_name;
const _: fn() -> bool = may_share_screen;
const _: fn(OnSignal) -> io::Result<()> = watch_interrupts;
const _: fn(i32) = die_of;
const _: fn() -> Option<PathBuf> = config_dir;
const _: fn(&Metadata) -> Option<String> = foreign;
const _: fn() -> OpenOptions = file_options;
const _: fn() -> DirBuilder = directory_builder;
const _: fn(&Path, &mut OpenOptions) -> io::Result<File> = open_for_writing;
const _: fn(&Path) -> io::Result<File> = open_at_once;
const _: fn(&Path) -> io::Result<()> = create_directories;
const _: fn() -> Vec<Finding> = findings;
const _: fn() -> Option<Duration> = own_cpu;
const _: fn(&mut Command) = set_leaf;
const _: fn(Gauge) -> anyhow::Result<f64> = gauge;
const _: fn(Vec<u8>) -> anyhow::Result<OsString> = os_string;
const _: fn() -> io::Result<Writer> = stdout;
const _: fn() -> Writer = stderr;
const _: fn(&Path) -> Option<Stream> = stream_of;
const _: fn(&[u8]) -> anyhow::Result<Vec<OsString>> = split;
const _: fn(&[Token], Rules) -> Result<Layout, Refusal> = layout;
const _: fn(&mut Vec<u8>, &[u8], Quotes) -> anyhow::Result<()> = push_quoted;
const _: fn(Option<&OsStr>, Vec<u8>) -> anyhow::Result<Command> = shell;
const _: fn(&OsStr) -> anyhow::Result<Option<OsString>> = shell_program;
const _: fn(Option<&OsStr>) -> bool = counts_in_arguments;
const _: fn(&[u8]) -> Option<String> = shell_syntax;
const _: fn(&OsStr) -> bool = is_program;
const _: fn(&Command) -> Vec<u8> = command_line;
const _: fn(&Command) -> Vec<&OsStr> = argv;
const _: fn(&Command) -> Vec<u8> = name;
const _: fn(&Command) -> Vec<u8> = script;
const _: fn(&[u8]) -> Vec<u8> = escaped_name;
const _: u8 = ESCAPE;
const _: fn(&[u8]) -> bool = is_device;
const _: fn(&[u8]) -> usize = name_length;
const _: fn(&Path) -> Vec<u8> = folded_path;
const _: fn(&[u8]) -> usize = word_length;
const _: fn(&[u8]) -> usize = script_length;
const _: fn(bool) -> Limits = limits;
const _: PathRules = PATHS;
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
const _: fn() -> anyhow::Result<()> = keep;
const _: [&str; 6] = [
    END_OF_INPUT,
    ENDS,
    INTERRUPTS,
    SLOW_STARTS,
    WORD_RULES,
    EXAMPLES,
];
