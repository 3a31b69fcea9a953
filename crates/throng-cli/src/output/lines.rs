//! Joins pieces that are cut anywhere to whole lines.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use memchr::memrchr;
use throng::Stream;

use super::line_prefix::LinePrefix;
use crate::work;

/// A line that is longer than this is passed on in pieces, which bounds memory.
const LONGEST_LINE: usize = 1 << 20;

/// The beginnings of lines whose ends have not come yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: Mutex<HashMap<(u64, Stream), Open>>,
}

#[derive(Debug, Default)]
struct Open {
    begun: Vec<u8>,
    /// Whether a piece of this line has been passed on already.
    in_line: bool,
}

impl Lines {
    /// Takes a piece; returns the lines that it completes, with their prefix.
    pub(super) fn push(
        &self,
        seq: u64,
        stream: Stream,
        bytes: &[u8],
        prefix: &LinePrefix,
    ) -> Vec<u8> {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.entry((seq, stream)).or_default();
        // What was there before has no line end, and is not looked at again.
        let last_end = memrchr(b'\n', bytes).map(|at| open.begun.len() + at);
        work::count(bytes.len());
        open.begun.extend_from_slice(bytes);
        let mut out = Vec::new();
        match last_end {
            Some(end) => {
                let whole: Vec<u8> = open.begun.drain(..=end).collect();
                prefix.push(&whole, &mut open.in_line, &mut out);
            }
            None if open.begun.len() > LONGEST_LINE => {
                let piece = std::mem::take(&mut open.begun);
                prefix.push(&piece, &mut open.in_line, &mut out);
            }
            None => {}
        }
        if open.begun.is_empty() && !open.in_line {
            all.remove(&(seq, stream));
        }
        out
    }

    /// No more pieces come: returns the last line, which has no end.
    pub(super) fn finish(&self, seq: u64, stream: Stream, prefix: &LinePrefix) -> Vec<u8> {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = all.remove(&(seq, stream)).unwrap_or_default();
        let mut out = Vec::new();
        prefix.push(&open.begun, &mut open.in_line, &mut out);
        prefix.finish(open.in_line, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::output::Colors;
    use proptest::prelude::*;
    use std::ffi::OsStr;

    fn tagged() -> LinePrefix {
        let tag = Some(OsStr::new("t"));
        LinePrefix::new(0, Stream::Stdout, tag, Colors::default())
    }

    proptest! {
        #[test]
        fn pieces_are_joined_into_lines_and_nothing_is_lost(
            pieces in prop::collection::vec("[ab\n]{0,6}", 0..20),
        ) {
            let lines = Lines::default();
            let mut out = Vec::new();
            for piece in &pieces {
                let whole = lines.push(1, Stream::Stdout, piece.as_bytes(), &LinePrefix::default());
                prop_assert!(whole.is_empty() || whole.ends_with(b"\n"));
                out.extend(whole);
            }
            out.extend(lines.finish(1, Stream::Stdout, &LinePrefix::default()));
            prop_assert_eq!(out, pieces.concat().into_bytes());
            prop_assert!(lines.open.lock().unwrap().is_empty());
        }
    }

    #[test]
    fn work_is_linear_in_the_output() {
        let work = |pieces: usize| {
            let lines = Lines::default();
            work::of(|| {
                for _ in 0..pieces {
                    assert_eq!(lines.push(1, Stream::Stdout, b"abc", &tagged()), b"");
                }
            })
        };
        assert_eq!((work(1000), work(2000)), (3000, 6000));
    }

    #[test]
    fn commands_and_streams_do_not_mix() {
        let (lines, plain) = (Lines::default(), LinePrefix::default());
        assert_eq!(lines.push(1, Stream::Stdout, b"a", &plain), b"");
        assert_eq!(lines.push(2, Stream::Stdout, b"b", &plain), b"");
        assert_eq!(lines.push(1, Stream::Stderr, b"c\n", &tagged()), b"t\tc\n");
        assert_eq!(lines.push(1, Stream::Stdout, b"A\n", &plain), b"aA\n");
        assert_eq!(lines.finish(2, Stream::Stdout, &plain), b"b");
    }

    #[test]
    fn an_endless_line_is_printed_in_pieces_with_one_tag() {
        let lines = Lines::default();
        let piece = vec![b'x'; LONGEST_LINE + 1];
        let first = lines.push(1, Stream::Stdout, &piece, &tagged());
        assert_eq!(first.len(), piece.len() + 2);
        assert_eq!(lines.push(1, Stream::Stdout, b"y\n", &tagged()), b"y\n");
        assert_eq!(lines.push(1, Stream::Stdout, b"z\n", &tagged()), b"t\tz\n");
    }
}
