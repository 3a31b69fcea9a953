//! Where a program may be: the candidates that are tried one after the other, as in execvp. Looks
//! at no file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::sys::linux::host::strings::{Nul, Strings};

/// Writes the candidates for a program along a search path, the known one first. A name with a `/`
/// is a path already. A relative path is relative to the directory that the process is to work in,
/// and so is a relative part of the search path.
pub(crate) fn candidates(
    out: &mut Strings,
    program: &OsStr,
    path: &OsStr,
    known: Option<&OsString>,
) -> Result<(), Nul> {
    out.clear();
    if program.as_bytes().contains(&b'/') {
        return out.push(program);
    }
    if let Some(known) = known {
        out.push(known)?;
    }
    for dir in path.as_bytes().split(|byte| *byte == b':') {
        let dir = if dir.is_empty() { b".".as_slice() } else { dir };
        out.push_parts(&[dir, b"/", program.as_bytes()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(program: &str, path: &str, known: Option<&str>) -> Vec<String> {
        let mut out = Strings::default();
        let known = known.map(OsString::from);
        candidates(&mut out, program.as_ref(), path.as_ref(), known.as_ref()).unwrap();
        (0..out.len())
            .map(|n| String::from_utf8(out.get(n).to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_program_is_searched_for_along_the_path_and_first_where_it_was_found_before() {
        assert_eq!(list("cc", "/a:/b", None), ["/a/cc", "/b/cc"]);
        assert_eq!(
            list("cc", "/a:/b", Some("/b/cc")),
            ["/b/cc", "/a/cc", "/b/cc"]
        );
        assert_eq!(list("./cc", "/a:/b", None), ["./cc"]);
        assert_eq!(list("cc", ":/b:x", None), ["./cc", "/b/cc", "x/cc"]);
    }
}
