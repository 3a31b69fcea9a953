//! Values as names of directories: whatever is no `/` and no NUL can stand in one.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Begins what stands for something else.
pub(crate) const ESCAPE: u8 = b'\\';

/// As GNU parallel does it, so that its trees and ours are the same; and what it leaves alone
/// though it would be no directory of its own: nothing, `.` and `..`.
pub(crate) fn escaped_name(value: &[u8]) -> Vec<u8> {
    match value {
        b"" => return b"\\e".to_vec(),
        b"." | b".." => return [b"\\", value].concat(),
        _ => {}
    }
    let mut name = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            b'\\' => name.extend_from_slice(b"\\\\"),
            b'\t' => name.extend_from_slice(b"\\t"),
            b'\0' => name.extend_from_slice(b"\\0"),
            b'/' => name.extend_from_slice(b"\\_"),
            byte => name.push(*byte),
        }
    }
    name
}

/// No name is a device of its own.
pub(crate) fn is_device(_: &[u8]) -> bool {
    false
}

/// Paths are the same file only if they are the same bytes.
pub(crate) fn folded_path(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// How long a name is, as file systems count it.
pub(crate) fn name_length(name: &[u8]) -> usize {
    name.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_gnu_parallel_does_it() {
        for (value, name) in [
            (&b"a b"[..], &b"a b"[..]),
            (b"a/b", b"a\\_b"),
            (b"x\ty\0z\\", b"x\\ty\\0z\\\\"),
            (b"\xff\n", b"\xff\n"),
            (b"", b"\\e"),
            (b"..", b"\\.."),
            (b"...", b"..."),
        ] {
            assert_eq!(escaped_name(value), name);
        }
    }
}
