//! Lengths of time as users write them: a number of seconds, or numbers with units.

use std::time::Duration;

/// Reads "1.5" as seconds, and "200ms", "5m", "1h 30m" as durations with units.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "a time such as 1.5, 200ms or 5m is expected";
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| EXPECTED.into());
    }
    let span: jiff::SignedDuration = text.parse().map_err(|_| EXPECTED)?;
    Duration::try_from(span).map_err(|_| EXPECTED.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_seconds_or_units_are_parsed_and_others_refused() {
        assert_eq!(parse("2"), Ok(Duration::from_secs(2)));
        assert_eq!(parse("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse("1h 30m"), Ok(Duration::from_secs(5400)));
        for nonsense in ["", "x", "-1", "-5s", "1 fortnight", "inf", "NaN", "1e300"] {
            assert!(parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
