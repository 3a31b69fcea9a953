//! A real fork of a program that has a `Throng`; its operations are in `owner/tests.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, waitpid};

use crate::job::command::Command;
use crate::pool::throng::Throng;
use crate::scheduler::owner::tests::inherited;

/// Runs this in a fork of this program, and returns how the fork has ended.
fn in_fork(body: impl FnOnce()) -> rustix::process::WaitStatus {
    const LONGEST_S: libc::c_uint = 60;
    // SAFETY: the child has only this thread. It calls code of ours, which is what is tested; the
    // allocator of the C library can be used after a fork, as the library ensures. It leaves by
    // `_exit`, so nothing that belongs to the threads of the parent is torn down.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: the call has no conditions. The signal has no handler: it ends the child.
        unsafe { libc::alarm(LONGEST_S) };
        let panicked = catch_unwind(AssertUnwindSafe(body)).is_err();
        // SAFETY: the call has no conditions.
        unsafe { libc::_exit(i32::from(panicked)) }
    }
    let pid = Pid::from_raw(pid).expect("it can fork");
    let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
    status
}

/// Commands that cannot be started count until that is known, and some may be tried only now.
fn await_six(mut count: impl FnMut() -> usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while count() != 6 {
        assert!(Instant::now() < deadline, "never do just six run");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_fork_can_use_and_drop_inherited_objects_without_affecting_the_parent() {
    let mut inherited = inherited(Command::new("sleep").arg("600"));
    await_six(|| {
        inherited.running = inherited.throng.running(9);
        inherited.running.len()
    });
    let status = in_fork(|| {
        // SAFETY: the child has a copy of its own, and never returns to where the other is used.
        let inherited = unsafe { ptr::read(&raw const inherited) };
        inherited.use_all();
        let throng = Throng::builder().jobs(1).build().unwrap();
        let outcome = throng.spawn(&Command::new("true")).wait().unwrap();
        assert!(outcome.success() && outcome.is_complete());
    });
    assert_eq!(status.exit_status(), Some(0), "{status:?}");
    await_six(|| inherited.throng.live());
    let [process, ..] = inherited.processes;
    process.kill();
    assert!(process.wait().is_ok());
    assert_eq!(inherited.run.take(8).count(), 8);
}
