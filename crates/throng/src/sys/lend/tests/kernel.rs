//! A kernel that keeps what it is lent for as long as it likes, and writes to it from threads of
//! its own: everything that a real one may do, in any order.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use super::super::{Answer, Control, Raw};

/// Why it refuses an operation.
pub(super) const REFUSED: u32 = 1450;

/// The result of an operation that was cancelled.
pub(super) const ABORTED: u32 = 995;

/// The threads that finish operations.
const THREADS: usize = 2;

/// The control block.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Status {
    pub(super) result: u32,
    pub(super) bytes: usize,
}

// SAFETY: numbers.
unsafe impl Control for Status {}

/// A finished operation, by the address of its control block.
pub(super) struct Announced {
    pub(super) file: usize,
    pub(super) control: *mut Status,
}

// SAFETY: an address, which passes from a thread of the kernel to the next owner of the block.
unsafe impl Send for Announced {}

/// Something to read from.
#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    given: usize,
    is_closed: bool,
}

struct Operation {
    file: usize,
    raw: Raw<Status>,
    is_cancelled: bool,
}

// SAFETY: the block belongs to the kernel, whose threads take each operation in turn.
unsafe impl Send for Operation {}

struct State {
    files: HashMap<usize, File>,
    operations: Vec<Operation>,
    /// Whether operations are only collected now, cancelled or not.
    is_stuck: bool,
    is_ending: bool,
    random: u64,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Ends when it is dropped, after everything that it was lent has finished.
pub(super) struct Kernel {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Kernel {
    /// Announces by this call, from its own threads.
    pub(super) fn new(seed: u64, announce: impl Fn(Announced) + Send + Clone + 'static) -> Kernel {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                files: HashMap::new(),
                operations: Vec::new(),
                is_stuck: false,
                is_ending: false,
                random: seed,
            }),
            changed: Condvar::new(),
        });
        let thread = |_| {
            let (shared, announce) = (shared.clone(), announce.clone());
            thread::spawn(move || shared.run(announce))
        };
        let threads = (0..THREADS).map(thread).collect();
        Kernel { shared, threads }
    }

    /// Creates a file of these bytes, followed by an end, or by silence.
    pub(super) fn open(&self, file: usize, bytes: Vec<u8>, is_closed: bool) {
        let new = File {
            bytes,
            given: 0,
            is_closed,
        };
        self.lock().files.insert(file, new);
    }

    /// How many bytes of the file have been written to buffers.
    pub(super) fn given(&self, file: usize) -> usize {
        self.lock().files[&file].given
    }

    /// Takes a read of the file, finishes it at once, or refuses it.
    pub(super) fn read(&self, file: usize, raw: Raw<Status>) -> Answer {
        let mut state = self.lock();
        match state.draw(8) {
            0 => Answer::Refused(REFUSED),
            1 | 2 if state.has_something(file) => {
                let most = 1 + state.draw(raw.len as u64) as usize;
                state.serve(file, &raw, most);
                Answer::Done
            }
            _ => {
                state.operations.push(Operation {
                    file,
                    raw,
                    is_cancelled: false,
                });
                self.shared.changed.notify_all();
                Answer::Accepted
            }
        }
    }

    /// Asks all reads to end. They end at any time, some of them with bytes.
    pub(super) fn cancel(&self) {
        let mut state = self.lock();
        for operation in &mut state.operations {
            operation.is_cancelled = true;
        }
        self.shared.changed.notify_all();
    }

    /// Keeps everything from now on, or continues.
    pub(super) fn set_stuck(&self, is_stuck: bool) {
        self.lock().is_stuck = is_stuck;
        self.shared.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.lock().is_ending = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

impl Shared {
    /// Finishes operations in any order.
    fn run(&self, announce: impl Fn(Announced)) {
        let mut state = self.state.lock().unwrap();
        loop {
            let Some(operation) = state.choose() else {
                if state.is_ending && state.operations.is_empty() {
                    return;
                }
                state = self.changed.wait(state).unwrap();
                continue;
            };
            let (file, control) = (operation.file, operation.raw.control);
            // In pieces, while others go on.
            let mut bytes = 0;
            for _ in 0..=state.draw(3) {
                let rest = operation.raw.len - bytes;
                let most = 1 + state.draw(rest.max(1) as u64) as usize;
                let raw = Raw {
                    control,
                    // SAFETY: not beyond the end of the buffer.
                    buffer: unsafe { operation.raw.buffer.add(bytes) },
                    len: rest,
                };
                bytes += state.serve(file, &raw, most);
                drop(state);
                thread::yield_now();
                state = self.state.lock().unwrap();
            }
            let result = if operation.is_cancelled { ABORTED } else { 0 };
            // SAFETY: the block was lent to the kernel, which gives it back below.
            unsafe { control.write(Status { result, bytes }) };
            drop(state);
            announce(Announced { file, control });
            state = self.state.lock().unwrap();
        }
    }
}

impl State {
    /// Below the bound, which is not zero.
    fn draw(&mut self, bound: u64) -> u64 {
        // Knuth's constants for a linear congruential generator; the high bits are the good ones.
        let next = self.random.wrapping_mul(6_364_136_223_846_793_005);
        self.random = next.wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn has_something(&self, file: usize) -> bool {
        let file = &self.files[&file];
        file.is_closed || file.given < file.bytes.len()
    }

    /// Takes an operation that can be finished now. Of each file there is one at a time.
    fn choose(&mut self) -> Option<Operation> {
        if self.is_stuck {
            return None;
        }
        let can_end = |operation: &Operation| {
            operation.is_cancelled || self.is_ending || self.has_something(operation.file)
        };
        let able: Vec<usize> = (0..self.operations.len())
            .filter(|at| can_end(&self.operations[*at]))
            .collect();
        let count = u64::try_from(able.len()).ok().filter(|count| *count > 0)?;
        let chosen = able[self.draw(count) as usize];
        Some(self.operations.swap_remove(chosen))
    }

    /// Writes the file's bytes to the buffer; returns how many there were.
    fn serve(&mut self, file: usize, raw: &Raw<Status>, most: usize) -> usize {
        let file = self.files.get_mut(&file).expect("it was opened");
        let rest = &file.bytes[file.given..];
        let len = rest.len().min(most).min(raw.len);
        // SAFETY: the buffer was lent to the kernel, has this length, and does not overlap the
        // file.
        unsafe { raw.buffer.copy_from_nonoverlapping(rest.as_ptr(), len) };
        file.given += len;
        let status = Status {
            result: 0,
            bytes: len,
        };
        // SAFETY: the control block was lent to the kernel along with the buffer.
        unsafe { raw.control.write(status) };
        len
    }
}
