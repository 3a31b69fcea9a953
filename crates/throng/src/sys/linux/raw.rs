//! System calls without libc: for the code that runs in a new process before its program does.
//!
//! A wrapper of libc would write `errno`, which a process that shares our memory shares with the
//! thread that has started it; and a preloaded library (`LD_PRELOAD`) may have replaced the wrapper
//! with a function that has a large stack frame or a lock of its own.

#[cfg(target_arch = "aarch64")]
use std::arch::asm;
#[cfg(target_arch = "x86_64")]
use std::arch::asm;
use std::ffi::{c_int, c_long, c_void};

use libc::pid_t;

/// Whether [`call`] changes nothing of ours except what the system call itself writes, and
/// [`enter`] is available.
pub(super) const IS_BARE: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// Makes a system call; returns its result, or the negated error number.
///
/// # Safety
///
/// The call, with these arguments, must touch only memory that its caller may touch.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) unsafe fn call(number: c_long, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the system call convention of x86-64 (syscall(2)): besides the result it changes rcx
    // and r11, and the caller vouches for the rest.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "aarch64")]
#[inline]
pub(super) unsafe fn call(number: c_long, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the system call convention of arm64 (syscall(2)): it changes only x0, and the caller
    // vouches for the rest.
    unsafe {
        asm!(
            "svc 0",
            inlateout("x0") args[0] as isize => result,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            in("x8") number,
            options(nostack),
        );
    }
    result
}

/// As above, through libc.
///
/// # Safety
///
/// As above; and nothing else may use this thread's `errno` at the same time.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) unsafe fn call(number: c_long, args: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the caller vouches for it.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result >= 0 {
        return result as isize;
    }
    -(std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO) as isize)
}

/// Makes a system call that makes a process (`clone` or `clone3`) with a stack of its own, where it
/// calls this function. In this process it returns the id of the new one, or the negated error
/// number.
///
/// # Safety
///
/// The stack that the arguments name is free, aligned to 16 bytes and large enough for the
/// function, which must not return, and may be called with this argument by a process that was made
/// in this way.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn enter(
    number: c_long,
    args: [usize; 5],
    function: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
) -> pid_t {
    let result: isize;
    // SAFETY: in this process it is one system call, as in `call`. The new process continues with
    // rsp at the top of its stack, which is a multiple of 16 as the calling convention requires
    // before a call, and every other register as here; it calls the function, which does not
    // return.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") number as isize => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r12") argument,
            in("r13") function,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result as pid_t
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn enter(
    number: c_long,
    args: [usize; 5],
    function: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
) -> pid_t {
    let result: isize;
    // SAFETY: as above; sp is at the top of the new stack, aligned to 16 bytes.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x9",
            "blr x10",
            "brk 1",
            "2:",
            inlateout("x0") args[0] as isize => result,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x8") number,
            in("x9") argument,
            in("x10") function,
        );
    }
    result as pid_t
}

/// Not available; see [`IS_BARE`].
///
/// # Safety
///
/// None is needed.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) unsafe fn enter(
    _: c_long,
    _: [usize; 5],
    _: extern "C" fn(*mut c_void) -> c_int,
    _: *mut c_void,
) -> pid_t {
    -libc::ENOSYS
}
