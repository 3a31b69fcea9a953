//! What both systems are given and return.

use std::io::Write;

use serde::Serialize;

use crate::text;

/// Something that is known of the machine.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// What follows from it, where something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Finding {
    pub(crate) fn new(name: &'static str, value: impl Into<String>) -> Finding {
        Finding {
            name,
            value: value.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(hint.into());
        self
    }
}

/// How paths are written on a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathRules {
    pub(crate) separators: &'static [u8],
    /// Whether `C:` may be before a path.
    pub(crate) has_drives: bool,
}

/// What to do when somebody asks us for something.
pub(crate) type OnSignal = Box<dyn FnMut(Request) + Send>;

/// What somebody has asked us for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// To end, and to end what runs.
    End { signal: i32 },
    /// To finish what runs and to start nothing more.
    Finish { signal: i32 },
    /// To say what runs.
    List,
}

impl Request {
    /// What a signal of this number asks for, as GNU parallel and other supervisors have it.
    pub(crate) fn of_signal(signal: i32) -> Request {
        const HUP: i32 = 1;
        const USR1: i32 = 10;
        match signal {
            USR1 => Request::List,
            HUP => Request::Finish { signal },
            _ => Request::End { signal },
        }
    }

    /// The signal that asked us to end.
    pub(crate) fn signal(self) -> Option<i32> {
        match self {
            Request::End { signal } | Request::Finish { signal } => Some(signal),
            Request::List => None,
        }
    }
}

/// Something that a machine has more or less of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gauge {
    /// How many threads run or want to.
    Running,
    /// How many bytes of memory can be had.
    FreeMemory,
}

/// How long a command may be, in units of this system: bytes, or UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// All words as `word_length` counts them, with `per_word` for each.
    pub(crate) units: usize,
    /// One word.
    pub(crate) word: usize,
    pub(crate) per_word: usize,
}

/// Refuses bytes with a NUL. To each system that is the end of a string: in an argument, in the
/// name of a file and in a variable there is nothing that could be written for it.
pub(crate) fn refuse_nul(bytes: &[u8]) -> anyhow::Result<()> {
    anyhow::ensure!(
        memchr::memchr(0, bytes).is_none(),
        "{} contains a NUL, which no argument, path or variable can; -0 reads values that end with \
         one, --pipe and --stdin give data to commands as it is",
        text::quoted(bytes)
    );
    Ok(())
}

/// What to do when we are about to stand still, or have and go on.
pub(crate) type OnStop = Box<dyn FnMut() + Send>;

/// A stream of ours.
pub(crate) type Writer = Box<dyn Write + Send>;
