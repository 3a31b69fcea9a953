//! Our stdout and stderr: written in large pieces, by one thread at a time, around the view of the
//! run. When stdout cannot be written the run is over. When stderr cannot, that is all the same: it
//! may be that nobody wants it. Whoever has it on a disk does, and hears by the exit status when
//! that was full, there being no other place.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use throng::Stream;

use crate::sys::api::Writer;
use crate::sys::{self};
use crate::terminal::progress;

/// Held back before it is written, to write less often.
const BUFFER_SIZE: usize = 64 * 1024;
/// Written at a time, so that it can be seen how far a slow reader has got.
const PIECE_SIZE: usize = 256 * 1024;

pub(crate) struct Sink {
    streams: Mutex<Streams>,
    /// How much has been written.
    written: AtomicU64,
    /// Whether somebody is writing now, and perhaps waits for whoever reads.
    is_writing: AtomicBool,
    /// Called once, when stdout turns out to be of no use any more.
    on_failure: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

struct Streams {
    /// Not std's, which looks for line ends in all that it is given, again for every piece that a
    /// pipe takes.
    stdout: Writer,
    stderr: Writer,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    /// What is still to be written to stdout.
    buffer: Vec<u8>,
    failure: Option<io::Error>,
    /// Whether stderr is on a disk that has been full.
    stderr_was_full: bool,
}

impl Sink {
    pub(crate) fn new() -> io::Result<Sink> {
        let streams = Streams {
            stdout: sys::stdout()?,
            stderr: sys::stderr(),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            buffer: Vec::new(),
            failure: None,
            stderr_was_full: false,
        };
        Ok(Sink {
            streams: Mutex::new(streams),
            written: AtomicU64::new(0),
            is_writing: AtomicBool::new(false),
            on_failure: OnceLock::new(),
        })
    }

    pub(crate) fn on_failure(&self, callback: impl Fn() + Send + Sync + 'static) {
        let first = self.on_failure.set(Box::new(callback));
        assert!(first.is_ok(), "there is one thing to do when stdout fails");
    }

    /// Writes, at the latest at the next [`flush`](Sink::flush).
    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut streams = self.lock();
        match stream {
            Stream::Stdout if bytes.len() < BUFFER_SIZE => {
                streams.buffer.extend_from_slice(bytes);
                if streams.buffer.len() >= BUFFER_SIZE {
                    self.flush_locked(&mut streams);
                }
            }
            Stream::Stdout => {
                self.flush_locked(&mut streams);
                self.write_locked(&mut streams, bytes);
            }
            Stream::Stderr => {
                // What was said before comes before, where both are one terminal.
                self.flush_locked(&mut streams);
                let is_terminal = streams.stderr_is_terminal;
                let written = self.write_all(&mut streams.stderr, bytes, is_terminal);
                streams.stderr_was_full |= written.is_err_and(|error| is_full(&error));
            }
        }
    }

    pub(crate) fn flush(&self) {
        self.flush_locked(&mut self.lock());
    }

    /// Writes to stderr now, after what has been written before.
    pub(crate) fn say(&self, bytes: &[u8]) {
        self.write(Stream::Stderr, bytes);
    }

    /// Why stdout could not be written, if so.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.lock().failure.take()
    }

    /// How much stdout and stderr have taken so far.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether somebody is writing now, and perhaps waits for whoever reads.
    pub(crate) fn is_writing(&self) -> bool {
        self.is_writing.load(Ordering::Relaxed)
    }

    /// Writes all of it, piece by piece. On a terminal the view has to be out of the way.
    fn write_all(&self, writer: &mut Writer, bytes: &[u8], is_terminal: bool) -> io::Result<()> {
        self.is_writing.store(true, Ordering::Relaxed);
        let written = bytes.chunks(PIECE_SIZE).try_for_each(|piece| {
            if is_terminal {
                progress::aside_with(piece, || writer.write_all(piece))?;
            } else {
                writer.write_all(piece)?;
            }
            let length = piece.len() as u64;
            self.written.fetch_add(length, Ordering::Relaxed);
            Ok(())
        });
        self.is_writing.store(false, Ordering::Relaxed);
        written
    }

    /// Whether something is lost because stderr is on a full disk.
    pub(crate) fn has_lost(&self) -> bool {
        self.lock().stderr_was_full
    }

    fn flush_locked(&self, streams: &mut Streams) {
        let mut buffer = std::mem::take(&mut streams.buffer);
        self.write_locked(streams, &buffer);
        buffer.clear();
        streams.buffer = buffer;
    }

    fn write_locked(&self, streams: &mut Streams, bytes: &[u8]) {
        if bytes.is_empty() || streams.failure.is_some() {
            return;
        }
        let is_terminal = streams.stdout_is_terminal;
        let written = self.write_all(&mut streams.stdout, bytes, is_terminal);
        if let Err(error) = written {
            streams.failure = Some(error);
            if let Some(on_failure) = self.on_failure.get() {
                on_failure();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}
