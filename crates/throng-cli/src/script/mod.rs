//! Scripts for a shell, and command lines that no shell reads: where a value may be put into the
//! text of a script so that it stays a value, and what in a command only a shell would act on.
//! Pure text; starts nothing, and does not know what placeholders mean.
//!
//! ```text
//! template --tokens--> posix::layout | cmd::layout --> Layout: how each value is quoted, what a
//!                                                      word is; or the first placeholder that is
//!                                                      in no place for a value
//! ```

pub(crate) mod cmd;
pub(crate) mod line;
pub(crate) mod posix;
pub(crate) mod readers;
#[cfg(test)]
mod tests;
mod words;
mod wrappers;

use std::ops::Range;

/// A piece of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Byte(u8),
    Place(Place),
}

impl Token {
    fn byte(&self) -> Option<u8> {
        match self {
            Token::Byte(byte) => Some(*byte),
            Token::Place(_) => None,
        }
    }
}

/// What comes in the place of a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Anything.
    Value,
    /// Digits, or nothing at all: text wherever it stands.
    Digits,
}

/// How a value is written where a placeholder stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// In quotes where it needs them: an argument that has nothing special beside it.
    #[default]
    AsNeeded,
    /// In quotes: unquoted it could be an assignment, a keyword, a number of a descriptor.
    Always,
    /// The text around it is in double quotes.
    Double,
    /// The same, and the quotes are closed right behind it.
    DoubleAtEnd,
    /// The text around it is in single quotes.
    Single,
}

/// A word of a script, as ranges of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) tokens: Range<usize>,
    /// Whether all values make one word: a file that is redirected to, a variable's value.
    pub(crate) is_one: bool,
}

/// Where the values of a script go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The outermost words that placeholders stand in. What is between them is the script's.
    pub(crate) words: Vec<Span>,
    /// For each token that is a value, how it is written.
    pub(crate) quotes: Vec<Option<Quotes>>,
    /// Values in words that [are one](Span::is_one), at any depth.
    pub(crate) ones: Vec<usize>,
}

/// A placeholder whose value would not be kept apart from the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which token it is.
    pub(crate) token: usize,
    /// Where it stands: "in a comment".
    pub(crate) reason: String,
    /// Whether its value would be read once more, as code; the user may insist on that.
    pub(crate) is_code: bool,
}

/// What the layout depends on besides the script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Values may stand where they are read as code.
    pub(crate) allows_code: bool,
    /// The last placeholder has been appended, so it is an argument or a mistake.
    pub(crate) is_appended: bool,
    /// The shell is not `sh`, `ash`, `dash` or `bash`: it has more syntax than is followed here,
    /// and evaluates arithmetic where they read a number. Only the simplest places are accepted.
    pub(crate) is_strict: bool,
}

/// What of a shell evaluates the word at `at` once more, if anything does, where all words are
/// quoted. They are without their quotes, and have a NUL where a value goes.
pub(crate) fn evaluator(words: &[&[u8]], at: usize, rules: Rules) -> Option<String> {
    let by_cmd = || cmd::evaluator(words, at);
    words::evaluator(words, at, rules.is_strict).or_else(by_cmd)
}

/// Whether a command's variable of this name is read as code, so that a value in it would be.
pub(crate) fn is_code_variable(name: &[u8]) -> bool {
    words::is_code_in_environment(name)
}

// A system has one shell; both are compiled and tested on all.
type Reader = fn(&[Token], Rules) -> Result<Layout, Refusal>;
type Finder = fn(&[u8]) -> Option<String>;
const _: [Reader; 2] = [posix::layout, cmd::layout];
const _: [Finder; 2] = [line::posix, line::cmd];
