//! `--tty` as a user sees it: typed to a shell with job control, on a pseudoterminal.

use std::cell::Cell;
use std::process::{Child, Command};

use throng_tests::eventually;

use super::strangers::unshare;
use super::terminal::Terminal;
use crate::program::{child, mechanisms, output, run, stderr, without_settings};

/// An interactive bash that leads a session with a terminal of its own.
struct Shell {
    terminal: Terminal,
    bash: Child,
    dir: tempfile::TempDir,
    /// How many lines were typed.
    lines: Cell<u32>,
}

impl Shell {
    fn new() -> Shell {
        let terminal = Terminal::new(40, 120);
        let dir = tempfile::tempdir().unwrap();
        let mut setsid = Command::new("setsid");
        without_settings(&mut setsid);
        setsid
            .args(["--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"])
            .env("throng", env!("CARGO_BIN_EXE_throng"))
            .env("child", child())
            // The number of the next command: input typed before bash reads it may be lost.
            .env("PS1", "ready \\#> ")
            .env("TERM", "xterm")
            .env("HISTFILE", "")
            .current_dir(dir.path())
            .stdin(terminal.stdio())
            .stdout(terminal.stdio())
            .stderr(terminal.stdio());
        let bash = setsid.spawn().unwrap();
        Shell {
            terminal,
            bash,
            dir,
            lines: Cell::new(0),
        }
    }

    /// Types a command, when the shell is ready for it.
    fn line(&self, text: &str) {
        self.lines.set(self.lines.get() + 1);
        let prompt = format!("ready {}>", self.lines.get());
        self.terminal.shows_that(&prompt, |text| {
            let last = text.lines().last();
            last.is_some_and(|line| line.ends_with(&prompt))
        });
        self.answer(text);
    }

    /// Types a line for a command.
    fn answer(&self, text: &str) {
        self.terminal.write(&format!("{text}\n"));
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// Waits until a file has been written.
    #[track_caller]
    fn await_file(&self, name: &str, text: &str) {
        eventually(&format!("{name} with {text:?}"), || self.file(name) == text);
    }

    /// The terminal is restored: its modes are as before, and the shell is in the foreground and
    /// reads.
    fn is_as_before(&self, before: &str) {
        let n = self.lines.get();
        self.line(&format!("stty -a >after{n}; echo done >asked{n}"));
        self.await_file(&format!("asked{n}"), "done\n");
        let after = self.file(&format!("after{n}"));
        assert_eq!(after, before, "{}", self.terminal.text());
    }

    fn modes(&self) -> String {
        self.line("stty -a > before; echo done > begun");
        self.await_file("begun", "done\n");
        self.file("before")
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the terminal shows:\n{}", self.terminal.text());
        }
        // Whatever it is doing, it ends with its terminal.
        let _ = self.bash.kill();
        let _ = self.bash.wait();
    }
}

#[test]
fn a_command_reads_from_the_terminal_as_stdin_and_by_its_name() {
    let shell = Shell::new();
    // Input typed before a command has the terminal may go to the shell.
    let script = "echo >up$1; read a; read b </dev/tty; [ -t 1 ] && echo got $a $b $1 >>said";
    let answer = |number: &str, lines: [&str; 2]| {
        shell.await_file(&format!("up{number}"), "\n");
        lines.iter().for_each(|line| shell.answer(line));
    };
    shell.line(&format!("$throng run --tty sh -c '{script}' sh ::: 1 2"));
    answer("1", ["one", "two"]);
    answer("2", ["three", "four"]);
    shell.await_file("said", "got one two 1\ngot three four 2\n");
    // Values may come from a stdin that is no terminal.
    shell.line("rm said");
    shell.line(&format!("echo 3 | $throng run --tty sh -c '{script}' sh"));
    answer("3", ["five", "six"]);
    shell.await_file("said", "got five six 3\n");
}

/// Without `--tty`: not even one in the background, and none that it could acquire by opening one.
#[test]
fn a_command_has_no_terminal_though_we_have_one() {
    let shell = Shell::new();
    shell.line("tty >name; : </dev/tty && echo yes >ours");
    shell.await_file("ours", "yes\n");
    for mechanism in mechanisms() {
        // The fields of proc_pid_stat(5): it leads its group, the session is the shell's, and it
        // has no terminal, not even after it has opened the shell's by name.
        let script = "exec 3<>$(cat name); true </dev/tty || echo none; \
                      read pid name state parent group session terminal rest </proc/$$/stat; \
                      echo $((group == $$)) $((session == $1)) $terminal";
        let run = format!("$throng run --mechanism {mechanism} sh -c '{script}' sh ::: $$");
        shell.line(&format!("rm -f told; {run} >said 2>&1; mv said told"));
        eventually("the end", || !shell.file("told").is_empty());
        let told = shell.file("told");
        assert!(told.contains("/dev/tty"), "{mechanism}: {told}");
        assert!(told.contains("none\n1 1 0\n"), "{mechanism}: {told}");
    }
    // And the shell still has its terminal.
    shell.line(": </dev/tty && echo yes >still");
    shell.await_file("still", "yes\n");
}

#[test]
fn the_modes_of_the_terminal_are_restored_whatever_a_command_does() {
    let shell = Shell::new();
    let before = shell.modes();
    for end in ["exit 0", "exit 3", "kill -9 $$", "kill -TERM $$"] {
        let script = format!("stty raw -echo; stty -a >within; {end}");
        shell.line(&format!("$throng run --tty sh -c '{script}' ::: x"));
        shell.is_as_before(&before);
        assert_ne!(shell.file("within"), before);
    }
    // Each command finds the modes as they were, even after a timeout.
    shell.line("$throng run --tty --timeout .5 sh -c 'stty -a >$1; stty raw; sleep 60' sh ::: a b");
    shell.is_as_before(&before);
    assert_eq!([shell.file("a"), shell.file("b")], [before.clone(), before]);
}

#[test]
fn no_command_starts_after_one_ended_by_ctrl_c() {
    let shell = Shell::new();
    let before = shell.modes();
    // A shell that waits for a program may lose a signal that arrives before the wait has begun.
    let script = "stty -echo; echo $1 >>ran; exec sleep 600";
    shell.line(&format!(
        "$throng run --tty --joblog log sh -c '{script}' sh ::: 1 2 3"
    ));
    shell.await_file("ran", "1\n");
    shell.terminal.write("\x03");
    shell.line("echo $? >status");
    shell.await_file("status", "130\n");
    shell.is_as_before(&before);
    assert_eq!(shell.file("ran"), "1\n");
    // A command that handles the signal in another way is not the last.
    let script =
        "trap \"echo caught >caught; exit 0\" INT; echo >up$1; while :; do sleep .02; done";
    shell.line(&format!("$throng run --tty sh -c '{script}' sh ::: 1 2"));
    for n in ["1", "2"] {
        shell.await_file(&format!("up{n}"), "\n");
        shell.terminal.write("\x03");
        shell.await_file("caught", "caught\n");
        std::fs::remove_file(shell.dir.path().join("caught")).unwrap();
    }
    shell.line("echo $? >status2");
    shell.await_file("status2", "0\n");
}

#[test]
fn ctrl_z_stops_the_run_and_fg_goes_on_with_the_terminal() {
    let shell = Shell::new();
    let before = shell.modes();
    let script = "stty -echo -icrnl; echo $$ >up; read a; stty -a >within; echo went on $a >said";
    shell.line("$throng run --tty sh -c 'stty -a >plain' ::: x");
    shell.line(&format!("$throng run --tty sh -c '{script}' ::: x | cat"));
    eventually("it is up", || shell.file("up").ends_with('\n'));
    let pid: i32 = shell.file("up").trim().parse().unwrap();
    // Input typed before Ctrl-Z and not yet read is lost, in any program.
    let await_front = || eventually("in front", || shell.terminal.foreground() == pid);
    await_front();
    shell.terminal.write("\x1a");
    shell.is_as_before(&before);
    for n in ["1", "2"] {
        shell.line(&format!("jobs >jobs{n}"));
        let jobs = format!("jobs{n}");
        eventually("the job is stopped", || {
            shell.file(&jobs).contains("Stopped")
        });
        shell.line("fg");
        await_front();
        shell.terminal.write("\x1a");
        shell.is_as_before(&before);
    }
    shell.line("fg");
    await_front();
    shell.answer("line");
    shell.await_file("said", "went on line\n");
    assert!(
        shell.file("within").contains(" -echo "),
        "{}",
        shell.file("within")
    );
    shell.line("echo $? >status");
    shell.await_file("status", "0\n");
    shell.is_as_before(&before);
}

#[test]
fn in_the_background_a_command_waits_for_the_foreground_to_read() {
    let shell = Shell::new();
    let script = "echo >up; read a; echo read $a >said";
    shell.line(&format!("$throng run --tty sh -c '{script}' ::: x &"));
    shell.await_file("up", "\n");
    eventually("the job is stopped", || {
        shell.line("jobs >jobs");
        shell.file("jobs").contains("Stopped")
    });
    shell.line("fg");
    shell.answer("line");
    shell.await_file("said", "read line\n");
}

#[test]
fn an_editor_works() {
    if Command::new("vim").arg("--version").output().is_err() {
        // Its effects on a terminal are tested above.
        return;
    }
    let shell = Shell::new();
    let before = shell.modes();
    shell.line("$throng run --tty vim -u NONE ::: text");
    shell.terminal.shows("[New");
    shell.terminal.write("ihello\x1b:wq\r");
    shell.await_file("text", "hello\n");
    shell.is_as_before(&before);
}

#[test]
fn options_that_conflict_with_tty_are_refused_in_one_line() {
    for options in [
        &["-k"][..],
        &["--output", "jsonl"],
        &["--group"],
        &["--lb"],
        &["--tag"],
        &["--tagstring", "x"],
        &["--results", "dir"],
        &["--max-output", "1"],
        &["--pipe"],
        &["--stdin", "text"],
        &["--progress"],
        &["--bar"],
        &["--eta"],
        &["--color"],
        &["-j", "2"],
        &["-j0"],
    ] {
        let words = [&["--tty"], options, &["cat", ":::", "x"]].concat();
        let output = output(&words);
        assert_eq!(output.status.code(), Some(255), "{output:?}");
        let said = stderr(&output);
        assert!(
            said.contains("--tty") && said.lines().count() == 1,
            "{said}"
        );
    }
    // The command line overrides a file or a variable.
    let mut throng = run(&["--tty", "--dry-run", "echo", ":::", "x"]);
    throng.env("THRONG_JOBS", "4").env("THRONG_TAG", "1");
    assert!(throng.output().unwrap().status.success());
}

/// As suggested by the message that refuses it without such a shell.
#[test]
fn a_shell_with_job_control_in_a_namespace_can_lend_the_terminal() {
    let Some(unshare) = unshare(&["--mount-proc"]) else {
        return;
    };
    let words: Vec<_> = unshare
        .get_args()
        .map(|word| word.to_str().unwrap())
        .collect();
    let shell = Shell::new();
    let command = r#"$throng run --tty sh -c "echo >up\$1; read a; echo \$a >>said" sh ::: 1 2"#;
    shell.line(&format!(
        "unshare {} bash -m -c '{command}'",
        words.join(" ")
    ));
    for (number, answer) in [("1", "one"), ("2", "two")] {
        // Input typed before a command has the terminal may go to a shell.
        shell.await_file(&format!("up{number}"), "\n");
        shell.answer(answer);
    }
    shell.await_file("said", "one\ntwo\n");
    shell.line("echo >after");
    shell.await_file("after", "\n");
}

#[test]
fn a_missing_terminal_is_reported_in_one_line() {
    let mut setsid = Command::new("setsid");
    without_settings(&mut setsid);
    setsid.args([
        "--wait",
        env!("CARGO_BIN_EXE_throng"),
        "run",
        "--tty",
        "cat",
        ":::",
        "x",
    ]);
    let output = setsid.output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    let said = stderr(&output);
    assert!(
        said.starts_with("throng: --tty: cannot open /dev/tty"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn values_cannot_come_from_a_terminal_used_as_stdin() {
    let shell = Shell::new();
    shell.line("$throng run --tty echo 2>said; echo $? >status");
    shell.await_file("status", "255\n");
    assert!(
        shell.file("said").contains("give values with"),
        "{}",
        shell.file("said")
    );
}

#[test]
fn ctrl_z_stops_commands_that_have_no_terminal_and_fg_continues_them() {
    let shell = Shell::new();
    shell.line(
        "$throng run --progress never sh -c 'while [ ! -e go ]; do sleep .02; echo >>ticks; \
                done; echo ended >ended' ::: x",
    );
    eventually("it runs", || !shell.file("ticks").is_empty());
    shell.terminal.write("\x1a");
    shell.line("jobs >jobs");
    eventually("the job is stopped", || {
        shell.file("jobs").contains("Stopped")
    });
    let ticks = shell.file("ticks");
    shell.line("sleep .2; echo >slept");
    shell.await_file("slept", "\n");
    assert_eq!(shell.file("ticks"), ticks, "it stands still");
    shell.line("fg");
    eventually("it goes on", || shell.file("ticks").len() > ticks.len());
    std::fs::write(shell.dir.path().join("go"), "").unwrap();
    shell.await_file("ended", "ended\n");
}
