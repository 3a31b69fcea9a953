//! Linux: SIGINT, SIGTERM and SIGHUP; arguments are bytes; words and quotes are those of a POSIX
//! shell.

mod findings;
mod gauge;
mod limits;
mod options;
mod owner;
mod paths;
#[cfg(test)]
mod shell_tests;
mod stops;
mod tty;
mod words;

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use throng::{Command, Stream};

pub(crate) use findings::{SLOW_STARTS, findings, own_cpu};
pub(crate) use gauge::read as gauge;
pub(crate) use limits::{limits, script_length, word_length};
pub(crate) use options::{SystemArgs, take_stock};
pub(crate) use owner::{
    create_directories, directory_builder, file_options, foreign, open_at_once, open_for_writing,
};
pub(crate) use paths::{ESCAPE, escaped_name, folded_path, is_device, name_length};
pub(crate) use stops::{is_stopped, signal_name, watch_stops};
pub(crate) use tty::Tty;
pub(crate) use words::{command_line, push_quoted, split};

pub(crate) use crate::script::line::posix as shell_syntax;
pub(crate) use crate::script::posix::layout;
use crate::script::readers;
use crate::sys::api::PathRules;
use crate::sys::api::{OnSignal, Request, Writer, refuse_nul};

pub(crate) const END_OF_INPUT: &str = "Ctrl-D";

/// What ends what runs, after it was to be finished.
pub(crate) const ENDS: &str = "SIGTERM or Ctrl-C";

pub(crate) const INTERRUPTS: &str = "\
  129      SIGHUP: nothing more was started, and what ran has finished
  130      Ctrl-C (SIGINT) ended the run
  143      SIGTERM ended the run (SIGUSR1 only lists the running commands)";

pub(crate) const WORD_RULES: &str = "\
Without COMMAND each value is a command line: it is split by the quoting rules
  of a shell, and no shell runs it. One with shell syntax outside quotes ends
  the run; with --shell a shell runs it.";

pub(crate) const EXAMPLES: &str = "  throng run -j4 gzip ::: *.log
  throng run --shell 'zcat {} | wc -l' ::: *.gz
  find . -name '*.png' | throng run --tag -k identify
  seq 1000 | throng run echo hello {}
  throng run --retries 3 --joblog log --resume ./check ::: suite/*
  throng run --output jsonl sh -c 'exit \"$1\"' sh ::: 0 1 2";

pub(crate) const PATHS: PathRules = PathRules {
    separators: b"/",
    has_drives: false,
};

pub(crate) fn guard() -> anyhow::Result<()> {
    Ok(throng::os::linux::guard()?)
}

/// Calls this when a signal asks us for something, on a thread of its own. Signals that we were
/// started with ignored stay so: `nohup` and a shell's background jobs rely on it.
pub(crate) fn watch_interrupts(mut on: OnSignal) -> io::Result<()> {
    let ignored = ignored_signals();
    let wanted = [SIGINT, SIGTERM, SIGHUP, SIGUSR1]
        .into_iter()
        .filter(|n| ignored >> (n - 1) & 1 == 0);
    let mut signals = Signals::new(wanted)?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            signals
                .forever()
                .for_each(|signal| on(Request::of_signal(signal)))
        })?;
    Ok(())
}

/// A shell ends its loop at Ctrl-C only if it sees that we died of it: a program that just exits
/// may have handled it (<https://www.cons.org/cracauer/sigint.html>). Of other signals the exit
/// status tells.
pub(crate) fn die_of(signal: i32) {
    if signal == SIGINT {
        // It returns only if that cannot be done, and then the exit status has to tell.
        let _ = signal_hook::low_level::emulate_default_handler(SIGINT);
    }
}

/// As the XDG Base Directory Specification has it. A relative one is none, since it would depend on
/// the current directory.
pub(crate) fn config_dir() -> Option<PathBuf> {
    let dir = |name| std::env::var_os(name).map(PathBuf::from);
    let own = dir("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute());
    let home = || dir("HOME").filter(|dir| dir.is_absolute());
    own.or_else(|| Some(home()?.join(".config")))
}

/// A file of a few lines that the kernel writes: no more is read than it has, whatever is mounted
/// there.
fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    const MOST: u64 = 1 << 20;
    let mut text = String::new();
    File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

/// The fields of a process from the third on (proc_pid_stat(5)), its state first. The name before
/// them may contain anything.
fn stat_fields(process: impl Display) -> Option<String> {
    let stat = read_text(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.to_owned())
}

/// A bit for each signal, the lowest for number 1.
fn ignored_signals() -> u64 {
    let status = read_text("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0)
}

/// It is as cheap as it can be.
pub(crate) fn set_leaf(_: &mut Command) {}

/// Any bytes without a NUL are an argument here.
pub(crate) fn os_string(bytes: Vec<u8>) -> anyhow::Result<OsString> {
    refuse_nul(&bytes)?;
    Ok(OsString::from_vec(bytes))
}

pub(crate) fn stdout() -> io::Result<Writer> {
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    Ok(Box::new(Blocking(File::from(stdout))))
}

/// A stream that others may have set not to block, since that is for all who have it (open(2)):
/// node and ssh leave terminals and pipes like that.
struct Blocking<W>(W);

impl<W: Write + AsFd> Write for Blocking<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::OUT)];
                    match poll(&mut fds, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A pipe or a socket may lead to a program that shows on our terminal what it reads, as `tee`
/// does. A file is shown to nobody, as long as nobody follows it.
pub(crate) fn may_share_screen() -> bool {
    let stdout = io::stdout();
    let kind = rustix::fs::fstat(stdout.as_fd())
        .map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
    !stdout.is_terminal()
        && !matches!(
            kind,
            Ok(rustix::fs::FileType::RegularFile | rustix::fs::FileType::CharacterDevice)
        )
}

pub(crate) fn stderr() -> Writer {
    Box::new(Blocking(io::stderr()))
}

/// Which of our streams this file is: `/dev/stdout`, or the file that a shell has redirected it to.
pub(crate) fn stream_of(path: &Path) -> Option<Stream> {
    let file = fs::metadata(path).ok()?;
    let is_it = |stream: BorrowedFd<'_>| {
        rustix::fs::fstat(stream)
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (file.dev(), file.ino()))
    };
    if is_it(io::stdout().as_fd()) {
        Some(Stream::Stdout)
    } else if is_it(io::stderr().as_fd()) {
        Some(Stream::Stderr)
    } else {
        None
    }
}

/// The command that has this shell, or the system's, run a script. One that begins like an option
/// gets a blank before it, as the library does it for `/bin/sh`.
pub(crate) fn shell(program: Option<&OsStr>, mut script: Vec<u8>) -> anyhow::Result<Command> {
    let Some(program) = program else {
        return Ok(Command::shell(os_string(script)?));
    };
    refuse_nul(&script)?;
    if matches!(script.first(), Some(b'-' | b'+')) {
        script.insert(0, b' ');
    }
    let words = [program, OsStr::new("-c"), OsStr::from_bytes(&script)];
    Ok(Command::from_argv(words))
}

/// The program of `--shell=PROGRAM`; none where it is the system's shell. Refuses what is not known
/// to read a script and its quotes as POSIX has it: to fish, csh or Python our quotes are not what
/// keeps a value a value.
pub(crate) fn shell_program(program: &OsStr) -> anyhow::Result<Option<OsString>> {
    let bytes = program.as_bytes();
    let name = readers::base(bytes);
    let is_known = POSIX_SHELLS.contains(&&*name) && !bytes.starts_with(b"$");
    anyhow::ensure!(
        is_known && !bytes.iter().any(u8::is_ascii_control),
        "not known to read scripts as a POSIX shell does, which values are quoted for: one of {} \
         is expected",
        POSIX_SHELLS.join(", ")
    );
    Ok((program != "/bin/sh").then(|| program.to_owned()))
}

/// Shells with POSIX quoting. yash has it, but loses bytes that are no characters.
const POSIX_SHELLS: [&str; 11] = [
    "sh", "ash", "bash", "dash", "ksh", "lksh", "mksh", "oksh", "pdksh", "posh", "zsh",
];

/// Whether this shell has more syntax than is followed, and evaluates arithmetic where others read
/// a number: `[ x -eq 1 ]`, `exit x`. What `sh` is the file system says.
pub(crate) fn counts_in_arguments(program: Option<&OsStr>) -> bool {
    let program = Path::new(program.unwrap_or(OsStr::new("sh")));
    let mut name = name_of(program);
    if name == "sh" {
        let path = Path::new("/bin").join(program);
        name = path.canonicalize().map_or(name, |path| name_of(&path));
    }
    !matches!(&*name, "sh" | "ash" | "bash" | "dash" | "busybox")
}

fn name_of(path: &Path) -> String {
    readers::base(path.as_os_str().as_bytes())
}

/// Whether this is the name of a program, for one that is started without a shell.
pub(crate) fn is_program(name: &OsStr) -> bool {
    if name.as_bytes().contains(&b'/') {
        return Path::new(name).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

pub(crate) fn argv(command: &Command) -> Vec<&OsStr> {
    let program = std::iter::once(command.get_program());
    program.chain(command.get_args()).collect()
}

pub(crate) fn name(command: &Command) -> Vec<u8> {
    let words = argv(command).into_iter().map(OsStr::as_encoded_bytes);
    words.collect::<Vec<_>>().join(&b' ')
}

/// The last argument: that is how [`shell`] gives it.
pub(crate) fn script(command: &Command) -> Vec<u8> {
    let last = command.get_args().last();
    last.unwrap_or_default().as_encoded_bytes().to_vec()
}
