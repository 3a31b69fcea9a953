//! Waiting for the processes that bear a mark, as each system finds them.

use crate::patience::eventually;
use crate::sys::Tag;

impl Tag {
    /// Waits until this many processes with this mark run. That they run says nothing of what is
    /// known of them: whoever has started them may not have counted them yet.
    ///
    /// # Panics
    ///
    /// When it never is so many.
    #[track_caller]
    pub fn await_count(&self, count: usize) {
        let mut found = Vec::new();
        let what = format!("{count} processes with {self}");
        eventually(&what, || {
            found = self.pids();
            found.len() == count
        });
    }

    /// Waits until no process with this mark runs.
    ///
    /// # Panics
    ///
    /// When there always is one.
    #[track_caller]
    pub fn await_gone(&self) {
        self.await_count(0);
    }
}
