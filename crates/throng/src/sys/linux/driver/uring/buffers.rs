//! The buffers that the kernel reads into, and the ring through which they go back and forth.
//!
//! A stream that is quiet has no buffer: the kernel takes one from the ring when there is
//! something to put into it (IORING_REGISTER_PBUF_RING, since Linux 5.19).
//!
//! Ownership: a buffer belongs to the kernel from when it is put into the ring until a completion
//! names it. Only then is a slice of it made, and that is gone before it is put back.

use std::ffi::c_void;
use std::io;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::sys::linux::driver::reader::READ_SIZE;

/// The group of buffers that reads name; there is only one.
pub(super) const GROUP: u16 = 0;

/// How many buffers there are: as many reads can complete between two looks at the ring. When
/// there is none left a read fails with ENOBUFS and is tried again.
const COUNT: u16 = 32;

const RING_SIZE: usize = 4096;
const MEMORY_SIZE: usize = COUNT as usize * READ_SIZE;
const _: () = assert!(COUNT as usize * size_of::<BufRingEntry>() <= RING_SIZE);
const _: () = assert!(COUNT.is_power_of_two());

#[derive(Debug)]
pub(super) struct Buffers {
    /// A page: the entries, and in the first of them the tail that the kernel reads.
    ring: *mut c_void,
    memory: *mut c_void,
    tail: u16,
}

impl Buffers {
    pub(super) fn new(submitter: &Submitter<'_>) -> io::Result<Buffers> {
        let ring = map(RING_SIZE)?;
        let memory = map(MEMORY_SIZE).inspect_err(|_| unmap(ring, RING_SIZE))?;
        let mut buffers = Buffers {
            ring,
            memory,
            tail: 0,
        };
        for id in 0..COUNT {
            buffers.put_back(id);
        }
        // SAFETY: a page-aligned page that stays mapped until `Buffers` is dropped, which `Uring`
        // does only after the ring that it is registered with is closed and has nothing in flight.
        unsafe { submitter.register_buf_ring_with_flags(ring as u64, COUNT, GROUP, 0) }?;
        Ok(buffers)
    }

    /// Gives a buffer to the kernel.
    pub(super) fn put_back(&mut self, id: u16) {
        let place = usize::from(self.tail & (COUNT - 1));
        let entries: *mut BufRingEntry = self.ring.cast();
        // SAFETY: `place` is below COUNT, and COUNT entries fit the page.
        let entry = unsafe { entries.add(place) };
        // SAFETY: aligned, as pages are, and zeroed at first. The kernel looks at entries before
        // the tail only, which this one is not yet, so nothing else refers to it. The reference
        // ends before the tail, which shares the first entry's last bytes, is written below.
        let entry = unsafe { &mut *entry };
        entry.set_addr(self.address(id) as u64);
        entry.set_len(READ_SIZE as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: `ring` is the address of the first entry, which is zeroed at least.
        let tail = unsafe { BufRingEntry::tail(entries) };
        // SAFETY: aligned and mapped; the kernel reads it as we write it, hence an atomic.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    /// What a completion put into a buffer.
    pub(super) fn bytes(&self, id: u16, len: usize) -> &[u8] {
        assert!(
            id < COUNT && len <= READ_SIZE,
            "the kernel names a buffer of ours"
        );
        // SAFETY: within the mapping, zeroed or written by the kernel, which does not touch it
        // again before it is put back; that takes `&mut self`, and so the slice is gone then.
        unsafe { slice::from_raw_parts(self.address(id), len) }
    }

    fn address(&self, id: u16) -> *mut u8 {
        self.memory
            .cast::<u8>()
            .wrapping_add(usize::from(id) * READ_SIZE)
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        unmap(self.ring, RING_SIZE);
        unmap(self.memory, MEMORY_SIZE);
    }
}

fn map(size: usize) -> io::Result<*mut c_void> {
    let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: a new mapping at an address that the kernel chooses overlaps nothing.
    Ok(unsafe { mmap_anonymous(ptr::null_mut(), size, prot, flags) }?)
}

fn unmap(address: *mut c_void, size: usize) {
    // SAFETY: called once for each mapping that `map` made, with the same size, when neither the
    // kernel nor a slice refers to it any more.
    let _ = unsafe { munmap(address, size) };
}
