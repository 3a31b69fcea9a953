//! How a process is ended: which signals, and the waits between them. Sends nothing itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A signal that asks a process to end, or kills it.
///
/// The names are those of Unix. On Windows all but `Kill` are sent as Ctrl-Break to a process that
/// shares the console of this program; any other process cannot be asked to end and is terminated
/// at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGHUP`: the terminal was closed.
    Hup,
    /// `SIGINT`, as from Ctrl-C.
    Int,
    /// `SIGQUIT`, as from Ctrl-\.
    Quit,
    /// `SIGTERM`: a request to end.
    Term,
    /// `SIGKILL`: ends the process and cannot be caught.
    Kill,
}

impl Signal {
    const NAMES: [(&str, Signal); 5] = [
        ("HUP", Signal::Hup),
        ("INT", Signal::Int),
        ("QUIT", Signal::Quit),
        ("TERM", Signal::Term),
        ("KILL", Signal::Kill),
    ];
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Self::NAMES
            .iter()
            .find(|(_, s)| s == self)
            .expect("every signal is named");
        f.write_str(name)
    }
}

/// The signals that end a process, and the time between them. The last is always `KILL`.
///
/// The text form alternates signals and milliseconds, as in GNU parallel:
///
/// ```
/// let sequence: throng::KillSequence = "INT,100,TERM,500,KILL".parse().unwrap();
/// assert_eq!(sequence.to_string(), "INT,100,TERM,500,KILL");
/// assert_eq!(throng::KillSequence::default().to_string(), "TERM,2000,KILL");
/// assert!("TERM,soon".parse::<throng::KillSequence>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillSequence {
    /// Each signal but the last, and how long to wait after it.
    before: Vec<(Signal, Duration)>,
}

impl KillSequence {
    /// Sends this signal, waits, then sends `KILL`.
    pub fn new(signal: Signal, wait: Duration) -> KillSequence {
        KillSequence {
            before: vec![(signal, wait)],
        }
    }

    /// Sends `KILL` at once.
    pub fn immediate() -> KillSequence {
        KillSequence { before: Vec::new() }
    }

    /// Adds a step before the final `KILL`.
    #[must_use]
    pub fn then(mut self, signal: Signal, wait: Duration) -> KillSequence {
        self.before.push((signal, wait));
        self
    }

    /// The `n`th step, counted from 0: the signal, and the time until the next step; none for the
    /// last.
    pub(crate) fn step(&self, n: usize) -> (Signal, Option<Duration>) {
        match self.before.get(n) {
            Some((signal, wait)) => (*signal, Some(*wait)),
            None => (Signal::Kill, None),
        }
    }
}

impl Default for KillSequence {
    /// `TERM`, two seconds, `KILL`.
    fn default() -> KillSequence {
        KillSequence::new(Signal::Term, Duration::from_secs(2))
    }
}

impl fmt::Display for KillSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (signal, wait) in &self.before {
            write!(f, "{signal},{},", wait.as_millis())?;
        }
        write!(f, "{}", Signal::Kill)
    }
}

/// A kill sequence that cannot be parsed; names the part that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseKillSequenceError {
    part: String,
    expected: &'static str,
}

impl fmt::Display for ParseKillSequenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not {}", self.part, self.expected)
    }
}

impl std::error::Error for ParseKillSequenceError {}

impl FromStr for KillSequence {
    type Err = ParseKillSequenceError;

    /// Parses signals and milliseconds, alternating and separated by commas. The names are without
    /// `SIG`. If the last signal has no wait, it is 0; a `KILL` at the end may be omitted.
    ///
    /// # Errors
    ///
    /// [`ParseKillSequenceError`] for an unknown signal or a wait that is not a number.
    fn from_str(text: &str) -> Result<KillSequence, ParseKillSequenceError> {
        let error = |part: &str, expected| ParseKillSequenceError {
            part: part.into(),
            expected,
        };
        let mut sequence = KillSequence::immediate();
        let mut parts = text.split(',').map(str::trim);
        while let Some(name) = parts.next() {
            let known = Signal::NAMES
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name));
            let (_, signal) = known.ok_or(error(name, "one of HUP, INT, QUIT, TERM, KILL"))?;
            let wait = match parts.next() {
                None if *signal == Signal::Kill => break,
                None => Duration::ZERO,
                Some(ms) => Duration::from_millis(
                    ms.parse()
                        .map_err(|_| error(ms, "a number of milliseconds"))?,
                ),
            };
            sequence = sequence.then(*signal, wait);
        }
        Ok(sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn written_text_is_read_back(
            steps in prop::collection::vec((0usize..4, 0u64..100_000), 0..6),
        ) {
            let sequence = steps.iter().fold(KillSequence::immediate(), |sequence, (s, ms)| {
                sequence.then(Signal::NAMES[*s].1, Duration::from_millis(*ms))
            });
            prop_assert_eq!(sequence.to_string().parse(), Ok(sequence));
        }
    }

    #[test]
    fn a_sequence_always_ends_with_kill() {
        for text in ["TERM", "TERM,5", "TERM,5,KILL", "KILL"] {
            let sequence: KillSequence = text.parse().unwrap();
            assert!(sequence.to_string().ends_with("KILL"), "{text}");
            assert_eq!(sequence.step(9), (Signal::Kill, None));
        }
    }

    #[test]
    fn an_invalid_kill_sequence_is_reported() {
        let error = "TERM,5,SIGFOO".parse::<KillSequence>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"SIGFOO\" is not one of HUP, INT, QUIT, TERM, KILL"
        );
        assert!("".parse::<KillSequence>().is_err());
    }
}
