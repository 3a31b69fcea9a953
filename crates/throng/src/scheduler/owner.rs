//! The process in which a `Throng` and what belongs to it were made.
//!
//! After a `fork` the child has a copy of all memory and none of the threads. A lock that another
//! thread held stays locked for ever, waiting for a thread never ends, and the processes are
//! children of the parent. So each function that may take a lock, wait or send a signal checks this
//! first. That costs a `getpid`.

use crate::model::error::{Error, ErrorKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u32);

impl Owner {
    /// The process that is running now.
    pub(crate) fn this() -> Owner {
        #[cfg(test)]
        if let Some(other) = tests::pretended() {
            return other;
        }
        Owner(std::process::id())
    }

    /// Whether this is that process, and not a fork of it.
    pub(crate) fn is_here(self) -> bool {
        self == Owner::this()
    }

    /// The error for anything attempted in a fork.
    pub(crate) fn error(self, doing: &str) -> Error {
        let Owner(pid) = self;
        let why = format!("this Throng belongs to process {pid}; build another after fork");
        Error::new(ErrorKind::Forked, format!("{doing}: {why}"))
    }
}

#[cfg(test)]
pub(crate) mod tests;
