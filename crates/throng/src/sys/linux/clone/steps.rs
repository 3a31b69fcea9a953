//! What the new process does, step by step, while its parent is stopped and shares its memory.
//! Everything here obeys the rules at the top of `clone.rs`: no allocation, no lock, no panic.

use std::convert::Infallible;
use std::ffi::{c_int, c_uint, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use super::{Plan, Step};

const SIGNAL_MAX: c_int = 64;

/// Where the new process begins.
pub(super) extern "C" fn run_plan(plan: *mut c_void) -> c_int {
    let plan: *mut Plan = plan.cast();
    // SAFETY: `start` passes its exclusive reference, and its thread is stopped meanwhile.
    let shared = unsafe { &*plan };
    // SAFETY: this is the new process, and `start` vouches for the plan.
    let Err(step) = unsafe { follow(shared) };
    let errno = errno();
    // SAFETY: as above, and the shared reference is used no more; the parent reads these after we
    // have ended.
    unsafe { (*plan).errno = errno };
    // SAFETY: as above.
    unsafe { (*plan).failed_step = step };
    // SAFETY: ends this process only, without running any exit handler of the parent's.
    unsafe { libc::_exit(127) }
}

pub(super) fn errno() -> c_int {
    // SAFETY: the address of this thread's errno. In the new process that is the one of the
    // stopped thread, which nobody else uses now.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: valid, as said above.
    unsafe { *errno }
}

/// Takes the steps one by one; on success the program is running and nobody is left to return to.
///
/// # Safety
///
/// Called in the new process, with a plan as [`start`](super::start) demands.
unsafe fn follow(plan: &Plan) -> Result<Infallible, Step> {
    // 1. A descriptor table of our own, without anything above the landing places. Before this,
    //    closing a descriptor would close the parent's.
    if plan.features.close_range {
        ok(
            close_range(plan.landing_top + 1, libc::CLOSE_RANGE_UNSHARE),
            Step::Descriptors,
        )?;
    }
    // 2. stdin, stdout, stderr; then nothing else, be it marked close-on-exec or not. This comes
    //    early: what follows may take long (a directory on a slow disk), and must not keep other
    //    processes' pipes open meanwhile.
    for (fd, landing) in plan.landing.into_iter().enumerate() {
        // SAFETY: two integers. The landing places are above 2, so none is overwritten.
        let placed = unsafe { libc::dup2(landing, fd as c_int) };
        ok(placed, Step::Descriptors)?;
    }
    if plan.features.close_range {
        ok(close_range(3, 0), Step::Descriptors)?;
    }
    // 3. A group of its own, so that it can be ended with all that it starts.
    // SAFETY: two integers.
    let grouped = unsafe { libc::setpgid(0, 0) };
    ok(grouped, Step::Group)?;
    // 4. Die with the parent, which may have died just before we asked for it.
    // SAFETY: two integers.
    let tied = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    ok(tied, Step::ParentDeath)?;
    // SAFETY: no arguments.
    if unsafe { libc::getppid() } != plan.parent {
        return Err(Step::ParentDeath);
    }
    // 5. The working directory.
    if !plan.dir.is_null() {
        // SAFETY: a NUL-terminated string, by the contract of the plan.
        let entered = unsafe { libc::chdir(plan.dir) };
        ok(entered, Step::Directory)?;
    }
    // 6. The limit on open files that our parent has raised for itself, and how nice to be.
    if !plan.nofile.is_null() {
        // SAFETY: a valid limit, by the contract of the plan.
        let limited = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, plan.nofile) };
        ok(limited, Step::Limits)?;
    }
    if let Some(nice) = plan.nice {
        // SAFETY: three integers; 0 is this process.
        let set = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
        ok(set, Step::Niceness)?;
    }
    // 7. No handlers; SIGPIPE as a program expects it, since Rust's runtime ignores it and that
    //    would be inherited. Other ignored signals stay ignored, as `nohup` needs.
    if !plan.features.clone3 {
        (1..=SIGNAL_MAX).for_each(take_handler_off);
    }
    set_default(libc::SIGPIPE);
    // 8. No signal blocked. From here on one may end us, and that is right.
    let mut none = MaybeUninit::uninit();
    // SAFETY: writes the set that it is given.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: a set that has just been written, and no place for the old one.
    let unblocked = unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut()) };
    ok(unblocked, Step::Signals)?;
    // 9. The program.
    // SAFETY: null-terminated lists of NUL-terminated strings, by the contract of the plan.
    unsafe { libc::execve(plan.program, plan.argv, plan.envp) };
    Err(Step::Exec)
}

fn ok(result: c_int, step: Step) -> Result<(), Step> {
    if result < 0 { Err(step) } else { Ok(()) }
}

fn close_range(first: c_uint, flags: c_uint) -> c_int {
    // SAFETY: three integers. In the new process nobody owns the descriptors but itself.
    unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, flags) as c_int }
}

fn take_handler_off(signal: c_int) {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: writes the action in force to memory that is large enough for one.
    if unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } != 0 {
        return;
    }
    // SAFETY: zeroed, which is valid for it, then written by the call.
    let handler = unsafe { action.assume_init() }.sa_sigaction;
    if handler != libc::SIG_DFL && handler != libc::SIG_IGN {
        set_default(signal);
    }
}

fn set_default(signal: c_int) {
    const _: () = assert!(libc::SIG_DFL == 0);
    let action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the zero bytes are SIG_DFL, an empty mask and no flags. The table of actions is the
    // new process's own: CLONE_SIGHAND is not among the flags.
    unsafe { libc::sigaction(signal, action.as_ptr(), ptr::null_mut()) };
}
