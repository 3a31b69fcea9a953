//! Programs that read an argument as code: shells with `-c`, interpreters with `-e`, `awk`, `ssh`.
//! A value in such an argument is code, whoever quotes it.
//!
//! The list has programs whose argument is a whole program by definition. Others have a way to run
//! something from an argument as well (`sed` with `e`, `find -exec`, `tar --to-command`, `git -c`);
//! nobody can list them all, and values.md says so.

/// How a program is told that an argument is code.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// As POSIX shells: the first operand is code if there is a `c` among the options.
    Shell,
    /// The argument of an option: its letters, its long names, and letters of other options that
    /// have an argument.
    Option {
        letters: &'static [u8],
        longs: &'static [&'static str],
        others: &'static [u8],
        /// Whether options may follow operands.
        anywhere: bool,
    },
    /// The first operand, unless there is an option `-f`.
    First { others: &'static [u8] },
    /// What follows the first operand.
    AfterFirst { others: &'static [u8] },
    /// Everything from the first operand on.
    Rest { others: &'static [u8] },
    /// Everything behind one of these options, whatever their case.
    Behind { options: &'static [&'static str] },
}

const fn option(
    letters: &'static [u8],
    longs: &'static [&'static str],
    others: &'static [u8],
) -> Takes {
    Takes::Option {
        letters,
        longs,
        others,
        anywhere: false,
    }
}

const READERS: &[(&[&str], Takes)] = &[
    (SHELLS, Takes::Shell),
    (
        &["cmd"],
        Takes::Behind {
            options: &["/c", "/k", "/r"],
        },
    ),
    (
        &["powershell", "pwsh"],
        Takes::Behind {
            options: &["-command", "-ec", "-encodedcommand", "/command"],
        },
    ),
    (&["python", "pypy", "jython"], option(b"c", &[], b"WXm")),
    (&["perl", "raku"], option(b"eE", &[], b"MmI")),
    (
        &[
            "ruby",
            "lua",
            "luajit",
            "guile",
            "osascript",
            "ghc",
            "elixir",
            "groovy",
            "scala",
        ],
        option(b"ec", &["--eval"], b"rICElL"),
    ),
    (
        &["node", "nodejs", "bun"],
        option(b"ep", &["--eval", "--print"], b"rC"),
    ),
    (&["julia"], option(b"eE", &["--eval", "--print"], b"ptLJ")),
    (
        &["emacs"],
        option(b"", &["--eval", "-eval", "--execute", "-execute"], b"luL"),
    ),
    (&["deno"], Takes::Behind { options: &["eval"] }),
    (
        &["php"],
        option(b"rBRE", &["--run", "--process-code"], b"dc"),
    ),
    (&["r", "rscript", "octave"], option(b"e", &["--eval"], b"")),
    (&["env"], option(b"S", &["--split-string"], b"uC")),
    (
        &["su", "runuser", "script", "flock", "sg"],
        Takes::Option {
            letters: b"c",
            longs: &["--command", "--session-command"],
            others: b"",
            anywhere: true,
        },
    ),
    (
        &["awk", "gawk", "mawk", "nawk", "original-awk"],
        Takes::First { others: b"Fvi" },
    ),
    (
        &["ssh", "rsh", "dbclient"],
        Takes::AfterFirst {
            others: b"bcDeEFIiJLlmOopQRSWwB",
        },
    ),
    (&["watch"], Takes::Rest { others: b"n" }),
];

/// Programs that read scripts with `-c` as `sh` does; not all have its syntax.
const SHELLS: &[&str] = &[
    "sh", "ash", "bash", "dash", "ksh", "rksh", "mksh", "lksh", "oksh", "pdksh", "posh", "rbash",
    "yash", "zsh", "rzsh", "hush", "osh", "ysh", "fish", "csh", "tcsh", "nu", "xonsh", "elvish",
    "shell", "0",
];

/// Programs that run the rest of their arguments; of others, names of programs among the arguments
/// are mostly just words.
const WRAPPERS: &[&str] = &[
    "sudo",
    "doas",
    "env",
    "nice",
    "nohup",
    "timeout",
    "time",
    "stdbuf",
    "setsid",
    "ionice",
    "chrt",
    "taskset",
    "numactl",
    "xargs",
    "exec",
    "command",
    "builtin",
    "strace",
    "busybox",
    "toybox",
    "chroot",
    "unshare",
    "nsenter",
    "firejail",
    "srun",
    "sshpass",
    "caffeinate",
    "parallel",
];

/// What reads the word at `at` as code, as the user knows it: `sh -c`. The words are without their
/// quotes, and have a NUL where a value goes.
pub(crate) fn reader(words: &[&[u8]], at: usize) -> Option<String> {
    let is_wrapped = words
        .first()
        .is_some_and(|first| WRAPPERS.contains(&&*base(first)));
    (0..at).find_map(|index| {
        let name = base(words[index]);
        let (_, takes) = READERS.iter().find(|(names, _)| names.contains(&&*name))?;
        let is_first = index == 0 || is_wrapped;
        let before = |option: &str| Some(format!("{name} {option}").trim_end().to_owned());
        let (args, at) = (&words[index + 1..], at - index - 1);
        match *takes {
            Takes::Shell => is_script(args, at).then(|| before("-c"))?,
            Takes::Option {
                letters,
                longs,
                others,
                anywhere,
            } => before(&of_option(args, at, letters, longs, others, anywhere)?),
            Takes::Behind { options } => before(behind(&args[..=at], options)?),
            _ if !is_first => None,
            Takes::First { others } => {
                let code = operand(args, others, Some(b'f'));
                (code == Some(at)).then(|| before(""))?
            }
            Takes::AfterFirst { others } => {
                let host = operand(args, others, None);
                host.is_some_and(|host| at > host).then(|| before(""))?
            }
            Takes::Rest { others } => {
                let first = operand(args, others, None);
                first.is_some_and(|first| at >= first).then(|| before(""))?
            }
        }
    })
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
    let short = name.trim_end_matches(|char: char| char.is_ascii_digit() || ".-".contains(char));
    if short.is_empty() { name } else { short }.to_owned()
}

/// Whether this argument of a shell is the script of its `-c`. Options may come between the two:
/// `bash -c -x SCRIPT`.
fn is_script(args: &[&[u8]], at: usize) -> bool {
    let mut wants_script = false;
    let mut index = 0;
    while let Some(arg) = args.get(index) {
        let is_option = arg.len() > 1 && matches!(arg[0], b'-' | b'+');
        if !is_option || *arg == b"--" {
            let script = if is_option { index + 1 } else { index };
            return wants_script && script == at;
        }
        if arg.starts_with(b"--") {
            // fish has `--command SCRIPT` and `--command=SCRIPT`.
            if *arg == b"--command" {
                wants_script = true;
            } else if arg.starts_with(b"--command=") && index == at {
                return true;
            } else if matches!(*arg, b"--rcfile" | b"--init-file") {
                index += 1;
            }
        } else {
            wants_script |= arg.contains(&b'c') && arg[0] == b'-';
            if matches!(arg.last(), Some(b'o' | b'O')) {
                index += 1;
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
fn of_option(
    args: &[&[u8]],
    at: usize,
    letters: &[u8],
    longs: &[&str],
    others: &[u8],
    anywhere: bool,
) -> Option<String> {
    let mut index = 0;
    let mut may_be_argument = false;
    while index <= at {
        let arg = args[index];
        let is_option = arg.len() > 1 && arg[0] == b'-';
        if arg == b"--" || (!is_option && !anywhere && !may_be_argument) {
            return None;
        }
        // Which long options have one in the next word is not known.
        may_be_argument = arg.starts_with(b"--") && !arg.contains(&b'=');
        let long = longs.iter().find(|long| {
            let rest = arg.strip_prefix(long.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'=')
        });
        if let Some(long) = long {
            let is_alone = arg.len() == long.len();
            if index == at || (is_alone && index + 1 == at) {
                return Some((*long).to_owned());
            }
            index += usize::from(is_alone);
        } else if is_option && !arg.starts_with(b"--") {
            let known = |byte: &u8| letters.contains(byte) || others.contains(byte);
            let found = letter(arg, known);
            let is_last = found.is_some_and(|(position, _)| position + 1 == arg.len());
            match found.map(|(_, letter)| letter) {
                Some(letter) if letters.contains(&letter) => {
                    // What follows in the word may be the code, or other options.
                    if index == at || index + 1 == at {
                        return Some(format!("-{}", char::from(letter)));
                    }
                    index += usize::from(is_last);
                }
                // `python -m MODULE` ends the options.
                Some(b'm') if others.contains(&b'm') => return None,
                Some(_) if is_last => index += 1,
                _ => {}
            }
        }
        index += 1;
    }
    None
}

/// The first of these letters in a word of short options, and where it is. What follows a value is
/// not known.
fn letter(arg: &[u8], is_wanted: impl Fn(&u8) -> bool) -> Option<(usize, u8)> {
    let letters = arg.iter().take_while(|byte| **byte != 0).enumerate();
    let mut letters = letters.skip(1);
    let (position, letter) = letters.find(|(_, byte)| is_wanted(byte))?;
    Some((position, *letter))
}

/// The first argument that is no option and no argument of one.
fn operand(args: &[&[u8]], others: &[u8], instead: Option<u8>) -> Option<usize> {
    let mut index = 0;
    loop {
        let arg = args.get(index)?;
        if *arg == b"--" {
            return Some(index + 1);
        }
        if arg.len() < 2 || arg[0] != b'-' {
            return Some(index);
        }
        if instead.is_some_and(|letter| arg[1] == letter) {
            return None;
        }
        let takes = letter(arg, |byte| others.contains(byte));
        let takes_next = takes.is_some_and(|(position, _)| position + 1 == arg.len());
        index += 1 + usize::from(takes_next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the word with `{}` in it.
    fn of(line: &str) -> Option<String> {
        let words: Vec<Vec<u8>> = line
            .split(' ')
            .map(|word| word.replace("{}", "\0").into_bytes())
            .collect();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let at = words.iter().position(|word| word.contains(&0)).unwrap();
        reader(&words, at)
    }

    #[test]
    fn a_word_that_a_known_program_reads_as_code_is_found() {
        for (line, name) in [
            ("sh -c {}", "sh -c"),
            ("/bin/sh -c exit{}", "sh -c"),
            ("bash -e -o pipefail -c {}", "bash -c"),
            ("bash -ec {} x", "bash -c"),
            ("bash -euo pipefail -c {}", "bash -c"),
            ("bash -c -x {}", "bash -c"),
            ("bash --norc -c -- {}", "bash -c"),
            ("sudo -u me zsh -c {}", "zsh -c"),
            ("find . -exec sh -c {} ;", "sh -c"),
            ("busybox sh -c {}", "sh -c"),
            ("$SHELL -c {}", "shell -c"),
            ("fish --command={}", "fish -c"),
            ("ksh93 -c {}", "ksh -c"),
            ("cmd.exe /d /C echo {}", "cmd /c"),
            ("cmd /cecho{}", "cmd /c"),
            ("powershell -NoProfile -Command a {}", "powershell -command"),
            ("pwsh -c {}", "pwsh -command"),
            ("python3.11 -Ic {}", "python -c"),
            ("python -cprint({})", "python -c"),
            ("perl -lne {}", "perl -e"),
            ("perl -ne print -e {}", "perl -e"),
            ("node --eval={}", "node --eval"),
            ("node -p {}", "node -p"),
            ("php -d a=b -r {}", "php -r"),
            ("node --require esm -r a -e {}", "node -e"),
            ("perl -i -pe {}", "perl -e"),
            ("perl -I lib -MData::Dumper -e {}", "perl -e"),
            ("deno eval {}", "deno eval"),
            ("ruby -ne{}", "ruby -e"),
            ("env -S {}", "env -S"),
            ("su me -c {}", "su -c"),
            ("awk -F : /{}/ file", "awk"),
            ("sudo awk {}", "awk"),
            ("ssh -p 22 host ls {}", "ssh"),
            ("ssh host {}", "ssh"),
            ("ssh -oBatchMode=no host {}", "ssh"),
            ("watch -n 1 ls {}", "watch"),
        ] {
            assert_eq!(of(line).as_deref(), Some(name), "{line}");
        }
    }

    #[test]
    fn an_argument_is_none() {
        for line in [
            "echo {}",
            "sh {}",
            "sh -c x sh {}",
            "bash -c -x x {}",
            "sh -e script {}",
            "bash -o pipefail {} x",
            "grep -c {}",
            "gcc -c {}.c",
            "python3 -m http {}",
            "python script.py -c {}",
            "perl script -e {}",
            "perl -MData::Dumper {}",
            "perl -pi -e s/a/b/ {}",
            "python train.py -c {}",
            "awk -f prog {}",
            "awk -v x={} prog",
            "awk prog {}",
            "ssh {} uptime",
            "ssh -i {} host uptime",
            "apt install ssh {}",
            "cmd {}",
            "pwsh -NoProfile -ExecutionPolicy Bypass -File x.ps1 {}",
            "env A={} b",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
