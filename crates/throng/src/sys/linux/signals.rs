//! Signals: their numbers, sending them, and what our own threads do about them.

use std::mem::MaybeUninit;
use std::ptr;

use rustix::process::{Pid, Signal as Sys, kill_process, kill_process_group};

use crate::model::kill::Signal;
use crate::sys::base::linux::group_of;

pub(super) fn to_system(signal: Signal) -> Sys {
    match signal {
        Signal::Hup => Sys::HUP,
        Signal::Int => Sys::INT,
        Signal::Quit => Sys::QUIT,
        Signal::Term => Sys::TERM,
        Signal::Kill => Sys::KILL,
    }
}

pub(crate) fn signal_number(signal: Signal) -> i32 {
    to_system(signal).as_raw()
}

/// Sends a signal to a process and all of its group. The group may be gone; that is what is
/// wanted, so nothing is reported.
///
/// The caller has not yet waited for the process: until then its id, and so that of its group,
/// is not given to another.
pub(super) fn send_to_group(leader: Pid, signal: Signal) {
    each_with_continue(signal, |signal| send(leader, signal));
}

/// The same for a process that has no group of its own.
pub(super) fn send_to_process(pid: Pid, signal: Signal) {
    each_with_continue(signal, |signal| {
        let _ = kill_process(pid, signal);
    });
}

fn each_with_continue(signal: Signal, send: impl Fn(Sys)) {
    send(to_system(signal));
    if signal != Signal::Kill {
        // A stopped process acts on nothing but KILL before it is continued.
        send(Sys::CONT);
    }
}

/// Stops a process and all of its group, or has them go on. As above, the caller has not yet waited
/// for the process.
pub(super) fn stop_group(leader: Pid, stop: bool) {
    send(leader, if stop { Sys::STOP } else { Sys::CONT });
}

/// The same for a process that has no group of its own.
pub(super) fn stop_process(pid: Pid, stop: bool) {
    let _ = kill_process(pid, if stop { Sys::STOP } else { Sys::CONT });
}

fn send(leader: Pid, signal: Sys) {
    let _ = kill_process_group(leader, signal);
    // It may have left its group for another; once is enough where it has not.
    if group_of(leader).is_some_and(|group| group != leader) {
        let _ = kill_process(leader, signal);
    }
}

/// Blocks every signal in the calling thread.
///
/// Shards do this, permanently, except as [`ignore_ends`] changes it, for three reasons: a handler
/// of the program must not run in the moment in which a new process shares our memory; handlers run
/// on threads that do not mind; and writing to a closed pipe is then an error here, not the end of
/// the program.
pub(super) fn block_all() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: sigfillset only writes the set it is given, which is large enough for one.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: both sets are valid for the call, the second is absent, and the mask of this thread
    // is no other code's business: throng has created the thread.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut()) };
}

/// Prevents `SIGCHLD` from waking this program when a process ends, if it has no handler for it.
/// For a shard's thread, after [`block_all`], and before it starts a process.
///
/// The signal goes to the thread that started the process. If that blocks it, the kernel cannot
/// know yet that it will be ignored, looks for a thread that does not, and wakes it, for nothing:
/// at the end of every process. If it does not, the default action is to do nothing at once.
///
/// A handler that the program installs later runs on this thread too, and interrupts its system
/// calls, which all are prepared for that.
pub(super) fn ignore_ends() {
    let Some(action) = action(libc::SIGCHLD) else {
        return;
    };
    if action.sa_sigaction != libc::SIG_DFL {
        return;
    }
    let mut ends = MaybeUninit::uninit();
    // SAFETY: sigemptyset writes the whole set that it is given, which is large enough for one.
    unsafe { libc::sigemptyset(ends.as_mut_ptr()) };
    // SAFETY: a set that has been written, and a signal that exists.
    unsafe { libc::sigaddset(ends.as_mut_ptr(), libc::SIGCHLD) };
    // SAFETY: as in `block_all`.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, ends.as_ptr(), ptr::null_mut()) };
}

/// What is done about a signal.
fn action(signal: i32) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: no new action is given; the old one is written to memory that is large enough.
    let result = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all fields are integers or optional function pointers, for which zero is valid.
    (result == 0).then(|| unsafe { action.assume_init() })
}

/// Where `SIGCHLD` is ignored the system throws exit statuses away (see waitpid(2), NOTES), and a
/// program inherits that from the process that starts it. The default does nothing either, but
/// keeps them.
pub(super) fn keep_exit_statuses() {
    let Some(mut action) = action(libc::SIGCHLD) else {
        return;
    };
    if action.sa_sigaction != libc::SIG_IGN {
        return;
    }
    action.sa_sigaction = libc::SIG_DFL;
    action.sa_flags &= !libc::SA_NOCLDWAIT;
    // SAFETY: the action is the one in force but for "ignore" replaced by "default", so no code of
    // the program starts or stops being called.
    unsafe { libc::sigaction(libc::SIGCHLD, &action, ptr::null_mut()) };
}
