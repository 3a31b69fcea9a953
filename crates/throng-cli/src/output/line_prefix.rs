//! What is written around each line of a command's output: the tag before it, the color around it.

use std::ffi::OsStr;

use throng::Stream;

use crate::options::output::Colors;

/// Cyan, yellow, green, magenta, blue, red: the terminal's own, so that they suit its background.
const COLORS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// For the lines of one stream of one command.
#[derive(Clone, Debug, Default)]
pub(super) struct LinePrefix {
    before: Vec<u8>,
    after: &'static [u8],
}

impl LinePrefix {
    /// For the command with this `seq` and tag.
    pub(super) fn new(seq: u64, stream: Stream, tag: Option<&OsStr>, colors: Colors) -> LinePrefix {
        let mut prefix = LinePrefix::default();
        if colors.on(stream) {
            let color = COLORS[(seq % COLORS.len() as u64) as usize];
            prefix.before = format!("\x1b[{color}m").into_bytes();
            prefix.after = b"\x1b[0m";
        }
        if let Some(tag) = tag {
            prefix.before.extend_from_slice(tag.as_encoded_bytes());
            prefix.before.push(b'\t');
        }
        prefix
    }

    pub(super) fn is_plain(&self) -> bool {
        self.before.is_empty()
    }

    /// Appends bytes to `out`, with the prefix before each line. `in_line`: whether the line that
    /// they begin with has been begun before; afterwards, whether one is open.
    pub(super) fn push(&self, bytes: &[u8], in_line: &mut bool, out: &mut Vec<u8>) {
        if self.is_plain() {
            out.extend_from_slice(bytes);
            return;
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !*in_line {
                out.extend_from_slice(&self.before);
            }
            match line.strip_suffix(b"\n") {
                Some(text) => {
                    out.extend_from_slice(text);
                    out.extend_from_slice(self.after);
                    out.push(b'\n');
                    *in_line = false;
                }
                None => {
                    out.extend_from_slice(line);
                    *in_line = true;
                }
            }
        }
    }

    /// Appends the end of a line that is still open.
    pub(super) fn finish(&self, in_line: bool, out: &mut Vec<u8>) {
        if in_line {
            out.extend_from_slice(self.after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefixed(prefix: &LinePrefix, pieces: &[&[u8]]) -> String {
        let (mut out, mut in_line) = (Vec::new(), false);
        for piece in pieces {
            prefix.push(piece, &mut in_line, &mut out);
        }
        prefix.finish(in_line, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn colors() -> Colors {
        Colors {
            stdout: true,
            stderr: false,
        }
    }

    #[test]
    fn each_line_is_tagged_including_an_unterminated_last_line() {
        let tag = Some(OsStr::new("t"));
        let prefix = LinePrefix::new(0, Stream::Stdout, tag, Colors::default());
        assert_eq!(prefixed(&prefix, &[b"a\n\nb"]), "t\ta\nt\t\nt\tb");
        assert_eq!(prefixed(&prefix, &[b""]), "");
        assert_eq!(prefixed(&prefix, &[b"a", b"b\n", b"c"]), "t\tab\nt\tc");
    }

    #[test]
    fn colors_end_before_the_line_end_and_repeat_in_a_cycle() {
        let tag = Some(OsStr::new("t"));
        let prefix = LinePrefix::new(1, Stream::Stdout, tag, colors());
        assert_eq!(
            prefixed(&prefix, &[b"a\nb"]),
            "\x1b[33mt\ta\x1b[0m\n\x1b[33mt\tb\x1b[0m"
        );
        assert!(LinePrefix::new(1, Stream::Stderr, None, colors()).is_plain());
        let again = LinePrefix::new(1 + COLORS.len() as u64, Stream::Stdout, tag, colors());
        assert_eq!(again.before, prefix.before);
    }

    proptest! {
        #[test]
        fn tagging_does_not_depend_on_how_output_is_split(
            pieces in prop::collection::vec("[ab\n]{0,6}", 0..20),
        ) {
            let prefix = LinePrefix::new(3, Stream::Stdout, Some(OsStr::new("t")), colors());
            let cut: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
            let whole = pieces.concat();
            prop_assert_eq!(prefixed(&prefix, &cut), prefixed(&prefix, &[whole.as_bytes()]));
        }
    }
}
