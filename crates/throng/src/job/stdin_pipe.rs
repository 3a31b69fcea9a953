//! The read end of a pipe that is given to one process as its stdin. Writes nothing.

use std::io::{self, PipeReader};
use std::sync::{Arc, Mutex, PoisonError};

/// The read end of a pipe ([`std::io::pipe`]), for [`Stdin::Pipe`](crate::Stdin::Pipe): it belongs
/// to the first process that is started with it.
///
/// When that process has started, or it is certain that it never will, this end is closed in this
/// program. So a write to the pipe fails when the process has ended, and does not block for ever.
/// The writer should be a thread of its own, unless all bytes fit into the pipe.
///
/// ```
/// # fn main() -> Result<(), throng::Error> {
/// use std::io::Write;
/// use throng::{Command, StdinPipe, Stdin, Throng};
/// let (reader, mut writer) = std::io::pipe().unwrap();
/// let throng = Throng::builder().build()?;
/// let process = throng.spawn(Command::new("cat").stdin(Stdin::Pipe(StdinPipe::new(reader))));
/// writer.write_all(b"hello").unwrap();
/// drop(writer); // the end of the file
/// assert_eq!(process.wait()?.stdout(), b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StdinPipe(Arc<Mutex<Option<PipeReader>>>);

impl StdinPipe {
    /// Takes the read end of a pipe.
    pub fn new(reader: PipeReader) -> StdinPipe {
        StdinPipe(Arc::new(Mutex::new(Some(reader))))
    }

    /// A copy for a process that is about to be started.
    pub(crate) fn duplicate(&self) -> io::Result<PipeReader> {
        match &*self.reader() {
            Some(reader) => reader.try_clone(),
            None => Err(io::Error::other("another process already has this pipe")),
        }
    }

    /// Closes this end; the process, if any, has a copy.
    pub(crate) fn close(&self) {
        *self.reader() = None;
    }

    pub(crate) fn reader(&self) -> std::sync::MutexGuard<'_, Option<PipeReader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<PipeReader> for StdinPipe {
    fn from(reader: PipeReader) -> StdinPipe {
        StdinPipe::new(reader)
    }
}
