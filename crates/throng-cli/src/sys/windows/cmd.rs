//! Scripts for `cmd.exe`, and values in them.
//!
//! What is relied on: between two quotation marks nothing means anything to `cmd.exe` but a mark, a
//! `%` and the end of the line. Not known here: what the script does with a value. `call`, and
//! either side of a `|` that is no program, have it read a second time; then marks still keep the
//! rest in, but a `%` is one again.

use std::ffi::{OsStr, OsString};
use std::iter::repeat_n;

use throng::Command;

use super::os_string;
use crate::script::{Quotes, readers};
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
pub(crate) fn push_quoted(
    script: &mut Vec<u8>,
    value: &[u8],
    quotes: Quotes,
) -> anyhow::Result<()> {
    refuse_line_ends(value)?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || PLAIN.contains(byte);
    let is_bare = !matches!(quotes, Quotes::Double | Quotes::DoubleAtEnd);
    if quotes == Quotes::AsNeeded
        && value.iter().all(is_plain)
        && !matches!(value.last(), None | Some(b'\\'))
    {
        script.extend_from_slice(value);
        return Ok(());
    }
    if is_bare {
        double_backslashes(script);
        script.push(b'"');
    }
    for &byte in value {
        match byte {
            b'"' => {
                double_backslashes(script);
                script.extend_from_slice(b"\"\"");
            }
            b'%' => script.extend_from_slice(b"%%cd:~,%"),
            byte => script.push(byte),
        }
    }
    if quotes != Quotes::Double {
        double_backslashes(script);
    }
    if is_bare {
        script.push(b'"');
    }
    Ok(())
}

/// Doubles those at the end, which a mark is to follow.
fn double_backslashes(script: &mut Vec<u8>) {
    let backslashes = script.iter().rev().take_while(|b| **b == b'\\').count();
    script.extend(repeat_n(b'\\', backslashes));
}

/// The command that has `cmd.exe` run this script. There is no other program.
pub(crate) fn shell(_: Option<&OsStr>, script: Vec<u8>) -> anyhow::Result<Command> {
    refuse_line_ends(&script)?;
    Ok(Command::shell(os_string(script)?))
}

/// The program of `--shell=PROGRAM`; none for `cmd.exe`, which it always is. What others here read
/// (a `bash.exe` of MSYS2, Cygwin or WSL, PowerShell) goes through rules of their own for command
/// lines before the script is seen, which our quoting does not cover.
pub(crate) fn shell_program(program: &OsStr) -> anyhow::Result<Option<OsString>> {
    anyhow::ensure!(
        readers::base(program.as_encoded_bytes()) == "cmd",
        "only cmd.exe is the shell on Windows: start another one as the command, \
         with values as its arguments: bash -c 'echo \"$1\"' bash {{}}"
    );
    Ok(None)
}

pub(crate) fn counts_in_arguments(_: Option<&OsStr>) -> bool {
    false
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
        push_quoted(&mut script, value.as_bytes(), Quotes::AsNeeded).unwrap();
        String::from_utf8(script).unwrap()
    }

    #[test]
    fn plain_values_stay_unchanged_and_others_are_quoted() {
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
            let error = push_quoted(&mut Vec::new(), value.as_bytes(), Quotes::AsNeeded)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("cmd.exe cannot be given \""), "{error}");
        }
        assert!(shell(None, b"echo a\necho b".to_vec()).is_err());
    }

    proptest! {
        #[test]
        fn quotation_marks_are_balanced_and_enclose_every_special_character(
            value in r#"[a\\"%&|<>^! é]{0,12}"#,
        ) {
            let quoted = quoted(&value);
            prop_assert_eq!(quoted.matches('"').count() % 2, 0);
            let outside: String = quoted.split('"').step_by(2).collect();
            prop_assert!(!outside.contains(['&', '|', '<', '>', '^', '!', ' ', '%']));
        }

        #[test]
        fn a_value_inside_the_quotes_of_a_script_stays_inside(
            text in r"[y\\]{0,4}",
            value in r#"[a\\"&^ é]{0,12}"#,
            after in "(y)?",
        ) {
            let mut script = format!("x \"{text}").into_bytes();
            let quotes = if after.is_empty() { Quotes::DoubleAtEnd } else { Quotes::Double };
            push_quoted(&mut script, value.as_bytes(), quotes).unwrap();
            script.extend(format!("{after}\" z").bytes());
            let mut outside = script.split(|byte| *byte == b'"').step_by(2);
            prop_assert!(outside.all(|text| !text.contains(&b'&')));
            let words = crate::sys::split(&script).unwrap();
            prop_assert_eq!(words.len(), 3);
            prop_assert_eq!(words[1].to_str().unwrap(), format!("{text}{value}{after}"));
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
