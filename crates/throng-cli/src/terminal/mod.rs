//! Our stdout and stderr, and the view of a run that is drawn on stderr. Everything that is written
//! to them goes through [`Terminal`], which hides the view meanwhile and draws it again.
//!
//! Output is written in large pieces, by one thread at a time. When stdout cannot be written the
//! run is over. When stderr cannot, the run goes on, since its reader may have gone on purpose; but
//! if stderr is a file on a full disk, the exit status is 255.

mod progress;
mod view;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use throng::Stream;

use self::view::View;
use crate::sys::{self, api::Writer};
use crate::text;

pub(crate) use self::progress::{Progress, ProgressStyle};

/// Bytes for stdout are collected up to this size, to write less often.
const BUFFER_SIZE: usize = 64 * 1024;
/// How much is written at a time, so that the progress of a slow reader can be seen.
const PIECE_SIZE: usize = 256 * 1024;

/// There is one for the whole program, as there is one stdout and one stderr.
static TERMINAL: Terminal = Terminal {
    view: OnceLock::new(),
    streams: Mutex::new(None),
    written: AtomicU64::new(0),
    is_writing: AtomicBool::new(false),
    on_failure: OnceLock::new(),
};

/// Warns in one line on stderr that begins with our name.
pub(crate) fn warn(message: fmt::Arguments<'_>) {
    print_lines(&text::message_line(&message.to_string()));
}

/// The same for a thread that must not wait for the reader of stderr.
pub(crate) fn warn_on_thread(message: String) {
    on_thread(move || warn(format_args!("{message}")));
}

/// Writes to stderr on a thread of its own, which may wait for the reader. If the system has no
/// thread, nothing is written.
pub(crate) fn on_thread(write: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("messages".into());
    let _ = thread.spawn(write);
}

/// Writes lines to stderr that stay together. What is in them has been escaped.
///
/// This does not wait for the reader of stdout.
pub(crate) fn print_lines(lines: &str) {
    let _ = TERMINAL.with_view_hidden(b"\n", || sys::stderr().write_all(lines.as_bytes()));
}

/// Hides the view until it is drawn again, as before the program is suspended.
pub(crate) fn hide_view() {
    if let Some(view) = TERMINAL.view.get() {
        view.hide();
    }
}

pub(crate) struct Terminal {
    /// Set once a view is drawn. Where a thread takes both locks, it takes that of the streams
    /// first.
    view: OnceLock<View>,
    streams: Mutex<Option<Streams>>,
    written: AtomicU64,
    is_writing: AtomicBool,
    /// Called once, when stdout turns out to be unusable.
    on_failure: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

struct Streams {
    /// Not std's, which searches all that it is given for line ends, again for every piece that a
    /// pipe takes.
    stdout: Writer,
    stderr: Writer,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    /// What is still to be written to stdout.
    buffer: Vec<u8>,
    failure: Option<io::Error>,
    /// Whether stderr is a file on a disk that has been full.
    stderr_was_full: bool,
}

impl Terminal {
    /// Prepares stdout and stderr for the output of commands.
    pub(crate) fn open() -> io::Result<&'static Terminal> {
        let streams = Streams {
            stdout: sys::stdout()?,
            stderr: sys::stderr(),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            buffer: Vec::new(),
            failure: None,
            stderr_was_full: false,
        };
        *TERMINAL.lock() = Some(streams);
        Ok(&TERMINAL)
    }

    pub(crate) fn on_failure(&self, callback: impl Fn() + Send + Sync + 'static) {
        let first = self.on_failure.set(Box::new(callback));
        assert!(first.is_ok(), "there is one thing to do when stdout fails");
    }

    /// Writes to one of the streams, at the latest at the next [`flush`](Terminal::flush).
    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.with_streams(|streams| match stream {
            Stream::Stdout if bytes.len() < BUFFER_SIZE => {
                streams.buffer.extend_from_slice(bytes);
                if streams.buffer.len() >= BUFFER_SIZE {
                    self.flush_buffer(streams);
                }
            }
            Stream::Stdout => {
                self.flush_buffer(streams);
                self.write_stdout(streams, bytes);
            }
            Stream::Stderr => {
                // Both may be one terminal, so what was written before comes before.
                self.flush_buffer(streams);
                let is_terminal = streams.stderr_is_terminal;
                let written = self.write_all(&mut streams.stderr, bytes, is_terminal);
                streams.stderr_was_full |= written.is_err_and(|error| is_full(&error));
            }
        });
    }

    /// Writes text to stderr now, after the output that was written before.
    pub(crate) fn write_message(&self, text: &str) {
        self.write(Stream::Stderr, text.as_bytes());
    }

    pub(crate) fn flush(&self) {
        self.with_streams(|streams| self.flush_buffer(streams));
    }

    /// Why stdout could not be written, if so.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.lock().as_mut()?.failure.take()
    }

    /// Whether something is lost because stderr is on a full disk.
    pub(crate) fn has_lost(&self) -> bool {
        let streams = self.lock();
        streams
            .as_ref()
            .is_some_and(|streams| streams.stderr_was_full)
    }

    /// How much stdout and stderr have taken so far.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether a thread is writing now, and perhaps waits for the reader.
    pub(crate) fn is_writing(&self) -> bool {
        self.is_writing.load(Ordering::Relaxed)
    }

    /// The one place where the view is hidden while something else is written, and drawn again. If
    /// these bytes leave a line open, it is drawn when that line has ended.
    fn with_view_hidden<R>(&self, bytes: &[u8], write: impl FnOnce() -> R) -> R {
        match self.view.get() {
            Some(view) => view.hidden(bytes, write),
            None => write(),
        }
    }

    /// Writes all of it, piece by piece.
    fn write_all(&self, writer: &mut Writer, bytes: &[u8], is_terminal: bool) -> io::Result<()> {
        self.is_writing.store(true, Ordering::Relaxed);
        let written = bytes.chunks(PIECE_SIZE).try_for_each(|piece| {
            if is_terminal {
                self.with_view_hidden(piece, || writer.write_all(piece))?;
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

    fn flush_buffer(&self, streams: &mut Streams) {
        let mut buffer = std::mem::take(&mut streams.buffer);
        self.write_stdout(streams, &buffer);
        buffer.clear();
        streams.buffer = buffer;
    }

    fn write_stdout(&self, streams: &mut Streams, bytes: &[u8]) {
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

    fn with_streams(&self, action: impl FnOnce(&mut Streams)) {
        action(self.lock().as_mut().expect("it has been opened"));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Streams>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}
