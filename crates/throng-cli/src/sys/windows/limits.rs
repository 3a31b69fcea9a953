//! How long a command may be, in units of UTF-16. Sources in docs/windows.md.

use super::words::{command_line, push_argument};
use crate::sys::api::Limits;

/// `CreateProcessW` takes so many, with the NUL at the end and the quotes that are always around
/// the name of the program.
const LINE_UNITS_MAX: usize = 32_767 - 2;

/// `cmd.exe` takes so many, with the same.
const SCRIPT_UNITS_MAX: usize = 8191 - 2;

/// A word as it is written into the line, and the blank or the NUL behind it.
pub(crate) fn word_length(word: &[u8]) -> usize {
    let mut written = Vec::new();
    push_argument(&mut written, word);
    units(&written) + 1
}

/// A script is written as it is.
pub(crate) fn script_length(script: &[u8]) -> usize {
    units(script) + 1
}

/// A script has what calls `cmd.exe` before it, and its quotes count.
pub(crate) fn limits(is_shell: bool) -> Limits {
    let units = if is_shell {
        let around =
            super::shell(None, Vec::new()).map_or(0, |command| units(&command_line(&command)));
        SCRIPT_UNITS_MAX.saturating_sub(around)
    } else {
        LINE_UNITS_MAX
    };
    Limits {
        units,
        word: units,
        per_word: 0,
    }
}

fn units(bytes: &[u8]) -> usize {
    bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().encode_utf16().count() + chunk.invalid().len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_as_they_are_written() {
        let lengths = [&b"ab"[..], b"a b", b"", "é😀".as_bytes()].map(word_length);
        assert_eq!(lengths, [3, 6, 3, 4]);
        assert_eq!([&b"a b"[..], b"\"\\"].map(script_length), [4, 3]);
        assert!(limits(true).units < SCRIPT_UNITS_MAX);
    }
}
