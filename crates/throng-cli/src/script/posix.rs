//! The syntax of POSIX shells, as far as it decides what a value in a script is: read from left to
//! right, with the words of each simple command. Follows `sh`, `dash` and `bash`; where they read a
//! script differently, or where more than a glance is needed (aliases, `${x:-"..."}`, backquotes in
//! backquotes), it gives up, and a value that comes later is refused. Of the Korn shells and zsh
//! only the simplest is followed, see [`strict`].
//!
//! What a script does with a value that has arrived is not known here: `x={}; eval "$x"`.

mod expand;
mod here;
mod strict;
mod take;
#[cfg(test)]
mod tests;

use super::words::{self, Assignment};
use super::{Layout, Place, Refusal, Rules, Token};

/// Why reading stops.
#[derive(Debug)]
enum Stop {
    /// What follows cannot be followed: "after an alias".
    Lost(String),
    /// The script has no end: "where a quote is not closed".
    Open(&'static str),
    Refused(Refusal),
}

type Step<T = ()> = Result<T, Stop>;

/// How deep substitutions may be nested.
const DEPTH_MAX: usize = 50;

/// Finds out how each value of a script is to be written.
pub(crate) fn layout(tokens: &[Token], rules: Rules) -> Result<Layout, Refusal> {
    let mut lexer = Lexer::new(tokens, rules);
    let result = lexer.layout();
    if result.is_err() || !lexer.declares {
        return result;
    }
    // What is declared behind a value may be run before it: in a function, in a loop.
    let mut lexer = Lexer::new(tokens, rules);
    lexer.declares = true;
    lexer.layout()
}

struct Lexer<'t> {
    tokens: &'t [Token],
    at: usize,
    rules: Rules,
    depth: usize,
    layout: Layout,
    here: Vec<here::Document>,
    /// Whether a variable may have become a number or another's name.
    declares: bool,
    /// Where the last of the outermost words that have been looked at ends.
    sure: usize,
}

/// A simple command as far as it has been read.
#[derive(Clone, Debug, Default)]
struct Simple {
    /// Without quotes; a NUL is where a value goes.
    words: Vec<Vec<u8>>,
    /// The next word is a file.
    is_target: bool,
    /// The next word is a descriptor, or to some a file.
    is_copied: bool,
    /// It began with `for` or `case`, so that its words are no arguments.
    is_head: bool,
    /// Its first word is a variable: `for`, `select`.
    is_loop: bool,
    /// The next word is what a command reads: `<<<`.
    is_read: bool,
    /// After `&>`, which is two things.
    is_ambiguous: bool,
    /// Between `[[` and `]]`.
    is_condition: bool,
}

/// What a parenthesis has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paren {
    Subshell,
    /// `<(`: the command goes on behind it.
    Process,
    Array,
}

/// A word that is being read.
#[derive(Clone, Debug, Default)]
struct Word {
    start: usize,
    text: Vec<u8>,
    /// The values in it that stand outside quotes.
    bare: Vec<usize>,
    has_value: bool,
    is_quoted: bool,
    /// Something in it is expanded.
    expands: bool,
}

/// What has been read of a list of commands.
#[derive(Debug, Default)]
struct List {
    simple: Simple,
    parens: Vec<(Paren, Simple)>,
    word: Option<Word>,
    /// Between the parentheses of `$( )`.
    is_inside: bool,
}

impl List {
    fn word(&mut self, at: usize) -> &mut Word {
        self.word.get_or_insert_with(|| Word {
            start: at,
            ..Word::default()
        })
    }

    fn has(&self, wanted: Paren) -> bool {
        self.parens.iter().any(|(paren, _)| *paren == wanted)
    }

    fn next_command(&mut self) {
        let is_condition = self.simple.is_condition;
        self.simple = Simple {
            is_condition,
            ..Simple::default()
        };
    }
}

fn lost<T>(reason: impl Into<String>) -> Step<T> {
    Err(Stop::Lost(reason.into()))
}

impl<'t> Lexer<'t> {
    fn new(tokens: &'t [Token], rules: Rules) -> Lexer<'t> {
        Lexer {
            tokens,
            at: 0,
            rules,
            depth: 0,
            layout: Layout {
                words: Vec::new(),
                quotes: vec![None; tokens.len()],
                ones: Vec::new(),
            },
            here: Vec::new(),
            declares: false,
            sure: 0,
        }
    }

    fn layout(&mut self) -> Result<Layout, Refusal> {
        let (reason, from) = match self.list(false) {
            Ok(()) => return Ok(std::mem::take(&mut self.layout)),
            Err(Stop::Refused(refusal)) => return Err(refusal),
            Err(Stop::Lost(reason)) => (reason, self.sure),
            Err(Stop::Open(reason)) => (reason.to_owned(), 0),
        };
        let is_value = |at: &usize| self.tokens[*at] == Token::Place(Place::Value);
        if let Some(token) = (from..self.tokens.len()).find(is_value) {
            return Err(Refusal {
                token,
                reason,
                is_code: false,
            });
        }
        let rest: Vec<u8> = self.tokens[from..].iter().filter_map(Token::byte).collect();
        self.declares |= words::may_declare(&rest);
        Ok(std::mem::take(&mut self.layout))
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        match self.tokens.get(self.at + ahead) {
            Some(Token::Byte(byte)) => Some(*byte),
            _ => None,
        }
    }

    fn refuse<T>(&self, token: usize, reason: impl Into<String>, is_code: bool) -> Step<T> {
        Err(Stop::Refused(Refusal {
            token,
            reason: reason.into(),
            is_code,
        }))
    }

    /// Commands up to the end, or to the parenthesis that closes a substitution.
    fn list(&mut self, is_inside: bool) -> Step {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return lost("in substitutions that are nested too deeply");
        }
        let mut list = List {
            is_inside,
            ..List::default()
        };
        loop {
            let Some(token) = self.tokens.get(self.at).copied() else {
                self.end_word(&mut list, false)?;
                if is_inside || !list.parens.is_empty() {
                    return Err(Stop::Open("where a parenthesis is not closed"));
                }
                break;
            };
            match token {
                Token::Place(place) => {
                    let word = list.word(self.at);
                    match place {
                        Place::Value => {
                            word.bare.push(self.at);
                            word.has_value = true;
                            word.text.push(0);
                        }
                        Place::Digits => word.text.push(b'1'),
                    }
                    self.at += 1;
                }
                Token::Byte(b')') if is_inside && list.parens.is_empty() => {
                    self.end_word(&mut list, false)?;
                    self.at += 1;
                    break;
                }
                Token::Byte(byte) => self.byte(&mut list, byte)?,
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn byte(&mut self, list: &mut List, byte: u8) -> Step {
        if self.rules.is_strict {
            self.strict_byte(list, byte)?;
        }
        match byte {
            b' ' | b'\t' => {
                self.end_word(list, false)?;
                self.at += 1;
            }
            b'\n' => {
                self.end_word(list, false)?;
                self.at += 1;
                list.next_command();
                self.here_documents()?;
            }
            b'#' if list.word.is_none() => self.comment()?,
            b'\\' => self.backslash(list)?,
            b'\'' => {
                let start = self.at;
                let text = self.single_quotes()?;
                list.word(start).add_quoted(&text);
            }
            b'"' => {
                let start = self.at;
                self.at += 1;
                let text = self.double_quotes()?;
                list.word(start).add_quoted(&text);
            }
            b'`' | b'$' => {
                let start = self.at;
                let word = list.word(start);
                word.expands = true;
                let text = self.expansion(false)?;
                word.has_value |= text.contains(&0);
                word.text.extend(text);
            }
            b';' | b'|' => {
                self.end_word(list, false)?;
                self.at += 1;
                list.next_command();
            }
            b'&' => {
                self.end_word(list, false)?;
                self.at += 1;
                if self.peek(0) == Some(b'>') {
                    list.simple.is_ambiguous = true;
                } else {
                    list.next_command();
                }
            }
            b'<' | b'>' => self.redirection(list, byte)?,
            b'(' => self.open(list)?,
            b')' => self.close(list)?,
            byte => {
                list.word(self.at).text.push(byte);
                self.at += 1;
            }
        }
        Ok(())
    }

    fn comment(&mut self) -> Step {
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Byte(b'\n') => break,
                Token::Place(Place::Value) => return self.refuse(self.at, "in a comment", false),
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn backslash(&mut self, list: &mut List) -> Step {
        let next = self.tokens.get(self.at + 1).copied();
        match next {
            Some(Token::Place(Place::Value)) => {
                return self.refuse(self.at + 1, "directly after a backslash", false);
            }
            Some(Token::Byte(b'\n')) if !self.is_after_blank() => {
                return lost("after a line that goes on within a word");
            }
            Some(Token::Byte(b'\n')) => {}
            Some(Token::Byte(byte)) => list.word(self.at).add_quoted(&[byte]),
            Some(Token::Place(Place::Digits)) => list.word(self.at).add_quoted(b"1"),
            None => list.word(self.at).add_quoted(b"\\"),
        }
        self.at = (self.at + 2).min(self.tokens.len());
        Ok(())
    }

    fn redirection(&mut self, list: &mut List, byte: u8) -> Step {
        self.end_word(list, true)?;
        self.at += 1;
        list.simple.is_target = true;
        match (byte, self.peek(0)) {
            (b'<', Some(b'<')) if self.peek(1) == Some(b'<') => {
                list.simple.is_read = true;
                self.at += 2;
            }
            (b'<', Some(b'<')) => {
                self.at += 1;
                list.simple.is_target = false;
                if list.is_inside || !list.parens.is_empty() {
                    return lost("after a here-document in parentheses");
                }
                self.here_delimiter()?;
            }
            (b'<', Some(b'0'..=b'9' | b'-')) => {
                return lost("after \"<\" with a digit, which zsh takes for a pattern");
            }
            (_, Some(b'&')) => {
                list.simple.is_copied = true;
                self.at += 1;
            }
            (b'>', Some(b'>' | b'|')) | (b'<', Some(b'>')) => self.at += 1,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, list: &mut List) -> Step {
        if let Some(word) = &list.word {
            let is_array = Assignment::of(&word.text)
                .is_some_and(|_| word.text.ends_with(b"=") && !word.has_value);
            if self.peek(1) == Some(b')') {
                // A function; what follows is its body.
                self.end_word(list, false)?;
                self.at += 2;
                list.next_command();
            } else if is_array {
                self.end_word(list, false)?;
                self.at += 1;
                let outer = std::mem::take(&mut list.simple);
                list.parens.push((Paren::Array, outer));
            } else {
                return lost("after a parenthesis in a word");
            }
            return Ok(());
        }
        if self.peek(1) == Some(b'(') {
            self.at += 2;
            self.arithmetic(false)?;
            list.next_command();
            return Ok(());
        }
        let before = self.at.checked_sub(1).map(|at| self.tokens[at]);
        let is_process = matches!(before, Some(Token::Byte(b'<' | b'>')));
        let mut outer = std::mem::take(&mut list.simple);
        if outer.is_condition {
            list.simple.is_condition = true;
        }
        outer.is_target = false;
        let paren = if is_process {
            Paren::Process
        } else {
            Paren::Subshell
        };
        list.parens.push((paren, outer));
        self.at += 1;
        Ok(())
    }

    fn close(&mut self, list: &mut List) -> Step {
        self.end_word(list, false)?;
        self.at += 1;
        match list.parens.pop() {
            Some((Paren::Process, outer)) => list.simple = outer,
            // After a function's or a pattern's as well, a command begins.
            _ => list.next_command(),
        }
        Ok(())
    }
}

impl Word {
    fn add_quoted(&mut self, text: &[u8]) {
        self.is_quoted = true;
        self.has_value |= text.contains(&0);
        self.text.extend_from_slice(text);
    }

    /// Whether nothing beside its values could make something else of them.
    fn is_plain(&self) -> bool {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"\0+-./:@_=,%".contains(byte);
        !self.is_quoted && !self.expands && self.text.iter().all(is_plain)
    }

    fn is_keyword(&self, wanted: &[&[u8]]) -> bool {
        !self.is_quoted && !self.expands && wanted.contains(&&*self.text)
    }
}
