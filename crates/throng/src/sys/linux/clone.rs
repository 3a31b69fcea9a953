//! The moment between clone and exec: starting a program without copying the parent.
//!
//! `clone(CLONE_VM | CLONE_VFORK)` makes a process that shares our memory, and stops the thread
//! that called it until the new process has loaded its program or has ended. Nothing is copied,
//! so a large parent starts programs as fast as a small one. The price is that the code which
//! runs in the new process runs inside ours. Why that is sound:
//!
//! 1. It runs on a stack of its own ([`Stack`]), with a guard page below, used by one start at a
//!    time because the thread that owns it is stopped meanwhile.
//! 2. It allocates nothing, takes no lock, cannot panic and calls nothing but system calls and
//!    their thin wrappers in libc, all async-signal-safe. All it needs has been prepared in
//!    [`Plan`]. It writes two integers to that plan and, through the wrappers, `errno`, which is
//!    that of the stopped thread: the new process shares its thread pointer.
//! 3. No signal handler runs in it. With `CLONE_CLEAR_SIGHAND` (clone3, since Linux 5.5) it is born
//!    without any. Otherwise the calling thread has all signals blocked, the new process inherits
//!    that, and unblocks them when it has taken all handlers off one by one.
//! 4. It never returns: it execs or it exits.
//!
//! The open descriptors are not copied either, where the kernel can do without: the new process
//! shares our table (`CLONE_FILES`) and then gives itself its own, with only the few descriptors
//! up to its landing places in it (`close_range` with `CLOSE_RANGE_UNSHARE`, since Linux 5.9). So
//! a start costs the same with ten thousand pipes open as with ten, and nothing of ours is
//! inherited that was not listed, whether or not it was marked close-on-exec.

mod steps;

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::io;
use std::os::fd::RawFd;
use std::ptr;

use self::steps::{errno, run_plan};
use super::minder::Clock;
use super::wait;
use libc::pid_t;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::process::Pid;

/// What the new process does, prepared in full by its parent.
#[repr(C)]
pub(super) struct Plan {
    /// Descriptors that become 0, 1 and 2.
    pub(super) landing: [RawFd; 3],
    /// All descriptors above this one are not for the new process.
    pub(super) landing_top: c_uint,
    pub(super) parent: pid_t,
    pub(super) dir: *const c_char,
    pub(super) program: *const c_char,
    pub(super) argv: *const *const c_char,
    pub(super) envp: *const *const c_char,
    /// The limit on open files to give back, or null.
    pub(super) nofile: *const libc::rlimit,
    pub(super) nice: Option<c_int>,
    /// The control group to be born in: needs clone3.
    pub(super) cgroup: Option<RawFd>,
    pub(super) features: Features,
    /// Where it is written down who is being started.
    pub(super) clock: *const Clock,
    failed_step: Step,
    errno: c_int,
}

/// What the kernel offers for starting; probed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    /// clone3 with `CLONE_CLEAR_SIGHAND`.
    pub(super) clone3: bool,
    /// close_range with `CLOSE_RANGE_UNSHARE`.
    pub(super) close_range: bool,
}

/// A step of starting, named where it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Step {
    None,
    Clone,
    Descriptors,
    Group,
    ParentDeath,
    Directory,
    Limits,
    Niceness,
    Signals,
    Exec,
}

impl Plan {
    pub(super) fn new(landing: [RawFd; 3], features: Features) -> Plan {
        Plan {
            landing,
            landing_top: landing.iter().max().map_or(2, |top| *top as c_uint),
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            dir: ptr::null(),
            program: ptr::null(),
            argv: ptr::null(),
            envp: ptr::null(),
            nofile: ptr::null(),
            nice: None,
            cgroup: None,
            features,
            clock: ptr::null(),
            failed_step: Step::None,
            errno: 0,
        }
    }
}

/// The stack of the new process.
#[derive(Debug)]
pub(super) struct Stack {
    base: *mut c_void,
}

impl Stack {
    const SIZE: usize = 64 * 1024;
    const GUARD: usize = 4096;

    pub(super) fn new() -> io::Result<Stack> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address that the kernel chooses overlaps nothing.
        let base = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), Self::SIZE, prot, flags) }?;
        let stack = Stack { base };
        // SAFETY: the lowest page of our own mapping, which nothing refers to yet.
        unsafe { rustix::mm::mprotect(base, Self::GUARD, MprotectFlags::empty()) }?;
        Ok(stack)
    }

    fn top(&self) -> *mut c_void {
        self.base.wrapping_byte_add(Self::SIZE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping, made in `new` with this size; no process runs on it any more,
        // since `start` returns only after it has loaded its program or has ended.
        let _ = unsafe { rustix::mm::munmap(self.base, Self::SIZE) };
    }
}

/// Starts a process by this plan and returns its id, or the step that failed.
///
/// # Safety
///
/// Every pointer in the plan is null where that is allowed (`dir`, `nofile`) or points to what its
/// type says, NUL- and null-terminated, until this returns; the clock is this thread's; the landing
/// descriptors are open; the calling thread has all signals blocked, with clone3 all but `SIGCHLD`.
pub(super) unsafe fn start(plan: &mut Plan, stack: &mut Stack) -> Result<Pid, (Step, io::Error)> {
    plan.failed_step = Step::None;
    // SAFETY: the caller vouches for the plan.
    let clock = unsafe { &*plan.clock };
    let mut flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID;
    if plan.features.close_range {
        flags |= libc::CLONE_FILES;
    }
    let pid = if plan.features.clone3 {
        // SAFETY: `stack` is free (point 1 above) and the caller vouches for the plan.
        unsafe { clone3(flags, plan, stack, clock.place()) }
    } else {
        // SAFETY: as above; the function never returns and touches only the plan.
        unsafe {
            libc::clone(
                run_plan,
                stack.top(),
                flags | libc::SIGCHLD,
                (&raw mut *plan).cast(),
                clock.place(),
            )
        }
    };
    let Some(pid) = Pid::from_raw(pid.max(0)) else {
        return Err((Step::Clone, io::Error::last_os_error()));
    };
    if clock.finish() {
        wait::until_gone(pid);
        return Err((Step::Exec, io::Error::from_raw_os_error(libc::ETIMEDOUT)));
    }
    // SAFETY: the new process has written it, if at all, before the kernel let us go on; a
    // volatile read keeps the compiler from assuming that nobody has.
    let step = unsafe { ptr::read_volatile(&raw const plan.failed_step) };
    if step == Step::None {
        return Ok(pid);
    }
    // SAFETY: as above.
    let errno = unsafe { ptr::read_volatile(&raw const plan.errno) };
    wait::until_gone(pid);
    Err((step, io::Error::from_raw_os_error(errno)))
}

/// clone3 as libc does not offer it: on the given stack, into [`run_plan`].
///
/// # Safety
///
/// As for [`start`].
#[cfg(target_arch = "x86_64")]
unsafe fn clone3(flags: c_int, plan: *mut Plan, stack: &mut Stack, pid: *mut pid_t) -> pid_t {
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: the struct is plain integers, for which zero is valid and means "not used".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64 | CLONE_CLEAR_SIGHAND;
    args.exit_signal = libc::SIGCHLD as u64;
    args.parent_tid = pid as u64;
    args.stack = stack.base as u64;
    args.stack_size = Stack::SIZE as u64;
    // SAFETY: the caller vouches for the plan, which nobody writes to now.
    if let Some(cgroup) = unsafe { (*plan).cgroup } {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup as u64;
    }
    let result: isize;
    // SAFETY: in the parent this is one system call, which changes rax, rcx and r11. In the new
    // process it continues with rsp at the top of the given stack, which is a multiple of 16 as
    // the calling convention wants before a call, and every other register as here; it calls
    // `run_plan`, which does not return.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r8",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") &raw const args,
            in("rsi") size_of_val(&args),
            in("r8") plan,
            in("r9") run_plan as extern "C" fn(*mut c_void) -> c_int,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if result < 0 {
        // SAFETY: the address of this thread's errno.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: valid, and this thread's alone.
        unsafe { *errno = -result as c_int };
        return -1;
    }
    result as pid_t
}

/// Elsewhere the handlers are taken off one by one; see [`Features::probe`].
#[cfg(not(target_arch = "x86_64"))]
unsafe fn clone3(_: c_int, _: *mut Plan, _: &mut Stack, _: *mut pid_t) -> pid_t {
    -1
}

/// Closes all descriptors above this one, where the kernel can do that at once (since 5.9); for a
/// program that has just begun.
pub(super) fn close_all_above(fd: c_uint) {
    // SAFETY: three integers. What is closed is nobody's: the caller has only just begun.
    unsafe { libc::syscall(libc::SYS_close_range, fd + 1, c_uint::MAX, 0) };
}

impl Features {
    /// The least that every kernel has.
    #[cfg(test)]
    pub(super) const NONE: Features = Features {
        clone3: false,
        close_range: false,
    };

    /// Asks the kernel, or the sandbox that stands before it.
    pub(super) fn probe() -> Features {
        // With flags that make no sense a kernel that has the call says EINVAL; one that has not,
        // or a sandbox, says something else.
        // SAFETY: a null pointer with size zero is refused before it is looked at.
        let clone3 = unsafe { libc::syscall(libc::SYS_clone3, ptr::null::<c_void>(), 0usize) };
        let has_clone3 = clone3 < 0 && errno() == libc::EINVAL;
        // SAFETY: three integers; no descriptor has this number, so none is closed.
        let close_range =
            unsafe { libc::syscall(libc::SYS_close_range, c_uint::MAX, c_uint::MAX, 0) };
        Features {
            clone3: has_clone3 && cfg!(target_arch = "x86_64"),
            close_range: close_range == 0,
        }
    }
}
