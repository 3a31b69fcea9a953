//! The names of the mechanisms.

use std::fmt;

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

impl Mechanism {
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
