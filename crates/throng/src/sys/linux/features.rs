//! What the kernel, or a sandbox that stands before it, offers for starting processes.

use std::ffi::{c_int, c_uint};

use super::raw;

/// What the kernel offers for starting; probed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    /// clone3 with `CLONE_CLEAR_SIGHAND`.
    pub(crate) clone3: bool,
    /// close_range with `CLOSE_RANGE_UNSHARE`.
    pub(crate) close_range: bool,
    /// A process that shares our memory, and clears the plan's word when it no longer does.
    pub(crate) shared: bool,
}

impl Features {
    /// The least that every kernel has.
    #[cfg(test)]
    pub(crate) const NONE: Features = Features {
        clone3: false,
        close_range: false,
        shared: false,
    };

    /// Asks the kernel, or the sandbox that stands before it.
    pub(crate) fn probe() -> Features {
        let refusal = |number, args| {
            // SAFETY: neither call below touches anything of ours.
            let result = unsafe { raw::call(number, args) };
            (result < 0).then_some(-result as c_int)
        };
        // With flags that make no sense a kernel that has the call returns EINVAL; one that does
        // not have it, or a sandbox, returns another error. A null pointer with size zero is
        // refused before it is looked at, and no descriptor has the highest number.
        let clone3 = refusal(libc::SYS_clone3, [0; 6]) == Some(libc::EINVAL);
        let none = c_uint::MAX as usize;
        let close_range = refusal(libc::SYS_close_range, [none, none, 0, 0, 0, 0]).is_none();
        let shared = raw::IS_BARE && !IS_SANITIZED && !is_under_valgrind();
        Features {
            clone3: clone3 && raw::IS_BARE && shared,
            close_range,
            shared,
        }
    }
}

/// Under AddressSanitizer memory cannot be shared: it checks the frames of all code, including ours
/// in the new process, with data of the thread.
pub(crate) const IS_SANITIZED: bool = cfg!(sanitized);

/// valgrind ends a program that makes a process with flags other than those of fork and vfork. It
/// preloads its own libraries into every program that it runs.
fn is_under_valgrind() -> bool {
    let preloaded = std::env::var_os("LD_PRELOAD").unwrap_or_default();
    let name = b"vgpreload_";
    preloaded
        .as_encoded_bytes()
        .windows(name.len())
        .any(|part| part == name)
}
