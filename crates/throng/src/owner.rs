//! The process that a `Throng` and what belongs to it were made in.
//!
//! After a `fork` the child has a copy of all memory and none of the threads. There a lock that
//! another thread held stays locked for ever, a thread that is waited for never ends, and the
//! processes are somebody else's children. So whatever may take a lock, wait or signal asks here
//! first, before it does. It costs a `getpid`.

use crate::{Error, ErrorKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u32);

impl Owner {
    /// The process that we are in.
    pub(crate) fn this() -> Owner {
        #[cfg(test)]
        if let Some(other) = tests::pretended() {
            return other;
        }
        Owner(std::process::id())
    }

    /// Whether we are in that process, and not in a fork of it.
    pub(crate) fn is_here(self) -> bool {
        self == Owner::this()
    }

    /// Why nothing can be done in a fork.
    pub(crate) fn error(self, doing: &str) -> Error {
        let Owner(pid) = self;
        let why = format!("this Throng belongs to process {pid}; build another after fork");
        Error::new(ErrorKind::Forked, format!("{doing}: {why}"))
    }
}

#[cfg(test)]
pub(crate) mod tests;
