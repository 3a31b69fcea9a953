//! `--rate`: how many commands are started in a time.

use std::str::FromStr;
use std::time::Duration;

use crate::duration;

/// Starts a second: `50/s`, `100/m`, `3.5/h`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) every: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let expected = || "a number of starts a second, such as 50/s or 100/m, is expected".into();
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let unit = match unit {
            "s" | "m" | "h" => duration::parse(&format!("1{unit}"))?,
            _ => return Err(expected()),
        };
        let number: f64 = number.parse().map_err(|_| expected())?;
        let every = Duration::try_from_secs_f64(unit.as_secs_f64() / number);
        match every {
            Ok(every) if number > 0.0 && number.is_finite() => Ok(Rate { every }),
            _ => Err(expected()),
        }
    }
}
