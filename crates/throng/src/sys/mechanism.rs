//! The names of the mechanisms, and which of them this machine offers.

use std::fmt;
use std::str::FromStr;

use crate::sys;

/// How finished I/O is announced. Linux has `epoll`, `io-uring` and `threads`; Windows has
/// `completion-port`, `thread-pool`, `events`, `apc` and `threads`.
///
/// All give the same outcomes; they differ in cost. The default is the first that
/// [`Mechanism::survey`] lists as available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// Linux: the kernel says which pipes can be read.
    Epoll,
    /// Linux 5.19 and later: the kernel reads, and says what it has read.
    IoUring,
    /// Windows: finished reads are packets in a queue that the shard takes them from.
    CompletionPort,
    /// Windows: the system's thread pool calls back when a read is finished.
    ThreadPool,
    /// Windows: every read has an event object, and threads wait for sixty-three at a time.
    Events,
    /// Windows: the kernel calls back on the thread that issued the read, while that waits.
    Apc,
    /// Two blocking threads for each process: the baseline that the others are measured against.
    Threads,
}

/// A mechanism, and whether this machine offers it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Survey {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// Why it cannot be used here; `None` when it can.
    pub refusal: Option<String>,
}

impl Mechanism {
    /// All mechanisms that throng has on this system, the preferred first, each with the reason
    /// why this machine does not offer it, if it does not.
    pub fn survey() -> Vec<Survey> {
        let probe = |&mechanism| Survey {
            mechanism,
            refusal: sys::probe(mechanism).err(),
        };
        sys::MECHANISMS.iter().map(probe).collect()
    }

    /// The mechanisms that can be used on this machine, the preferred first.
    pub fn available() -> Vec<Mechanism> {
        let usable = Mechanism::survey()
            .into_iter()
            .filter(|s| s.refusal.is_none());
        usable.map(|s| s.mechanism).collect()
    }

    /// The name that the program uses: `epoll`, `io-uring`, `completion-port` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Epoll => "epoll",
            Mechanism::IoUring => "io-uring",
            Mechanism::CompletionPort => "completion-port",
            Mechanism::ThreadPool => "thread-pool",
            Mechanism::Events => "events",
            Mechanism::Apc => "apc",
            Mechanism::Threads => "threads",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no mechanism of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMechanism {
    name: String,
}

impl fmt::Display for UnknownMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no mechanism \"{}\" on this system; there are:",
            self.name
        )?;
        sys::MECHANISMS
            .iter()
            .try_for_each(|mechanism| write!(f, " {mechanism}"))
    }
}

impl std::error::Error for UnknownMechanism {}

impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    fn from_str(name: &str) -> Result<Mechanism, UnknownMechanism> {
        let known = sys::MECHANISMS
            .iter()
            .find(|mechanism| mechanism.name() == name);
        known
            .copied()
            .ok_or_else(|| UnknownMechanism { name: name.into() })
    }
}
