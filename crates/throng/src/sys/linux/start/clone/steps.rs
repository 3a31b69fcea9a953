//! What the new process does, step by step, while it shares its parent's memory. Everything here
//! obeys the rules at the top of `clone/mod.rs`: no allocation, no lock, no panic, no libc.

use std::convert::Infallible;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;

use super::{HEAD, Kept, Report, SpawnPlan, SpawnStage};
use crate::sys::linux::raw;
use crate::sys::options::linux::ProcessGroup;

const SIGNAL_MAX: c_int = 64;

/// How many bytes a set of signals has for the kernel.
const SIGNAL_SET: usize = 8;

/// How many bytes of directory entries are read at once.
const ENTRIES: usize = 1024;

/// The first descriptor behind stdin, stdout and stderr.
const FIRST: c_int = 3;

/// The controlling terminal of the process that opens it.
const TERMINAL: &CStr = c"/dev/tty";

/// The shell, which runs files without `#!`.
pub(crate) const SHELL: &CStr = c"/bin/sh";

/// An error number.
type Errno = c_int;

/// Where the new process begins.
pub(super) extern "C" fn run_plan(plan: *mut c_void) -> c_int {
    // SAFETY: `start` passes a plan that lives for as long as this process uses it, and only its
    // atomics are written to.
    let plan = unsafe { &*plan.cast::<SpawnPlan>() };
    // SAFETY: this is the new process, and `start` vouches for the plan.
    let Err(errno) = unsafe { follow(plan) };
    plan.report.errno.store(errno, Relaxed);
    if plan.report_fd >= 0 {
        let report = &raw const plan.report as usize;
        // The report is shorter than what a pipe takes at once; if it is lost, the start seems to
        // have succeeded, and only the exit code shows that it has not.
        // SAFETY: as many bytes as the report has, of integers and without gaps.
        let _ = unsafe {
            call(
                libc::SYS_write,
                [plan.report_fd as usize, report, Report::SIZE, 0],
            )
        };
    }
    // SAFETY: ends this process only, without running any exit handler of the parent's.
    let _ = unsafe { call(libc::SYS_exit_group, [127, 0, 0, 0]) };
    0
}

/// A system call of four arguments, which is enough for most.
///
/// # Safety
///
/// As for [`raw::call`].
unsafe fn call(number: c_long, args: [usize; 4]) -> Result<usize, Errno> {
    let [a, b, c, d] = args;
    // SAFETY: the caller vouches for it.
    let result = unsafe { raw::call(number, [a, b, c, d, 0, 0]) };
    if result < 0 {
        Err(-result as Errno)
    } else {
        Ok(result as usize)
    }
}

/// Takes the steps one by one; on success the program is running and there is nothing to return to.
///
/// # Safety
///
/// Called in the new process, with a plan as [`start`](super::start) demands.
unsafe fn follow(plan: &SpawnPlan) -> Result<Infallible, Errno> {
    let at = |stage: SpawnStage| plan.report.stage.store(stage as i32, Relaxed);
    // 1. A descriptor table of our own, without anything above the places of `stdio_fds`. Before
    //    this, closing a descriptor would close the parent's.
    at(SpawnStage::Descriptors);
    let shares_table = plan.features.shared && plan.features.close_range;
    if shares_table {
        let first = plan.landing_top + 1;
        close_range(first, c_uint::MAX, libc::CLOSE_RANGE_UNSHARE)?;
    }
    // 2. stdin, stdout and stderr. Every other descriptor is closed, close-on-exec or not, except
    //    those to keep. This comes early: what follows may take long (a directory on a slow disk),
    //    and must not keep other processes' pipes open meanwhile.
    for (fd, stdio_fds) in plan.stdio_fds.into_iter().enumerate() {
        // The places of `stdio_fds` are above 2, so none is overwritten.
        duplicate(stdio_fds, fd as c_int, 0)?;
    }
    // SAFETY: `start` vouches for the plan.
    let kept = unsafe { plan.kept() };
    close_all_but(kept, plan)?;
    for kept in kept.iter().filter(|kept| kept.is_inherited) {
        // It may have been closed by other code meanwhile, and then there is nothing to inherit.
        let args = [kept.fd as usize, libc::F_SETFD as usize, 0, 0];
        // SAFETY: integers; the table of descriptors is this process's own by now.
        let _ = unsafe { call(libc::SYS_fcntl, args) };
    }
    // 3. A group or a session of its own, so that it can be ended with everything that it starts.
    at(SpawnStage::Group);
    let group = match plan.group {
        ProcessGroup::NoTerminal if leave_terminal().is_err() => Some(libc::SYS_setsid),
        ProcessGroup::Own | ProcessGroup::NoTerminal => Some(libc::SYS_setpgid),
        ProcessGroup::Session => Some(libc::SYS_setsid),
        ProcessGroup::Inherit => None,
    };
    if let Some(number) = group {
        // SAFETY: integers.
        unsafe { call(number, [0; 4]) }?;
    }
    // 4. The terminal. This group is in the background, and may take it because `SIGTTOU` is
    //    blocked.
    if plan.terminal >= 0 {
        at(SpawnStage::Terminal);
        give_terminal(plan.terminal)?;
    }
    // 5. Die with the parent, which may have died just before we asked for it.
    at(SpawnStage::ParentDeath);
    let (what, signal) = (libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize);
    // SAFETY: integers.
    unsafe { call(libc::SYS_prctl, [what, signal, 0, 0]) }?;
    // SAFETY: no arguments.
    if unsafe { call(libc::SYS_getppid, [0; 4]) } != Ok(plan.parent as usize) {
        return Err(libc::ESRCH);
    }
    // 6. A file as stdin. Opening a named pipe waits for its writer, which holds up this process
    //    only.
    if !plan.stdin.is_null() {
        at(SpawnStage::Stdin);
        // SAFETY: a NUL-terminated string, by the contract of the plan.
        let awaits_writer = unsafe { may_be_fifo(plan.stdin) };
        plan.report
            .awaits_writer
            .store(awaits_writer.into(), Relaxed);
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOCTTY;
        // SAFETY: a NUL-terminated string, by the contract of the plan.
        let file = unsafe { open(plan.stdin, flags) }?;
        duplicate(file, 0, 0)?;
    }
    // 7. The working directory.
    if !plan.dir.is_null() {
        at(SpawnStage::Directory);
        // SAFETY: a NUL-terminated string, by the contract of the plan.
        unsafe { call(libc::SYS_chdir, [plan.dir as usize, 0, 0, 0]) }?;
    }
    // 8. The limit on open files that our parent has raised for itself, and the niceness.
    if let Some(limit) = &plan.nofile {
        at(SpawnStage::Limits);
        let args = [
            0,
            libc::RLIMIT_NOFILE as usize,
            ptr::from_ref(limit) as usize,
            0,
        ];
        // SAFETY: a limit of 64 bits each, as this call takes them, and no place for the old one.
        unsafe { call(libc::SYS_prlimit64, args) }?;
    }
    if let Some(nice) = plan.nice {
        at(SpawnStage::Niceness);
        let args = [libc::PRIO_PROCESS as usize, 0, nice as usize, 0];
        // SAFETY: three integers; 0 is this process.
        unsafe { call(libc::SYS_setpriority, args) }?;
    }
    // 9. No handlers; the default action for SIGPIPE, since Rust's runtime ignores it and that
    //    would be inherited. Other ignored signals stay ignored, as `nohup` needs.
    at(SpawnStage::Signals);
    if !plan.features.clone3 {
        (1..=SIGNAL_MAX).for_each(take_handler_off);
    }
    set_default(libc::SIGPIPE);
    // 10. No signal blocked. From here on a signal may end us, as it should.
    let none = 0_u64;
    let args = [
        libc::SIG_SETMASK as usize,
        &raw const none as usize,
        0,
        SIGNAL_SET,
    ];
    // SAFETY: a set of as many bytes as the argument gives, and no place for the old one.
    unsafe { call(libc::SYS_rt_sigprocmask, args) }?;
    // 11. The program.
    at(SpawnStage::Exec);
    // SAFETY: by the contract of the plan.
    Err(unsafe { exec(plan) })
}

/// Runs the first candidate that can be run; returns why none could. As in execvp, a candidate that
/// may not be executed does not end the search, and is the one reported if nothing is found.
///
/// # Safety
///
/// As for [`follow`].
unsafe fn exec(plan: &SpawnPlan) -> Errno {
    let mut told = None;
    let mut last = libc::ENOENT;
    for n in 0.. {
        // SAFETY: the list ends with a null, which has not come yet.
        let place = unsafe { plan.candidates.add(n) };
        // SAFETY: as above.
        let path = unsafe { *place };
        if path.is_null() {
            break;
        }
        plan.report.candidate.store(n as u32, Relaxed);
        let args = [path as usize, plan.argv as usize, plan.envp as usize, 0];
        // SAFETY: null-terminated lists of NUL-terminated strings, by the contract of the plan.
        let Err(errno) = (unsafe { call(libc::SYS_execve, args) }) else {
            continue;
        };
        if errno == libc::ENOEXEC && !plan.script_argv.is_null() {
            // SAFETY: as above.
            unsafe { look_at(plan, path, n, true) };
            // SAFETY: as above; a place that is for the name of the script.
            unsafe { run_script(plan, path) };
            return errno;
        }
        last = errno;
        // SAFETY: a NUL-terminated string, by the contract of the plan.
        let is_there = errno != libc::EACCES && unsafe { is_there(path) };
        match errno {
            libc::EACCES => {}
            libc::ENOENT | libc::ENOTDIR if is_there => {}
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV => continue,
            libc::ETIMEDOUT | libc::ELOOP | libc::ENAMETOOLONG => continue,
            // Another program of this name would not be the intended one.
            _ => {
                // SAFETY: as above.
                unsafe { look_at(plan, path, n, is_there) };
                return errno;
            }
        }
        if told.is_none() {
            told = Some(errno);
            // SAFETY: as above.
            unsafe { look_at(plan, path, n, is_there) };
            plan.report.is_there.store(u32::from(is_there), Relaxed);
        }
    }
    told.unwrap_or(last)
}

/// Has the shell run a file that the system does not know how to run, if it may be a script.
/// Returns if it is none, or there is no shell.
///
/// # Safety
///
/// As for [`follow`]; the path is one of the plan's candidates, which has been looked at, and there
/// is a list for the arguments of the shell.
unsafe fn run_script(plan: &SpawnPlan, path: *const c_char) {
    let len = plan.report.head_len.load(Relaxed) as usize;
    // SAFETY: this process alone writes it, and has done so.
    let head = unsafe { &*plan.report.head.0.get() };
    if !is_script(head.get(..len).unwrap_or_default()) {
        return;
    }
    // SAFETY: a list of at least two pointers and a null, which nothing else looks at while the
    // plan is in use.
    let place = unsafe { plan.script_argv.add(1) };
    // SAFETY: as above.
    unsafe { place.write(path) };
    let (shell, argv) = (SHELL.as_ptr() as usize, plan.script_argv as usize);
    // SAFETY: null-terminated lists of NUL-terminated strings, by the contract of the plan.
    let _ = unsafe { call(libc::SYS_execve, [shell, argv, plan.envp as usize, 0]) };
}

/// Whether a file without a known format, which begins like this, is text for a shell. As in bash:
/// there is no NUL in its first line. The first bytes of programs for other machines, and a `#!`
/// that the system did not take, are none.
fn is_script(head: &[u8]) -> bool {
    let is_known = head.starts_with(b"\x7fELF") || head.starts_with(b"#!");
    !is_known && !has_nul_in_first_line(head)
}

/// Whether a file that begins like this is binary to a shell.
pub(crate) fn has_nul_in_first_line(head: &[u8]) -> bool {
    let mut line = head.iter().take_while(|byte| **byte != b'\n');
    line.any(|byte| *byte == 0)
}

/// Whether there is a file of this name.
///
/// # Safety
///
/// The path is a NUL-terminated string.
unsafe fn is_there(path: *const c_char) -> bool {
    let args = [
        libc::AT_FDCWD as usize,
        path as usize,
        libc::F_OK as usize,
        0,
    ];
    // SAFETY: a string that the caller vouches for, and integers.
    unsafe { call(libc::SYS_faccessat, args) }.is_ok()
}

/// Records what kind of file could not be run.
///
/// # Safety
///
/// As for [`follow`]; the path is one of the plan's candidates.
unsafe fn look_at(plan: &SpawnPlan, path: *const c_char, number: usize, is_there: bool) {
    let report = &plan.report;
    report.candidate.store(number as u32, Relaxed);
    report.is_there.store(u32::from(is_there), Relaxed);
    report.head_len.store(0, Relaxed);
    // SAFETY: a NUL-terminated string.
    let dir = unsafe { open(path, libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) };
    report.is_directory.store(u32::from(dir.is_ok()), Relaxed);
    // Not a device or a pipe, where opening or reading may wait: only a file that can be run.
    if !is_there || dir.is_ok() {
        return;
    }
    // SAFETY: as above.
    let Ok(file) = (unsafe { open(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC) })
    else {
        return;
    };
    let head = report.head.0.get() as usize;
    // SAFETY: as many bytes as there are, which this process alone writes.
    if let Ok(len) = unsafe { call(libc::SYS_read, [file as usize, head, HEAD, 0]) } {
        report.head_len.store(len as u32, Relaxed);
    }
}

/// # Safety
///
/// The path is a NUL-terminated string.
unsafe fn open(path: *const c_char, flags: c_int) -> Result<c_int, Errno> {
    let args = [libc::AT_FDCWD as usize, path as usize, flags as usize, 0];
    // SAFETY: a string that the caller vouches for, and integers.
    unsafe { call(libc::SYS_openat, args) }.map(|fd| fd as c_int)
}

fn duplicate(fd: c_int, to: c_int, flags: c_int) -> Result<(), Errno> {
    // SAFETY: integers. In the new process only this code owns the descriptors.
    unsafe {
        call(
            libc::SYS_dup3,
            [fd as usize, to as usize, flags as usize, 0],
        )
    }
    .map(drop)
}

/// Whether this is a named pipe, or that cannot be found out.
///
/// # Safety
///
/// The path is a NUL-terminated string.
unsafe fn may_be_fifo(path: *const c_char) -> bool {
    // As large as the struct of statx(2).
    let mut stat = [0u64; 32];
    let args = [
        libc::AT_FDCWD as usize,
        path as usize,
        0,
        libc::STATX_TYPE as usize,
        stat.as_mut_ptr() as usize,
        0,
    ];
    // SAFETY: the caller vouches for the path, and there is room for the struct.
    if unsafe { raw::call(libc::SYS_statx, args) } < 0 {
        return true;
    }
    // After four words of 4 bytes, one of 8 and one more of 4: `stx_mode`, of 2 bytes.
    let [_, _, _, word, ..] = stat;
    let bytes = word.to_ne_bytes();
    let mode = u16::from_ne_bytes([bytes[4], bytes[5]]);
    u32::from(mode) & libc::S_IFMT == libc::S_IFIFO
}

fn close(fd: c_int) {
    // SAFETY: as above.
    let _ = unsafe { call(libc::SYS_close, [fd as usize, 0, 0, 0]) };
}

/// Closes all from [`FIRST`] on but these.
fn close_all_but(kept: &[Kept], plan: &SpawnPlan) -> Result<(), Errno> {
    if !plan.features.close_range {
        close_one_by_one(FIRST, plan.fds, kept);
        return Ok(());
    }
    let mut first = FIRST as c_uint;
    for kept in kept {
        let fd = kept.fd as c_uint;
        if fd > first {
            close_range(first, fd - 1, 0)?;
        }
        first = fd.wrapping_add(1);
    }
    close_range(first, c_uint::MAX, 0)
}

/// Makes this process one without a controlling terminal. It leads no session, so that happens to
/// no other process (TIOCNOTTY(2const)).
fn leave_terminal() -> Result<(), Errno> {
    let flags = libc::O_RDONLY | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    // SAFETY: a NUL-terminated string.
    let terminal = match unsafe { open(TERMINAL.as_ptr(), flags) } {
        // There is none.
        Err(libc::ENXIO) => return Ok(()),
        terminal => terminal?,
    };
    let args = [terminal as usize, libc::TIOCNOTTY as usize, 0, 0];
    // SAFETY: integers.
    let left = unsafe { call(libc::SYS_ioctl, args) };
    close(terminal);
    left.map(drop)
}

/// Makes the group of this process the foreground group of a terminal.
fn give_terminal(terminal: c_int) -> Result<(), Errno> {
    // SAFETY: no arguments.
    let pid = unsafe { call(libc::SYS_getpid, [0; 4]) }? as c_int;
    let place = &raw const pid as usize;
    let args = [terminal as usize, libc::TIOCSPGRP as usize, place, 0];
    // SAFETY: the call reads a number of this size from there (TIOCSPGRP(2const)).
    unsafe { call(libc::SYS_ioctl, args) }.map(drop)
}

pub(super) fn close_range(first: c_uint, last: c_uint, flags: c_uint) -> Result<(), Errno> {
    let args = [first as usize, last as usize, flags as usize, 0];
    // SAFETY: as above.
    unsafe { call(libc::SYS_close_range, args) }.map(drop)
}

#[repr(align(8))]
struct Entries([u8; ENTRIES]);

/// Closes all from this one on but those that are kept, as /proc/self/fd lists them; without /proc,
/// all that can exist.
pub(super) fn close_one_by_one(first: c_int, fds: c_int, kept: &[Kept]) {
    let is_kept = |fd: c_int| kept.iter().any(|kept| kept.fd == fd);
    const DIR: &CStr = c"/proc/self/fd";
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: a NUL-terminated string.
    let Ok(dir) = (unsafe { open(DIR.as_ptr(), flags) }) else {
        return (first..fds).filter(|fd| !is_kept(*fd)).for_each(close);
    };
    let mut entries = Entries([0; ENTRIES]);
    loop {
        let args = [dir as usize, entries.0.as_mut_ptr() as usize, ENTRIES, 0];
        // SAFETY: as many bytes as there are.
        let filled = unsafe { call(libc::SYS_getdents64, args) }.unwrap_or(0);
        if filled == 0 {
            break;
        }
        let mut rest = entries.0.get(..filled).unwrap_or_default();
        // An entry of getdents64(2): 16 bytes, its length in two, its kind in one, its name.
        while let Some([low, high]) = rest.get(16..18) {
            let len = usize::from(u16::from_ne_bytes([*low, *high]));
            let name = rest.get(19..len).unwrap_or_default();
            match number(name) {
                Some(fd) if fd >= first && fd != dir && !is_kept(fd) => close(fd),
                _ => {}
            }
            rest = rest.get(len.max(19)..).unwrap_or_default();
        }
    }
    close(dir);
}

/// The number that a NUL-terminated name spells.
fn number(name: &[u8]) -> Option<c_int> {
    let mut number: c_int = 0;
    let mut digits = 0;
    for byte in name.iter().take_while(|byte| **byte != 0) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number = number.checked_mul(10)?.checked_add(digit.into())?;
        digits += 1;
    }
    (digits > 0).then_some(number)
}

/// A signal action as the kernel has it: the handler first, then at most three words.
type Action = [usize; 4];

fn take_handler_off(signal: c_int) {
    let mut action = MaybeUninit::<Action>::zeroed();
    let args = [signal as usize, 0, action.as_mut_ptr() as usize, SIGNAL_SET];
    // SAFETY: writes the action in force to memory that is large enough for one.
    if unsafe { call(libc::SYS_rt_sigaction, args) }.is_err() {
        return;
    }
    // SAFETY: zeroed, which is valid for it, then written by the call.
    let [handler, ..] = unsafe { action.assume_init() };
    if handler != libc::SIG_DFL && handler != libc::SIG_IGN {
        set_default(signal);
    }
}

fn set_default(signal: c_int) {
    const _: () = assert!(libc::SIG_DFL == 0);
    let action: Action = [0; 4];
    let args = [signal as usize, action.as_ptr() as usize, 0, SIGNAL_SET];
    // SAFETY: the zero bytes are SIG_DFL, an empty mask and no flags. The table of actions is the
    // new process's own: CLONE_SIGHAND is not among the flags.
    let _ = unsafe { call(libc::SYS_rt_sigaction, args) };
}
