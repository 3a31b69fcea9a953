//! What is put around the lines of a command's output: its tag before, its color around. Knows
//! lines by their LF alone.

use std::ffi::OsStr;

use throng::Stream;

use crate::options::output::Colors;

/// Cyan, yellow, green, magenta, blue, red: the terminal's own, so that they suit its background.
const COLORS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// What the lines of one stream of one command get.
#[derive(Clone, Debug, Default)]
pub(super) struct Dress {
    before: Vec<u8>,
    after: &'static [u8],
}

impl Dress {
    /// For the command at this place, from 0, with this tag.
    pub(super) fn new(place: u64, stream: Stream, tag: Option<&OsStr>, colors: Colors) -> Dress {
        let mut dress = Dress::default();
        if colors.on(stream) {
            let color = COLORS[(place % COLORS.len() as u64) as usize];
            dress.before = format!("\x1b[{color}m").into_bytes();
            dress.after = b"\x1b[0m";
        }
        if let Some(tag) = tag {
            dress.before.extend_from_slice(tag.as_encoded_bytes());
            dress.before.push(b'\t');
        }
        dress
    }

    pub(super) fn is_plain(&self) -> bool {
        self.before.is_empty()
    }

    /// Adds these bytes to `out`, dressed. `in_line` says whether the line that they begin with has
    /// been begun before, and afterwards whether one is open.
    pub(super) fn put_on(&self, bytes: &[u8], in_line: &mut bool, out: &mut Vec<u8>) {
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

    /// Adds what ends a line that is still open.
    pub(super) fn take_off(&self, in_line: bool, out: &mut Vec<u8>) {
        if in_line {
            out.extend_from_slice(self.after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dressed(dress: &Dress, pieces: &[&[u8]]) -> String {
        let (mut out, mut in_line) = (Vec::new(), false);
        for piece in pieces {
            dress.put_on(piece, &mut in_line, &mut out);
        }
        dress.take_off(in_line, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn colors() -> Colors {
        Colors {
            stdout: true,
            stderr: false,
        }
    }

    #[test]
    fn each_line_is_tagged_and_an_open_last_line_too() {
        let tag = Some(OsStr::new("t"));
        let dress = Dress::new(0, Stream::Stdout, tag, Colors::default());
        assert_eq!(dressed(&dress, &[b"a\n\nb"]), "t\ta\nt\t\nt\tb");
        assert_eq!(dressed(&dress, &[b""]), "");
        assert_eq!(dressed(&dress, &[b"a", b"b\n", b"c"]), "t\tab\nt\tc");
    }

    #[test]
    fn colors_end_before_the_line_does_and_go_round() {
        let tag = Some(OsStr::new("t"));
        let dress = Dress::new(1, Stream::Stdout, tag, colors());
        assert_eq!(
            dressed(&dress, &[b"a\nb"]),
            "\x1b[33mt\ta\x1b[0m\n\x1b[33mt\tb\x1b[0m"
        );
        assert!(Dress::new(1, Stream::Stderr, None, colors()).is_plain());
        let again = Dress::new(1 + COLORS.len() as u64, Stream::Stdout, tag, colors());
        assert_eq!(again.before, dress.before);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_output_is_cut(
            pieces in prop::collection::vec("[ab\n]{0,6}", 0..20),
        ) {
            let dress = Dress::new(3, Stream::Stdout, Some(OsStr::new("t")), colors());
            let cut: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
            let whole = pieces.concat();
            prop_assert_eq!(dressed(&dress, &cut), dressed(&dress, &[whole.as_bytes()]));
        }
    }
}
