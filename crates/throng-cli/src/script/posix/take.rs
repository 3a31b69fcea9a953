//! What a word is, when it has been read: an assignment, a command's name, an argument, a file.

use super::{Lexer, List, Paren, Simple, Step, Word, lost};
use crate::script::words::{self, Assignment};
use crate::script::{Place, Quotes, Span, Token};

const EVALUATED: &str = "in a variable that the shell evaluates";

impl Lexer<'_> {
    pub(super) fn end_word(&mut self, list: &mut List, before_redirection: bool) -> Step {
        if let Some(word) = list.word.take() {
            self.take_word(list, word, before_redirection)?;
        }
        if self.depth == 1 {
            self.sure = self.at;
        }
        Ok(())
    }

    fn take_word(&mut self, list: &mut List, word: Word, before_redirection: bool) -> Step {
        let value = self.values(&word);
        if let (true, Some(value)) = (self.rules.is_strict, value) {
            self.strict_word(list, &word, value)?;
        }
        let simple = &mut list.simple;
        if simple.is_condition {
            if let Some(value) = value {
                return self.refuse(
                    value,
                    "between [[ and ]], where it may be arithmetic",
                    false,
                );
            }
            simple.is_condition = !word.is_keyword(&[b"]]"]);
            return Ok(());
        }
        if value.is_some() && list.parens.last().is_some_and(|(p, _)| *p == Paren::Array) {
            return self.refuse(value.unwrap_or(word.start), "in an array", false);
        }
        if let (true, Some(value)) = (std::mem::take(&mut simple.is_copied), value) {
            return self.refuse(
                value,
                "after \">&\" or \"<&\", which bash expands twice",
                false,
            );
        }
        let is_read = std::mem::take(&mut simple.is_read) && self.declares;
        if let (true, false, Some(value)) = (is_read, self.rules.allows_code, value) {
            return self.refuse(value, EVALUATED, true);
        }
        let mut is_one = simple.is_target;
        let mut quotes = Quotes::Always;
        if std::mem::take(&mut simple.is_target) {
            if word.is_plain() && !self.is_at_redirection() {
                quotes = Quotes::AsNeeded;
            }
        } else if let (true, Some(value)) = (simple.is_ambiguous, value) {
            return self.refuse(value, "after \"&>\", which not all shells know", false);
        } else if before_redirection && is_descriptor(&word) {
            return self.refuse_descriptor(&word);
        } else if simple.words.is_empty() {
            is_one = self.first_word(list, &word)?;
        } else {
            let is_plain = word.is_plain() && !before_redirection && !simple.is_head;
            if is_plain && !self.is_at_redirection() {
                quotes = Quotes::AsNeeded;
            }
            simple.words.push(word.text.clone());
            is_one = self.argument(&list.simple, &word)?;
        }
        for place in &word.bare {
            self.layout.quotes[*place] = Some(quotes);
        }
        if is_one {
            self.layout.ones.extend(&word.bare);
        }
        if self.depth == 1 && word.has_value {
            self.layout.words.push(Span {
                tokens: word.start..self.at,
                is_one,
            });
        }
        Ok(())
    }

    /// `{#}>`: a number that was meant for an argument.
    fn refuse_descriptor(&self, word: &Word) -> Step {
        let is_place = |at: &usize| matches!(self.tokens[*at], Token::Place(_));
        let reason = "directly before a redirection, as a descriptor";
        match (word.start..self.at).find(is_place) {
            Some(place) => self.refuse(place, reason, false),
            None => Ok(()),
        }
    }

    /// The first value in a word, substitutions in it included.
    fn values(&self, word: &Word) -> Option<usize> {
        let is_value = |at: &usize| self.tokens[*at] == Token::Place(Place::Value);
        (word.start..self.at).find(is_value)
    }

    fn is_at_redirection(&self) -> bool {
        matches!(self.peek(0), Some(b'<' | b'>'))
    }

    /// A word where a command's name may be. Says whether all values make one word of it.
    fn first_word(&mut self, list: &mut List, word: &Word) -> Step<bool> {
        let in_substitution = list.is_inside || list.has(Paren::Process) || list.has(Paren::Array);
        let simple = &mut list.simple;
        if word.is_keyword(words::KEYWORDS) || word.text.starts_with(b"-") {
            return Ok(false);
        }
        if word.is_keyword(&[b"for", b"case", b"select", b"foreach"]) {
            if in_substitution && word.text == b"case" {
                return lost("after a case in a substitution");
            }
            simple.is_head = true;
            simple.is_loop = word.text != b"case";
            return Ok(false);
        }
        if word.is_keyword(&[b"[["]) {
            simple.is_condition = true;
            return Ok(false);
        }
        if let Some(assignment) = Assignment::of(&word.text) {
            if let Some(value) = self.values(word) {
                if assignment.subscript.contains(&0) {
                    return self.refuse(value, "in a subscript, which is arithmetic", false);
                }
                if (assignment.is_evaluated() || self.declares) && !self.rules.allows_code {
                    return self.refuse(value, EVALUATED, true);
                }
            }
            return Ok(true);
        }
        let length = words::name_length(&word.text);
        if length > 0 && word.text.get(length) == Some(&b'[') {
            if let Some(value) = self.values(word) {
                return self.refuse(value, "in a subscript, which is arithmetic", false);
            }
            if !word.text.contains(&b']') {
                return lost("after a subscript that is not closed in its word");
            }
        }
        simple.words.push(word.text.clone());
        if simple.is_head {
            return Ok(true);
        }
        self.follow_command(&word.text, None)?;
        let is_appended = self.rules.is_appended && self.depth == 1;
        if let (true, Some(value)) = (is_appended, self.values(word)) {
            let is_all = self.tokens.len() == value + 1 && word.start == value && value > 0;
            if is_all {
                let reason = "behind all, where a command's name is expected";
                return self.refuse(value, reason, false);
            }
        }
        Ok(false)
    }

    /// A command, and perhaps an argument of it, that could change what comes later.
    fn follow_command(&mut self, name: &[u8], arg: Option<&[u8]>) -> Step {
        let is_set = arg.is_some_and(|arg| self.rules.is_strict && words::sets(name, arg));
        if words::CHANGING.contains(&name) || is_set {
            let name = String::from_utf8_lossy(name).into_owned();
            return lost(format!("after {name}, which changes how a script is read"));
        }
        let changes = |arg: &[u8]| words::changes_variables(name, arg) || words::reads(name, arg);
        let declares = arg.is_some_and(changes);
        self.declares |=
            declares || (self.rules.is_strict && words::declares(name) && name != b"export");
        Ok(())
    }

    /// The last word of this command. Says whether all values make one word of it.
    fn argument(&mut self, simple: &Simple, word: &Word) -> Step<bool> {
        let all = simple.words.iter().map(Vec::as_slice);
        let name = words::command(all.clone()).map(|(_, name)| name);
        let name = name.filter(|_| !simple.is_head).unwrap_or_default();
        self.follow_command(name, Some(&word.text))?;
        let Some(value) = self.values(word) else {
            return Ok(false);
        };
        let variable = words::variable(&simple.words, simple.is_loop);
        let is_evaluated = variable.is_some_and(|name| self.declares || words::is_evaluated(name));
        if is_evaluated && !self.rules.allows_code {
            return self.refuse(value, EVALUATED, true);
        }
        if simple.is_head {
            return Ok(false);
        }
        if (words::declares(name) || name == b"export")
            && !self.declares
            && !self.rules.is_strict
            && Assignment::of(&word.text).is_some_and(|assignment| assignment.is_plain())
        {
            return Ok(true);
        }
        let all: Vec<&[u8]> = all.collect();
        if !self.rules.allows_code
            && let Some(by) = words::evaluator(&all, all.len() - 1, self.rules.is_strict)
        {
            return self.refuse(value, format!("in an argument that {by} evaluates"), true);
        }
        Ok(words::takes_one(&all))
    }
}

/// `2>` and `{name}>`: a number or name that belongs to the redirection.
fn is_descriptor(word: &Word) -> bool {
    let text = &word.text;
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let is_name = text.starts_with(b"{") && text.ends_with(b"}") && !word.has_value;
    !word.is_quoted && !word.expands && (is_number || is_name)
}
