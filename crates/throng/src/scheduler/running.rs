//! What runs now, asked of all shards at once. Changes nothing.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::job::command::Command;
use crate::slots::Id;
use crate::sync::lock;

/// How long a shard has to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A process that was live when it was asked for; see [`Throng::running`](crate::Throng::running).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Running {
    /// The place of the command among all; see [`Outcome::seq`](crate::Outcome::seq).
    pub seq: u64,
    /// Which attempt it is; see [`Outcome::attempt`](crate::Outcome::attempt).
    pub attempt: u32,
    /// The process id.
    pub pid: u32,
    /// When it was started.
    pub started: Instant,
    /// The command that it runs.
    pub command: Command,
    pub(crate) place: (usize, Id),
    /// The pool that the shard belongs to.
    pub(crate) pool: u64,
}

/// Where the shards put their answers.
#[derive(Debug)]
pub(crate) struct Census {
    limit: usize,
    answers: Mutex<Sender<Vec<Running>>>,
}

impl Census {
    /// Adds a shard's processes, given when each was started and how to tell of it.
    pub(crate) fn add(
        &self,
        mut started: Vec<(Instant, Id)>,
        tell: impl Fn(Id) -> Option<Running>,
    ) {
        started.sort_unstable();
        let oldest = started.into_iter().take(self.limit);
        let told = oldest.filter_map(|(_, id)| tell(id)).collect();
        // Nobody waits any more when this took too long.
        let _ = lock(&self.answers).send(told);
    }
}

/// Has this passed on to all shards, and waits for their answers.
pub(crate) fn ask(limit: usize, pass_on: impl FnOnce(&Arc<Census>)) -> Vec<Running> {
    let (sender, answers) = mpsc::channel();
    let census = Arc::new(Census {
        limit,
        answers: Mutex::new(sender),
    });
    pass_on(&census);
    drop(census);
    let deadline = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    // Ends when the last shard has let go of the census, too: also when one is gone.
    while let Ok(mut told) =
        answers.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        all.append(&mut told);
    }
    all.sort_by_key(|running| (running.started, running.seq));
    all.truncate(limit);
    all
}
