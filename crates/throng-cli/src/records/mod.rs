//! What is kept of a run: the job log, results in files, the summary; and what an earlier run has
//! left.

pub(crate) mod claims;
pub(crate) mod harmless;
pub(crate) mod joblog;
pub(crate) mod jsonl;
pub(crate) mod kept;
pub(crate) mod note;
pub(crate) mod notes;
pub(crate) mod pieces;
pub(crate) mod recorder;
pub(crate) mod results;
pub(crate) mod resume;
pub(crate) mod summary;
pub(crate) mod target;
pub(crate) mod through;
