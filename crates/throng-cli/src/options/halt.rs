//! `--halt`: when a run ends before its time, in the grammar of GNU parallel.

use std::str::FromStr;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Halt {
    #[default]
    Never,
    When(When, Why, Threshold),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// What runs is ended.
    Now,
    /// What runs goes on to its end.
    Soon,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Fail,
    Success,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threshold {
    Commands(u64),
    /// Of all commands of the run, which have to be counted first.
    Percent(u64),
}

impl Halt {
    /// Whether the number of all commands has to be known.
    pub(crate) fn needs_total(self) -> bool {
        matches!(self, Halt::When(_, _, Threshold::Percent(_)))
    }
}

impl FromStr for Halt {
    type Err = String;

    fn from_str(text: &str) -> Result<Halt, String> {
        let expected =
            || "never, or now or soon,fail or success or done=N or N% is expected".into();
        let long = match text {
            "never" | "0" => return Ok(Halt::Never),
            "1" => "soon,fail=1",
            "2" => "now,fail=1",
            "-1" => "soon,success=1",
            "-2" => "now,success=1",
            text => text,
        };
        if let Some(digits) = long.strip_suffix('%')
            && let Ok(percent) = digits.parse()
        {
            return Threshold::percent(percent)
                .map(|threshold| Halt::When(When::Soon, Why::Fail, threshold))
                .ok_or_else(expected);
        }
        let (when, rest) = long.split_once(',').ok_or_else(expected)?;
        let (why, number) = rest.split_once('=').ok_or_else(expected)?;
        let when = match when {
            "now" => When::Now,
            "soon" => When::Soon,
            _ => return Err(expected()),
        };
        let why = match why {
            "fail" => Why::Fail,
            "success" => Why::Success,
            "done" => Why::Done,
            _ => return Err(expected()),
        };
        let threshold = match number.strip_suffix('%') {
            Some(digits) => digits.parse().ok().and_then(Threshold::percent),
            None => number.parse().ok().and_then(Threshold::commands),
        };
        let threshold = threshold.ok_or_else(expected)?;
        Ok(Halt::When(when, why, threshold))
    }
}

impl Threshold {
    fn percent(percent: u64) -> Option<Threshold> {
        (1..=100)
            .contains(&percent)
            .then_some(Threshold::Percent(percent))
    }

    fn commands(n: u64) -> Option<Threshold> {
        (n > 0).then_some(Threshold::Commands(n))
    }
}

impl When {
    /// What becomes of the run.
    pub(crate) fn told(self) -> &'static str {
        match self {
            When::Now => "what runs is ended",
            When::Soon => "no more are started",
        }
    }
}
