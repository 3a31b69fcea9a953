//! What processes write: bytes that say whose they are, on which stream and where, so that none can
//! be lost, doubled, swapped or mixed up without being found out.
//!
//! A stream is made of pages that differ in their first eight bytes, which count them, and are
//! otherwise the same, so that making them costs next to nothing beside writing them.

/// How much a process writes at a time in `writers`, and what a page of the pattern is.
pub(crate) const PAGE_BYTES: usize = 4096;

/// The pattern of one stream of one process.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    page: Vec<u8>,
}

impl Pattern {
    /// Of the process with this number, and of its stdout (0) or its stderr (1).
    pub(crate) fn new(number: u64, stream: u64) -> Pattern {
        let seed = (2 * number + stream + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let words = (0..PAGE_BYTES as u64 / 8).map(|word| {
            let mixed = seed ^ word.wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (mixed ^ mixed >> 29).wrapping_mul(0x94D0_49BB_1331_11EB)
        });
        let page = words.flat_map(u64::to_le_bytes).collect();
        Pattern { page }
    }

    /// The page of this index, counted from 0.
    pub(crate) fn page(&mut self, index: u64) -> &[u8] {
        self.page[..8].copy_from_slice(&index.to_le_bytes());
        &self.page
    }

    /// The first byte that is not as it should be in the first `length` bytes of the stream. One
    /// that is missing, or too much, is not either.
    pub(crate) fn first_difference(&mut self, length: u64, found: &[u8]) -> Option<usize> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        for (index, part) in found[..found.len().min(length)]
            .chunks(PAGE_BYTES)
            .enumerate()
        {
            let page = &self.page(index as u64)[..part.len()];
            if page != part {
                let same = page.iter().zip(part).take_while(|(a, b)| a == b).count();
                return Some(index * PAGE_BYTES + same);
            }
        }
        (found.len() != length).then_some(found.len().min(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: u64, stream: u64, pages: u64) -> Vec<u8> {
        let mut pattern = Pattern::new(number, stream);
        (0..pages)
            .flat_map(|index| pattern.page(index).to_vec())
            .collect()
    }

    #[test]
    fn nothing_is_lost_doubled_or_swapped_unnoticed() {
        let whole = bytes(7, 0, 4);
        let length = whole.len() as u64;
        let check = |found: &[u8]| Pattern::new(7, 0).first_difference(length, found);
        assert_eq!(check(&whole), None);
        assert_eq!(check(&whole[..whole.len() - 1]), Some(whole.len() - 1));
        assert_eq!(check(&[&whole[..], b"x"].concat()), Some(whole.len()));
        assert_eq!(check(&whole[1..]), Some(0));
        // A page that comes twice, or before its time, has the wrong number.
        let doubled = [&whole[..PAGE_BYTES], &whole[..whole.len() - PAGE_BYTES]].concat();
        assert_eq!(check(&doubled), Some(PAGE_BYTES));
        assert!(check(&bytes(7, 1, 4)).is_some_and(|at| at < PAGE_BYTES));
        assert!(check(&bytes(8, 0, 4)).is_some_and(|at| at < PAGE_BYTES));
    }
}
