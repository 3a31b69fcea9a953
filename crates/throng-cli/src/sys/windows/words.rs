//! Words of a command line, as Microsoft's C runtime and nearly every program here read them (MSDN
//! "Parsing C command-line arguments"): a backslash is a letter, as paths have it, unless a
//! quotation mark follows.

use std::ffi::{OsStr, OsString};
use std::iter::repeat_n;

use throng::Command;
use throng::os::windows::CommandExt;

use super::os_string;

/// Splits a line into words. One that begins with `#` has none: files of commands have comments.
///
/// The first word has the rule of its own that programs' names have: backslashes mean nothing in
/// it. A quotation that is not closed would do for the C runtime, but is a mistake here.
pub(crate) fn split(line: &[u8]) -> anyhow::Result<Vec<OsString>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    if rest.starts_with(b"#") {
        return Ok(words);
    }
    while !rest.is_empty() {
        let (word, length) = first_word(rest, words.is_empty())?;
        words.push(os_string(word)?);
        rest = rest[length..].trim_ascii_start();
    }
    Ok(words)
}

/// The word at the start of these bytes, and how long it is as it is written.
fn first_word(bytes: &[u8], is_program: bool) -> anyhow::Result<(Vec<u8>, usize)> {
    let (mut word, mut at, mut in_quotes) = (Vec::new(), 0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' if !in_quotes => break,
            b'\\' if !is_program => {
                let run = bytes[at..].iter().take_while(|b| **b == b'\\').count();
                at += run;
                let before_mark = bytes.get(at) == Some(&b'"');
                let kept = if before_mark { run / 2 } else { run };
                word.extend(repeat_n(b'\\', kept));
                if before_mark && run % 2 == 1 {
                    word.push(b'"');
                    at += 1;
                }
                continue;
            }
            b'"' if in_quotes && !is_program && bytes.get(at + 1) == Some(&b'"') => {
                word.push(b'"');
                at += 1;
            }
            b'"' => in_quotes = !in_quotes,
            byte => word.push(byte),
        }
        at += 1;
    }
    anyhow::ensure!(!in_quotes, "a quote is not closed");
    Ok((word, at))
}

/// A command line that can be read, and that [`split`] reads back; with a script, that `cmd.exe`
/// takes.
pub(crate) fn command_line(command: &Command) -> Vec<u8> {
    let args = command.get_args().map(OsStr::as_encoded_bytes);
    let mut line = join(command.get_program().as_encoded_bytes(), args);
    if let Some(tail) = command.get_raw_arg() {
        line.push(b' ');
        line.extend_from_slice(tail.as_encoded_bytes());
    }
    line
}

pub(crate) fn argv(command: &Command) -> Vec<&OsStr> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.chain(command.get_raw_arg()).collect()
}

/// Of a script the text alone: what has `cmd.exe` run it is longer than most scripts.
pub(crate) fn name(command: &Command) -> Vec<u8> {
    if let Some(tail) = command.get_raw_arg() {
        let tail = tail.as_encoded_bytes();
        let script = tail
            .strip_prefix(b"\"")
            .and_then(|tail| tail.strip_suffix(b"\""));
        return script.unwrap_or(tail).to_vec();
    }
    let words = argv(command).into_iter().map(OsStr::as_encoded_bytes);
    words.collect::<Vec<_>>().join(&b' ')
}

fn join<'a>(program: &[u8], args: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut line = Vec::new();
    if is_plain(program) && !is_syntax(program) && !program.starts_with(b"#") {
        line.extend_from_slice(program);
    } else {
        line.push(b'"');
        line.extend_from_slice(program);
        line.push(b'"');
    }
    for arg in args {
        line.push(b' ');
        if is_plain(arg) && !is_syntax(arg) {
            line.extend_from_slice(arg);
        } else {
            push_in_quotes(&mut line, arg);
        }
    }
    line
}

fn is_plain(word: &[u8]) -> bool {
    !word.is_empty() && !word.iter().any(|b| b.is_ascii_whitespace() || *b == b'"')
}

/// Whether a line with this word would be taken for one that is meant for `cmd.exe`.
fn is_syntax(word: &[u8]) -> bool {
    word.iter().any(|byte| b"|&<>%".contains(byte))
}

pub(super) fn push_argument(line: &mut Vec<u8>, arg: &[u8]) {
    if is_plain(arg) {
        line.extend_from_slice(arg);
    } else {
        push_in_quotes(line, arg);
    }
}

fn push_in_quotes(line: &mut Vec<u8>, arg: &[u8]) {
    line.push(b'"');
    for (i, piece) in arg.split(|byte| *byte == b'"').enumerate() {
        if i > 0 {
            line.extend_from_slice(b"\\\"");
        }
        line.extend_from_slice(piece);
        let backslashes = piece.iter().rev().take_while(|byte| **byte == b'\\');
        line.extend(repeat_n(b'\\', backslashes.count()));
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<String> {
        let words = split(line.as_bytes()).unwrap().into_iter();
        words.map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn backslashes_are_literal_except_before_a_quotation_mark() {
        let line = r#"C:\x.exe a\b "c d" e\"f "g\\" h\\\"i '' \\s\t"#;
        let expected = [
            r"C:\x.exe",
            r"a\b",
            "c d",
            r#"e"f"#,
            r"g\",
            r#"h\"i"#,
            "''",
            r"\\s\t",
        ];
        assert_eq!(words(line), expected);
        assert_eq!(words(r#""C:\a b\x" """#), [r"C:\a b\x", ""]);
        assert_eq!(words(r#"x "a""b" "c"d"#), ["x", r#"a"b"#, "cd"]);
        assert_eq!(words(" \t a\t b "), ["a", "b"]);
    }

    #[test]
    fn a_comment_is_not_a_command_and_an_open_quote_is_an_error() {
        assert_eq!(words("  # x \"y"), [""; 0]);
        assert_eq!(words("x #y"), ["x", "#y"]);
        let error = split(b"x \"open").unwrap_err();
        assert_eq!(error.to_string(), "a quote is not closed");
    }

    #[test]
    fn a_line_is_quoted_where_necessary() {
        let args: [&[u8]; 4] = [b"a b", b"", b"c\\", b"d\"e\\\\"];
        let line = join(b"C:\\p q.exe", args.into_iter());
        assert_eq!(line, br#""C:\p q.exe" "a b" "" c\ "d\"e\\\\""#);
    }

    proptest! {
        #[test]
        fn joined_words_are_split_into_the_same_words(
            program in r"[a\\ #\t]{0,5}",
            args in prop::collection::vec(r##"[a\\ "#\t%'é]{0,9}"##, 0..5),
        ) {
            let line = join(program.as_bytes(), args.iter().map(String::as_bytes));
            let expected: Vec<_> = std::iter::once(program).chain(args).collect();
            prop_assert_eq!(words(str::from_utf8(&line).unwrap()), expected);
        }
    }
}
