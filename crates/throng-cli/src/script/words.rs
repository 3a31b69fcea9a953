//! Words of a POSIX shell's simple command: which of them a shell's own commands evaluate once
//! more, and which variables.

use super::readers;

/// Words that come before a command and are none.
pub(super) const KEYWORDS: &[&[u8]] = &[
    b"if", b"then", b"else", b"elif", b"fi", b"do", b"done", b"while", b"until", b"{", b"}", b"!",
    b"time", b"esac",
];

/// Commands that run the command behind them.
const PREFIXES: &[&[u8]] = &[
    b"command",
    b"builtin",
    b"exec",
    b"env",
    b"nohup",
    b"time",
    b"noglob",
    b"nocorrect",
    b"-",
];

/// Commands of the shell that evaluate their arguments: as code, or as names of variables, whose
/// subscripts are arithmetic, in which a command can stand.
const EVALUATING: &[&[u8]] = &[
    b"eval",
    b"trap",
    b"let",
    b"declare",
    b"typeset",
    b"local",
    b"readonly",
    b"export",
    b"integer",
    b"float",
    b"nameref",
    b"read",
    b"unset",
    b"mapfile",
    b"readarray",
    b"getopts",
    b"complete",
    b"compgen",
    b"compopt",
    b"bind",
    b"fc",
    b"enable",
    b"wait",
    b"jobs",
    b"vared",
    b"zle",
    b"zstyle",
    b"sched",
    b"repeat",
    b"private",
    b"getln",
    b"coproc",
];

/// The same in a shell that takes numbers for arithmetic.
const COUNTING: &[&[u8]] = &[
    b"test",
    b"[",
    b"printf",
    b"print",
    b"exit",
    b"bye",
    b"logout",
    b"return",
    b"shift",
    b"break",
    b"continue",
    b"kill",
    b"ulimit",
    b"umask",
    b"sleep",
];

/// Commands after which the shell may read what follows by other rules.
pub(super) const CHANGING: &[&[u8]] = &[
    b"alias",
    b"setopt",
    b"unsetopt",
    b"emulate",
    b"function",
    b"coproc",
    b"disable",
    b"zmodload",
];

/// Variables that the shell itself evaluates.
const EVALUATED: &[&str] = &[
    "ENV",
    "PROMPT",
    "RPROMPT",
    "RANDOM",
    "SRANDOM",
    "SECONDS",
    "LINENO",
    "OPTIND",
    "EPOCHSECONDS",
    "EPOCHREALTIME",
    "IFS",
    "UID",
    "EUID",
    "PPID",
    "PGRP",
    "PIPESTATUS",
    "USER_ID",
    "GID",
    "EGID",
    "DIRSTACK",
    "FUNCNAME",
    "GROUPS",
    "SHELLOPTS",
    "MAPFILE",
    "TMOUT",
    "MAIL",
    "MAILPATH",
    "MAILCHECK",
    "KEYTIMEOUT",
    "ERRNO",
    "LINES",
    "COLUMNS",
    "FCEDIT",
    "SHLVL",
    "FPATH",
    "ZDOTDIR",
    "READNULLCMD",
    "NULLCMD",
];

/// A word that has the look of an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Assignment<'w> {
    pub(super) name: &'w [u8],
    pub(super) subscript: &'w [u8],
}

impl<'w> Assignment<'w> {
    pub(super) fn of(word: &'w [u8]) -> Option<Assignment<'w>> {
        let length = name_length(word);
        let (name, mut rest) = word.split_at(length);
        let mut subscript = &b""[..];
        if rest.first() == Some(&b'[') {
            let end = rest.iter().rposition(|byte| *byte == b']')?;
            subscript = &rest[1..end];
            rest = &rest[end + 1..];
        }
        let rest = rest.strip_prefix(b"+").unwrap_or(rest);
        (length > 0 && rest.first() == Some(&b'=')).then_some(Assignment { name, subscript })
    }

    /// Whether what is assigned stays what it is.
    pub(super) fn is_plain(&self) -> bool {
        self.subscript.is_empty() && !self.is_evaluated()
    }

    /// Whether the shell evaluates what is in this variable.
    pub(super) fn is_evaluated(&self) -> bool {
        let name = String::from_utf8_lossy(self.name);
        let starts = [
            "BASH", "PS", "PROMPT", "HIST", "COMP_", "ZLE", "KSH", "precmd", "preexec",
        ];
        EVALUATED.contains(&&*name) || starts.iter().any(|start| name.starts_with(start))
    }
}

pub(super) fn name_length(word: &[u8]) -> usize {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    match word.first() {
        Some(first) if !first.is_ascii_digit() => word.iter().take_while(|b| is_name(b)).count(),
        _ => 0,
    }
}

/// The shell's command among these words, behind `command` and the like, and where it stands.
pub(super) fn command<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Option<(usize, &'w [u8])> {
    let mut words = words.into_iter().enumerate();
    let mut after_prefix = false;
    words.find_map(|(index, word)| {
        if PREFIXES.contains(&word) {
            after_prefix = true;
            return None;
        }
        let is_of_prefix =
            after_prefix && (word.starts_with(b"-") || Assignment::of(word).is_some());
        (!is_of_prefix).then_some((index, word))
    })
}

/// What evaluates the word at `at` once more, if anything does. A NUL is where a value goes.
pub(super) fn evaluator(words: &[&[u8]], at: usize, counts: bool) -> Option<String> {
    if words[..at].contains(&&b"eval"[..]) {
        return Some("eval".into());
    }
    if let Some((index, name)) = command(words.iter().copied())
        && index < at
    {
        let is_evaluating = EVALUATING.contains(&name)
            || (counts && COUNTING.contains(&name))
            || (name == b"printf" && names_a_variable(&words[index + 1..=at]))
            || ((name == b"test" || name == b"[") && is_operand_of_v(&words[index..=at]));
        if is_evaluating {
            return Some(String::from_utf8_lossy(name).into_owned());
        }
    }
    readers::reader(words, at)
}

/// Whether this command declares variables.
pub(super) fn declares(name: &[u8]) -> bool {
    matches!(
        name,
        b"declare" | b"typeset" | b"local" | b"readonly" | b"integer" | b"nameref"
    )
}

/// Whether such a command with this argument makes something else than text of what is assigned:
/// numbers, arrays, names of others.
pub(super) fn changes_variables(name: &[u8], arg: &[u8]) -> bool {
    let is_option = matches!(arg.first(), Some(b'-' | b'+' | b'$'));
    let is_harmless = |byte: &u8| b"-xrgp".contains(byte);
    let is_name_of_value = arg.starts_with(b"\0");
    matches!(name, b"integer" | b"nameref")
        || is_name_of_value
        || (is_option && !arg.iter().all(is_harmless))
}

/// Whether all values in an argument of this command have to be one: with two, the first could be
/// an operator.
pub(super) fn takes_one(words: &[&[u8]]) -> bool {
    matches!(command(words.iter().copied()), Some((_, b"test" | b"[")))
}

/// `printf -v NAME`: the last of these words is a name, or may be the option.
fn names_a_variable(args: &[&[u8]]) -> bool {
    match args {
        [format] => format.starts_with(b"\0"),
        [option, name] => option.starts_with(b"-v") && name.contains(&0),
        _ => false,
    }
}

/// `[ -v NAME ]`: the last of these words is a name, or the one before it may be the operator.
fn is_operand_of_v(words: &[&[u8]]) -> bool {
    let before = words.len().checked_sub(2).map(|index| words[index]);
    before.is_some_and(|word| matches!(word, b"-v" | b"-R") || word.starts_with(b"\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_has_a_name_and_perhaps_a_subscript() {
        let of = |word: &'static str| Assignment::of(word.as_bytes());
        assert_eq!(of("a=b").unwrap().name, b"a");
        assert_eq!(of("a_1+=b").unwrap().name, b"a_1");
        assert_eq!(of("a[x[1]]=b").unwrap().subscript, b"x[1]");
        for word in ["1=b", "=b", "a", "a[1]", "a-b=c", "-a=b", ""] {
            assert_eq!(of(word), None, "{word}");
        }
        assert!(of("BASH_ENV=x").unwrap().is_evaluated());
        assert!(!of("CC=x").unwrap().is_evaluated());
    }

    #[test]
    fn what_evaluates_an_argument_is_named() {
        let of = |line: &str, counts| {
            let line = line.replace("{}", "\0");
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            evaluator(&words, words.len() - 1, counts)
        };
        for (line, name) in [
            ("eval {}", "eval"),
            ("command -p eval x {}", "eval"),
            ("trap {}", "trap"),
            ("read -r {}", "read"),
            ("export {}", "export"),
            ("printf {}", "printf"),
            ("printf -v {}", "printf"),
            ("[ -v {}", "["),
            ("test {} {}", "test"),
            ("env A=1 sh -c {}", "sh -c"),
        ] {
            assert_eq!(of(line, false).as_deref(), Some(name), "{line}");
        }
        for line in [
            "echo {}",
            "printf %s {}",
            "[ {}",
            "[ {} = {}",
            "{}",
            "cd -- {}",
            "exit {}",
        ] {
            assert_eq!(of(line, false), None, "{line}");
        }
        assert_eq!(of("[ 1 -lt {}", true).as_deref(), Some("["));
        assert_eq!(of("exit {}", true).as_deref(), Some("exit"));
    }
}
