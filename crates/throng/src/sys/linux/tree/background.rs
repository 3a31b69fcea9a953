//! A thread that does something from time to time for as long as its owner lives, and is
//! stopped then.
//!
//! Its owner waits until it has ended, but not for long: what it does may take for ever, because it
//! concerns other processes, and dropping a `Throng` must not take that long. Then it is abandoned,
//! and ends when it can.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use crate::sync::lock;

/// How long its end is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Background {
    stop: Option<Sender<()>>,
    /// Closed when the thread has ended. Only its owner uses it; the lock lets it be shared.
    ended: Mutex<Receiver<()>>,
}

impl Background {
    /// Starts a thread with this name and work. The work is to end when its receiver is closed.
    pub(crate) fn start(
        name: &str,
        work: impl FnOnce(&Receiver<()>) + Send + 'static,
    ) -> io::Result<Background> {
        let (stop, stopped) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        thread::Builder::new().name(name.into()).spawn(move || {
            // Dropped at the end of the thread, also by a panic.
            let _end: Sender<()> = end;
            work(&stopped);
        })?;
        Ok(Background {
            stop: Some(stop),
            ended: Mutex::new(ended),
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Nothing is ever sent: the channel is closed, or the time has passed.
        let _ = lock(&self.ended).recv_timeout(PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn the_end_of_a_background_thread_is_waited_for() {
        let has_ended = Arc::new(AtomicBool::new(false));
        let ended = has_ended.clone();
        let background = Background::start("test", move |stopped| {
            assert!(stopped.recv().is_err(), "told by the end of the channel");
            thread::sleep(Duration::from_millis(50));
            ended.store(true, Ordering::Relaxed);
        });
        drop(background.unwrap());
        assert!(has_ended.load(Ordering::Relaxed));
    }

    #[test]
    fn a_background_thread_that_does_not_end_is_left_behind() {
        let (go, held) = mpsc::channel::<()>();
        let background = Background::start("test", move |_| {
            let _ = held.recv();
        });
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            drop(background.unwrap());
            tell.send(()).unwrap();
        });
        assert!(told.recv_timeout(Duration::from_secs(60)).is_ok());
        drop(go);
    }
}
