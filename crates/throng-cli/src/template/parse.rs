//! Looks at whole words: what is refused in them, and where a shell would split them.

use std::ffi::OsString;

use anyhow::bail;

use super::{Piece, Word};
use crate::text;

/// GNU parallel evaluates Perl between `{=` and `=}`. To pass that on as text would run something
/// that nobody meant.
pub(super) fn refuse_perl(words: &[OsString]) -> anyhow::Result<()> {
    let words: Vec<_> = words.iter().map(|word| word.as_encoded_bytes()).collect();
    let line = words.join(&b' ');
    let find = |from: usize, wanted: &[u8]| {
        let found = line[from..].windows(2).position(|pair| pair == wanted);
        found.map(|at| from + at)
    };
    let start = find(0, b"{=");
    if let Some(start) = start
        && let Some(end) = find(start + 2, b"=}")
    {
        let expression = text::quoted(&line[start..end + 2]);
        bail!("{expression} is a Perl expression of GNU parallel; there are --plus and --rpl");
    }
    Ok(())
}

/// The words that a shell sees in this one. Blanks in a place are part of it.
pub(super) fn split_at_blanks(word: Word) -> Vec<Word> {
    let mut words = vec![Word {
        gap: word.gap,
        pieces: Vec::new(),
    }];
    for piece in word.pieces {
        let Piece::Text(text) = piece else {
            push(&mut words, piece);
            continue;
        };
        let is_blank = |byte: &u8| byte.is_ascii_whitespace();
        for run in text.chunk_by(|a, b| is_blank(a) == is_blank(b)) {
            if is_blank(&run[0]) {
                words.push(Word {
                    gap: run.to_vec(),
                    pieces: Vec::new(),
                });
            } else {
                push(&mut words, Piece::Text(run.to_vec()));
            }
        }
    }
    words
}

fn push(words: &mut [Word], piece: Piece) {
    if let Some(word) = words.last_mut() {
        word.pieces.push(piece);
    }
}
