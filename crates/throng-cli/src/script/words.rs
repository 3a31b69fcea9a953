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

/// More that does something else with its arguments in the Korn shells and zsh.
const STRICT: &[&[u8]] = &[
    b"set",
    b"limit",
    b"unlimit",
    b"pushd",
    b"popd",
    b"dirs",
    b"history",
    b"hist",
    b"r",
    b"fg",
    b"bg",
    b"disown",
    b"hash",
    b"autoload",
    b"functions",
    b"unfunction",
    b"whence",
    b"zparseopts",
    b"zformat",
    b"zregexparse",
    b"zselect",
    b"zsystem",
    b"ztcp",
    b"zcompile",
    b"strftime",
    b"sysopen",
    b"sysread",
    b"syswrite",
    b"sysseek",
    b"compadd",
    b"compset",
    b"trap",
    b"getconf",
    b"watch",
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

/// Variables of commands that are code, a command, options that load code, or say where code is
/// loaded from.
const CODE_IN_ENVIRONMENT: &[&str] = &[
    "ENV",
    "PS0",
    "PS1",
    "PS2",
    "PS4",
    "PROMPT_COMMAND",
    "SHELLOPTS",
    "ZDOTDIR",
    "FPATH",
    "SHELL",
    "PERL5OPT",
    "PERL5LIB",
    "PERL5DB",
    "PERLLIB",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONWARNINGS",
    "PYTHONBREAKPOINT",
    "RUBYOPT",
    "RUBYLIB",
    "NODE_OPTIONS",
    "NODE_PATH",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
    "R_PROFILE",
    "R_PROFILE_USER",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "MAKEFLAGS",
    "TAR_OPTIONS",
    "RSYNC_RSH",
    "SSH_ASKPASS",
    "SUDO_ASKPASS",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "MANPAGER",
    "BROWSER",
    "LESSOPEN",
    "LESSCLOSE",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_EDITOR",
    "GIT_SEQUENCE_EDITOR",
    "GIT_ASKPASS",
    "GIT_PROXY_COMMAND",
    "GIT_EXEC_PATH",
    "GIT_CONFIG_PARAMETERS",
];

/// Whether a command's variable of this name is code to programs that are widely used.
pub(super) fn is_code_in_environment(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name);
    let starts = ["BASH_", "LD_", "DYLD_", "GIT_CONFIG_VALUE_", "\0"];
    CODE_IN_ENVIRONMENT.contains(&&*name) || starts.iter().any(|start| name.starts_with(start))
}

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

    /// Whether this is nobody's own variable in the Korn shells and zsh, whose own ones mostly have
    /// upper case, and many of them are numbers.
    pub(super) fn is_ordinary(&self) -> bool {
        const OWN: &[&[u8]] = &[
            b"path",
            b"fpath",
            b"cdpath",
            b"manpath",
            b"mailpath",
            b"module_path",
            b"fignore",
            b"argv",
            b"status",
            b"pipestatus",
            b"prompt",
            b"psvar",
            b"watch",
            b"signals",
            b"histchars",
            b"options",
            b"functions",
            b"aliases",
            b"commands",
            b"parameters",
        ];
        let is_lower = |byte: &u8| byte.is_ascii_lowercase() || b"0123456789_".contains(byte);
        self.subscript.is_empty()
            && self.name.iter().all(is_lower)
            && self.name != b"_"
            && !OWN.contains(&self.name)
            && self.is_plain()
    }

    /// Whether the shell evaluates what is in this variable.
    pub(super) fn is_evaluated(&self) -> bool {
        is_evaluated(self.name)
    }
}

/// Whether the shell evaluates what is in the variable of this name, or it is not known which.
pub(super) fn is_evaluated(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name);
    let starts = [
        "BASH", "PS", "PROMPT", "HIST", "COMP_", "ZLE", "KSH", "precmd", "preexec", "$", "`", "\0",
    ];
    EVALUATED.contains(&&*name)
        || is_code_in_environment(name.as_bytes())
        || starts.iter().any(|start| name.starts_with(start))
}

/// The variable that the last of these words goes into, of those that are no assignments: `for`,
/// `printf -v`.
pub(super) fn variable(words: &[Vec<u8>], is_loop: bool) -> Option<&[u8]> {
    if is_loop {
        return words.first().filter(|_| words.len() > 1).map(Vec::as_slice);
    }
    let (index, name) = command(words.iter().map(Vec::as_slice))?;
    let args = &words[index + 1..];
    let option = args.first().filter(|_| name == b"printf")?;
    match option.strip_prefix(b"-v") {
        Some(b"") => args.get(1).filter(|_| args.len() > 2).map(Vec::as_slice),
        attached => attached.filter(|_| args.len() > 1),
    }
}

/// Whether this command reads a variable that the shell evaluates.
pub(super) fn reads(name: &[u8], arg: &[u8]) -> bool {
    matches!(name, b"read" | b"mapfile" | b"readarray" | b"getopts") && is_evaluated(arg)
}

/// Whether a variable may be declared in this text, which could not be followed.
pub(super) fn may_declare(text: &[u8]) -> bool {
    let names = [
        "declare", "typeset", "local", "readonly", "integer", "float", "nameref",
    ];
    let has = |name: &&str| text.windows(name.len()).any(|part| part == name.as_bytes());
    names.iter().any(has)
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
pub(super) fn evaluator(words: &[&[u8]], at: usize, is_strict: bool) -> Option<String> {
    if words[..at].contains(&&b"eval"[..]) {
        return Some("eval".into());
    }
    if let Some((index, name)) = command(words.iter().copied())
        && index < at
    {
        let is_evaluating = EVALUATING.contains(&name)
            || (is_strict && (COUNTING.contains(&name) || STRICT.contains(&name)))
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
        b"declare"
            | b"typeset"
            | b"local"
            | b"readonly"
            | b"export"
            | b"private"
            | b"integer"
            | b"float"
            | b"nameref"
    )
}

/// Whether `set` with this argument does more than to say when a script ends, or to trace it.
pub(super) fn sets(name: &[u8], arg: &[u8]) -> bool {
    let is_known = arg.iter().all(|byte| b"-euxo".contains(byte))
        || matches!(arg, b"pipefail" | b"errexit" | b"nounset");
    name == b"set" && !is_known
}

/// Whether such a command with this argument makes something else than text of what is assigned:
/// numbers, arrays, names of others.
pub(super) fn changes_variables(name: &[u8], arg: &[u8]) -> bool {
    if !declares(name) {
        return false;
    }
    let is_option = matches!(arg.first(), Some(b'-' | b'+' | b'$'));
    // With `-n` the others declare names of others.
    let harmless: &[u8] = match name {
        b"export" => b"-xrgpnf",
        _ => b"-xrgpf",
    };
    let is_harmless = |byte: &u8| harmless.contains(byte);
    let is_name_of_value = arg.starts_with(b"\0");
    matches!(name, b"integer" | b"float" | b"nameref")
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
        [option] => option.starts_with(b"\0") || may_be_option(option),
        [option, name] => (option.starts_with(b"-v") || may_be_option(option)) && name.contains(&0),
        _ => false,
    }
}

/// Whether a value makes any option of this word.
fn may_be_option(word: &[u8]) -> bool {
    word.starts_with(b"-") && word.contains(&0)
}

/// `[ -v NAME ]`: the last of these words is a name, or the one before it may be the operator.
fn is_operand_of_v(words: &[&[u8]]) -> bool {
    let before = words.len().checked_sub(2).map(|index| words[index]);
    before.is_some_and(|word| {
        matches!(word, b"-v" | b"-R") || word.starts_with(b"\0") || may_be_option(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_has_a_name_and_an_optional_subscript() {
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
    fn commands_that_evaluate_arguments_are_reported() {
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
            ("printf -v{}", "printf"),
            ("printf -{} {}", "printf"),
            ("[ -{} {}", "["),
            ("[ ! -{} {}", "["),
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
