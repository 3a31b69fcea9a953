//! One thread writes the output that comes while commands run. The threads that run them must not
//! wait for the reader of stdout, since they also handle timeouts. When the writer falls behind,
//! the output of commands is not read, and no command is started.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;

use throng::{Stream, Throng};

use super::order::InOrder;
use crate::terminal::Terminal;

/// With this many bytes to be written, no more output is read.
const BYTES_MAX: usize = 1 << 20;

#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    filled: Condvar,
    written: Condvar,
    throng: OnceLock<Weak<Throng>>,
}

#[derive(Default)]
struct State {
    waiting: Batch,
    /// How many bytes have been put in here, and how many of them are written.
    put: u64,
    written: u64,
    /// The thread has panicked, and nothing more is written.
    is_closed: bool,
}

/// Pieces in their order.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

struct Piece {
    /// The `seq` of the command whose turn it has to be, if there is an order.
    turn: Option<u64>,
    stream: Stream,
    length: usize,
}

impl Outbox {
    /// Starts the thread, which runs as long as the program.
    pub(super) fn open(
        self: &Arc<Outbox>,
        terminal: &'static Terminal,
        order: Option<Arc<Mutex<InOrder>>>,
    ) -> io::Result<()> {
        let outbox = self.clone();
        let body = move || outbox.serve(terminal, order.as_deref());
        thread::Builder::new().name("writer".into()).spawn(body)?;
        Ok(())
    }

    /// Reading is paused for this pool while too much is to be written.
    pub(crate) fn attach(&self, throng: &Arc<Throng>) {
        let first = self.throng.set(Arc::downgrade(throng));
        assert!(first.is_ok(), "there is one run");
    }

    /// Queues bytes, to be written in the turn of this command. Does not wait.
    pub(super) fn put(&self, turn: Option<u64>, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        let was_empty = state.waiting.pieces.is_empty();
        state.waiting.add(turn, stream, bytes);
        state.put += bytes.len() as u64;
        // Under the lock, as below, so that pausing and resuming are not reordered.
        if state.waiting.bytes.len() >= BYTES_MAX {
            self.with_throng(Throng::pause_reading);
        }
        drop(state);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Waits until all that is queued now is written.
    pub(crate) fn catch_up(&self) {
        let state = self.lock();
        let put = state.put;
        let is_behind = |state: &mut State| state.written < put && !state.is_closed;
        drop(self.written.wait_while(state, is_behind));
    }

    fn serve(&self, terminal: &Terminal, order: Option<&Mutex<InOrder>>) {
        let _closing = Closing(self);
        let mut batch = Batch::default();
        loop {
            let is_empty = |state: &mut State| state.waiting.pieces.is_empty();
            let state = self.filled.wait_while(self.lock(), is_empty);
            let mut state = state.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.waiting, &mut batch);
            if batch.bytes.len() >= BYTES_MAX {
                self.with_throng(Throng::resume_reading);
            }
            drop(state);
            batch.write(terminal, order);
            self.lock().written += batch.bytes.len() as u64;
            self.written.notify_all();
            batch.bytes.clear();
            batch.pieces.clear();
        }
    }

    fn with_throng(&self, action: impl Fn(&Throng)) {
        if let Some(throng) = self.throng.get().and_then(Weak::upgrade) {
            action(&throng);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes those that wait for the thread when it ends.
struct Closing<'o>(&'o Outbox);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.written.notify_all();
        self.0.with_throng(Throng::resume_reading);
    }
}

impl Batch {
    fn add(&mut self, turn: Option<u64>, stream: Stream, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        match self.pieces.last_mut() {
            Some(last) if (last.turn, last.stream) == (turn, stream) => last.length += bytes.len(),
            _ => self.pieces.push(Piece {
                turn,
                stream,
                length: bytes.len(),
            }),
        }
    }

    fn write(&self, terminal: &Terminal, order: Option<&Mutex<InOrder>>) {
        let mut rest = &self.bytes[..];
        for Piece {
            turn,
            stream,
            length,
        } in &self.pieces
        {
            let (bytes, after) = rest.split_at(*length);
            rest = after;
            let order = order.map(|order| order.lock().unwrap_or_else(PoisonError::into_inner));
            match (turn, order) {
                (Some(seq), Some(mut order)) if !order.is_turn_of(*seq) => {
                    order.hold_or_remember(*seq, (*stream).into(), bytes);
                }
                // Under the lock of the order, so that the turn does not end meanwhile.
                _ => terminal.write(*stream, bytes),
            }
        }
        terminal.flush();
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
