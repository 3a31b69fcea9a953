//! Shells that have more syntax than can be followed: zsh and the Korn shells. Only commands of
//! words, plain variables and redirections are read; behind anything else no value is accepted, and
//! a value only in a word of plain characters and quotes.

use super::{Lexer, List, Step, Word, lost};
use crate::script::Token;
use crate::script::words::{self, Assignment};

const UNKNOWN: &str = "beside or behind syntax that is followed only for sh, ash, dash and bash";

/// What may begin the word behind a redirection's operator.
fn is_start(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" \t'\"$./_".contains(&byte)
}

impl Lexer<'_> {
    /// Gives up at a character outside quotes that has, or could have, another meaning in these.
    pub(super) fn strict_byte(&self, list: &List, byte: u8) -> Step {
        let next = self.peek(1);
        let is_at_end = self.at + 1 == self.tokens.len();
        let is_before_blank = is_at_end || next.is_some_and(|next| b" \t\n;".contains(&next));
        let before = self.at.checked_sub(1).map(|at| self.tokens[at]);
        let is_known = match byte {
            b' ' | b'\t' | b'\n' | b'\'' | b'"' | b'\\' | b';' => true,
            b'+' | b'-' | b'.' | b'/' | b':' | b'@' | b'_' | b'=' | b',' | b'%' => true,
            b'*' | b'?' | b'~' => true,
            b'[' | b']' | b'!' => self.is_after_blank() && is_before_blank,
            b'#' => list.word.is_none() && self.is_after_blank(),
            b'$' => match next {
                Some(next) => next.is_ascii_alphanumeric() || b"{(_?@*".contains(&next),
                // That is refused as such.
                None => true,
            },
            b'|' => next != Some(b'&'),
            b'&' if before == Some(Token::Byte(b'&')) => {
                !next.is_some_and(|next| b"!|&>".contains(&next))
            }
            b'&' => is_before_blank || next == Some(b'&'),
            b'<' => next.is_none_or(is_start),
            b'>' => match next {
                Some(b'>') => self.peek(2).is_none_or(is_start),
                Some(b'&') => self.peek(2).is_some_and(|byte| byte.is_ascii_digit()),
                next => next.is_none_or(is_start),
            },
            byte => byte.is_ascii_alphanumeric(),
        };
        if is_known { Ok(()) } else { lost(UNKNOWN) }
    }

    /// Refuses a word with a value that is no argument, file or variable, or is more than that.
    pub(super) fn strict_word(&self, list: &List, word: &Word, value: usize) -> Step {
        let simple = &list.simple;
        let tokens = &self.tokens[word.start..self.at];
        let has_meaning = |token: &Token| match token {
            Token::Byte(byte) => b"$`[]{}#^*?~!\\".contains(byte),
            Token::Place(_) => false,
        };
        // `='ls'` is a path in spite of the quotes.
        let is_looked_up = word.text.starts_with(b"=")
            || word
                .text
                .windows(2)
                .any(|pair| pair == b"==" || pair == b":=");
        let is_text = !tokens.iter().any(has_meaning) && !is_looked_up;
        let command = words::command(simple.words.iter().map(Vec::as_slice));
        let is_place = match (command, Assignment::of(&word.text)) {
            _ if simple.is_head => false,
            _ if simple.is_target => true,
            // The name of the command must be one that we know.
            (Some((_, name)), _) => !name.iter().any(|byte| b"$*?\0".contains(byte)),
            (None, Some(assignment)) if simple.words.is_empty() => {
                let is_free = assignment.is_ordinary() && !self.declares;
                let is_code = is_text && !self.rules.allows_code;
                if !is_free && is_code {
                    let reason = "in a variable that the shell may evaluate (only names in lower \
                                  case that nothing declares are known to be text)";
                    return self.refuse(value, reason, true);
                }
                true
            }
            _ => false,
        };
        if is_text && is_place {
            return Ok(());
        }
        self.refuse(value, UNKNOWN, false)
    }
}
