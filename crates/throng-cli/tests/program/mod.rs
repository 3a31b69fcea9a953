//! Runs the program under test as a user would, and looks at what it leaves behind.

#![allow(dead_code, reason = "each test file uses a part of this")]
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; whatever takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program with `run` and these arguments, and nothing on stdin.
pub(crate) fn run(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.arg("run").args(args).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub(crate) fn output(args: &[&str]) -> Output {
    finish(run(args).spawn().unwrap())
}

/// Runs it to its end with this on stdin.
pub(crate) fn output_with_stdin(args: &[&str], stdin: &[u8]) -> Output {
    let mut child = run(args).stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // It may end without reading all.
    let feeder = thread::spawn(move || drop(pipe.write_all(&stdin)));
    let output = finish(child);
    feeder.join().unwrap();
    output
}

/// Waits for the program's end, and fails if that does not come.
pub(crate) fn finish(child: Child) -> Output {
    let pid = child.id();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if is_done
            .recv_timeout(PATIENCE)
            .is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            kill(pid, rustix::process::Signal::KILL);
            return true;
        }
        false
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    assert!(
        !watchdog.join().unwrap(),
        "the program hangs; it said {output:?}"
    );
    output
}

pub(crate) fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub(crate) fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

pub(crate) fn sorted_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines.sort();
    lines
}

/// A word that is in the command line of the processes of one test only.
pub(crate) fn mark() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "throng-test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The processes, other than the program itself, with this word among their arguments.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let own = env!("CARGO_BIN_EXE_throng");
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut args = line.split(|byte| *byte == 0);
        let program = args.next().unwrap_or_default();
        program != own.as_bytes() && args.any(|arg| arg == mark.as_bytes())
    })
    .collect()
}

/// Waits until this is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
