//! What Windows reports about processes, and what it does not: a process that was ended from
//! outside has an exit code like any other.

mod counts;
mod event;
mod gate;
mod tag;
mod wine;

use std::ffi::OsStr;
use std::fs;
use std::os::windows::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use throng::os::windows::{CommandExt, Console};
use throng::{Command, Holder, Mechanism, Signal, Status};
use windows_sys::Win32::System::Threading::DETACHED_PROCESS;

pub use counts::{children, open_handles, rss_kib, threads};
pub use gate::Gate;
pub use tag::Tag;
pub use wine::is_wine;

/// Five thousand processes take minutes under Wine.
pub(crate) const LONGEST_TEST: Duration = Duration::from_secs(500);

/// The system has threads of its own in every program, which load libraries and serve the thread
/// pool; each comes with a few handles, at any time.
pub const SLACK: usize = 12;

/// Whether a holder's arguments are known: only the path of its program is.
pub const TELLS_ARGUMENTS: bool = false;

/// Whether this holder was started by the system: a process with a console of its own has a process
/// in its job that serves the console. Under Wine 8 the first process that needs a desktop also has
/// the `explorer.exe` in its job that provides one, and a system process that is being loaded or is
/// ending has no name.
pub fn is_of_the_system(holder: &Holder) -> bool {
    let program = holder.argv.first().map(Path::new);
    let Some(name) = program.and_then(Path::file_name).and_then(OsStr::to_str) else {
        return is_wine();
    };
    let name = name.to_ascii_lowercase();
    name == "conhost.exe" || (name == "explorer.exe" && is_wine())
}

/// The exit code that throng gives a process that it ends.
const ENDED: Status = Status::Exited(1);

/// The exit code of a process ended by Ctrl-Break.
const CTRL_BREAK: Status = Status::Exited(0xC000_013A);

/// Whether this is the status of a process ended by this signal. Processes that share our console
/// are asked first, and obey; others are terminated.
pub fn is_end_by(signal: Signal, status: Status) -> bool {
    status == ENDED || (signal != Signal::Kill && status == CTRL_BREAK)
}

/// Whether the system reports the resource usage of a process. Wine 8 returns the caller's own
/// times instead of another process's.
pub fn tells_usage() -> bool {
    !is_wine()
}

/// Adapts a command for the child to this machine.
///
/// If this program has no console, processes get hidden ones by default. Wine 8 starts a
/// `conhost.exe` for each, which takes twice as long as the child alone and keeps the child's
/// streams open until it has ended too, so half of all streams would be held. Therefore the child
/// gets no console there.
pub(crate) fn prepare(command: &mut Command) {
    if is_wine() {
        command.console(Console::None);
    }
}

/// Makes the program under test, and its commands, run without a console, by these options: as in
/// `prepare`, and for the same reason.
pub fn without_console(program: &mut std::process::Command) -> &'static [&'static str] {
    match wine::is_wine() {
        true => {
            program.creation_flags(DETACHED_PROCESS);
            &["--console", "none"]
        }
        false => &[],
    }
}

/// Puts a copy of a program into this directory under this name, with `.exe` added if it lacks
/// that. Under Wine 8 a library that Wine lacks is copied along if it is beside the program.
///
/// # Panics
///
/// When it cannot be copied.
pub fn install(program: &OsStr, dir: &Path, name: &str) -> PathBuf {
    let name = name.trim_end_matches(".exe");
    let path = dir.join(format!("{name}.exe"));
    fs::copy(program, &path).expect("a program can be copied");
    let library = "bcryptprimitives.dll";
    let beside = Path::new(program).with_file_name(library);
    if beside.exists() {
        fs::copy(beside, dir.join(library)).expect("a library can be copied");
    }
    path
}

/// Makes every mechanism run the full numbers of repetitions.
const WHOLE: &str = "THRONG_TEST_WHOLE";

fn is_whole() -> bool {
    std::env::var_os(WHOLE).is_some()
}

/// How often to do what is done this many times where processes are cheap. Under Wine a start takes
/// some 60 ms of processor time, and there are five mechanisms.
pub fn repeat(times: usize) -> usize {
    match wine::is_wine() {
        _ if is_whole() => times,
        true => times.div_ceil(25).max(times.min(3)),
        false => times.div_ceil(10),
    }
}

/// The threads that the system needs to wait for this many exits. Wine 8 has one for every 63
/// (`MAXIMUM_WAITQUEUE_OBJECTS` in its `dlls/ntdll/threadpool.c`); Windows reportedly has none
/// since version 8, and the tests require that.
pub fn threads_that_wait(processes: usize) -> usize {
    if is_wine() { processes.div_ceil(63) } else { 0 }
}

/// The same where all mechanisms together would take too long: the full number with the most used
/// mechanisms, and under Wine with none.
pub fn repeat_with(mechanism: Mechanism, times: usize) -> usize {
    let is_usual = matches!(mechanism, Mechanism::CompletionPort | Mechanism::ThreadPool);
    match is_usual && !wine::is_wine() {
        true => times,
        false => repeat(times),
    }
}
