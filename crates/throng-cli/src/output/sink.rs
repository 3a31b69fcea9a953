//! Our stdout and stderr: written in large pieces, by one thread at a time, around the progress
//! bar. When stdout cannot be written the run is over; when stderr cannot, that is all the same.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use throng::Stream;

use crate::progress::Progress;
use crate::sys;

/// Held back before it is written, to write less often.
const BUFFER_SIZE: usize = 64 * 1024;

pub(crate) struct Sink {
    stdout: Mutex<Stdout>,
    progress: Progress,
    /// Called once, when stdout turns out to be of no use any more.
    on_failure: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Debug)]
struct Stdout {
    /// Not std's, which looks for line ends in all that it is given, again for every piece that a
    /// pipe takes.
    file: File,
    buffer: Vec<u8>,
    failure: Option<io::Error>,
}

impl Sink {
    pub(crate) fn new(progress: Progress) -> io::Result<Sink> {
        let stdout = Stdout {
            file: sys::stdout()?,
            buffer: Vec::new(),
            failure: None,
        };
        Ok(Sink {
            stdout: Mutex::new(stdout),
            progress,
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
        let mut stdout = self.lock();
        match stream {
            Stream::Stdout if bytes.len() < BUFFER_SIZE => {
                stdout.buffer.extend_from_slice(bytes);
                if stdout.buffer.len() >= BUFFER_SIZE {
                    self.flush_locked(&mut stdout);
                }
            }
            Stream::Stdout => {
                self.flush_locked(&mut stdout);
                self.write_locked(&mut stdout, bytes);
            }
            Stream::Stderr => {
                // What was said before comes before, where both are one terminal.
                self.flush_locked(&mut stdout);
                let _ = self.progress.aside(|| io::stderr().write_all(bytes));
            }
        }
    }

    pub(crate) fn write_now(&self, stream: Stream, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.write(stream, bytes);
            self.flush();
        }
    }

    pub(crate) fn flush(&self) {
        self.flush_locked(&mut self.lock());
    }

    /// Runs something that writes to stderr, after what has been written before.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        self.flush();
        self.progress.aside(write);
    }

    /// Why stdout could not be written, if so.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.lock().failure.take()
    }

    fn flush_locked(&self, stdout: &mut Stdout) {
        let mut buffer = std::mem::take(&mut stdout.buffer);
        self.write_locked(stdout, &buffer);
        buffer.clear();
        stdout.buffer = buffer;
    }

    fn write_locked(&self, stdout: &mut Stdout, bytes: &[u8]) {
        if bytes.is_empty() || stdout.failure.is_some() {
            return;
        }
        if let Err(error) = self.progress.aside(|| stdout.file.write_all(bytes)) {
            stdout.failure = Some(error);
            if let Some(on_failure) = self.on_failure.get() {
                on_failure();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stdout> {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}
