//! Types that both systems share.

use std::io::Write;

use serde::Serialize;

use crate::text;

/// A fact about the machine.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// What follows from it, if something does.
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

/// Called with each request.
pub(crate) type OnSignal = Box<dyn FnMut(Request) + Send>;

/// A request to the program, by a signal or from the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// End the commands that run, and then the program.
    End { signal: i32 },
    /// Finish the commands that run, and start no more.
    Finish { signal: i32 },
    /// List the commands that run.
    List,
}

impl Request {
    /// What this signal asks for, as with GNU parallel and other supervisors.
    pub(crate) fn of_signal(signal: i32) -> Request {
        const HUP: i32 = 1;
        const USR1: i32 = 10;
        match signal {
            USR1 => Request::List,
            HUP => Request::Finish { signal },
            _ => Request::End { signal },
        }
    }

    /// The signal that asked the program to end.
    pub(crate) fn signal(self) -> Option<i32> {
        match self {
            Request::End { signal } | Request::Finish { signal } => Some(signal),
            Request::List => None,
        }
    }
}

/// A quantity of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gauge {
    /// How many threads are runnable.
    Running,
    /// How many bytes of memory are available.
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

/// Refuses bytes with a NUL. For each system it is the end of a string, so an argument, the name of
/// a file and a variable cannot contain one.
pub(crate) fn refuse_nul(bytes: &[u8]) -> anyhow::Result<()> {
    anyhow::ensure!(
        memchr::memchr(0, bytes).is_none(),
        "{} contains a NUL, which no argument, path or variable can; -0 reads values that end with \
         one, --pipe and --stdin give data to commands as it is",
        text::quoted(bytes)
    );
    Ok(())
}

/// Called before the program is suspended, or after it is continued.
pub(crate) type OnStop = Box<dyn FnMut() + Send>;

/// Our stdout or stderr.
pub(crate) type Writer = Box<dyn Write + Send>;
