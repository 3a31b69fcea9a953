//! Windows: control events of the console, arguments of UTF-16, words and quotes as the C runtime
//! and `cmd.exe` read them.

mod cmd;
mod console;
mod limits;
mod options;
mod owner;
mod paths;
mod tty;
mod words;
mod wtf8;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use throng::os::windows::{self as os, CommandExt};
use throng::{Command, Stream};

pub(crate) use cmd::{counts_in_arguments, push_quoted, shell, shell_program};
pub(crate) use limits::{limits, script_length, word_length};
pub(crate) use options::SystemArgs;
pub(crate) use owner::{
    create_directories, directory_builder, file_options, foreign, open_at_once, open_for_writing,
};
pub(crate) use paths::{ESCAPE, escaped_name, folded_path, is_device, name_length};
pub(crate) use tty::Tty;
pub(crate) use words::{argv, command_line, name, name as script, split};
pub(crate) use wtf8::os_string;

use self::console::Console;
pub(crate) use crate::script::cmd::layout;
pub(crate) use crate::script::line::cmd as shell_syntax;
use crate::sys::api::Finding;
use crate::sys::api::PathRules;
use crate::sys::api::{Gauge, OnSignal, OnStop, Request, Writer};

pub(crate) const END_OF_INPUT: &str = "Ctrl-Z and Enter";

/// What ends what runs.
pub(crate) const ENDS: &str = "Ctrl-C";

pub(crate) const INTERRUPTS: &str = "  130      Ctrl-C or Ctrl-Break ended the run";

pub(crate) const WORD_RULES: &str = "\
A file or stdin is UTF-8. Without COMMAND each value is a command line: spaces
  separate words, \"double quotes\" keep them together, a quote within is \\\", and
  a line that begins with # is skipped. cmd.exe does not run it, and one with
  syntax of cmd.exe outside quotes ends the run; with --shell cmd.exe runs it.";

pub(crate) const EXAMPLES: &str = "  throng run -j4 gzip ::: a.log b.log
  throng run --shell \"type {} | sort\" ::: a.log b.log
  dir /b *.png | throng run --tag -k magick identify
  throng run --retries 3 --joblog log --resume check ::: a b c
  throng run --output jsonl --timeout 10 < commands.txt";

pub(crate) const PATHS: PathRules = PathRules {
    separators: b"/\\",
    has_drives: true,
};

/// What SIGINT is to others: whoever looks at our exit status finds 130 on both systems.
const SIGINT: i32 = 2;

/// Whether this is the name of a program, for one that is started without a shell. Of names without
/// an extension several files can be meant.
pub(crate) fn is_program(name: &OsStr) -> bool {
    const EXTENSIONS: [&str; 5] = ["", ".exe", ".com", ".bat", ".cmd"];
    let exists = |path: &Path| {
        EXTENSIONS.iter().any(|extension| {
            let mut path = path.as_os_str().to_owned();
            path.push(extension);
            Path::new(&path).is_file()
        })
    };
    let bytes = name.as_encoded_bytes();
    if bytes.contains(&b'/') || bytes.contains(&b'\\') || exists(Path::new(name)) {
        return exists(Path::new(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| exists(&dir.join(name)))
}

/// Nobody is needed for that: the system ends what is in our job objects when we end.
pub(crate) fn guard() -> anyhow::Result<()> {
    anyhow::bail!("the guardian is a process only on Linux")
}

/// Here a program that was interrupted exits like any other.
pub(crate) fn die_of(_: i32) {}

/// Calls this at Ctrl-C, Ctrl-Break and when the console is closed, on a thread of its own. Our
/// processes are in groups of their own, so Ctrl-C reaches us alone. The system ends us soon after
/// its console has been closed, whatever we do; then our job objects end the processes.
pub(crate) fn watch_interrupts(mut on: OnSignal) -> io::Result<()> {
    ctrlc::set_handler(move || on(Request::of_signal(SIGINT))).map_err(io::Error::other)
}

/// The system has no number of threads that want to run, only counters over time.
pub(crate) fn gauge(gauge: Gauge) -> anyhow::Result<f64> {
    match gauge {
        Gauge::Running => anyhow::bail!("Windows does not say how many threads want to run"),
        Gauge::FreeMemory => {
            let free = throng::os::windows::free_memory();
            let free = free.context("Windows does not say how much memory is free")?;
            Ok(free as f64)
        }
    }
}

/// Commands have the handles that they are given by name, and no others.
pub(crate) fn take_stock() {}

/// Nothing is stopped here.
pub(crate) fn is_stopped(_: u32) -> bool {
    false
}

pub(crate) fn signal_name(signal: i32) -> String {
    format!("signal {signal}")
}

/// A pipe may lead to a program that shows on our console what it reads. A file is shown to nobody,
/// as long as nobody follows it; of what has no metadata (a pipe, NUL) it is not known.
pub(crate) fn may_share_screen() -> bool {
    let stdout = io::stdout();
    let file = stdout.as_handle().try_clone_to_owned().map(File::from);
    let is_file = file
        .and_then(|file| file.metadata())
        .is_ok_and(|meta| meta.is_file());
    !stdout.is_terminal() && !is_file
}

/// A console has no Ctrl-Z that stops a program.
pub(crate) fn watch_stops(_: OnStop, _: OnStop) -> io::Result<()> {
    Ok(())
}

pub(crate) const SLOW_STARTS: &str = "\
a virus scanner may be looking at each program that starts; exclude the programs of the run, or \
their directory, if that is yours to decide";

/// What can be had without unsafe code.
pub(crate) fn findings() -> Vec<Finding> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all = vec![Finding::new(
        "system",
        format!("Windows, {cores} cores for us"),
    )];
    if let Ok(free) = Gauge::FreeMemory.read() {
        let mib = crate::size::with_commas((free / f64::from(1 << 20)) as u64);
        all.push(Finding::new("memory", format!("{mib} MiB available")));
    }
    let dir = std::env::temp_dir();
    all.push(Finding::new(
        "temporary files",
        format!("in {}", dir.display()),
    ));
    let has_console = io::stdin().is_terminal() || io::stderr().is_terminal();
    all.push(if has_console {
        Finding::new(
            "console",
            "ours, which commands share unless --console says otherwise",
        )
    } else {
        Finding::new("console", "none that we can see: commands get hidden ones")
            .hint("a conhost.exe for each; --console none saves it if they start no others")
    });
    all
}

/// The system has it, but not without unsafe code.
pub(crate) fn own_cpu() -> Option<Duration> {
    None
}

/// Without a console: making one is dear, and under Wine it holds the streams for a while.
pub(crate) fn set_leaf(command: &mut Command) {
    command.console(os::Console::None);
}

/// What the system calls roaming application data.
pub(crate) fn config_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("APPDATA").map(PathBuf::from);
    dir.filter(|dir| dir.is_absolute())
}

/// A console takes text, everything else bytes. Where we were started without a stdout, writing
/// succeeds and does nothing, as std has it.
pub(crate) fn stdout() -> io::Result<Writer> {
    let stdout = io::stdout();
    if stdout.as_raw_handle().is_null() {
        return Ok(Box::new(io::sink()));
    }
    if stdout.is_terminal() {
        return Ok(Box::new(Console::new(stdout)));
    }
    let handle = stdout.as_handle().try_clone_to_owned()?;
    Ok(Box::new(File::from(handle)))
}

/// Which of our streams this file is: the one that a shell has redirected it to.
pub(crate) fn stream_of(path: &Path) -> Option<Stream> {
    // What is no file is not opened: a pipe would have been used by that.
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let file = same_file::Handle::from_path(path).ok()?;
    let is_it = |stream: io::Result<same_file::Handle>| stream.is_ok_and(|stream| stream == file);
    if is_it(same_file::Handle::stdout()) {
        Some(Stream::Stdout)
    } else if is_it(same_file::Handle::stderr()) {
        Some(Stream::Stderr)
    } else {
        None
    }
}

pub(crate) fn stderr() -> Writer {
    let stderr = io::stderr();
    if stderr.is_terminal() {
        Box::new(Console::new(stderr))
    } else {
        Box::new(stderr)
    }
}
