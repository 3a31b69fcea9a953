//! Lists of NUL-terminated strings as execve takes them: one block of bytes and where each
//! string begins in it. Refuses a string with a NUL in it.

use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;

#[derive(Debug, Default)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

/// A string contains a NUL byte, which execve would take for its end.
#[derive(Debug)]
pub(crate) struct Nul;

impl Strings {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    pub(crate) fn push(&mut self, string: &OsStr) -> Result<(), Nul> {
        self.push_parts(&[string.as_bytes()])
    }

    pub(crate) fn push_var(&mut self, key: &OsStr, value: &OsStr) -> Result<(), Nul> {
        self.push_parts(&[key.as_bytes(), b"=", value.as_bytes()])
    }

    pub(crate) fn push_parts(&mut self, parts: &[&[u8]]) -> Result<(), Nul> {
        if parts.iter().any(|part| part.contains(&0)) {
            return Err(Nul);
        }
        self.starts.push(self.bytes.len());
        parts
            .iter()
            .for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.push(0);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// A string, without its NUL; empty if there are not that many.
    pub(crate) fn get(&self, number: usize) -> &[u8] {
        let Some(start) = self.starts.get(number) else {
            return &[];
        };
        let end = self.starts.get(number + 1).copied();
        &self.bytes[*start..end.unwrap_or(self.bytes.len()) - 1]
    }

    /// Writes the addresses of all strings and a null after them. They are good for as long as
    /// this list is neither changed nor moved.
    pub(crate) fn write_pointers(&self, pointers: &mut Vec<*const c_char>) {
        pointers.clear();
        self.add_pointers(pointers);
        pointers.push(std::ptr::null());
    }

    /// Adds the addresses of all strings. They are good as long as those above.
    pub(crate) fn add_pointers(&self, pointers: &mut Vec<*const c_char>) {
        let starts = self.starts.iter();
        pointers.extend(starts.map(|start| self.bytes[*start..].as_ptr().cast::<c_char>()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_with_a_nul_is_refused_and_leaves_nothing_behind() {
        let mut strings = Strings::default();
        strings.push(OsStr::new("a")).unwrap();
        assert!(strings.push(OsStr::new("b\0c")).is_err());
        assert!(strings.push_var(OsStr::new("k"), OsStr::new("\0")).is_err());
        strings.push_var(OsStr::new("k"), OsStr::new("v")).unwrap();
        assert_eq!(strings.bytes, b"a\0k=v\0");
        let mut pointers = Vec::new();
        strings.write_pointers(&mut pointers);
        assert_eq!(pointers.len(), 3);
        assert!(pointers[2].is_null());
    }
}
