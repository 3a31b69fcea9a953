//! What the children of the self-check write: bytes that follow from the child's number, so that a
//! loss, a duplicate or a swap shows.

use std::io::{self, Write};

/// What one child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Script {
    number: u32,
    pub(super) out: usize,
    pub(super) err: usize,
    pub(super) exit_code: u8,
}

/// Which stream, as a seed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Out = 1,
    Err = 2,
}

impl Script {
    /// Little output mostly, sometimes none, and sometimes more than a pipe takes.
    pub(super) fn of(number: u32) -> Script {
        let n = number as usize;
        let big = if number % 100 == 7 { 300_000 } else { 0 };
        Script {
            number,
            out: n * 37 % 5000 + big,
            err: n * 101 % 3000 * (n % 2) + big,
            exit_code: (number % 100) as u8,
        }
    }

    /// Both streams in turn, in pieces of uneven length.
    pub(super) fn perform(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
        let (bytes_out, bytes_err) = (self.bytes(Side::Out), self.bytes(Side::Err));
        let mut pieces_out = bytes_out.chunks(1777);
        let mut pieces_err = bytes_err.chunks(1231);
        loop {
            let (piece_out, piece_err) = (pieces_out.next(), pieces_err.next());
            if let Some(piece) = piece_out {
                out.write_all(piece)?;
                out.flush()?;
            }
            if let Some(piece) = piece_err {
                err.write_all(piece)?;
            }
            if piece_out.is_none() && piece_err.is_none() {
                return Ok(());
            }
        }
    }

    pub(super) fn bytes(self, side: Side) -> Vec<u8> {
        let length = match side {
            Side::Out => self.out,
            Side::Err => self.err,
        };
        // A linear congruential generator (Knuth, MMIX): the same everywhere, for ever.
        let mut state = u64::from(self.number) << 8 | side as u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_child_writes_its_own_expected_pattern() {
        for number in [0, 1, 7, 8, 999] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let script = Script::of(number);
            script.perform(&mut out, &mut err).unwrap();
            assert_eq!(out, script.bytes(Side::Out));
            assert_eq!(err, script.bytes(Side::Err));
            let start = out.len().min(err.len()).min(16);
            assert!(start == 0 || out[..start] != err[..start]);
        }
        assert_ne!(
            Script::of(3).bytes(Side::Out)[..50],
            Script::of(4).bytes(Side::Out)[..50]
        );
    }
}
