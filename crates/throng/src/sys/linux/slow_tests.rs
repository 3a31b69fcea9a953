//! Starts that are slow, or fail temporarily.

use std::fs::File;
use std::future::Future;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use crate::job::command::{Command, Stdin};
use crate::job::outcome::Outcome;
use crate::job::stdin_pipe::StdinPipe;
use crate::model::error::ErrorKind;
use crate::pool::handle::Process;
use crate::pool::throng::Throng;
use crate::sys::faults::{Fault, Point, order};

/// A process that opens this file waits until the write lease on it is given up (fcntl(2)), as it
/// would for a file system that does not answer.
pub(super) fn lease(path: &Path) -> File {
    /// From the kernel's asm-generic/fcntl.h.
    const F_SETSIG: libc::c_int = 10;
    let file = File::options().write(true).open(path).unwrap();
    // A signal that does nothing announces that a reader waits.
    control(&file, F_SETSIG, libc::SIGCHLD);
    control(&file, libc::F_SETLEASE, libc::F_WRLCK);
    file
}

fn control(file: &File, what: libc::c_int, value: libc::c_int) {
    // SAFETY: integers, and a descriptor that is open.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), what, value) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

#[test]
fn a_slow_start_that_fails_temporarily_keeps_its_pipe_for_the_next_attempt() {
    let path = std::env::temp_dir().join(format!("throng-slow-{}", std::process::id()));
    std::fs::copy("/bin/cat", &path).unwrap();
    let throng = Throng::builder().jobs(1).build().unwrap();
    // How long the program is kept from being loaded, and then open for writing. If its start is
    // not slow, or not tried meanwhile, or tried for too long, the test tries again.
    for pause_ms in [100, 200, 400].into_iter().cycle().take(60) {
        let pause = Duration::from_millis(pause_ms);
        let leased = lease(&path);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let stdin = Stdin::Pipe(StdinPipe::new(reader));
        let process = throng.spawn(Command::new(&path).stdin(stdin));
        thread::sleep(pause);
        control(&leased, libc::F_SETLEASE, libc::F_UNLCK);
        thread::sleep(pause);
        drop(leased);
        let written = writer.write_all(b"hello");
        drop(writer);
        let outcome = process.wait().unwrap();
        match outcome.start_error() {
            Some(error) => assert_eq!(error.kind(), ErrorKind::System, "{error}"),
            None if outcome.start_retries() == 0 => {}
            None => {
                written.expect("its reader is kept");
                assert_eq!(outcome.stdout(), b"hello");
                std::fs::remove_file(path).unwrap();
                return;
            }
        }
    }
    panic!("its start never fails for now alone");
}

#[test]
fn a_shard_whose_slow_start_failed_temporarily_passes_on_its_wakeup() {
    let path = std::env::temp_dir().join(format!("throng-passes-{}", std::process::id()));
    std::fs::copy("/bin/true", &path).unwrap();
    let throng = Throng::builder().jobs(4).shards(2).build().unwrap();
    // If the start is given up before the other command has ended, or is not slow, the test tries
    // again.
    for pause_ms in [100, 200, 400].into_iter().cycle().take(15) {
        let leased = lease(&path);
        let mut slow = throng.spawn(&Command::new(&path));
        // Its shard is the last that has gone to sleep, and the first to be woken.
        thread::sleep(Duration::from_millis(pause_ms));
        control(&leased, libc::F_SETLEASE, libc::F_UNLCK);
        thread::sleep(Duration::from_millis(20));
        let was_pending = is_pending(&mut slow);
        let other = throng.spawn(&Command::new("true")).wait().unwrap();
        assert!(other.success());
        let is_pending = is_pending(&mut slow);
        drop(leased);
        if !was_pending || !is_pending {
            continue;
        }
        let outcome = slow.wait().unwrap();
        if outcome.success() && outcome.start_retries() > 0 {
            std::fs::remove_file(path).unwrap();
            return;
        }
    }
    panic!("the other command always waits for it");
}

fn is_pending(process: &mut Process) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    Pin::new(process).poll(&mut context).is_pending()
}

#[test]
fn a_command_with_its_own_shortage_lets_others_start_before_it() {
    let throng = Throng::builder().jobs(2).shards(1).build().unwrap();
    let (go_on, may_go_on) = mpsc::channel();
    let may_go_on = Mutex::new(may_go_on);
    let mut hampered = Command::new("true");
    hampered.on_start(move |_, _| {
        may_go_on.lock().unwrap().recv().unwrap();
        // The other command meets some of them too, if it is started before this one.
        for _ in 0..12 {
            order(Point::Exec, 0, Fault::Code(libc::ENOMEM as u32));
        }
    });
    let (report, live_then) = mpsc::channel();
    let inner = Arc::downgrade(&throng.shared);
    let mut other = Command::new("true");
    other.on_start(move |_, _| {
        let inner = inner.upgrade().unwrap();
        report.send(inner.queue.live()).unwrap();
    });
    let processes = [throng.spawn(&hampered), throng.spawn(&other)];
    go_on.send(()).unwrap();
    let outcomes = processes.map(|process| process.wait().unwrap());
    assert!(outcomes.iter().all(Outcome::success), "{outcomes:?}");
    let retries: u32 = outcomes.iter().map(Outcome::start_retries).sum();
    assert_eq!(retries, 12);
    assert_eq!(live_then.recv(), Ok(0), "it has been started before");
}
