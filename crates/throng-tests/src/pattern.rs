//! A pattern in which every byte depends on its position: what the child writes, and the proof that
//! all of it arrived.
//!
//! Every byte depends on its position and its stream, so that lost, duplicated and reordered bytes
//! and bytes of the other stream are all detected.

/// Which of the two endless patterns: one for each stream of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What the step `out:N` writes to stdout.
    Out,
    /// What the step `err:N` writes to stderr.
    Err,
}

/// Fills a buffer with the bytes of this pattern from this position on.
pub fn fill(source: Source, from: u64, buffer: &mut [u8]) {
    // A word at a time: without optimization a byte at a time takes longer than all the rest.
    let (mut position, mut rest) = (from, buffer);
    while !rest.is_empty() {
        let word = mix(position / 8, source).to_le_bytes();
        let word = &word[(position % 8) as usize..];
        let (now, later) = rest.split_at_mut(word.len().min(rest.len()));
        now.copy_from_slice(&word[..now.len()]);
        position += now.len() as u64;
        rest = later;
    }
}

/// The finalizer of splitmix64: every bit of the position changes every byte.
fn mix(word_at: u64, source: Source) -> u64 {
    let salt: u64 = match source {
        Source::Out => 0x9e37_79b9_7f4a_7c15,
        Source::Err => 0xd1b5_4a32_d192_ed03,
    };
    let mut z = word_at.wrapping_add(1).wrapping_mul(salt);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether these are exactly the first `len` bytes of the pattern; if not, what is wrong.
///
/// # Errors
///
/// A sentence that states where the bytes differ, and whether some were lost or duplicated.
pub fn check_pattern(source: Source, bytes: &[u8], len: usize) -> Result<(), String> {
    let mut expected = vec![0; len];
    fill(source, 0, &mut expected);
    if bytes == expected {
        return Ok(());
    }
    let same = bytes
        .iter()
        .zip(&expected)
        .take_while(|(a, b)| a == b)
        .count();
    let mut message = format!("{source:?}: {} bytes in place of {len}", bytes.len());
    if same == bytes.len() {
        message += ", right as far as they go";
    } else if same == len {
        message += &format!(", right and then more: {:?}", Excerpt(&bytes[same..]));
    } else {
        message += &format!(", wrong from byte {same} on: {:?}", Excerpt(&bytes[same..]));
        message += &match find(source, &bytes[same..], len + bytes.len()) {
            Some(place) if place > same => format!("; {} bytes were lost there", place - same),
            Some(place) => format!("; the bytes from {place} on come again"),
            None => "; they are nowhere in the pattern".into(),
        };
    }
    Err(message)
}

/// The position of these bytes in the pattern.
fn find(source: Source, bytes: &[u8], until: usize) -> Option<usize> {
    let needle = &bytes[..bytes.len().min(12)];
    let mut hay = vec![0; until + needle.len()];
    fill(source, 0, &mut hay);
    hay.windows(needle.len())
        .position(|window| window == needle)
}

struct Excerpt<'a>(&'a [u8]);

impl std::fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.0[..self.0.len().min(16)];
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            f.write_str("..")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        fill(Source::Out, 0, &mut bytes);
        bytes
    }

    #[test]
    fn a_pattern_may_be_written_in_pieces() {
        let mut pieces = Vec::new();
        for len in [1, 7, 8, 9, 100, 0, 3] {
            let mut piece = vec![0; len];
            fill(Source::Out, pieces.len() as u64, &mut piece);
            pieces.append(&mut piece);
        }
        assert_eq!(check_pattern(Source::Out, &pieces, 128), Ok(()));
    }

    #[test]
    fn every_byte_value_occurs_and_the_streams_differ() {
        let bytes = first(8192);
        assert!((0..=255).all(|value| bytes.contains(&value)));
        assert!(check_pattern(Source::Err, &bytes, 8192).is_err());
    }

    #[test]
    fn differences_from_the_pattern_are_described() {
        let bytes = first(1000);
        let check = |bytes: &[u8]| check_pattern(Source::Out, bytes, 1000).unwrap_err();
        assert!(check(&bytes[..999]).contains("999 bytes in place of 1000, right as far"));
        let lost = [&bytes[..300], &bytes[400..]].concat();
        assert!(
            check(&lost).contains("wrong from byte 300 on"),
            "{}",
            check(&lost)
        );
        assert!(
            check(&lost).contains("100 bytes were lost"),
            "{}",
            check(&lost)
        );
        let twice = [&bytes[..300], &bytes[200..]].concat();
        assert!(
            check(&twice).contains("from 200 on come again"),
            "{}",
            check(&twice)
        );
        assert!(check(&[&bytes[..], b"x"].concat()).contains("right and then more: \"x\""));
    }
}
