//! How the capture of a stream ended, and which processes held it open. Decides nothing; the state
//! machine (`shard/process.rs`) does, but for `Capped`,
//! `Inherited` and captures that could not be kept (`shard/live.rs`).

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::error::Error;
use crate::text;

/// How the capture of one stream ended: whether it is complete, and if not, why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// All writers have closed the stream and every byte was read.
    Complete,
    /// The process ended, but another process still held the stream open after the grace period.
    /// All that was written until then was captured.
    Held {
        /// The processes that hold it, as far as the system tells; empty if it does not.
        holders: Vec<Holder>,
    },
    /// A [limit](crate::Command::max_output) was reached. The stream was read to its end
    /// nevertheless, so that the process did not block.
    Capped {
        /// How many bytes were read and not kept.
        dropped_bytes: u64,
    },
    /// Throng ended the process (timeout, cancel, drop) before it had closed the stream.
    Cut,
    /// The stream could not be read to its end, or not be stored, or its callback panicked.
    Failed(Arc<Error>),
    /// The process wrote to the stream of this program (`os::linux::CommandExt::inherit_output`).
    /// Nothing was captured.
    Inherited,
}

impl Verdict {
    /// Whether this is [`Verdict::Complete`].
    pub fn is_complete(&self) -> bool {
        matches!(self, Verdict::Complete)
    }

    /// The name that the program prints: `complete`, `held`, `capped`, `cut`,
    /// `failed` or `inherited`.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Complete => "complete",
            Verdict::Held { .. } => "held",
            Verdict::Capped { .. } => "capped",
            Verdict::Cut => "cut",
            Verdict::Failed(_) => "failed",
            Verdict::Inherited => "inherited",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Complete | Verdict::Cut | Verdict::Inherited => f.write_str(self.name()),
            Verdict::Held { holders } if holders.is_empty() => {
                f.write_str("held by an unknown process")
            }
            Verdict::Held { holders } => {
                f.write_str("held by ")?;
                for (i, holder) in holders.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{holder}")?;
                }
                Ok(())
            }
            Verdict::Capped { dropped_bytes } => write!(f, "capped, {dropped_bytes} bytes dropped"),
            Verdict::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}

/// A process that keeps a stream open after the captured process has ended.
///
/// On Linux it had the stream open for writing. Windows does not tell which processes do without
/// calls that may never return. There it is a process that is left in the job of the captured one
/// and so can have inherited the stream: it may not hold it, and a process outside of the job may
/// hold it and is not listed. If the list is empty, the holder is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command line, program first; on Windows only the path of its program. Empty if the
    /// system does not tell.
    pub argv: Vec<OsString>,
    /// When it was started, if the system tells.
    pub started: Option<SystemTime>,
}

/// What to do about a stream that another process still holds open when the process has ended and
/// the [grace period](crate::Builder::grace) is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnHeld {
    /// Deliver what was captured and leave the holder alone. The verdict is [`Verdict::Held`].
    #[default]
    Keep,
    /// End the rest of the process tree by the kill sequence and read to the end. The verdict is
    /// [`Verdict::Complete`] if that ends all writers; those which still hold the stream another
    /// grace period later are listed as with `Keep`.
    Kill,
    /// Wait for the holder, without a limit or until the [timeout](crate::Command::timeout) of the
    /// command, which then ends the rest of the tree.
    Wait,
    /// As `Keep`, and the command counts as failed: [`Outcome::success`](crate::Outcome::success)
    /// is `false` whatever its exit code.
    Fail,
}

impl OnHeld {
    const NAMES: [(&str, OnHeld); 4] = [
        ("keep", OnHeld::Keep),
        ("kill", OnHeld::Kill),
        ("wait", OnHeld::Wait),
        ("fail", OnHeld::Fail),
    ];
}

impl fmt::Display for OnHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMES.iter().find(|(_, held)| held == self);
        f.write_str(named.expect("every policy is named").0)
    }
}

/// A text that is not the name of an [`OnHeld`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseOnHeldError;

impl fmt::Display for ParseOnHeldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of keep, kill, wait, fail is expected")
    }
}

impl std::error::Error for ParseOnHeldError {}

impl FromStr for OnHeld {
    type Err = ParseOnHeldError;

    /// Parses `keep`, `kill`, `wait` or `fail`.
    fn from_str(text: &str) -> Result<OnHeld, ParseOnHeldError> {
        let named = Self::NAMES.iter().find(|(name, _)| *name == text);
        named.map(|(_, held)| *held).ok_or(ParseOnHeldError)
    }
}

/// The command line is shortened, and invisible characters in it are escaped, because the process
/// itself has chosen it.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        if self.argv.is_empty() {
            return Ok(());
        }
        let words = self.argv.iter().map(|arg| arg.as_encoded_bytes());
        let line = words.collect::<Vec<_>>().join(&b' ');
        write!(f, " ({})", text::shortened(&line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_cannot_forge_our_messages_or_fill_the_screen() {
        let named = |argv: &[&str]| {
            let holder = Holder {
                pid: 7,
                argv: argv.iter().map(OsString::from).collect(),
                started: None,
            };
            let verdict = Verdict::Held {
                holders: vec![holder],
            };
            verdict.to_string()
        };
        assert_eq!(named(&["cat", "a b"]), "held by pid 7 (cat a b)");
        assert_eq!(named(&[]), "held by pid 7");
        assert_eq!(
            named(&["x\nthrong: all is well", "\u{1b}[2J\u{202e}"]),
            "held by pid 7 (x\\nthrong: all is well \\u{1b}[2J\\u{202e})"
        );
        let long = named(&["x".repeat(1 << 20).as_str()]);
        assert!(long.len() < 100 && long.ends_with("...)"), "{long}");
    }
}
