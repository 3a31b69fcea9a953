//! Where in the words of a command a command may begin: at the first word, and behind a program
//! that runs what follows its own options. The argument of an option is no such place, nor are the
//! words of a program that is not known here: `gcc -o awk -c x`, `apt install ssh`.

use super::readers::base;
use super::words::Assignment;

/// Which options of a program have their argument in the next word.
enum Options {
    /// These letters and long names.
    These(&'static [u8], &'static [&'static str]),
    /// All but these.
    Others(&'static [u8], &'static [&'static str]),
    /// It is not known which: the command may begin at any word.
    Any,
}

use Options::{Any, Others, These};

struct Wrapper {
    names: &'static [&'static str],
    /// The words of which one has to come before: `docker exec`.
    verbs: &'static [&'static str],
    options: Options,
    /// How many operands are before the command: the duration of `timeout`.
    operands: usize,
}

const fn wrapper(names: &'static [&'static str], options: Options, operands: usize) -> Wrapper {
    Wrapper {
        names,
        verbs: &[],
        options,
        operands,
    }
}

const fn verbs(
    names: &'static [&'static str],
    verbs: &'static [&'static str],
    options: Options,
    operands: usize,
) -> Wrapper {
    Wrapper {
        names,
        verbs,
        options,
        operands,
    }
}

const NONE: Options = These(b"", &[]);

const WRAPPERS: &[Wrapper] = &[
    wrapper(
        &["env"],
        These(b"uCS", &["--unset", "--chdir", "--split-string"]),
        0,
    ),
    wrapper(
        &["sudo", "doas"],
        These(
            b"ugpChrtTDRU",
            &[
                "--user", "--group", "--prompt", "--host", "--role", "--type", "--chdir",
                "--chroot",
            ],
        ),
        0,
    ),
    wrapper(&["nice"], These(b"n", &["--adjustment"]), 0),
    wrapper(&["timeout"], These(b"sk", &["--signal", "--kill-after"]), 1),
    wrapper(&["time"], These(b"fo", &["--format", "--output"]), 0),
    wrapper(
        &["stdbuf"],
        These(b"ioe", &["--input", "--output", "--error"]),
        0,
    ),
    wrapper(&["ionice"], These(b"cnpPu", &["--class", "--classdata"]), 0),
    wrapper(&["chrt"], These(b"TPD", &[]), 1),
    wrapper(&["taskset", "chroot", "setarch", "faketime"], NONE, 1),
    wrapper(&["exec"], These(b"a", &[]), 0),
    wrapper(
        &[
            "nohup",
            "setsid",
            "command",
            "builtin",
            "busybox",
            "toybox",
            "eatmydata",
            "catchsegv",
            "valgrind",
            "unbuffer",
            "dbus-run-session",
            "npx",
            "chronic",
            "ifne",
            "noglob",
            "nocorrect",
            "-",
            "winpty",
        ],
        NONE,
        0,
    ),
    // The names are without versions: this is `linux32` and `linux64`.
    wrapper(&["linux"], NONE, 0),
    wrapper(
        &[
            "bwrap",
            "capsh",
            "choom",
            "chpst",
            "dbus-launch",
            "dumb-init",
            "firejail",
            "gosu",
            "pkexec",
            "prlimit",
            "proxychains",
            "rlwrap",
            "setpriv",
            "ssh-agent",
            "su-exec",
            "tini",
            "torsocks",
        ],
        Any,
        0,
    ),
    verbs(&["perf"], &["stat", "record", "trace"], Any, 0),
    verbs(&["direnv", "lxc"], &["exec"], Any, 0),
    verbs(&["git"], &["run"], NONE, 0),
    verbs(&["guix"], &["--"], NONE, 0),
    verbs(&["machinectl"], &["shell"], Any, 0),
    verbs(&["nix"], &["-c", "--command"], NONE, 0),
    wrapper(&["numactl"], These(b"NmCpiPl", &[]), 0),
    wrapper(&["strace", "ltrace"], These(b"eopsSuEaIPbOXUn", &[]), 0),
    wrapper(
        &["xargs"],
        These(
            b"adEILnPs",
            &[
                "--arg-file",
                "--delimiter",
                "--max-args",
                "--max-procs",
                "--max-chars",
            ],
        ),
        0,
    ),
    wrapper(&["unshare", "nsenter"], These(b"SGRtw", &["--target"]), 0),
    wrapper(&["sshpass"], These(b"pfdP", &[]), 0),
    wrapper(&["caffeinate"], These(b"tw", &[]), 0),
    wrapper(&["fakeroot"], These(b"lfsib", &["--lib", "--faked"]), 0),
    wrapper(&["xvfb-run"], These(b"efnpsw", &[]), 0),
    wrapper(&["cgexec"], These(b"g", &[]), 0),
    wrapper(
        &["systemd-run"],
        These(b"puEMH", &["--property", "--unit", "--setenv"]),
        0,
    ),
    wrapper(&["runuser"], These(b"ugGsw", &["--user", "--group"]), 0),
    wrapper(
        &["flock"],
        These(b"wE", &["--timeout", "--wait", "--conflict-exit-code"]),
        1,
    ),
    wrapper(
        &["srun", "mpirun", "mpiexec"],
        Others(
            b"luXvQskEHOV",
            &["--exclusive", "--label", "--overlap", "--pty", "--quiet"],
        ),
        0,
    ),
    verbs(
        &["docker", "podman", "nerdctl", "kubectl", "docker-compose"],
        &["run", "exec"],
        Others(
            b"itdPTq",
            &[
                "--rm",
                "--init",
                "--privileged",
                "--tty",
                "--interactive",
                "--detach",
                "--quiet",
                "--read-only",
                "--publish-all",
                "--no-healthcheck",
                "--no-deps",
                "--stdin",
            ],
        ),
        1,
    ),
    verbs(
        &[
            "conda",
            "mamba",
            "micromamba",
            "poetry",
            "uv",
            "pipenv",
            "pdm",
            "bundle",
        ],
        &["run", "exec"],
        These(
            b"npC",
            &[
                "--name",
                "--prefix",
                "--cwd",
                "--with",
                "--python",
                "--project",
            ],
        ),
        0,
    ),
];

/// Names that somebody's own program in a directory has as well.
const COMMON: &[&str] = &["script", "watch", "parallel", "time", "shell", "r", "run"];

/// The name of the program that this word is, if it is one that may be known.
pub(super) fn known(word: &[u8]) -> Option<String> {
    let name = base(word);
    let is_own = word.contains(&b'/') && !word.starts_with(b"/");
    (!is_own || !COMMON.contains(&&*name)).then_some(name)
}

/// The words that may be a command's name, in the order in which they are found.
pub(super) fn commands(words: &[&[u8]]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut is_found = vec![false; words.len()];
    let mut open = vec![0];
    while let Some(index) = open.pop() {
        let Some(word) = words.get(index).filter(|_| !is_found[index]) else {
            continue;
        };
        found.push(index);
        is_found[index] = true;
        let Some(name) = known(word) else {
            continue;
        };
        if name == "find" || name == "fd" || name == "fdfind" {
            let runs: &[&[u8]] = &[
                b"-exec",
                b"-execdir",
                b"-ok",
                b"-okdir",
                b"-x",
                b"-X",
                b"--exec",
                b"--exec-batch",
            ];
            let behind = (index + 2..words.len()).filter(|at| runs.contains(&words[at - 1]));
            open.extend(behind);
        }
        for wrapper in WRAPPERS.iter().filter(|row| row.names.contains(&&*name)) {
            open.extend(wrapper.behind(words, index));
        }
    }
    found
}

/// The variable that the word at `at` gives to a command, as in `env NAME=value command`, if the
/// value there could be code.
pub(super) fn variable(words: &[&[u8]], at: usize) -> Option<String> {
    let commands = commands(words);
    let gives = |index: &&usize| {
        let name = known(words[**index]).unwrap_or_default();
        **index < at && matches!(&*name, "env" | "sudo" | "doas")
    };
    let from = *commands.iter().filter(gives).max()?;
    let is_before_command = !commands.iter().any(|index| from < *index && *index < at);
    let end = words[at].iter().position(|byte| *byte == b'=')?;
    let name = &words[at][..end];
    let is_code = name.contains(&0) || super::words::is_code_in_environment(name);
    let shown = String::from_utf8_lossy(name).replace('\0', "{}");
    (is_before_command && is_code).then(|| format!("{shown}="))
}

impl Wrapper {
    /// Where the command behind the one at `index` may begin.
    fn behind(&self, words: &[&[u8]], index: usize) -> Vec<usize> {
        let mut at = index + 1;
        let mut found = Vec::new();
        if !self.verbs.is_empty() {
            let is_verb = |at: &usize| self.verbs.iter().any(|verb| words[*at] == verb.as_bytes());
            let Some(verb) = (at..words.len()).find(is_verb) else {
                return found;
            };
            at = verb + 1;
            let end = (at..words.len()).find(|at| words[*at] == b"--");
            found.extend(end.map(|end| end + 1));
        }
        if matches!(self.options, Any) {
            found.extend(at..words.len());
            return found;
        }
        let mut operands = self.operands;
        while let Some(word) = words.get(at) {
            if *word == b"--" {
                at += 1 + operands;
                break;
            }
            if word.len() > 1 && word[0] == b'-' {
                at += 1 + usize::from(self.options.takes_next(word));
            } else if Assignment::of(word).is_some() {
                at += 1;
            } else if operands > 0 {
                operands -= 1;
                at += 1;
            } else {
                // A value may be a variable for `env`, or an option.
                found.extend((word.first() == Some(&0)).then_some(at + 1));
                break;
            }
        }
        found.push(at);
        found
    }
}

impl Options {
    fn takes_next(&self, word: &[u8]) -> bool {
        let has = |longs: &[&str]| longs.iter().any(|long| long.as_bytes() == word);
        let is_long = word.starts_with(b"--");
        match self {
            Any => false,
            These(_, longs) if is_long => has(longs),
            These(letters, _) => {
                let first = word[1..].iter().position(|byte| letters.contains(byte));
                first.is_some_and(|first| first + 2 == word.len())
            }
            Others(_, longs) if is_long => !word.contains(&b'=') && !has(longs),
            Others(letters, _) => {
                // `-v/a:/b` and `-n4` have it in the word.
                let other = word[1..].iter().position(|byte| !letters.contains(byte));
                other.is_some_and(|other| other + 2 == word.len())
            }
        }
    }
}
