//! Waits until all processes of a trial are at its gate, looks at the contestant, and opens it.
//!
//! Every process counts itself at the gate before it waits there, so that "live at once" is proved
//! and not assumed from a sleep that was long enough. A thread of the contestant looks at the
//! count.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use throng_tests::Gate;

use crate::sys::Usage;
use crate::task::AllLive;

const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// When no process has come for this long, no more will.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// The process to look at when all processes are live.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    /// This process; the thread that looks is not counted.
    Ourselves,
    /// Another one.
    Process(u32),
}

/// The thread that looks.
#[derive(Debug)]
pub(crate) struct Watch {
    thread: JoinHandle<Result<AllLive>>,
    over: Sender<()>,
}

struct Watcher {
    gate: Gate,
    subject: Subject,
    count: u64,
    start: Instant,
    rss_before_bytes: Option<u64>,
    over: Receiver<()>,
}

impl Watch {
    /// Starts to count; `start` is when the contestant's work began.
    pub(crate) fn start(gate: Gate, subject: Subject, count: u64, start: Instant) -> Result<Watch> {
        let rss_before_bytes = match subject {
            Subject::Ourselves => Some(Usage::of(std::process::id())?.rss_bytes),
            Subject::Process(_) => None,
        };
        let (over, is_over) = mpsc::channel();
        let watcher = Watcher {
            gate,
            subject,
            count,
            start,
            rss_before_bytes,
            over: is_over,
        };
        let thread = thread::Builder::new()
            .name("gate".into())
            .spawn(move || watcher.run());
        Ok(Watch {
            thread: thread.context("start the gate's thread")?,
            over,
        })
    }

    /// What was seen, once the contestant has done its work.
    pub(crate) fn finish(self) -> Result<AllLive> {
        // An error means that the thread has ended already.
        let _ = self.over.send(());
        let seen = self.thread.join();
        seen.map_err(|_| anyhow!("the gate's thread panicked"))?
    }
}

impl Watcher {
    fn run(self) -> Result<AllLive> {
        let (live, after) = self.count_processes();
        let (pid, own_threads) = match self.subject {
            Subject::Ourselves => (std::process::id(), 1),
            Subject::Process(pid) => (pid, 0),
        };
        let usage = Usage::of(pid);
        self.gate.open();
        let usage = usage.with_context(|| {
            let count = self.count;
            format!("the contestant had ended when {live} of {count} were live")
        })?;
        Ok(AllLive {
            live,
            after_s: after.as_secs_f64(),
            threads: usage.threads.saturating_sub(own_threads),
            rss_bytes: usage.rss_bytes,
            rss_before_bytes: self.rss_before_bytes,
        })
    }

    /// How many came, and when the last of them did.
    fn count_processes(&self) -> (u64, Duration) {
        let mut live = 0;
        let mut last_came = self.start.elapsed();
        loop {
            let arrived = self.gate.arrived();
            let now = self.start.elapsed();
            if arrived > live {
                (live, last_came) = (arrived, now);
            }
            if live >= self.count || now - last_came > GIVE_UP_AFTER {
                return (live, last_came);
            }
            match self.over.recv_timeout(LOOK_AGAIN) {
                Err(RecvTimeoutError::Timeout) => {}
                // The contestant is through although the gate is shut: its processes have failed.
                _ => return (live, last_came),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_opens_when_all_have_arrived() {
        let gate = Gate::new();
        let step = gate.step();
        let name = step.strip_prefix("gate:").expect("it is a step");
        let watch = Watch::start(gate, Subject::Ourselves, 2, Instant::now());
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| Gate::pass(name));
            }
        });
        let seen = watch.and_then(Watch::finish).expect("it was seen");
        assert_eq!(seen.live, 2);
        assert!(seen.threads >= 1);
    }

    #[test]
    fn a_contestant_that_finishes_early_ends_the_count() {
        let watch = Watch::start(Gate::new(), Subject::Ourselves, 2, Instant::now());
        let seen = watch.and_then(Watch::finish).expect("it was seen");
        assert_eq!(seen.live, 0);
    }
}
