//! Quotes and expansions. Each method begins at what opens one and ends behind what closes it; the
//! text that it gives is without quotes, and has a NUL for each value.

use super::{Lexer, Place, Step, Stop, Token, lost};
use crate::script::Quotes;

impl Lexer<'_> {
    /// `'...'`.
    pub(super) fn single_quotes(&mut self) -> Step<Vec<u8>> {
        let mut text = Vec::new();
        self.at += 1;
        loop {
            match self.tokens.get(self.at) {
                None => return Err(Stop::Open("where a quote is not closed")),
                Some(Token::Byte(b'\'')) => break,
                Some(Token::Byte(b'\n')) if !self.here.is_empty() => {
                    return lost("after a line end in quotes, before a here-document");
                }
                Some(Token::Byte(byte)) => text.push(*byte),
                Some(Token::Place(Place::Digits)) => text.push(b'1'),
                Some(Token::Place(Place::Value)) => {
                    self.layout.quotes[self.at] = Some(Quotes::Single);
                    text.push(0);
                }
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(text)
    }

    /// What follows a `"`, up to the next.
    pub(super) fn double_quotes(&mut self) -> Step<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            match self.tokens.get(self.at).copied() {
                None => return Err(Stop::Open("where a quote is not closed")),
                Some(Token::Byte(b'"')) => break,
                Some(Token::Byte(b'\n')) if !self.here.is_empty() => {
                    return lost("after a line end in quotes, before a here-document");
                }
                Some(Token::Byte(b'\\')) => {
                    match self.tokens.get(self.at + 1) {
                        Some(Token::Place(Place::Value)) => {
                            return self.refuse(self.at + 1, "directly after a backslash", false);
                        }
                        Some(Token::Byte(byte)) => text.push(*byte),
                        _ => {}
                    }
                    self.at += 2;
                    continue;
                }
                Some(Token::Byte(b'`' | b'$')) => {
                    text.extend(self.expansion(true)?);
                    continue;
                }
                Some(Token::Byte(byte)) => text.push(byte),
                Some(Token::Place(Place::Digits)) => text.push(b'1'),
                Some(Token::Place(Place::Value)) => {
                    self.layout.quotes[self.at] = Some(Quotes::Double);
                    text.push(0);
                }
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(text)
    }

    /// What begins with `$` or a backquote.
    pub(super) fn expansion(&mut self, in_quotes: bool) -> Step<Vec<u8>> {
        let start = self.at;
        self.at += 1;
        if self.tokens[start] == Token::Byte(b'`') {
            self.backquotes()?;
        } else {
            match self.tokens.get(self.at).copied() {
                Some(Token::Place(_)) => {
                    return self.refuse(self.at, "directly after \"$\"", false);
                }
                Some(Token::Byte(b'\'')) if !in_quotes => self.without_values("in $'...'")?,
                Some(Token::Byte(b'"')) if !in_quotes => self.without_values("in $\"...\"")?,
                Some(Token::Byte(b'(')) if self.peek(1) == Some(b'(') => {
                    self.at += 2;
                    self.arithmetic(true)?;
                }
                Some(Token::Byte(b'(')) => {
                    self.at += 1;
                    if !self.here.is_empty() {
                        return lost("after a substitution behind a here-document's name");
                    }
                    self.list(true)?;
                }
                Some(Token::Byte(b'{')) => self.parameter()?,
                Some(Token::Byte(b'\\')) if self.peek(1) == Some(b'\n') => {
                    return lost("after a line that ends with \"$\\\"");
                }
                Some(Token::Byte(b'[')) => return lost("after \"$[\", which is old arithmetic"),
                _ => self.name(),
            }
        }
        let text = self.tokens[start..self.at].iter().map(|token| match token {
            Token::Byte(byte) => *byte,
            Token::Place(Place::Digits) => b'1',
            Token::Place(Place::Value) => 0,
        });
        Ok(text.collect())
    }

    /// The name of a variable, or a special parameter. There need not be one.
    fn name(&mut self) {
        let is_special = |byte: u8| byte.is_ascii_digit() || b"?$!#*@-".contains(&byte);
        if self.peek(0).is_some_and(is_special) {
            self.at += 1;
            return;
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        while self.peek(0).is_some_and(is_name) {
            self.at += 1;
        }
    }

    /// Quotes behind a `$`. With a backslash in them, shells do not agree where they end.
    fn without_values(&mut self, reason: &str) -> Step {
        let quote = self.tokens[self.at];
        self.at += 1;
        loop {
            match self.tokens.get(self.at) {
                None => return Err(Stop::Open("where a quote is not closed")),
                Some(Token::Place(Place::Value)) => return self.refuse(self.at, reason, false),
                Some(token) if *token == quote => break,
                Some(Token::Byte(b'\\' | b'`' | b'$')) => {
                    return lost(format!("after an escape or expansion {reason}"));
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    /// What follows a backquote, up to the next. Quotes, comments and substitutions in it are read
    /// differently by shells.
    fn backquotes(&mut self) -> Step {
        loop {
            match self.tokens.get(self.at) {
                None => return Err(Stop::Open("where a backquote is not closed")),
                Some(Token::Place(Place::Value)) => {
                    return self.refuse(self.at, "in backquotes (write $( ) instead)", false);
                }
                Some(Token::Byte(b'`')) => break,
                Some(Token::Byte(b'\'' | b'"' | b'#' | b'\\' | b'\n')) => {
                    return lost("after quotes, escapes or comments in backquotes");
                }
                Some(Token::Byte(b'$')) if matches!(self.peek(1), Some(b'(' | b'{' | b'[')) => {
                    return lost("after an expansion in backquotes");
                }
                Some(Token::Byte(b'<')) if self.peek(1) == Some(b'<') => {
                    return lost("after a here-document in backquotes");
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    /// What follows `((` or `$((`, up to `))`. Where two parentheses do not close together, it is
    /// no arithmetic but two subshells.
    pub(super) fn arithmetic(&mut self, is_expansion: bool) -> Step {
        let start = self.at;
        let mut depth = 2;
        loop {
            let Some(token) = self.tokens.get(self.at).copied() else {
                return Err(Stop::Open("where a parenthesis is not closed"));
            };
            match token {
                Token::Place(Place::Value) => {
                    return self.refuse(self.at, "in arithmetic, which is evaluated", false);
                }
                Token::Byte(b'(') => depth += 1,
                Token::Byte(b')') if depth > 2 => depth -= 1,
                Token::Byte(b')') if self.peek(1) == Some(b')') => {
                    self.at += 2;
                    return self.refuse_values(start, "in arithmetic, which is evaluated");
                }
                Token::Byte(b'\'' | b'"' | b'\\' | b'`' | b')') => {
                    return lost("after quotes or subshells in \"((\"");
                }
                Token::Byte(b'$') => {
                    self.expansion(true)?;
                    continue;
                }
                Token::Byte(b'<') if !is_expansion && self.peek(1) == Some(b'<') => {
                    return lost("after \"<<\" in \"((\"");
                }
                Token::Byte(b'#') => return lost("after a \"#\" in \"((\""),
                Token::Byte(b'\n') if !self.here.is_empty() => {
                    return lost("after a line end in \"((\", before a here-document");
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Refuses a value in a substitution since this token: what the command writes is looked at.
    fn refuse_values(&self, start: usize, reason: &str) -> Step {
        let is_value = |at: &usize| self.tokens[*at] == Token::Place(Place::Value);
        match (start..self.at).find(is_value) {
            Some(value) => self.refuse(value, reason, false),
            None => Ok(()),
        }
    }

    pub(super) fn is_after_blank(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.tokens[at]);
        matches!(before, None | Some(Token::Byte(b' ' | b'\t' | b'\n')))
    }

    /// `${...}`, from its brace on.
    fn parameter(&mut self) -> Step {
        let start = self.at;
        self.at += 1;
        if matches!(self.peek(0), Some(b' ' | b'\t' | b'\n' | b'|' | b'(')) {
            return lost("after \"${\" with a command or flags");
        }
        loop {
            match self.tokens.get(self.at).copied() {
                None => return Err(Stop::Open("where \"${\" is not closed")),
                Some(Token::Place(Place::Value)) => {
                    return self.refuse(self.at, "in ${...}", false);
                }
                Some(Token::Byte(b'}')) => break,
                Some(Token::Byte(b'\'' | b'"' | b'`' | b'{' | b'\n')) => {
                    return lost("after quotes or braces in ${...}");
                }
                Some(Token::Byte(b'\\')) => {
                    let is_clear = self.peek(1).is_some_and(|byte| {
                        byte.is_ascii_alphanumeric() || b"/.*?%+-".contains(&byte)
                    });
                    if !is_clear {
                        return lost("after an escape in ${...}");
                    }
                    self.at += 2;
                    continue;
                }
                Some(Token::Byte(b'<' | b'>')) if self.peek(1) == Some(b'(') => {
                    return lost("after a substitution in ${...}");
                }
                Some(Token::Byte(b'$')) => {
                    self.expansion(true)?;
                    continue;
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        self.refuse_values(start, "in ${...}")
    }
}
