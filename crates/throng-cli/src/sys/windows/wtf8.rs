//! Arguments from bytes. Windows has strings of UTF-16 in which surrogates may lack their partners;
//! std shows them as WTF-8, which is UTF-8 with such surrogates as three bytes each.
//!
//! So all that a program here can be given has a form in bytes, and everything else is refused:
//! to put a replacement character for it would have a command work on another file.

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt;

use crate::sys::api::refuse_nul;
use crate::text;

/// The string that `OsStr::as_encoded_bytes` shows as these bytes. Halves of a pair that meet
/// become the character that they are, as they do when such strings are joined.
pub(crate) fn os_string(bytes: Vec<u8>) -> anyhow::Result<OsString> {
    refuse_nul(&bytes)?;
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text.into()),
        Err(error) => error.into_bytes(),
    };
    match units(&bytes) {
        Some(units) => Ok(OsString::from_wide(&units)),
        None => anyhow::bail!(
            "{} cannot be an argument: it is not UTF-8",
            text::quoted(&bytes)
        ),
    }
}

fn units(mut bytes: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(bytes.len());
    loop {
        let error = match str::from_utf8(bytes) {
            Ok(text) => {
                units.extend(text.encode_utf16());
                return Some(units);
            }
            Err(error) => error,
        };
        let (text, rest) = bytes.split_at(error.valid_up_to());
        units.extend(str::from_utf8(text).ok()?.encode_utf16());
        // U+D800 to U+DFFF, which UTF-8 has no place for.
        let [0xed, middle @ 0xa0..=0xbf, last @ 0x80..=0xbf, rest @ ..] = rest else {
            return None;
        };
        units.push(0xd000 | u16::from(middle & 0x3f) << 6 | u16::from(last & 0x3f));
        bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unpaired_surrogate_is_kept() {
        let string = os_string(b"a\xed\xa0\x80b\xed\xbf\xbf".to_vec()).unwrap();
        let units = [u16::from(b'a'), 0xd800, u16::from(b'b'), 0xdfff];
        assert_eq!(string, OsString::from_wide(&units));
    }

    #[test]
    fn invalid_encodings_are_refused_by_name() {
        for bytes in [&b"a\xff"[..], b"\xc3", b"\xed\xa0", b"\xc0\x80"] {
            let error = os_string(bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains("cannot be an argument"), "{error}");
        }
        let error = os_string(b"x\xffy".to_vec()).unwrap_err().to_string();
        assert!(error.starts_with("\"x\\xffy\""), "{error}");
    }

    proptest! {
        #[test]
        fn every_string_is_recovered_from_its_bytes(
            units in prop::collection::vec(
                prop_oneof![1_u16.., 0xd800_u16..=0xdfff, 0x20_u16..0x7f],
                0..20,
            ),
        ) {
            let string = OsString::from_wide(&units);
            let back = os_string(string.as_encoded_bytes().to_vec()).unwrap();
            prop_assert_eq!(back.as_encoded_bytes(), string.as_encoded_bytes());
            prop_assert_eq!(back, string);
        }

        #[test]
        fn bytes_are_kept_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(string) = os_string(bytes.clone()) {
                prop_assert_eq!(string.as_encoded_bytes(), &bytes[..]);
            }
        }
    }
}
