//! Bytes that grow as those of a `Vec` do, and whose memory goes back to the system with them.
//!
//! That of a large `Vec` does not, with glibc: once a block that had pages of its own is freed, its
//! size, up to 32 MiB, is the one from which on others get such pages, and each thread's heap keeps
//! twice as much of what is freed (mallopt(3), `M_MMAP_THRESHOLD`, `M_TRIM_THRESHOLD`). A budget of
//! 64 MiB was 160 MiB of memory so, and to grow was to copy. Pages of our own are moved, not copied
//! (`mremap`).
//!
//! The price: what is freed is not there for the next one, which has its pages zeroed again.
//!
//! How many bytes there will be is decided elsewhere, so room is requested first, and a lack of it
//! is an error and not the end of this program.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};

use memmap2::{MmapMut, RemapOptions};

/// From this size on they have pages of their own: where glibc begins with it.
const PAGES_FROM: usize = 128 * 1024;

/// As much of `Vec<u8>` as the store of a stream needs.
#[derive(Debug)]
pub(crate) enum Bytes {
    Heap(Vec<u8>),
    Pages(Pages),
}

/// Pages, and how many of their bytes are in use.
#[derive(Debug)]
pub(crate) struct Pages {
    map: MmapMut,
    len: usize,
}

impl Bytes {
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Bytes::Heap(vec) => vec.capacity(),
            Bytes::Pages(pages) => pages.map.len(),
        }
    }

    /// Makes room for this many more, and for no others if it has to. On an error nothing changes.
    pub(crate) fn try_reserve_exact(&mut self, more: usize) -> Result<(), TryReserveError> {
        let wanted = self.len().saturating_add(more);
        if wanted <= self.capacity() {
            return Ok(());
        }
        match self {
            Bytes::Heap(vec) if wanted < PAGES_FROM => vec.try_reserve_exact(more),
            Bytes::Heap(vec) => match Pages::new(vec, wanted) {
                Some(pages) => {
                    *self = Bytes::Pages(pages);
                    Ok(())
                }
                None => vec.try_reserve_exact(more),
            },
            Bytes::Pages(pages) => match pages.grow(wanted) {
                true => Ok(()),
                false => self.move_to_heap(wanted),
            },
        }
    }

    /// Adds bytes. There must be room for them.
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.capacity() - self.len(), "no room");
        match self {
            Bytes::Heap(vec) => vec.extend_from_slice(bytes),
            Bytes::Pages(pages) => {
                let end = pages.len + bytes.len();
                pages.map[pages.len..end].copy_from_slice(bytes);
                pages.len = end;
            }
        }
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        match self {
            Bytes::Heap(vec) => vec.truncate(len),
            Bytes::Pages(pages) => pages.len = pages.len.min(len),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.truncate(0);
    }

    /// The system may have no more mappings to give, while the heap still has room.
    #[cold]
    fn move_to_heap(&mut self, room: usize) -> Result<(), TryReserveError> {
        let mut vec = Vec::new();
        vec.try_reserve_exact(room)?;
        vec.extend_from_slice(self);
        *self = Bytes::Heap(vec);
        Ok(())
    }
}

impl Pages {
    /// These bytes, with this much room; none when the system has no pages to give.
    fn new(bytes: &[u8], room: usize) -> Option<Pages> {
        let mut map = MmapMut::map_anon(room).ok()?;
        map[..bytes.len()].copy_from_slice(bytes);
        let len = bytes.len();
        Some(Pages { map, len })
    }

    /// Returns whether there is this much room now.
    fn grow(&mut self, room: usize) -> bool {
        let options = RemapOptions::new().may_move(true);
        // SAFETY: no file is mapped, so there is no end of one to reach beyond; that more of it is
        // there than before is zeroed pages. It may move, and no slice of it is lent, for this has
        // the only reference to it.
        unsafe { self.map.remap(room, options) }.is_ok()
    }
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Heap(Vec::new())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Heap(vec) => vec,
            Bytes::Pages(pages) => &pages.map[..pages.len],
        }
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Bytes::Heap(vec) => vec,
            Bytes::Pages(pages) => &mut pages.map[..pages.len],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Bytes {
        fn push(&mut self, bytes: &[u8]) {
            self.try_reserve_exact(bytes.len()).unwrap();
            self.extend_from_slice(bytes);
        }
    }

    proptest! {
        #[test]
        fn bytes_behave_like_a_vec(
            steps in prop::collection::vec((0..5, 0usize..200_000), 0..20),
        ) {
            let (mut bytes, mut vec) = (Bytes::default(), Vec::new());
            for (n, (what, size)) in steps.into_iter().enumerate() {
                match what {
                    0 => {
                        bytes.try_reserve_exact(size).unwrap();
                        prop_assert!(bytes.capacity() >= vec.len() + size);
                    }
                    1 => {
                        bytes.truncate(size);
                        vec.truncate(size);
                    }
                    2 => bytes.move_to_heap(size.max(vec.len())).unwrap(),
                    _ => {
                        bytes.push(&vec![n as u8; size]);
                        vec.extend_from_slice(&vec![n as u8; size]);
                    }
                }
                prop_assert!(*bytes == vec);
                prop_assert!(bytes.capacity() >= bytes.len());
            }
        }
    }

    #[test]
    fn large_buffers_have_pages_of_their_own_and_keep_their_contents_when_moved() {
        let mut all = [Bytes::default(), Bytes::default(), Bytes::default()];
        for round in 0..64 {
            for (n, bytes) in all.iter_mut().enumerate() {
                bytes.push(&[(round + n) as u8; 30_000]);
            }
        }
        for (n, bytes) in all.iter().enumerate() {
            assert!(matches!(bytes, Bytes::Pages(_)));
            let mut pieces = bytes.chunks(30_000).enumerate();
            assert!(pieces.all(|(round, piece)| piece == [(round + n) as u8; 30_000]));
        }
    }

    #[test]
    fn without_more_pages_buffers_continue_on_the_heap() {
        let mut bytes = Bytes::default();
        bytes.push(&[7; PAGES_FROM]);
        assert!(matches!(bytes, Bytes::Pages(_)));
        bytes.move_to_heap(PAGES_FROM + 1).unwrap();
        assert!(matches!(bytes, Bytes::Heap(_)));
        bytes.push(&[8]);
        assert_eq!(bytes[..PAGES_FROM], [7; PAGES_FROM]);
        assert_eq!(bytes[PAGES_FROM..], [8]);
    }

    #[test]
    fn an_impossible_capacity_is_an_error_and_the_contents_stay() {
        // More than any address space, and still a valid size for an allocation.
        const TOO_MUCH: usize = isize::MAX as usize - (1 << 20);
        for len in [10, PAGES_FROM] {
            let mut bytes = Bytes::default();
            bytes.push(&vec![7; len]);
            assert!(bytes.try_reserve_exact(TOO_MUCH).is_err());
            assert!(bytes.try_reserve_exact(usize::MAX).is_err());
            bytes.push(&[8]);
            assert!(bytes[..len].iter().all(|byte| *byte == 7) && bytes[len..] == [8]);
        }
    }
}
