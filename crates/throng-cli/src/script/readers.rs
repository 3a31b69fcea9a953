//! Programs that read an argument as code: shells with `-c`, interpreters with `-e`, `awk`, `ssh`.
//! A value in such an argument is code, however it is quoted.
//!
//! The list has programs whose argument is a whole program by definition. Others have a way to run
//! something from an argument as well (`sed` with `e`, `find -exec`, `tar --to-command`, `git -c`);
//! they are not all listed here, as values.md points out.

use super::wrappers;

/// How a program is told that an argument is code.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// As POSIX shells: the first operand is code if there is a `c` among the options.
    Shell,
    /// The argument of an option.
    Option(Options),
    /// The same, and once such an option was given, all words that follow: they are appended to its
    /// command line.
    Env(Options),
    /// The argument of an option, or the first operand, unless one of these options has brought a
    /// program.
    First(Options, &'static [&'static str]),
    /// What follows the first operand; or an option `-o` whose setting is a command.
    Ssh(Options),
    /// What follows `-c`, directly behind the first operand.
    Flock(Options),
    /// Everything behind the first operand.
    AfterFirst(Options),
    /// Everything from the first operand on.
    Rest(Options),
    /// The argument of an option, and each operand but the first ones.
    Operands(Options, usize),
    /// Everything behind one of these options, whatever their case.
    Behind(&'static [&'static str]),
}

/// The options of a program.
#[derive(Clone, Copy, Debug)]
struct Options {
    /// Letters and long names of those whose argument is code.
    letters: &'static [u8],
    longs: &'static [&'static str],
    /// Letters of those that have an argument, which is the next word if the letter is the last.
    others: &'static [u8],
    /// Letters that have the rest of their word as their argument, and never the next word.
    attached: &'static [u8],
    /// Long names of those that have an argument.
    other_longs: &'static [&'static str],
    /// Whether options may follow operands.
    anywhere: bool,
}

const fn options(
    letters: &'static [u8],
    longs: &'static [&'static str],
    others: &'static [u8],
) -> Options {
    Options {
        letters,
        longs,
        others,
        attached: b"",
        other_longs: &[],
        anywhere: false,
    }
}

const fn option(
    letters: &'static [u8],
    longs: &'static [&'static str],
    others: &'static [u8],
) -> Takes {
    Takes::Option(options(letters, longs, others))
}

const AWK: Options = Options {
    other_longs: &[
        "--file",
        "--exec",
        "--assign",
        "--field-separator",
        "--include",
        "--load",
    ],
    ..options(b"e", &["--source"], b"FvilfE")
};

const READERS: &[(&[&str], Takes)] = &[
    (SHELLS, Takes::Shell),
    (
        &["fish", "nu", "xonsh", "elvish"],
        option(
            b"cCe",
            &["--command", "--commands", "--init-command", "--execute"],
            b"dDof",
        ),
    ),
    (&["cmd"], Takes::Behind(&["/c", "/k", "/r"])),
    (
        &["powershell", "pwsh"],
        Takes::Behind(&["-command", "-ec", "-encodedcommand", "/command"]),
    ),
    (
        &["python", "pypy", "jython", "ipython", "bpython", "pythonw"],
        option(b"c", &[], b"WXm"),
    ),
    (
        &["perl", "raku", "ruby"],
        Takes::Option(Options {
            attached: b"iFCdDVxMmTWK",
            ..options(b"eE", &[], b"Ir")
        }),
    ),
    (
        &[
            "lua",
            "luajit",
            "osascript",
            "ghc",
            "elixir",
            "groovy",
            "scala",
        ],
        option(b"e", &["--eval"], b"rIlo"),
    ),
    (&["guile"], option(b"c", &["--eval"], b"lLCse")),
    (
        &["node", "nodejs", "bun"],
        option(b"ep", &["--eval", "--print"], b"rC"),
    ),
    (&["julia"], option(b"eE", &["--eval", "--print"], b"ptLJ")),
    (
        &["emacs"],
        option(b"", &["--eval", "-eval", "--execute", "-execute"], b"luL"),
    ),
    (&["deno"], Takes::Behind(&["eval"])),
    (
        &["php"],
        option(
            b"rBRE",
            &[
                "--run",
                "--process-begin",
                "--process-code",
                "--process-end",
            ],
            b"dcfFStz",
        ),
    ),
    (&["r", "rscript", "octave"], option(b"e", &["--eval"], b"")),
    (
        &["env"],
        Takes::Env(options(b"S", &["--split-string"], b"uC")),
    ),
    (
        &["su", "runuser", "script"],
        Takes::Option(Options {
            anywhere: true,
            other_longs: &["--user", "--group", "--shell"],
            ..options(b"c", &["--command", "--session-command"], b"ugGsp")
        }),
    ),
    (
        &["flock"],
        Takes::Flock(options(b"c", &["--command"], b"wE")),
    ),
    (&["nix-shell"], option(b"", &["--run", "--command"], b"pAI")),
    (&["sbatch"], option(b"", &["--wrap"], b"nNcpAJoeitwxmDdM")),
    (&["sg"], Takes::AfterFirst(options(b"", &[], b""))),
    (
        &["awk", "gawk", "mawk", "nawk", "original-awk"],
        Takes::First(AWK, &["-f", "-E", "-e", "--file", "--exec", "--source"]),
    ),
    (
        &["ssh", "rsh", "dbclient", "autossh", "mosh"],
        Takes::Ssh(options(b"", &[], b"bcDeEFIiJLlmOopPQRSWwB")),
    ),
    (
        &["scp", "sftp"],
        Takes::Ssh(options(b"", &[], b"cFiJloPSDX")),
    ),
    (&["watch"], Takes::Rest(options(b"", &[], b"nq"))),
    (
        &["hyperfine"],
        Takes::Operands(
            Options {
                other_longs: &[
                    "--warmup",
                    "--min-runs",
                    "--max-runs",
                    "--runs",
                    "--command-name",
                    "--export-json",
                    "--export-csv",
                    "--export-markdown",
                    "--style",
                    "--output",
                    "--input",
                ],
                ..options(
                    b"psSc",
                    &["--prepare", "--setup", "--cleanup", "--conclude", "--shell"],
                    b"wmMrnPDLiu",
                )
            },
            0,
        ),
    ),
    (
        &["parallel", "rust-parallel", "throng"],
        Takes::Rest(Options {
            other_longs: &["--jobs", "--colsep", "--delimiter", "--joblog", "--results"],
            ..options(b"", &[], b"jadICENnLsS")
        }),
    ),
    (
        &["tmux"],
        Takes::Operands(options(b"", &[], b"cefFLlnsStTxy"), 1),
    ),
    (
        &[
            "xterm",
            "rxvt",
            "urxvt",
            "konsole",
            "gnome-terminal",
            "xfce4-terminal",
            "lxterminal",
        ],
        Takes::Behind(&["-e", "-x", "--command", "--execute"]),
    ),
];

/// Programs that read scripts with `-c` as `sh` does; not all have its syntax.
const SHELLS: &[&str] = &[
    "sh", "ash", "bash", "dash", "ksh", "rksh", "mksh", "lksh", "oksh", "pdksh", "posh", "rbash",
    "yash", "zsh", "rzsh", "hush", "osh", "ysh", "csh", "tcsh", "shell", "0",
];

/// Settings of `ssh -o` that are commands.
const SSH_COMMANDS: &[&str] = &[
    "proxycommand",
    "localcommand",
    "remotecommand",
    "knownhostscommand",
];

/// What reads the word at `at` as code, as the user knows it: `sh -c`. The words are without their
/// quotes, and have a NUL where a value goes.
pub(crate) fn reader(words: &[&[u8]], at: usize) -> Option<String> {
    let read = |index: usize| read_by(&words[index..], at.checked_sub(index + 1)?);
    let of_program = wrappers::commands(words).into_iter().find_map(read);
    of_program.or_else(|| wrappers::variable(words, at))
}

/// The same of the program that is the first word, and its argument at `at`.
fn read_by(words: &[&[u8]], at: usize) -> Option<String> {
    let name = wrappers::known(words[0])?;
    let args = &words[1..];
    let before = |option: &str| Some(format!("{name} {option}").trim_end().to_owned());
    let alone = |is_code: bool| is_code.then(|| name.clone());
    let mut readers = READERS.iter().filter(|(names, _)| names.contains(&&*name));
    readers.find_map(|(_, takes)| match *takes {
        Takes::Shell => is_script(args, at).then(|| before("-c"))?,
        Takes::Option(options) => before(&of_option(args, at, &options)?),
        Takes::Env(options) => {
            before(&(0..=at).find_map(|index| of_option(args, index, &options))?)
        }
        Takes::Behind(options) => before(behind(&args[..=at], options)?),
        Takes::First(options, instead) => match of_option(args, at, &options) {
            Some(option) => before(&option),
            None => alone(operand(args, &options, instead) == Some(at)),
        },
        Takes::Ssh(options) => {
            let is_setting = is_ssh_command(args, at);
            let host = operand(args, &options, &[]);
            let is_remote = !matches!(&*name, "scp" | "sftp") && host.is_some_and(|host| at > host);
            alone(is_setting || is_remote)
        }
        Takes::Flock(options) => {
            let first = operand(args, &options, &[])? + 1;
            let rest = args.get(first..)?;
            let option = rest.first()?;
            let is_command = option.starts_with(b"-c") || option.starts_with(b"--c");
            (is_command && at >= first).then(|| before("-c"))?
        }
        Takes::AfterFirst(options) => {
            alone(operand(args, &options, &[]).is_some_and(|first| at > first))
        }
        Takes::Rest(options) => {
            alone(operand(args, &options, &[]).is_some_and(|first| at >= first))
        }
        Takes::Operands(options, count) => match of_option(args, at, &options) {
            Some(option) => before(&option),
            None => alone(
                operands(args, &options)
                    .skip(count)
                    .any(|index| index == at),
            ),
        },
    })
}

/// Whether this argument of `ssh` is the setting of a command: `-o ProxyCommand=...`.
fn is_ssh_command(args: &[&[u8]], at: usize) -> bool {
    let arg = args[at];
    let attached = arg.strip_prefix(b"-o").filter(|rest| !rest.is_empty());
    let is_behind = at > 0 && args[at - 1].starts_with(b"-") && args[at - 1].ends_with(b"o");
    let Some(setting) = attached.or_else(|| is_behind.then_some(arg)) else {
        return false;
    };
    let setting = String::from_utf8_lossy(setting).trim_start().to_lowercase();
    let starts = |name: &&str| setting.starts_with(*name) || setting.starts_with('\0');
    SSH_COMMANDS.iter().any(starts)
}

/// Whether programs of this name read scripts with `-c`, and arguments for them.
pub(crate) fn is_shell(name: &str) -> bool {
    SHELLS.contains(&name)
}

/// The name of a program without its directory, `.exe` and version; `$SHELL` is one as well.
pub(crate) fn base(word: &[u8]) -> String {
    let name = word
        .rsplit(|byte| matches!(byte, b'/' | b'\\'))
        .next()
        .unwrap_or_default();
    let name = String::from_utf8_lossy(name).to_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    let variable = name.strip_prefix('$');
    if let Some(name) = variable {
        return name.trim_matches(['{', '}']).to_owned();
    }
    let name = name.strip_suffix("-dbg").unwrap_or(name);
    let short = name.trim_end_matches(|char: char| char.is_ascii_digit() || ".-".contains(char));
    if short.is_empty() { name } else { short }.to_owned()
}

/// Whether this argument of a shell is the script of its `-c`. Options may come between the two:
/// `bash -c -x SCRIPT`; and shells do not agree whether an `o` within a word has the next one.
fn is_script(args: &[&[u8]], at: usize) -> bool {
    let mut wants_script = false;
    let mut unsure = 0;
    let mut index = 0;
    while let Some(arg) = args.get(index) {
        let is_option = matches!(arg.first(), Some(b'-' | b'+'));
        if !is_option || *arg == b"--" {
            let script = if is_option { index + 1 } else { index };
            return wants_script && (script..=script + unsure).contains(&at);
        }
        if arg.starts_with(b"--") {
            index += usize::from(matches!(*arg, b"--rcfile" | b"--init-file"));
        } else {
            let has_c = arg.contains(&b'c');
            if has_c && index == at {
                return true;
            }
            // Whatever letters a value has.
            let is_open = arg.contains(&0);
            wants_script |= (has_c || is_open) && arg[0] == b'-';
            if matches!(arg.last(), Some(b'o' | b'O')) {
                index += 1;
            } else {
                let may_take = |byte: &&u8| matches!(**byte, 0 | b'o' | b'O');
                unsure += arg.iter().filter(may_take).count();
            }
        }
        index += 1;
    }
    false
}

/// The option behind which all is code; the last of these arguments has a value in it. `cmd` takes
/// `/cdir` for two words, and PowerShell the beginnings of its options.
fn behind(args: &[&[u8]], options: &[&'static str]) -> Option<&'static str> {
    let last = args.len() - 1;
    args.iter().enumerate().find_map(|(index, arg)| {
        let arg = String::from_utf8_lossy(arg).to_lowercase();
        let is_it = |option: &&&str| match option.len() {
            2 if option.starts_with('/') => arg.starts_with(**option),
            _ => index < last && arg.len() > 1 && option.starts_with(&*arg),
        };
        options.iter().find(is_it).copied()
    })
}

/// The option that makes this argument code.
fn of_option(args: &[&[u8]], at: usize, options: &Options) -> Option<String> {
    let mut index = 0;
    let mut may_be_argument = false;
    while index <= at {
        let arg = args[index];
        let is_option = arg.len() > 1 && arg[0] == b'-';
        if arg == b"--" || (!is_option && !options.anywhere && !may_be_argument) {
            return None;
        }
        // Which long options have one in the next word is not known of all.
        may_be_argument = arg.starts_with(b"--") && !arg.contains(&b'=');
        let is_here = index == at || index + 1 == at;
        if let Some((long, is_alone)) = options.long(arg) {
            if index == at || (is_alone && is_here) {
                return Some(long.to_owned());
            }
            index += usize::from(is_alone);
        } else if arg.starts_with(b"--") {
            let takes_next = options
                .other_longs
                .iter()
                .any(|long| long.as_bytes() == arg);
            index += usize::from(takes_next);
        } else if is_option {
            let (position, letter) = options.letter(arg).unwrap_or_default();
            let is_last = position + 1 == arg.len();
            let next_is_option = args
                .get(index + 1)
                .is_some_and(|next| next.starts_with(b"-"));
            // Modules of perl are loaded by code; a value may be any letter, and what follows.
            let is_module = index == at && matches!(letter, b'M' | b'm');
            let is_open = letter == 0 && arg.contains(&0);
            let is_code = options.letters.contains(&letter) || is_open;
            if (is_here && is_code) || (is_module && options.attached.contains(&letter)) {
                let first = options.letters.first().copied().unwrap_or(b'-');
                let letter = if letter == 0 { first } else { letter };
                return (is_code && !options.letters.is_empty() || is_module)
                    .then(|| format!("-{}", char::from(letter)));
            }
            let takes_next = is_last && !options.attached.contains(&letter) && letter != 0;
            match letter {
                // `python -m MODULE` ends the options.
                b'm' if options.others.contains(&b'm') => return None,
                _ if options.letters.contains(&letter) => {
                    index += usize::from(takes_next && !next_is_option);
                }
                _ => index += usize::from(takes_next),
            }
        }
        index += 1;
    }
    None
}

impl Options {
    /// The long option whose argument is code that this is, or may be the beginning of; and whether
    /// the argument is the next word.
    fn long(&self, arg: &[u8]) -> Option<(&'static str, bool)> {
        let end = arg.iter().position(|byte| matches!(byte, b'=' | 0));
        let name = &arg[..end.unwrap_or(arg.len())];
        let is_open = end.is_some_and(|end| arg[end] == 0);
        let is_it = |long: &&&str| {
            let is_begun = name.starts_with(b"--") && (name.len() > 3 || is_open);
            long.as_bytes() == name || (is_begun && long.as_bytes().starts_with(name))
        };
        let long = *self.longs.iter().find(is_it)?;
        Some((long, end.is_none() || is_open))
    }

    /// The first letter in a word of short options that has an argument, and where it is.
    fn letter(&self, arg: &[u8]) -> Option<(usize, u8)> {
        let all = [self.letters, self.others, self.attached];
        letter(arg, |byte| all.iter().any(|letters| letters.contains(byte)))
    }
}

/// The first of these letters in a word of short options, and where it is. What follows a value is
/// not known.
fn letter(arg: &[u8], is_wanted: impl Fn(&u8) -> bool) -> Option<(usize, u8)> {
    let letters = arg.iter().take_while(|byte| **byte != 0).enumerate();
    let mut letters = letters.skip(1);
    let (position, letter) = letters.find(|(_, byte)| is_wanted(byte))?;
    Some((position, *letter))
}

/// The first argument that is no option and no argument of one, unless there is one of these.
fn operand(args: &[&[u8]], options: &Options, instead: &[&str]) -> Option<usize> {
    let first = operands(args, options).next()?;
    let is_instead = |arg: &&[u8]| match instead.iter().find(|o| arg.starts_with(o.as_bytes())) {
        Some(option) => option.len() == 2 || arg.get(option.len()).is_none_or(|b| *b == b'='),
        None => false,
    };
    (!args[..first].iter().any(is_instead)).then_some(first)
}

/// The arguments that are no options and no arguments of one.
fn operands<'a>(args: &'a [&[u8]], options: &'a Options) -> impl Iterator<Item = usize> + 'a {
    let mut index = 0;
    let mut has_ended = false;
    std::iter::from_fn(move || {
        loop {
            let arg = args.get(index)?;
            index += 1;
            if has_ended || arg.len() < 2 || arg[0] != b'-' {
                return Some(index - 1);
            }
            has_ended = *arg == b"--";
            let longs = [options.longs, options.other_longs].concat();
            let takes_next = match arg.starts_with(b"--") {
                true => longs.iter().any(|long| long.as_bytes() == *arg),
                false => options.letter(arg).is_some_and(|(position, letter)| {
                    position + 1 == arg.len() && !options.attached.contains(&letter)
                }),
            };
            index += usize::from(takes_next);
        }
    })
}

#[cfg(test)]
mod tests;
