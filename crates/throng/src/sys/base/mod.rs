//! What every part uses of a system: memory, files, the names of its codes. Needs nothing of the
//! library, and starts nothing. The seam in small: `linux/` and `windows/` supply the same names.

mod map;

#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(windows)]
pub(crate) mod windows;
#[cfg(windows)]
use windows as system;

use std::collections::TryReserveError;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use map::Map;
pub(crate) use system::{
    Bytes, OUT_OF_MEMORY, exit_code_name, is_exhausted, is_in_memory, is_want_of_files,
    memory_left, memory_limit, read_at, temporary_dirs,
};

const _: fn(u32) -> Option<&'static str> = exit_code_name;
const _: fn() -> Option<u64> = memory_limit;
const _: fn() -> Option<u64> = memory_left;
const _: i32 = OUT_OF_MEMORY;
const _: fn() -> Vec<PathBuf> = temporary_dirs;
const _: fn(&Path) -> bool = is_in_memory;
const _: fn(&Bytes) -> usize = Bytes::capacity;
const _: fn(&mut Bytes, usize) -> Result<(), TryReserveError> = Bytes::try_reserve_exact;
const _: fn(&mut Bytes, &[u8]) = Bytes::extend_from_slice;
const _: fn(&mut Bytes, usize) = Bytes::truncate;
const _: fn(&mut Bytes) = Bytes::clear;
const _: fn(&File, &mut [u8], u64) -> io::Result<usize> = read_at;
const _: fn(&io::Error) -> bool = is_exhausted;
const _: fn(&io::Error) -> bool = is_want_of_files;
