//! Whole lines out of pieces that are cut anywhere.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::{Mutex, PoisonError};

use throng::Stream;

/// A line that is longer than this is given out in pieces; it bounds memory.
const LONGEST_LINE: usize = 1 << 20;

/// The beginnings of lines whose ends have not come yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: Mutex<HashMap<(u64, Stream), Vec<u8>>>,
}

impl Lines {
    /// Takes a piece; gives out the lines that it completes, tagged.
    pub(super) fn push(
        &self,
        seq: u64,
        stream: Stream,
        bytes: &[u8],
        tag: Option<&OsStr>,
    ) -> Vec<u8> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = open.entry((seq, stream)).or_default();
        begun.extend_from_slice(bytes);
        let last_end = begun.iter().rposition(|byte| *byte == b'\n');
        let whole = match last_end {
            Some(end) => begun.drain(..=end).collect(),
            None if begun.len() > LONGEST_LINE => std::mem::take(begun),
            None => Vec::new(),
        };
        if begun.is_empty() {
            open.remove(&(seq, stream));
        }
        with_tag(whole, tag)
    }

    /// No more pieces come: gives out what has no end.
    pub(super) fn finish(&self, seq: u64, stream: Stream, tag: Option<&OsStr>) -> Vec<u8> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        with_tag(open.remove(&(seq, stream)).unwrap_or_default(), tag)
    }
}

fn with_tag(bytes: Vec<u8>, tag: Option<&OsStr>) -> Vec<u8> {
    match tag {
        Some(tag) => super::tagged(&bytes, tag),
        None => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_come_out_as_lines_and_nothing_is_lost(
            pieces in prop::collection::vec("[ab\n]{0,6}", 0..20),
        ) {
            let lines = Lines::default();
            let mut out = Vec::new();
            for piece in &pieces {
                let whole = lines.push(1, Stream::Stdout, piece.as_bytes(), None);
                prop_assert!(whole.is_empty() || whole.ends_with(b"\n"));
                out.extend(whole);
            }
            out.extend(lines.finish(1, Stream::Stdout, None));
            prop_assert_eq!(out, pieces.concat().into_bytes());
            prop_assert!(lines.open.lock().unwrap().is_empty());
        }
    }

    #[test]
    fn commands_and_streams_do_not_mix() {
        let lines = Lines::default();
        assert_eq!(lines.push(1, Stream::Stdout, b"a", None), b"");
        assert_eq!(lines.push(2, Stream::Stdout, b"b", None), b"");
        assert_eq!(
            lines.push(1, Stream::Stderr, b"c\n", Some(OsStr::new("t"))),
            b"t\tc\n"
        );
        assert_eq!(lines.push(1, Stream::Stdout, b"A\n", None), b"aA\n");
        assert_eq!(lines.finish(2, Stream::Stdout, None), b"b");
    }

    #[test]
    fn an_endless_line_is_given_out_in_pieces() {
        let lines = Lines::default();
        let piece = vec![b'x'; LONGEST_LINE + 1];
        assert_eq!(
            lines.push(1, Stream::Stdout, &piece, None).len(),
            piece.len()
        );
    }
}
