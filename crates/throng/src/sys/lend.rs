//! Memory that is lent to the kernel for an operation, and who owns it: us before [`lend`] and
//! after [`take_back`], the kernel in between.
//!
//! All that the kernel may touch belongs to one heap block: the control block, by whose address
//! the operation is known, and the buffer; and so does what has to stay as long, such as the
//! handle. [`lend`] gives the block away and [`take_back`] returns it. They are the only two places
//! that do, so while the kernel has it nothing else can reach it, let alone free it. What is never
//! announced is never freed.
//!
//! The mechanisms of Windows read like this. The module knows nothing of that system, so that its
//! tests can be run against a kernel of their own, under Miri and AddressSanitizer.

use std::mem::offset_of;

/// A quiet stream holds one of these; small programs write less than this.
const FIRST_BUFFER: usize = 4 * 1024;

/// For a stream that has filled its buffer once: as much as its pipe holds.
const FULL_BUFFER: usize = 64 * 1024;

/// What identifies an operation for the kernel.
///
/// # Safety
///
/// It is data that any thread may have: pointers in it are followed by the kernel only, and only
/// while it has the block.
pub(super) unsafe trait Control: Default {}

/// A control block of type `C`, a buffer, and what else belongs to the operation.
#[repr(C)]
pub(super) struct Block<C, T> {
    control: C,
    buffer: Box<[u8]>,
    /// The most that the next operation may put into the buffer.
    at_most: usize,
    /// How much the last one has put there.
    filled: usize,
    /// Ours alone; the kernel never sees it.
    pub(super) mine: T,
}

/// What the kernel is given. The pointers are good until the operation is announced or refused.
pub(super) struct Raw<C> {
    pub(super) control: *mut C,
    pub(super) buffer: *mut u8,
    pub(super) len: usize,
}

/// What the kernel answers when it is given an operation.
pub(super) enum Answer {
    /// It will be announced when it is finished, which may have happened already.
    Accepted,
    /// It is finished and will not be announced.
    Done,
    /// It was not begun, for this reason, and will not be announced.
    Refused(u32),
}

/// What became of a block that was to be lent.
pub(super) enum Lent<C, T> {
    /// The kernel has it. This is what it will announce.
    Away(*mut C),
    /// The operation is finished.
    Done(Box<Block<C, T>>),
    /// The operation was not begun, for this reason.
    Refused(Box<Block<C, T>>, u32),
}

// SAFETY: the control block may be sent, says `Control`; so may the rest, say its types.
unsafe impl<C: Control, T: Send> Send for Block<C, T> {}

impl<C: Control, T> Block<C, T> {
    pub(super) fn new(mine: T) -> Box<Block<C, T>> {
        Box::new(Block {
            control: C::default(),
            buffer: vec![0; FIRST_BUFFER].into_boxed_slice(),
            at_most: FIRST_BUFFER,
            filled: 0,
            mine,
        })
    }
}

impl<C: Control, T> Block<C, T> {
    /// What the kernel has left in the control block.
    pub(super) fn control(&self) -> &C {
        &self.control
    }

    /// For the operation that comes next; the control block is to be set anew for each.
    pub(super) fn control_mut(&mut self) -> &mut C {
        &mut self.control
    }

    /// What was read last.
    pub(super) fn output(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Keeps this many bytes of what was read as the output.
    pub(super) fn keep(&mut self, bytes: usize) {
        self.filled = bytes.min(self.buffer.len());
    }

    /// Lets the next operation take this much, and gives it the room if the last one lacked it.
    pub(super) fn limit(&mut self, at_most: u64) {
        if self.filled == self.buffer.len() && self.buffer.len() < FULL_BUFFER {
            self.buffer = vec![0; FULL_BUFFER].into_boxed_slice();
        }
        self.filled = 0;
        self.at_most = usize::try_from(at_most)
            .map_or(self.buffer.len(), |most| most.clamp(1, self.buffer.len()));
    }
}

/// Gives a block to the kernel by this call.
///
/// The call must tell the truth: after [`Answer::Done`] and [`Answer::Refused`] the block is ours
/// at once.
pub(super) fn lend<C: Control, T>(
    mut block: Box<Block<C, T>>,
    call: impl FnOnce(Raw<C>) -> Answer,
) -> Lent<C, T> {
    // The kernel hands back the address of the control block; it must be that of the whole.
    const { assert!(offset_of!(Block<C, T>, control) == 0) };
    let len = block.at_most;
    // A heap block of its own, which stays where it is when the box around it is given away.
    let buffer = block.buffer.as_mut_ptr();
    let control: *mut C = Box::into_raw(block).cast();
    let answer = call(Raw {
        control,
        buffer,
        len,
    });
    match answer {
        Answer::Accepted => Lent::Away(control),
        // SAFETY: it was lent here, and such an operation is not announced.
        Answer::Done => Lent::Done(unsafe { take_back(control) }),
        // SAFETY: as above.
        Answer::Refused(code) => Lent::Refused(unsafe { take_back(control) }, code),
    }
}

/// Takes a block back from the kernel.
///
/// # Safety
///
/// The pointer is one that [`lend`] gave to the kernel for a block of this type, the kernel has
/// announced that this operation is finished, and the block has not been taken back since.
pub(super) unsafe fn take_back<C: Control, T>(control: *mut C) -> Box<Block<C, T>> {
    // SAFETY: `lend` made the pointer from a box of this block, whose first field this is, so it is
    // good for the whole; by the caller's promise nothing else has it any more.
    unsafe { Box::from_raw(control.cast::<Block<C, T>>()) }
}

#[cfg(test)]
mod tests;
