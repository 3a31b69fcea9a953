//! The moment between clone and exec: starting a program without copying the parent, and without
//! waiting for a program that never loads.
//!
//! `clone(CLONE_VM)` makes a process that shares our memory until it has loaded its program.
//! Nothing is copied, so a large parent starts programs as fast as a small one. The price is that
//! the code which runs in the new process runs inside ours. Why that is sound:
//!
//! 1. It runs on a stack of its own ([`Stack`]), with a guard page below. The stack, the plan and
//!    everything that the plan points to belong to a [`Loading`](super::loading::Loading), and we
//!    do not touch them before the kernel has reported that the new process no longer uses our
//!    memory.
//! 2. It allocates nothing, takes no lock, cannot panic and calls nothing but system calls, without
//!    libc (`raw.rs`), so that not even `errno` is written. Everything it needs has been prepared
//!    in [`SpawnPlan`], where it writes only to atomics, and to two places that nothing else looks
//!    at meanwhile: the beginning of a file that cannot be run, and one of the shell's arguments.
//! 3. No signal handler runs in it. With `CLONE_CLEAR_SIGHAND` (clone3, since Linux 5.5) it is born
//!    without any. Otherwise the calling thread has all signals blocked, the new process inherits
//!    that, and unblocks them when it has taken all handlers off one by one.
//! 4. It never returns: it execs or it exits.
//!
//! The kernel signals when the new process no longer uses our memory, because it has loaded its
//! program or has ended, by a word of the plan: it clears the word and wakes us there
//! (`CLONE_CHILD_CLEARTID`). A vfork would signal that by letting us go on, and not before: a
//! program on a file system that does not answer would hold up everything. We wait at that word for
//! as long as nearly all programs take, and then look at it from time to time.
//!
//! The open descriptors are not copied either, where the kernel can do without: the new process
//! shares our table (`CLONE_FILES`) and then gives itself its own, with only the few descriptors up
//! to its descriptors for stdin, stdout and stderr (`close_range` with `CLOSE_RANGE_UNSHARE`, since
//! Linux 5.9). So a start costs the same with ten thousand pipes open as with ten.
//!
//! If memory cannot be shared in this way (an emulator of user programs, valgrind, a machine that
//! `raw.rs` does not know) everything is copied, as fork does it, and a pipe replaces the word.

mod steps;

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use self::steps::run_plan;
pub(crate) use self::steps::{SHELL, has_nul_in_first_line};
use crate::sys::base::linux::memory;
use crate::sys::linux::features::Features;
use crate::sys::linux::raw;
use crate::sys::options::linux::ProcessGroup;
use libc::pid_t;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::process::Pid;

/// As much of a program's file as the kernel reads to recognise its kind, and a little more.
pub(crate) const HEAD: usize = 320;

/// What the new process does, prepared in full by its parent.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SpawnPlan {
    /// Descriptors that become 0, 1 and 2.
    pub(crate) stdio_fds: [RawFd; 3],
    /// Other descriptors that are not closed, in ascending order; or null.
    pub(crate) kept: *const Kept,
    pub(crate) kept_len: usize,
    /// All descriptors above this one are not for the new process.
    landing_top: c_uint,
    parent: pid_t,
    /// A file to be opened as stdin, or null.
    pub(crate) stdin: *const c_char,
    pub(crate) dir: *const c_char,
    /// Where the program may be, in the order of the search.
    pub(crate) candidates: *const *const c_char,
    pub(crate) argv: *const *const c_char,
    /// Where a file without `#!` is for the shell: the same list with the name of the shell before
    /// it, in which that of the file takes the second place. Else null.
    pub(crate) script_argv: *mut *const c_char,
    pub(crate) envp: *const *const c_char,
    /// The limit on open files to give back.
    pub(crate) nofile: Option<libc::rlimit>,
    /// No descriptor has this number or a higher one; for kernels that cannot close them at once.
    pub(crate) fds: c_int,
    pub(crate) nice: Option<c_int>,
    pub(crate) group: ProcessGroup,
    /// The terminal whose foreground group the new process's group becomes, which is among those
    /// that are kept; else negative.
    pub(crate) terminal: RawFd,
    /// The control group to be born in: needs clone3.
    pub(crate) cgroup: Option<RawFd>,
    pub(crate) features: Features,
    /// The descriptor for the report when memory is not shared, which is among those that are kept;
    /// else negative.
    report_fd: RawFd,
    /// Not zero while the new process may use this memory.
    in_use: AtomicU32,
    pub(crate) report: Report,
}

/// A descriptor that the new process has under the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(crate) struct Kept {
    pub(crate) fd: RawFd,
    /// Whether its program has it as well.
    pub(crate) is_inherited: bool,
}

/// How far the new process has come, and why no farther.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Report {
    /// The step that it has reached.
    stage: AtomicI32,
    /// The error of that step, or 0.
    errno: AtomicI32,
    /// The candidate that the error is about.
    candidate: AtomicU32,
    /// Whether its stdin is a named pipe, or may be one.
    awaits_writer: AtomicU32,
    pub(crate) is_there: AtomicU32,
    pub(crate) is_directory: AtomicU32,
    head_len: AtomicU32,
    head: Head,
}

#[repr(transparent)]
struct Head(UnsafeCell<[u8; HEAD]>);

// SAFETY: only the new process writes it, through a pointer, and it is read when that has ended.
unsafe impl Sync for Head {}

/// A report that is no longer written to.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) stage: SpawnStage,
    pub(crate) errno: i32,
    pub(crate) candidate: usize,
    pub(crate) is_there: bool,
    pub(crate) is_directory: bool,
    /// The beginning of its file, if that could not be run.
    pub(crate) head: Vec<u8>,
}

/// A step of starting, named where it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub(crate) enum SpawnStage {
    None,
    Clone,
    Descriptors,
    Group,
    Terminal,
    ParentDeath,
    Stdin,
    Directory,
    Limits,
    Niceness,
    Signals,
    Exec,
}

impl SpawnStage {
    const ALL: [SpawnStage; 12] = [
        SpawnStage::None,
        SpawnStage::Clone,
        SpawnStage::Descriptors,
        SpawnStage::Group,
        SpawnStage::Terminal,
        SpawnStage::ParentDeath,
        SpawnStage::Stdin,
        SpawnStage::Directory,
        SpawnStage::Limits,
        SpawnStage::Niceness,
        SpawnStage::Signals,
        SpawnStage::Exec,
    ];

    fn of(number: i32) -> SpawnStage {
        let place = usize::try_from(number).unwrap_or(0);
        SpawnStage::ALL
            .get(place)
            .copied()
            .unwrap_or(SpawnStage::None)
    }
}

impl SpawnPlan {
    pub(crate) fn new(features: Features) -> SpawnPlan {
        SpawnPlan {
            stdio_fds: [-1; 3],
            kept: ptr::null(),
            kept_len: 0,
            landing_top: 0,
            parent: 0,
            stdin: ptr::null(),
            dir: ptr::null(),
            candidates: ptr::null(),
            argv: ptr::null(),
            script_argv: ptr::null_mut(),
            envp: ptr::null(),
            nofile: None,
            fds: 0,
            nice: None,
            group: ProcessGroup::Own,
            terminal: -1,
            cgroup: None,
            features,
            report_fd: -1,
            in_use: AtomicU32::new(0),
            report: Report::default(),
        }
    }

    /// The descriptors that are kept.
    ///
    /// # Safety
    ///
    /// As for [`start`].
    unsafe fn kept(&self) -> &[Kept] {
        if self.kept.is_null() {
            return &[];
        }
        // SAFETY: as many as there are, by the contract.
        unsafe { std::slice::from_raw_parts(self.kept, self.kept_len) }
    }

    /// Whether the new process may still use our memory.
    pub(crate) fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::Acquire) != 0
    }

    /// The word that [`is_in_use`](SpawnPlan::is_in_use) reads, for waiting.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.in_use
    }

    /// The step that the new process has reached, if memory is shared.
    pub(crate) fn stage(&self) -> SpawnStage {
        SpawnStage::of(self.report.stage.load(Ordering::Relaxed))
    }
}

impl Report {
    /// Why it has failed, if it has. To be called when the report is no longer written to.
    pub(crate) fn failed(&self) -> Option<Failed> {
        let errno = self.errno.load(Ordering::Relaxed);
        if errno == 0 {
            return None;
        }
        let len = self.head_len.load(Ordering::Relaxed) as usize;
        // SAFETY: the pointer is to an array of our own, and its writer has ended, as the caller
        // knows by the word or by the pipe.
        let head = unsafe { &*self.head.0.get() };
        Some(Failed {
            stage: SpawnStage::of(self.stage.load(Ordering::Relaxed)),
            errno,
            candidate: self.candidate.load(Ordering::Relaxed) as usize,
            is_there: self.is_there.load(Ordering::Relaxed) != 0,
            is_directory: self.is_directory.load(Ordering::Relaxed) != 0,
            head: head[..len.min(HEAD)].to_vec(),
        })
    }

    /// The candidate that was run, if memory is shared and one was.
    pub(crate) fn candidate(&self) -> usize {
        self.candidate.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn awaits_writer(&self) -> bool {
        self.awaits_writer.load(Ordering::Relaxed) != 0
    }

    pub(crate) const SIZE: usize = size_of::<Report>();

    /// The report that came through a pipe.
    pub(crate) fn from_bytes(bytes: &[u8; Report::SIZE]) -> Report {
        // SAFETY: a struct of integers and bytes, for which any bytes are valid, and as many bytes
        // as it has; they need not be aligned.
        unsafe { ptr::read_unaligned(bytes.as_ptr().cast()) }
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Head(..)")
    }
}

impl Default for Head {
    fn default() -> Head {
        Head(UnsafeCell::new([0; HEAD]))
    }
}

/// The stack of the new process.
#[derive(Debug)]
pub(crate) struct Stack {
    base: *mut c_void,
    size: usize,
}

impl Stack {
    /// It has 64 KiB above its guard page; the code that runs there needs less than four.
    const ROOM: usize = 64 * 1024;

    pub(crate) fn new() -> io::Result<Stack> {
        // A guard is one page, and a page has up to 64 KiB on some machines: the protected range is
        // rounded up to pages (mprotect(2)).
        let guard = memory::page_size();
        let size = guard + Self::ROOM.next_multiple_of(guard);
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address that the kernel chooses overlaps nothing.
        let base = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), size, prot, flags) }?;
        let stack = Stack { base, size };
        // SAFETY: the lowest page of our own mapping, which nothing refers to yet.
        unsafe { rustix::mm::mprotect(base, guard, MprotectFlags::empty()) }?;
        Ok(stack)
    }

    fn top(&self) -> *mut c_void {
        self.base.wrapping_byte_add(self.size)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping, made in `new` with this size; no process runs on it any more:
        // `Kit`, which owns it, is never dropped while its plan is in use.
        let _ = unsafe { rustix::mm::munmap(self.base, self.size) };
    }
}

/// Makes a process that follows this plan, and returns its id. How it ends is shown by the plan's
/// word, or by the end of the pipe that was given for its report.
///
/// # Safety
///
/// Every pointer in the plan is null where that is allowed (`stdin`, `dir`, `kept`, `script_argv`)
/// or points to a value of its type, NUL- and null-terminated, or as long as `kept_len` says. With
/// shared memory neither these nor the plan nor the stack are changed, read where they may be
/// written to (`script_argv`), moved or freed while the plan [is in use](SpawnPlan::is_in_use). The
/// descriptors of `stdio_fds` are open until the new process has passed
/// [`SpawnStage::Descriptors`]. The calling thread has all signals blocked, with clone3 all except
/// `SIGCHLD`.
pub(crate) unsafe fn start(
    plan: &mut SpawnPlan,
    stack: &Stack,
    report: Option<BorrowedFd<'_>>,
) -> io::Result<Pid> {
    // SAFETY: by the contract of this function.
    let kept = unsafe { plan.kept() }.last().map(|kept| kept.fd);
    let top = plan.stdio_fds.into_iter().chain(kept).max();
    plan.landing_top = top.map_or(2, |top| top as c_uint);
    plan.parent = rustix::process::getpid().as_raw_nonzero().get();
    plan.report_fd = report.map_or(-1, |report| report.as_raw_fd());
    plan.report = Report::default();
    *plan.in_use.get_mut() = u32::from(plan.features.shared);
    let mut flags = 0;
    if plan.features.shared {
        flags |= libc::CLONE_VM | libc::CLONE_CHILD_CLEARTID;
        if plan.features.close_range {
            flags |= libc::CLONE_FILES;
        }
    }
    let word = plan.in_use.as_ptr();
    let pid = match (plan.features.clone3, plan.features.shared) {
        // SAFETY: the stack is free and stays so (point 1 above), and the caller vouches for the
        // plan.
        (true, _) => unsafe { clone3(flags, plan, stack, word) },
        // SAFETY: as above.
        (false, true) => unsafe { bare_clone(flags, plan, stack, word) },
        // SAFETY: as above; the function never returns, and touches only its copy of the plan.
        (false, false) => unsafe { forked(plan, stack) },
    };
    Pid::from_raw(pid.max(0)).ok_or_else(|| {
        *plan.in_use.get_mut() = 0;
        io::Error::from_raw_os_error(-pid)
    })
}

/// clone3 as libc does not offer it: on the given stack, into [`run_plan`].
///
/// # Safety
///
/// As for [`start`].
unsafe fn clone3(flags: c_int, plan: *mut SpawnPlan, stack: &Stack, word: *mut u32) -> pid_t {
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: the struct is plain integers, for which zero is valid and means "not used".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64 | CLONE_CLEAR_SIGHAND;
    args.exit_signal = libc::SIGCHLD as u64;
    args.child_tid = word as u64;
    args.stack = stack.base as u64;
    args.stack_size = stack.size as u64;
    // SAFETY: the caller vouches for the plan, which nothing writes to now.
    if let Some(cgroup) = unsafe { (*plan).cgroup } {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup as u64;
    }
    let args = [&raw const args as usize, size_of_val(&args), 0, 0, 0];
    // SAFETY: the stack is free, and ends at a multiple of a page; `run_plan` does not return.
    unsafe { raw::enter(libc::SYS_clone3, args, run_plan, plan.cast()) }
}

/// The older call, with the same effect except for handlers. The order of its last two arguments
/// depends on the machine (clone(2)).
///
/// # Safety
///
/// As for [`start`].
unsafe fn bare_clone(flags: c_int, plan: *mut SpawnPlan, stack: &Stack, word: *mut u32) -> pid_t {
    let flags = (flags | libc::SIGCHLD) as usize;
    let [fourth, fifth] = if cfg!(target_arch = "x86_64") {
        [word as usize, 0]
    } else {
        [0, word as usize]
    };
    let args = [flags, stack.top() as usize, 0, fourth, fifth];
    // SAFETY: as in `clone3`.
    unsafe { raw::enter(libc::SYS_clone, args, run_plan, plan.cast()) }
}

/// A copy of everything that is ours, as fork makes it, without its handlers.
///
/// # Safety
///
/// As for [`start`].
unsafe fn forked(plan: *mut SpawnPlan, stack: &Stack) -> pid_t {
    // SAFETY: the stack is free, here and in the copy.
    let pid = unsafe { libc::clone(run_plan, stack.top(), libc::SIGCHLD, plan.cast()) };
    if pid < 0 {
        let error = io::Error::last_os_error();
        return -error.raw_os_error().unwrap_or(libc::EIO);
    }
    pid
}

/// Closes all descriptors above this one, at once or, if the kernel or a sandbox does not have that
/// call, one by one; for a program that has just begun.
pub(crate) fn close_all_above(fd: c_int) {
    let first = fd + 1;
    if steps::close_range(first as c_uint, c_uint::MAX, 0).is_err() {
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let most = most.and_then(|most| c_int::try_from(most).ok());
        steps::close_one_by_one(first, most.unwrap_or(c_int::MAX), &[]);
    }
}
