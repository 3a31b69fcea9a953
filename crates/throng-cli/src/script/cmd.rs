//! The syntax of `cmd.exe`, as far as it decides what a value in a script is. Two read what a value
//! is in: `cmd.exe`, to which every quotation mark begins or ends a quotation, and the C runtime of
//! the program that it starts, to which one behind a backslash does not. Where they do not agree
//! whether a value is in quotes, it is refused.

use super::{Layout, Place, Quotes, Refusal, Rules, Span, Token, readers};

/// Commands of `cmd.exe` that read their arguments once more.
const EVALUATING: &[&[u8]] = &[b"call", b"start"];

/// Finds out how each value of a script is to be written.
pub(crate) fn layout(tokens: &[Token], rules: Rules) -> Result<Layout, Refusal> {
    let mut lexer = Lexer {
        tokens,
        rules,
        layout: Layout {
            words: Vec::new(),
            quotes: vec![None; tokens.len()],
            ones: Vec::new(),
        },
        words: Vec::new(),
        word: None,
        in_quotes: false,
        in_quotes_of_c: false,
        backslashes: 0,
        percent: None,
        is_target: false,
        has_for_f: false,
    };
    let mut at = 0;
    while at < tokens.len() {
        at += lexer.token(at)?;
    }
    lexer.end_word(at)?;
    let value = tokens
        .iter()
        .position(|token| *token == Token::Place(Place::Value));
    match value {
        Some(token) if lexer.in_quotes => refuse(token, "where a quote is not closed"),
        _ => Ok(lexer.layout),
    }
}

struct Lexer<'t> {
    tokens: &'t [Token],
    rules: Rules,
    layout: Layout,
    /// Those of the command so far, without quotation marks; a NUL is where a value goes.
    words: Vec<Vec<u8>>,
    word: Option<Word>,
    in_quotes: bool,
    in_quotes_of_c: bool,
    backslashes: usize,
    /// Where a `%` stands that may begin the name of a variable.
    percent: Option<usize>,
    is_target: bool,
    /// After `for /f`, whose parentheses can have a command in them.
    has_for_f: bool,
}

#[derive(Debug)]
struct Word {
    start: usize,
    text: Vec<u8>,
    first_value: Option<usize>,
}

fn refuse<T>(token: usize, reason: &str) -> Result<T, Refusal> {
    Err(Refusal {
        token,
        reason: reason.to_owned(),
        is_code: false,
    })
}

impl Lexer<'_> {
    /// Takes this token, and returns how many were taken.
    fn token(&mut self, at: usize) -> Result<usize, Refusal> {
        let byte = match self.tokens[at] {
            Token::Place(place) => {
                self.place(at, place)?;
                self.backslashes = 0;
                return Ok(1);
            }
            Token::Byte(byte) => byte,
        };
        match byte {
            b' ' | b'\t' if !self.in_quotes => self.end_word(at)?,
            b'&' | b'|' | b'(' | b')' | b'<' | b'>' | b'\n' if !self.in_quotes => {
                self.end_word(at)?;
                self.is_target = matches!(byte, b'<' | b'>');
                if !self.is_target {
                    self.words.clear();
                }
            }
            b'^' if !self.in_quotes => {
                self.word(at);
                return match self.tokens.get(at + 1) {
                    Some(Token::Place(Place::Value)) => refuse(at + 1, "directly after \"^\""),
                    Some(Token::Byte(byte)) => {
                        let byte = *byte;
                        self.word(at).text.push(byte);
                        self.backslashes = 0;
                        Ok(2)
                    }
                    _ => Ok(1),
                };
            }
            b'"' => return Ok(self.quotation_mark(at)),
            b'%' => self.percent(at),
            byte => self.word(at).text.push(byte),
        }
        self.backslashes = if byte == b'\\' {
            self.backslashes + 1
        } else {
            0
        };
        if byte.is_ascii_whitespace() {
            self.percent = None;
        }
        Ok(1)
    }

    fn word(&mut self, at: usize) -> &mut Word {
        self.word.get_or_insert_with(|| Word {
            start: at,
            text: Vec::new(),
            first_value: None,
        })
    }

    /// Two marks in quotes are one to the C runtime, and nothing to `cmd.exe`.
    fn quotation_mark(&mut self, at: usize) -> usize {
        self.word(at);
        let is_literal = self.backslashes % 2 == 1;
        self.backslashes = 0;
        if self.in_quotes_of_c && !is_literal && self.tokens.get(at + 1) == Some(&Token::Byte(b'"'))
        {
            return 2;
        }
        self.in_quotes = !self.in_quotes;
        if !is_literal {
            self.in_quotes_of_c = !self.in_quotes_of_c;
        }
        1
    }

    /// `%NAME%` is whole; a `%` alone may begin a name that a value would go on with.
    fn percent(&mut self, at: usize) {
        self.word(at).text.push(b'%');
        self.percent = match self.percent {
            Some(start) if at > start + 1 => None,
            _ => Some(at),
        };
    }

    fn place(&mut self, at: usize, place: Place) -> Result<(), Refusal> {
        let word = self.word(at);
        if place == Place::Digits {
            word.text.push(b'1');
            return Ok(());
        }
        word.text.push(0);
        word.first_value.get_or_insert(at);
        if self.in_quotes != self.in_quotes_of_c {
            return refuse(at, "after a backslash before a quotation mark");
        }
        if self.percent.is_some() {
            return refuse(at, "behind a \"%\"");
        }
        if self.has_for_f {
            return refuse(at, "after \"for /f\", which may run it");
        }
        let rest = &self.tokens[at + 1..];
        let backslashes = rest
            .iter()
            .take_while(|token| **token == Token::Byte(b'\\'))
            .count();
        let is_before_mark = rest.get(backslashes) == Some(&Token::Byte(b'"'));
        if is_before_mark && backslashes > 0 {
            return refuse(at, "before a backslash and a quotation mark");
        }
        self.layout.quotes[at] = Some(match (self.in_quotes, is_before_mark) {
            (true, true) => Quotes::DoubleAtEnd,
            (true, false) => Quotes::Double,
            // A mark right behind our own would be taken for a part of the value.
            (false, true) => return refuse(at, "directly before a quotation mark"),
            (false, false) if self.is_beside_redirection(at) => Quotes::Always,
            (false, false) => Quotes::AsNeeded,
        });
        Ok(())
    }

    /// `{}>file` with a 2 would name a stream.
    fn is_beside_redirection(&self, at: usize) -> bool {
        matches!(self.tokens.get(at + 1), Some(Token::Byte(b'<' | b'>')))
    }

    fn end_word(&mut self, at: usize) -> Result<(), Refusal> {
        let Some(word) = self.word.take() else {
            return Ok(());
        };
        self.percent = None;
        let is_one = std::mem::take(&mut self.is_target);
        if !is_one {
            let text = word.text.strip_prefix(b"@").unwrap_or(&word.text);
            self.words.push(text.to_ascii_lowercase());
        }
        let words: Vec<&[u8]> = self.words.iter().map(Vec::as_slice).collect();
        self.has_for_f |= words.first() == Some(&&b"for"[..]) && words.contains(&&b"/f"[..]);
        let Some(token) = word.first_value else {
            return Ok(());
        };
        self.layout.words.push(Span {
            tokens: word.start..at,
            is_one,
        });
        if is_one {
            let is_value = |at: &usize| self.tokens[*at] == Token::Place(Place::Value);
            self.layout.ones.extend((word.start..at).filter(is_value));
        }
        if is_one || self.rules.allows_code {
            return Ok(());
        }
        let last = words.len() - 1;
        match evaluator(&words, last).or_else(|| readers::reader(&words, last)) {
            None => Ok(()),
            Some(by) => Err(Refusal {
                token,
                reason: format!("in an argument that {by} evaluates"),
                is_code: true,
            }),
        }
    }
}

/// The command that evaluates the word at `at` once more.
pub(super) fn evaluator(words: &[&[u8]], at: usize) -> Option<String> {
    let mut before = words[..at].iter();
    let name = before.find(|word| EVALUATING.contains(word))?;
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script with each value marked by its context: bare, or `"` or `#` where it is always
    /// quoted.
    fn of(script: &str) -> Result<Vec<Quotes>, String> {
        let layout = layout(&tokens(script), Rules::default()).map_err(|refusal| refusal.reason)?;
        Ok(layout.quotes.into_iter().flatten().collect())
    }

    fn tokens(script: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (i, text) in script.split("{}").enumerate() {
            if i > 0 {
                tokens.push(Token::Place(Place::Value));
            }
            tokens.extend(text.bytes().map(Token::Byte));
        }
        tokens
    }

    #[test]
    fn a_value_is_bare_or_in_simple_quotes() {
        use Quotes::{Always, AsNeeded, Double, DoubleAtEnd};
        for (script, expected) in [
            ("x {} y{}z", vec![AsNeeded, AsNeeded]),
            (r#"x "a{}b" "{}""#, vec![Double, DoubleAtEnd]),
            (r#"x "a""b{} c""#, vec![Double]),
            (r"copy C:\x\{}", vec![AsNeeded]),
            (r"type %TEMP%\{}", vec![AsNeeded]),
            ("for %i in ({}) do @echo %i", vec![AsNeeded]),
            ("for /l %i in (1,0,2) do @rem {}", vec![AsNeeded]),
            ("echo {}>x", vec![Always]),
            ("echo a^&b {}", vec![AsNeeded]),
            ("echo {}& call x", vec![AsNeeded]),
        ] {
            assert_eq!(of(script).as_ref(), Ok(&expected), "{script}");
        }
    }

    #[test]
    fn a_value_in_any_other_context_is_refused() {
        for (script, reason) in [
            ("x ^{}", "directly after \"^\""),
            ("echo %{}%", "behind a \"%\""),
            ("echo %PATH:{}%", "behind a \"%\""),
            (r#"x "a\"b{}""#, "after a backslash before a quotation mark"),
            (r#"x "a{}\" b"#, "before a backslash and a quotation mark"),
            (r#"x {}"a""#, "directly before a quotation mark"),
            (r#"x "a{}"#, "where a quote is not closed"),
            ("call x {}", "in an argument that call evaluates"),
            ("@call x {}", "in an argument that call evaluates"),
            ("a & cmd /c x {}", "in an argument that cmd /c evaluates"),
            (
                "powershell -c {}",
                "in an argument that powershell -command evaluates",
            ),
            (
                "for /f %i in ('type {}') do echo",
                "after \"for /f\", which may run it",
            ),
        ] {
            assert_eq!(of(script).unwrap_err(), reason, "{script}");
        }
    }

    #[test]
    fn words_end_at_operators_but_not_inside_quotes() {
        let script = r#"x "a {}"& y {}>{}"#;
        let layout = layout(&tokens(script), Rules::default()).unwrap();
        let spans: Vec<_> = layout
            .words
            .iter()
            .map(|word| word.tokens.clone())
            .collect();
        assert_eq!(spans, [2..7, 11..12, 13..14]);
        let ones: Vec<_> = layout.words.iter().map(|word| word.is_one).collect();
        assert_eq!(ones, [false, false, true]);
    }
}
