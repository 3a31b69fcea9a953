//! What the program needs of the operating system beyond the library: being interrupted, and
//! arguments from bytes. Both systems supply these names, held to the signatures below.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{os_string, stdout, watch_interrupts};

/// What to do at a signal, given its number.
pub(crate) type OnSignal = Box<dyn FnMut(i32) + Send>;

const _: fn(OnSignal) -> std::io::Result<()> = watch_interrupts;
const _: fn(Vec<u8>) -> std::ffi::OsString = os_string;
const _: fn() -> std::io::Result<std::fs::File> = stdout;
