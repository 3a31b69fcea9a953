//! The allocator of the unit tests: what is freed stays out of use for a while, full of one byte.
//! A write to it in the meantime is found out, above all a kernel that had not finished a read.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::abort;
use std::sync::{Mutex, PoisonError};

/// What freed memory is full of.
const POISON: u8 = 0xdd;

/// Blocks in quarantine. Reads and their buffers are longer than the shortest and not longer than
/// the longest of what is kept.
const PLACES: usize = 1024;
const SHORTEST: usize = 96;
const LONGEST: usize = 64 * 1024;

struct Quarantine(Mutex<Places>);

struct Places {
    blocks: [Option<Block>; PLACES],
    next: usize,
}

#[derive(Clone, Copy)]
struct Block {
    address: *mut u8,
    layout: Layout,
}

// SAFETY: a block in quarantine belongs to the quarantine alone.
unsafe impl Send for Block {}

#[global_allocator]
static ALLOCATOR: Quarantine = Quarantine(Mutex::new(Places {
    blocks: [None; PLACES],
    next: 0,
}));

// SAFETY: memory comes from the system's allocator and goes back to it with the layout that it was
// asked for with; in between only this code has it. Nothing here allocates or panics with the lock
// held.
unsafe impl GlobalAlloc for Quarantine {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps what `GlobalAlloc::alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        let mut freed = Some(Block { address, layout });
        if (SHORTEST..=LONGEST).contains(&layout.size()) {
            // SAFETY: the caller gives the block up, which is as long as in its layout.
            unsafe { address.write_bytes(POISON, layout.size()) };
            freed = self.exchange(freed);
        }
        if let Some(block) = freed {
            // SAFETY: it came from there with this layout, and nothing else has it.
            unsafe { System.dealloc(block.address, block.layout) };
        }
    }
}

impl Quarantine {
    /// Takes a block in, and gives the one that has been there longest.
    fn exchange(&self, block: Option<Block>) -> Option<Block> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.next;
        places.next = (place + 1) % PLACES;
        let oldest = std::mem::replace(&mut places.blocks[place], block);
        drop(places);
        if oldest.is_some_and(Block::was_written_to) {
            abort_loudly();
        }
        oldest
    }
}

impl Block {
    fn was_written_to(self) -> bool {
        // SAFETY: the block is ours and initialised: it was filled when it came here.
        let bytes = unsafe { std::slice::from_raw_parts(self.address, self.layout.size()) };
        bytes.iter().any(|byte| *byte != POISON)
    }
}

/// Looks at everything that is in quarantine, and ends the program if some of it was written to.
pub(super) fn check() {
    let places = ALLOCATOR.0.lock().unwrap_or_else(PoisonError::into_inner);
    let is_bad = places
        .blocks
        .iter()
        .flatten()
        .any(|block| block.was_written_to());
    drop(places);
    if is_bad {
        abort_loudly();
    }
}

fn abort_loudly() -> ! {
    eprintln!("somebody has written to memory that was freed");
    abort();
}
