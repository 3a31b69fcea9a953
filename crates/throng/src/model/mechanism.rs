//! The names of the mechanisms.

use std::fmt;

/// How the completion of I/O is announced. Linux has `epoll`, `io-uring` and `threads`; Windows has
/// `completion-port`, `thread-pool`, `events`, `apc` and `threads`.
///
/// All give the same outcomes and differ in cost. The default is the first that
/// [`Mechanism::availability`] lists as available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// Linux: the kernel reports which pipes can be read.
    Epoll,
    /// Linux 5.19 and later: the kernel reads, and reports the bytes.
    IoUring,
    /// Windows: completed reads are packets in a queue, from which the shard takes them.
    CompletionPort,
    /// Windows: the thread pool of the system calls back when a read has completed.
    ThreadPool,
    /// Windows: each read has an event object, and each thread waits for up to 63 of them.
    Events,
    /// Windows: the kernel calls back on the thread that issued the read, while it waits.
    Apc,
    /// Two blocking threads for each process: the baseline for comparisons.
    Threads,
}

impl Mechanism {
    /// The name on the command line of the program: `epoll`, `io-uring`, `completion-port` and so
    /// on.
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
