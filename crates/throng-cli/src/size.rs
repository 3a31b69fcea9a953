//! Numbers of bytes and of other things: `64K`, `1M`. Upper-case letters count by 1,024, lower-case
//! ones by 1,000, as GNU parallel has it.

/// Reads a number with or without a letter.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.chars().last() {
        Some(letter) if letter.is_ascii_alphabetic() => {
            let base: u64 = if letter.is_ascii_uppercase() {
                1024
            } else {
                1000
            };
            let power = "kmgtp".find(letter.to_ascii_lowercase());
            let Some(power) = power else {
                return Err(expected());
            };
            (&text[..text.len() - 1], base.pow(power as u32 + 1))
        }
        _ => (text, 1),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_number);
    number
        .and_then(|number: u64| number.checked_mul(unit))
        .ok_or_else(expected)
}

/// The same, and more than 0.
pub(crate) fn parse_positive(text: &str) -> Result<u64, String> {
    match parse(text) {
        Ok(0) | Err(_) => Err("a number from 1 up, such as 100, 64K or 1M, is expected".into()),
        Ok(number) => Ok(number),
    }
}

fn expected() -> String {
    "a number such as 100, 64K or 1M is expected".into()
}

/// A number that can be read: 1,048,576.
pub(crate) fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// So many things of this name: `1 command`, `1,234 commands`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", with_commas(count))
}

/// A number of bytes, as people read it: 1.50 GiB.
pub(crate) fn shown(bytes: u64) -> String {
    let n = bytes as f64;
    match bytes {
        0..=1023 => format!("{bytes} B"),
        _ if n < 1024.0 * 1024.0 => format!("{} KiB", digits(n / 1024.0)),
        _ if n < 1024.0 * 1024.0 * 1024.0 => format!("{} MiB", digits(n / 1024.0 / 1024.0)),
        _ => format!("{} GiB", digits(n / 1024.0 / 1024.0 / 1024.0)),
    }
}

/// Three digits of it.
pub(crate) fn digits(n: f64) -> String {
    match n {
        _ if n < 9.995 => format!("{n:.2}"),
        _ if n < 99.95 => format!("{n:.1}"),
        _ => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_suffixes_mean_powers_of_1024_or_1000_and_others_are_refused() {
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("64K"), Ok(65_536));
        assert_eq!(parse("64k"), Ok(64_000));
        assert_eq!(parse("2G"), Ok(2 << 30));
        assert!(parse_positive("0").is_err());
        for nonsense in [
            "",
            "K",
            "-1",
            "+1",
            "1.5M",
            "1Q",
            "1 K",
            "99999999999P",
            "1é",
        ] {
            assert!(parse(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn numbers_are_shown_in_groups_of_three() {
        let shown = [1, 999, 1000, 1_048_576].map(with_commas);
        assert_eq!(shown, ["1", "999", "1,000", "1,048,576"]);
    }
}
