//! Values as names of directories. Much cannot stand in one (MSDN "Naming Files, Paths, and
//! Namespaces"): some characters, a dot or a blank at the end, names of devices with any ending.

use std::path::Path;

/// Begins what stands for something else: two hexadecimal digits follow.
pub(crate) const ESCAPE: u8 = b'%';

const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

pub(crate) fn escaped_name(value: &[u8]) -> Vec<u8> {
    if value.is_empty() {
        return vec![ESCAPE];
    }
    let mut name = Vec::with_capacity(value.len());
    for (n, byte) in value.iter().enumerate() {
        let is_last = n + 1 == value.len();
        let is_escaped = match byte {
            b'<' | b'>' | b':' | b'"' | b'/' | b'\\' | b'|' | b'?' | b'*' | b'%' => true,
            b'.' | b' ' => is_last,
            0..=31 => true,
            _ => n == 0 && is_device(value),
        };
        if is_escaped {
            name.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            name.push(*byte);
        }
    }
    // What is no text in UTF-16 cannot be a name at all.
    match str::from_utf8(&name) {
        Ok(_) => name,
        Err(_) => escaped_where_no_text(&name),
    }
}

fn escaped_where_no_text(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for chunk in name.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        for byte in chunk.invalid() {
            text.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    text
}

/// Whether a file of this name is a device in every directory.
pub(crate) fn is_device(value: &[u8]) -> bool {
    let stem = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    let stem = stem.trim_ascii_end().to_ascii_uppercase();
    let is_port = (stem.starts_with(b"COM") || stem.starts_with(b"LPT"))
        && str::from_utf8(&stem[3..])
            .is_ok_and(|rest| matches!(rest, "\u{b9}" | "\u{b2}" | "\u{b3}") || is_digit(rest));
    is_port || DEVICES.iter().any(|device| stem == device.as_bytes())
}

fn is_digit(text: &str) -> bool {
    text.len() == 1 && text.as_bytes()[0].is_ascii_digit()
}

/// Names that differ in capitals alone are one file.
pub(crate) fn folded_path(path: &Path) -> Vec<u8> {
    path.to_string_lossy().to_lowercase().into_bytes()
}

/// How long a name is, as file systems count it: in UTF-16.
pub(crate) fn name_length(name: &[u8]) -> usize {
    String::from_utf8_lossy(name).encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_invalid_in_a_file_name_are_escaped() {
        for (value, name) in [
            (&b"a b"[..], &b"a b"[..]),
            (b"C:\\a/b", b"C%3A%5Ca%2Fb"),
            (b"50%", b"50%25"),
            (b"a.", b"a%2E"),
            (b" a ", b" a%20"),
            (b"..", b".%2E"),
            (b"nul", b"%6Eul"),
            (b"com1.txt", b"%63om1.txt"),
            (b"com10", b"com10"),
            (b"console", b"console"),
            (b"a\xffb", b"a%FFb"),
            (b"", b"%"),
        ] {
            assert_eq!(escaped_name(value), name);
        }
    }
}
