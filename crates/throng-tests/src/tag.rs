//! Waiting for tagged processes, as each system finds them.

use crate::patience::eventually;
use crate::sys::Tag;

impl Tag {
    /// Waits until this many processes with this tag run. The program that has started them may not
    /// have counted them yet.
    ///
    /// # Panics
    ///
    /// When there never are this many.
    #[track_caller]
    pub fn await_count(&self, count: usize) {
        let mut found = Vec::new();
        let what = format!("{count} processes with {self}");
        eventually(&what, || {
            found = self.pids();
            found.len() == count
        });
    }

    /// Waits until no process with this tag runs.
    ///
    /// # Panics
    ///
    /// When there always is one.
    #[track_caller]
    pub fn await_gone(&self) {
        self.await_count(0);
    }
}
