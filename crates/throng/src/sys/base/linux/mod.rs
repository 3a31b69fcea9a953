//! Linux.

mod bytes;
pub(crate) mod descriptors;
pub(crate) mod file;
pub(crate) mod memory;
pub(crate) mod process_group;

pub(crate) use bytes::Bytes;
pub(crate) use file::{OUT_OF_MEMORY, is_in_memory, is_want_of_files, read_at, temporary_dirs};
pub(crate) use memory::{memory_left, memory_limit};

/// Exit codes are the program's own affair here.
pub(crate) fn exit_code_name(_code: u32) -> Option<&'static str> {
    None
}
