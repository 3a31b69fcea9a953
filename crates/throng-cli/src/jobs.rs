//! `-j`: how many commands run at a time.

use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jobs {
    Number(usize),
    PercentOfCores(usize),
    /// As many as the system allows.
    AllThatFit,
}

impl Jobs {
    pub(crate) fn resolve(self, cores: usize) -> usize {
        match self {
            Jobs::Number(n) => n,
            Jobs::PercentOfCores(percent) => (cores.saturating_mul(percent) / 100).max(1),
            Jobs::AllThatFit => usize::MAX,
        }
    }
}

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Jobs, String> {
        let (digits, is_percent) = match text.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(0) if plain && !is_percent => Ok(Jobs::AllThatFit),
            Ok(n) if plain && n > 0 && is_percent => Ok(Jobs::PercentOfCores(n)),
            Ok(n) if plain && n > 0 => Ok(Jobs::Number(n)),
            _ => Err(
                "a number, 0 for as many as fit, or a percentage of the cores is expected".into(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_percentages_and_zero_are_read_and_nonsense_is_not() {
        assert_eq!("8".parse(), Ok(Jobs::Number(8)));
        assert_eq!("0".parse(), Ok(Jobs::AllThatFit));
        assert_eq!("150%".parse::<Jobs>().map(|j| j.resolve(4)), Ok(6));
        assert_eq!("1%".parse::<Jobs>().map(|j| j.resolve(4)), Ok(1));
        for nonsense in [
            "",
            "%",
            "0%",
            "-1",
            "+2",
            "1.5",
            "many",
            "99999999999999999999999",
        ] {
            assert!(nonsense.parse::<Jobs>().is_err(), "{nonsense}");
        }
    }
}
