//! Bytes that are written with backslashes: `\n`, `\0`, `\x1f`, `\037`.

use anyhow::{Context, bail};

use crate::text;

/// The bytes meant by this text.
pub(crate) fn unescape(written: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let kind = *rest
            .first()
            .with_context(|| format!("{} ends with a backslash", text::quoted(written)))?;
        let digits = |radix, most| {
            let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
            rest.iter()
                .skip(usize::from(radix == 16))
                .take(most)
                .take_while(is_digit)
                .count()
        };
        let (byte, length) = match kind {
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'r' => (b'\r', 1),
            b'a' => (7, 1),
            b'b' => (8, 1),
            b'f' => (12, 1),
            b'v' => (11, 1),
            b'\\' => (b'\\', 1),
            b'x' if digits(16, 2) > 0 => {
                let count = digits(16, 2);
                (number(&rest[1..=count], 16)?, count + 1)
            }
            b'0'..=b'7' => {
                let count = digits(8, 3);
                (number(&rest[..count], 8)?, count)
            }
            _ => bail!(
                "{}: \\{} means nothing",
                text::quoted(written),
                char::from(kind)
            ),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    Ok(bytes)
}

fn number(digits: &[u8], radix: u32) -> anyhow::Result<u8> {
    let digits = str::from_utf8(digits).unwrap_or_default();
    u8::from_str_radix(digits, radix).with_context(|| format!("\\{digits} is more than a byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_printf() {
        let written = br"a\n\t\\\0\x1f\101\x4z\377";
        assert_eq!(unescape(written).unwrap(), b"a\n\t\\\0\x1fA\x04z\xff");
        assert_eq!(unescape(b"").unwrap(), b"");
        for nonsense in [&br"\"[..], br"a\q", br"\400", br"\xg"] {
            assert!(unescape(nonsense).is_err(), "{nonsense:?}");
        }
    }
}
