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
    /// Run N commands at a time; 0: as many as the system allows; N%: of the cores; +N, -N: more or
    /// fewer than cores; or a file that says so, and may change meanwhile
    #[arg(
        short,
        long,
        visible_short_alias = 'P',
        visible_alias = "max-procs",
        value_name = "N|0|N%|+N|-N|FILE",
        default_value = "100%",
        allow_negative_numbers = true
    )]
    pub(crate) jobs: Jobs,

    /// Whether that is on the command line.
    #[arg(skip)]
    pub(crate) has_jobs: bool,

    /// Start a command only so long after the one before it
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) delay: Option<Duration>,

    /// Start so many commands a second, or a minute or hour (/m, /h), and not more
    #[arg(long, value_name = "N/s")]
    pub(crate) rate: Option<Rate>,

    /// Start nothing while so many threads of the machine run or want to; as --jobs
    #[arg(long, value_name = "N|N%", allow_negative_numbers = true)]
    pub(crate) load: Option<Count>,

    /// Start nothing while less memory is free; with less than half of that, end the youngest
    /// command and run it again later
    #[arg(long, value_name = "SIZE", value_parser = size::parse_positive)]
    pub(crate) memfree: Option<u64>,

    /// Try a command that fails up to N times in all; 0: until it succeeds
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,

    /// Wait before another attempt, and each time twice as long, up to MAX [default: 0,5m]
    #[arg(long, value_name = "TIME[,MAX]")]
    pub(crate) backoff: Option<Backoff>,

    /// End a command that runs for longer; seconds, or with a unit: 200ms, 5m; 0 for no limit; or
    /// in percent of the median of those that have succeeded: 200%
    #[arg(long, value_name = "TIME|N%")]
    pub(crate) timeout: Option<Timeout>,

    /// How long output may stay open after a command has ended [default: 200ms]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) grace: Option<Duration>,

    /// How commands are ended: signals, and milliseconds between them
    #[arg(
        long,
        visible_alias = "term-seq",
        value_name = "SEQUENCE",
        default_value_t
    )]
    pub(crate) termseq: KillSequence,

    /// End the run when so many commands have failed, succeeded or ended (fail, success, done);
    /// `now` ends what runs, `soon` lets it finish
    #[arg(
        long,
        visible_alias = "halt-on-error",
        value_name = "never|now|soon,WHY=N|N%",
        allow_negative_numbers = true
    )]
    pub(crate) halt: Option<Halt>,

    /// Run commands in this directory, which is made if it is not there; places for values are
    /// filled in
    #[arg(long, visible_alias = "workdir", value_name = "DIR")]
    pub(crate) wd: Option<OsString>,

    /// Give commands this variable, which they have already if we have it, or set it for them;
    /// placeholders in VALUE are filled in
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = Variable::parse_os())]
    pub(crate) env: Vec<Variable>,

    /// Print the commands and run none
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// How output is captured; see `throng mechanisms`
    #[arg(long, value_name = "NAME")]
    pub(crate) mechanism: Option<Mechanism>,

    /// How many threads start and capture commands [default: cores, at least 2]
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
    fn timeouts_are_times_or_percentages() {
        assert_eq!("5m".parse(), Ok(Timeout::After(Duration::from_secs(300))));
        assert_eq!("150%".parse(), Ok(Timeout::PercentOfMedian(150.0)));
        assert_eq!("12.5%".parse(), Ok(Timeout::PercentOfMedian(12.5)));
        for nonsense in ["", "%", "-5%", "0%", "x%", "inf%", "soon", "-1"] {
            assert!(nonsense.parse::<Timeout>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_variable_has_a_name_and_perhaps_a_value() {
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
