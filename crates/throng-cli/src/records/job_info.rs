//! What is known of a command besides its outcome.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use throng::Outcome;

use crate::commands::pipe::Sent;
use crate::fate::Fate;

/// What is known of one command.
#[derive(Clone, Debug)]
pub(crate) struct JobInfo {
    /// Its number, from 1, as `{#}`.
    pub(crate) number: u64,
    /// A value from each source, if results need them.
    pub(crate) values: Vec<Vec<u8>>,
    /// How much it has been sent on stdin, if it is sent data while it runs.
    pub(crate) sent: Option<Sent>,
    /// The path of its results, if `--results` is a path with placeholders.
    pub(crate) path: Vec<u8>,
    /// How the command ended, once that is decided.
    pub(crate) fate: Fate,
}

/// What is known of the commands under way, by the `seq` of their outcomes. The thread that makes
/// commands puts it here, and the thread that handles outcomes takes it. Nothing is kept if no
/// record needs it.
#[derive(Debug)]
pub(crate) struct JobInfos {
    are_needed: bool,
    kept: Mutex<HashMap<u64, JobInfo>>,
}

impl JobInfos {
    pub(crate) fn new(are_needed: bool) -> JobInfos {
        JobInfos {
            are_needed,
            kept: Mutex::default(),
        }
    }

    /// For the command whose outcome will have this `seq`.
    pub(crate) fn put(&self, seq: u64, info: JobInfo) {
        if self.are_needed || info.sent.is_some() {
            self.kept().insert(seq, info);
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<u64, JobInfo>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the command with this last outcome.
    pub(crate) fn take(&self, outcome: &Outcome, fate: Fate) -> JobInfo {
        let seq = outcome.seq();
        let info = self.kept().remove(&seq).unwrap_or_else(|| JobInfo {
            number: seq + 1,
            values: Vec::new(),
            sent: None,
            path: Vec::new(),
            fate,
        });
        JobInfo { fate, ..info }
    }
}
