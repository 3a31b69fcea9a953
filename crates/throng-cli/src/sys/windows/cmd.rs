//! Scripts for `cmd.exe`, and values in them.
//!
//! What is relied on: between two quotation marks nothing means anything to `cmd.exe` but a mark, a
//! `%` and the end of the line. Not known here: what the script does with a value. `call`, and
//! either side of a `|` that is no program, have it read a second time; then marks still keep the
//! rest in, but a `%` is one again.

use std::iter::repeat_n;

use throng::Command;

use super::os_string;
use crate::text;

/// What may be in a value that is not quoted, besides letters and digits of ASCII: it separates
/// nothing and means nothing.
const PLAIN: &[u8] = b"#$*+-./:?@\\_";

/// Quotes a value so that `cmd.exe` takes it for text, and a program that `cmd.exe` starts for one
/// word.
///
/// A mark is doubled: to `cmd.exe` that ends a quotation and begins another, and the C runtime
/// reads one mark. A `%` gets `%cd:~,%` behind it, the part of length zero of a variable that
/// `cmd.exe` always has, so that no other variable's name begins at it; that is how std calls batch
/// files since CVE-2024-24576. Backslashes before a mark are doubled for the C runtime, those of
/// the script included: `copy C:\x\{}` has one before the place.
pub(crate) fn push_quoted(script: &mut Vec<u8>, value: &[u8]) -> anyhow::Result<()> {
    refuse_line_ends(value)?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || PLAIN.contains(byte);
    if value.iter().all(is_plain) && !matches!(value.last(), None | Some(b'\\')) {
        script.extend_from_slice(value);
        return Ok(());
    }
    let mut backslashes = script.iter().rev().take_while(|b| **b == b'\\').count();
    script.extend(repeat_n(b'\\', backslashes));
    script.push(b'"');
    backslashes = 0;
    for &byte in value {
        match byte {
            b'"' => {
                script.extend(repeat_n(b'\\', backslashes));
                script.extend_from_slice(b"\"\"");
            }
            b'%' => script.extend_from_slice(b"%%cd:~,%"),
            byte => script.push(byte),
        }
        backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
    }
    script.extend(repeat_n(b'\\', backslashes));
    script.push(b'"');
    Ok(())
}

/// The command that has `cmd.exe` run this script.
pub(crate) fn shell(script: Vec<u8>) -> anyhow::Result<Command> {
    refuse_line_ends(&script)?;
    Ok(Command::shell(os_string(script)?))
}

/// A script ends with its first line. Of the other control characters Ctrl-Z has been seen to be
/// read as a line end, so all are refused but the tab.
fn refuse_line_ends(bytes: &[u8]) -> anyhow::Result<()> {
    let is_refused = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    anyhow::ensure!(
        !bytes.iter().any(is_refused),
        "cmd.exe cannot be given {}: it contains a line end or another control character",
        text::quoted(bytes)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(value: &str) -> String {
        after("", value)
    }

    fn after(text: &str, value: &str) -> String {
        let mut script = text.as_bytes().to_vec();
        push_quoted(&mut script, value.as_bytes()).unwrap();
        String::from_utf8(script).unwrap()
    }

    #[test]
    fn plain_values_stay_as_they_are_and_others_are_quoted() {
        for (value, expected) in [
            (r"C:\a-b_c.txt", r"C:\a-b_c.txt"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            (r"C:\a\", r#""C:\a\\""#),
            (r#"a"b"#, r#""a""b""#),
            (r#"a\"b"#, r#""a\\""b""#),
            ("%PATH%", r#""%%cd:~,%PATH%%cd:~,%""#),
            ("a&b|c^d!", r#""a&b|c^d!""#),
            ("é", r#""é""#),
            ("a=b", r#""a=b""#),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }

    #[test]
    fn line_ends_are_refused_by_name() {
        for value in ["a\nb", "a\rb", "a\0b", "\u{1a}"] {
            let error = push_quoted(&mut Vec::new(), value.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("cmd.exe cannot be given \""), "{error}");
        }
        assert!(shell(b"echo a\necho b".to_vec()).is_err());
    }

    proptest! {
        #[test]
        fn marks_are_even_and_whatever_means_something_is_between_two(
            value in r#"[a\\"%&|<>^! é]{0,12}"#,
        ) {
            let quoted = quoted(&value);
            prop_assert_eq!(quoted.matches('"').count() % 2, 0);
            let outside: String = quoted.split('"').step_by(2).collect();
            prop_assert!(!outside.contains(['&', '|', '<', '>', '^', '!', ' ', '%']));
        }

        #[test]
        fn the_c_runtime_reads_a_quoted_value_as_one_word(
            text in r"[y\\]{0,4}",
            value in r#"[a\\"&^ é]{0,12}"#,
        ) {
            let line = after(&format!("x {text}"), &value) + "z";
            let words = crate::sys::split(line.as_bytes()).unwrap();
            prop_assert_eq!(words.len(), 2);
            prop_assert_eq!(words[1].to_str().unwrap(), format!("{text}{value}z"));
        }
    }
}
