//! How commands are started, kept and ended.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use throng::{KillSequence, Mechanism};

use crate::duration;
use crate::options::backoff::Backoff;
use crate::options::halt::Halt;
use crate::options::jobs::{Count, Jobs};
use crate::options::rate::Rate;
use crate::size;

#[derive(Debug, Args)]
#[command(next_help_heading = "Control")]
pub(crate) struct Control {
    /// Run N commands at a time: N, N% of the cores, +N, -N, 0 for no limit, or a FILE
    ///
    /// +N and -N are more and fewer than there are cores. 0 runs as many as the system allows. A
    /// FILE holds any of these, and is read again during the run.
    #[arg(
        short,
        long,
        visible_short_alias = 'P',
        visible_alias = "max-procs",
        value_name = "N",
        default_value = "100%",
        allow_negative_numbers = true
    )]
    pub(crate) jobs: Jobs,

    /// Whether that is on the command line.
    #[arg(skip)]
    pub(crate) has_jobs: bool,

    /// Wait at least TIME between two starts
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) delay: Option<Duration>,

    /// Start at most N commands a second (N/s), minute (N/m) or hour (N/h)
    #[arg(long, value_name = "N/s")]
    pub(crate) rate: Option<Rate>,

    /// Hold starts while N or more threads of the machine are runnable
    ///
    /// N% is a share of the cores; +N and -N are more and fewer than there are cores.
    #[arg(long, value_name = "N|N%", allow_negative_numbers = true)]
    pub(crate) load: Option<Count>,

    /// Hold starts while less than SIZE of memory is free
    ///
    /// With less than half of SIZE, the youngest command is ended, and run again later.
    #[arg(long, value_name = "SIZE", value_parser = size::parse_positive)]
    pub(crate) memfree: Option<u64>,

    /// Run a command that fails up to N times in all (0: until it succeeds)
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,

    /// Wait TIME before the next attempt of --retries, doubled up to MAX [default: 0,5m]
    #[arg(long, value_name = "TIME[,MAX]")]
    pub(crate) backoff: Option<Backoff>,

    /// End a command after TIME (30, 200ms, 5m) or N% of the median time
    ///
    /// 0 is no limit. The median is that of the commands that have succeeded.
    #[arg(long, value_name = "TIME|N%")]
    pub(crate) timeout: Option<Timeout>,

    /// Wait TIME for output that is still open after a command's exit [default: 200ms]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) grace: Option<Duration>,

    /// Signals that end commands, with pauses in milliseconds between them
    #[arg(
        long,
        visible_alias = "term-seq",
        value_name = "SEQUENCE",
        default_value_t
    )]
    pub(crate) termseq: KillSequence,

    /// End the run early: never, or now|soon,fail|success|done=N (or N%)
    ///
    /// The run ends when N commands have failed, succeeded or ended (fail, success, done). `now`
    /// ends the commands that are running, `soon` lets them finish.
    #[arg(
        long,
        visible_alias = "halt-on-error",
        value_name = "WHEN",
        allow_negative_numbers = true
    )]
    pub(crate) halt: Option<Halt>,

    /// Run commands in DIR, created if missing; placeholders are replaced
    #[arg(long, visible_alias = "workdir", value_name = "DIR")]
    pub(crate) wd: Option<OsString>,

    /// Set NAME=VALUE for commands; placeholders in VALUE are replaced
    ///
    /// Commands have all our variables; NAME alone is accepted and changes nothing.
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = Variable::parse_os())]
    pub(crate) env: Vec<Variable>,

    /// Print the commands without running them
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Capture output with this mechanism of `throng mechanisms`
    #[arg(long, value_name = "NAME")]
    pub(crate) mechanism: Option<Mechanism>,

    /// Start and capture commands on N threads [default: the cores, at least 2]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) shards: Option<usize>,
}

/// How long a command may run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Timeout {
    After(Duration),
    PercentOfMedian(f64),
}

impl Timeout {
    /// Where it is the same for all commands.
    pub(crate) fn fixed(self) -> Option<Duration> {
        match self {
            Timeout::After(Duration::ZERO) | Timeout::PercentOfMedian(_) => None,
            Timeout::After(time) => Some(time),
        }
    }

    pub(crate) fn percent(self) -> Option<f64> {
        match self {
            Timeout::After(_) => None,
            Timeout::PercentOfMedian(percent) => Some(percent),
        }
    }
}

impl std::str::FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Timeout, String> {
        let Some(number) = text.strip_suffix('%') else {
            let time = duration::parse(text).map(Timeout::After);
            return time.map_err(|expected| format!("{expected}, or N% of the median"));
        };
        match number.parse() {
            Ok(percent) if percent > 0.0 && f64::is_finite(percent) => {
                Ok(Timeout::PercentOfMedian(percent))
            }
            _ => Err("a number of percent above 0 is expected".into()),
        }
    }
}

/// A variable of the environment of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: OsString,
    /// None: what we have, which they have anyway.
    pub(crate) value: Option<OsString>,
}

impl Variable {
    fn parse_os() -> impl clap::builder::TypedValueParser<Value = Variable> {
        use clap::builder::TypedValueParser as _;
        clap::builder::OsStringValueParser::new().try_map(Variable::parse)
    }

    fn parse(text: OsString) -> Result<Variable, String> {
        let bytes = text.as_encoded_bytes();
        let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
            Some(end) => (&bytes[..end], Some(&bytes[end + 1..])),
            None => (bytes, None),
        };
        if name.is_empty() {
            return Err("the name of a variable is expected".into());
        }
        // What std shows as bytes it takes back, cut at a character of ASCII.
        let string = |bytes: &[u8]| crate::sys::os_string(bytes.to_vec());
        let variable = string(name).and_then(|name| {
            let value = value.map(string).transpose()?;
            Ok(Variable { name, value })
        });
        variable.map_err(|error| error.to_string())
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("a number from 1 up is expected".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_durations_or_percentages() {
        assert_eq!("5m".parse(), Ok(Timeout::After(Duration::from_secs(300))));
        assert_eq!("150%".parse(), Ok(Timeout::PercentOfMedian(150.0)));
        assert_eq!("12.5%".parse(), Ok(Timeout::PercentOfMedian(12.5)));
        for nonsense in ["", "%", "-5%", "0%", "x%", "inf%", "soon", "-1"] {
            assert!(nonsense.parse::<Timeout>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_variable_has_a_name_and_an_optional_value() {
        let read = |text: &str| Variable::parse(text.into());
        let variable = |value: Option<&str>| {
            Ok(Variable {
                name: "A".into(),
                value: value.map(OsString::from),
            })
        };
        assert_eq!(read("A"), variable(None));
        assert_eq!(read("A="), variable(Some("")));
        assert_eq!(read("A=b=c"), variable(Some("b=c")));
        assert!(read("").is_err() && read("=x").is_err());
    }
}
