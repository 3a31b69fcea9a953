//! Command lines that no shell reads: what in them a shell would act on, so that a line which
//! needs a shell is refused instead of passing `>` as an argument.

use super::words::Assignment;

/// What a POSIX shell would act on in this line, and the line's words would have as text.
pub(crate) fn posix(line: &[u8]) -> Option<String> {
    let mut state = Posix {
        line,
        at: 0,
        word: None,
        count: 0,
        no_pattern_before: 0,
        is_url: false,
    };
    state.find()
}

struct Posix<'l> {
    line: &'l [u8],
    at: usize,
    /// Where the word begins that is being read.
    word: Option<usize>,
    /// How many words there have been.
    count: usize,
    /// A `[` before this is not closed: each byte is looked at once.
    no_pattern_before: usize,
    /// The word is known to be a URL.
    is_url: bool,
}

impl Posix<'_> {
    fn find(&mut self) -> Option<String> {
        let mut is_quoted = false;
        while let Some(&byte) = self.line.get(self.at) {
            let starts = self.word.is_none();
            if !byte.is_ascii_whitespace() && starts {
                self.word = Some(self.at);
            }
            match byte {
                b'\n' | b' ' | b'\t' | b'\r' => {
                    if let Some(found) = self.end_word(is_quoted) {
                        return Some(found);
                    }
                    is_quoted = false;
                    if byte == b'\n' && !self.line[self.at..].trim_ascii().is_empty() {
                        return Some("a line end".into());
                    }
                }
                b'#' if starts => return None,
                b'\\' => {
                    is_quoted = true;
                    self.at += 1;
                }
                b'\'' => {
                    is_quoted = true;
                    let rest = &self.line[self.at + 1..];
                    self.at += 1 + rest.iter().position(|byte| *byte == b'\'')?;
                }
                b'"' => {
                    is_quoted = true;
                    if let Some(found) = self.double_quotes() {
                        return Some(found);
                    }
                }
                b'|' | b'&' | b';' | b'<' | b'>' | b'(' | b')' | b'`' => {
                    return Some(self.operator());
                }
                // A file's name has no `//` behind a scheme: a shell finds none, and leaves it.
                b'*' | b'?' if !self.is_in_url() => return Some(self.operator()),
                b'[' if self.is_pattern() && !self.is_in_url() => return Some("[ ]".into()),
                b'~' if starts => return Some("~".into()),
                b'$' => {
                    if let Some(found) = self.expansion(false) {
                        return Some(found);
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.end_word(is_quoted)
    }

    /// What the first word alone would be: an assignment, or a keyword.
    fn end_word(&mut self, is_quoted: bool) -> Option<String> {
        let word = &self.line[self.word.take()?..self.at.min(self.line.len())];
        self.count += 1;
        self.is_url = false;
        if self.count > 1 {
            return None;
        }
        let is_keyword = matches!(word, b"!" | b"[[" | b"{");
        if is_keyword && !is_quoted {
            return Some(String::from_utf8_lossy(word).into_owned());
        }
        let assignment = Assignment::of(word)?;
        let name = String::from_utf8_lossy(assignment.name);
        Some(format!("{name}="))
    }

    /// With its second character, and the descriptor before it.
    fn operator(&self) -> String {
        let rest = &self.line[self.at..];
        let length = match rest {
            [b'>', b'>' | b'&' | b'|', ..] | [b'<', b'<' | b'&' | b'>', ..] => 2,
            [b'&', b'&' | b'>', ..] | [b'|', b'|' | b'&', ..] | [b';', b';', ..] => 2,
            _ => 1,
        };
        String::from_utf8_lossy(&rest[..length]).into_owned()
    }

    fn double_quotes(&mut self) -> Option<String> {
        self.at += 1;
        while let Some(byte) = self.line.get(self.at) {
            match byte {
                b'"' => return None,
                b'\\' => self.at += 1,
                b'`' => return Some("`".into()),
                b'$' => {
                    if let Some(found) = self.expansion(true) {
                        return Some(found);
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        None
    }

    /// `$NAME`, `$(`, and the like; a `$` alone is text.
    fn expansion(&self, in_quotes: bool) -> Option<String> {
        let rest = &self.line[self.at + 1..];
        let first = *rest.first()?;
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        match first {
            b'(' | b'{' => Some(format!("${}", char::from(first))),
            b'\'' | b'"' if !in_quotes => Some(format!("${}", char::from(first))),
            b'?' | b'$' | b'!' | b'#' | b'*' | b'@' | b'-' => {
                Some(format!("${}", char::from(first)))
            }
            _ if is_name(&first) => {
                let name: Vec<u8> = rest.iter().copied().take_while(is_name).collect();
                Some(format!("${}", String::from_utf8_lossy(&name)))
            }
            _ => None,
        }
    }

    /// Whether the word that is being read began as a URL.
    fn is_in_url(&mut self) -> bool {
        let Some(start) = self.word else {
            return false;
        };
        if !self.is_url {
            let rest = &self.line[start..self.at];
            let scheme = rest.split(|byte| *byte == b':').next().unwrap_or(rest);
            let is_scheme = scheme.iter().all(|byte| byte.is_ascii_alphanumeric());
            let has_scheme = is_scheme && rest[scheme.len()..].starts_with(b"://");
            self.is_url = has_scheme && !scheme.is_empty();
        }
        self.is_url
    }

    /// Whether a `[` is closed in its word.
    fn is_pattern(&mut self) -> bool {
        if self.at < self.no_pattern_before {
            return false;
        }
        let rest = &self.line[self.at + 1..];
        let word = rest.split(u8::is_ascii_whitespace).next().unwrap_or(rest);
        let end = word.iter().rposition(|byte| *byte == b']');
        self.no_pattern_before = self.at + 1 + word.len();
        end.is_some_and(|end| end > 0)
    }
}

/// What `cmd.exe` would act on in this line.
pub(crate) fn cmd(line: &[u8]) -> Option<String> {
    if line.trim_ascii_start().starts_with(b"#") {
        return None;
    }
    let mut in_quotes = false;
    for (at, byte) in line.iter().enumerate() {
        let rest = &line[at + 1..];
        match byte {
            b'"' if line[..at].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0 => {
                in_quotes = !in_quotes;
            }
            b'|' | b'&' | b'<' | b'>' if !in_quotes => {
                let is_double = rest.first() == Some(byte);
                let count = if is_double { 2 } else { 1 };
                return Some(String::from_utf8_lossy(&line[at..at + count]).into_owned());
            }
            b'%' if !in_quotes => {
                let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_()".contains(byte);
                let length = rest.iter().take_while(|byte| is_name(byte)).count();
                let is_variable = rest.first().is_some_and(u8::is_ascii_alphabetic)
                    && rest.get(length) == Some(&b'%');
                if is_variable {
                    let name = String::from_utf8_lossy(&rest[..length]);
                    return Some(format!("%{name}%"));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_syntax_is_reported_by_name() {
        for (line, found) in [
            ("echo hi > out.txt", ">"),
            ("echo hi >>out.txt", ">>"),
            ("a | b", "|"),
            ("a && b", "&&"),
            ("a; b", ";"),
            ("a 2>&1", ">&"),
            ("sleep 1 &", "&"),
            ("sort <x", "<"),
            ("echo $(id)", "$("),
            ("echo \"$(id)\"", "$("),
            ("echo `id`", "`"),
            ("echo \"`id`\"", "`"),
            ("(a)", "("),
            ("ls *.c", "*"),
            ("ls a?", "?"),
            ("ls http:/a?b", "?"),
            ("ls ://a?b", "?"),
            ("curl http://x/?a=b&c=d", "&"),
            ("curl http://x/?a=b *", "*"),
            ("ls [ab]", "[ ]"),
            ("echo $HOME", "$HOME"),
            ("echo \"x $HOME\"", "$HOME"),
            ("echo ${x}", "${"),
            ("echo $1", "$1"),
            ("echo $?", "$?"),
            ("echo $'x'", "$'"),
            ("ls ~/x", "~"),
            ("A=1 make", "A="),
            ("! true", "!"),
            ("[[ a ]]", "[["),
            ("a\nb", "a line end"),
        ] {
            assert_eq!(posix(line.as_bytes()).as_deref(), Some(found), "{line}");
        }
    }

    #[test]
    fn quoted_shell_syntax_is_text() {
        for line in [
            "echo 'a > b; c' \"x | y\" \\> \\$x '$x' \"\\$x\" \"\\`\"",
            "echo 'it'\\''s'",
            "[ -f x ]",
            "curl http://x/?a=b https://[::1]/*?x[]=1",
            "echo a~b 5$ a=b {} {a,b} %x x#y ^ - ! ]",
            "echo a # b > c",
            "  # a > b",
            "make CC=cc",
            "",
            "a\n",
            "echo 'open",
            "echo \"$\"",
        ] {
            assert_eq!(posix(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_long_line_is_scanned_once() {
        for part in ["[", "\\", "a[ ", "'['", "\"[\"", "%=", "% "] {
            let line = part.repeat((1 << 21) / part.len() / 2 * 2);
            assert_eq!(
                (posix(line.as_bytes()), cmd(line.as_bytes())),
                (None, None),
                "{part}"
            );
        }
        let quotes = "\\\"".repeat(1 << 20);
        assert_eq!(cmd(quotes.as_bytes()), None);
    }

    #[test]
    fn cmd_syntax_is_reported_by_name() {
        for (line, found) in [
            ("a > b", ">"),
            ("a >> b", ">>"),
            ("a | b", "|"),
            ("a && b", "&&"),
            ("a %PATH% b", "%PATH%"),
            ("a %ProgramFiles(x86)%", "%ProgramFiles(x86)%"),
            ("a \"b\\\\\" > c", ">"),
        ] {
            assert_eq!(cmd(line.as_bytes()).as_deref(), Some(found), "{line}");
        }
        for line in [
            "a \"b > c\"",
            "a 5% b%20c%",
            "a \"%PATH%\"",
            "# a > b",
            "a \"b\\\" > c\"",
            "a %1 %",
        ] {
            assert_eq!(cmd(line.as_bytes()), None, "{line}");
        }
    }
}
