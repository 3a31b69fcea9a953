//! What a run shows on a terminal: on a pseudoterminal, read by an emulator.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use throng_tests::eventually;

use crate::program::{child, finish, run};

/// A terminal, its contents, and everything that was written to it.
pub(super) struct Terminal {
    master: Arc<OwnedFd>,
    parser: Arc<Mutex<vt100::Parser>>,
    pub(super) written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    pub(super) fn new(rows: u16, columns: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let terminal = Terminal {
            master: Arc::new(master),
            parser: Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0))),
            written: Arc::default(),
        };
        terminal.resize(rows, columns);
        let mut reader = File::from(terminal.master.try_clone().unwrap());
        let (parser, written) = (terminal.parser.clone(), terminal.written.clone());
        // Ends with an error when no process has the other end open any more.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                written.lock().unwrap().extend_from_slice(&bytes[..length]);
                parser.lock().unwrap().process(&bytes[..length]);
            }
        });
        terminal
    }

    fn resize(&self, rows: u16, columns: u16) {
        let narrower = columns < self.parser.lock().unwrap().screen().size().1;
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&*self.master, size).unwrap();
        if narrower {
            // What the program drew for the larger one must have been written before.
            self.shows_that("narrower lines", |text| {
                text.lines()
                    .all(|line| line.chars().count() < columns.into())
            });
        }
        let mut parser = self.parser.lock().unwrap();
        parser.screen_mut().set_size(rows, columns);
    }

    /// Its other end, for a program. It must not become our own terminal, whose end would end us: a
    /// session leader without a terminal gets the first one that it opens.
    pub(super) fn stdio(&self) -> Stdio {
        let name = ptsname(&*self.master, Vec::new()).unwrap();
        let path = name.to_str().unwrap();
        let mut options = File::options();
        options.read(true).write(true);
        options.custom_flags(OFlags::NOCTTY.bits() as i32);
        options.open(path).unwrap().into()
    }

    /// Types this text.
    pub(super) fn write(&self, text: &str) {
        rustix::io::write(&*self.master, text.as_bytes()).unwrap();
    }

    /// The process group in the foreground.
    pub(super) fn foreground(&self) -> i32 {
        let group = rustix::termios::tcgetpgrp(&*self.master);
        group.map_or(0, |group| group.as_raw_nonzero().get())
    }

    pub(super) fn text(&self) -> String {
        let parser = self.parser.lock().unwrap();
        parser.screen().contents().trim_end().to_owned()
    }

    pub(super) fn shows(&self, what: &str) {
        self.shows_that(what, |text| text.contains(what));
    }

    /// The screen may be half drawn, so everything must be visible at the same time.
    pub(super) fn shows_that(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        eventually(what, || is_so(&self.text()));
    }
}

#[test]
fn the_view_is_below_the_output_and_removed_at_the_end() {
    let terminal = Terminal::new(24, 80);
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
    let wait = |path: &std::path::Path| format!("wait-file:{}", path.display());
    let [first, second] = [wait(&one), wait(&two)];
    let steps = [
        "outs:said\n",
        "errs:cried\n",
        ":::",
        "exit:3",
        &first,
        &second,
    ];
    let words = ["-j3", child(), "{}"];
    let mut command = run(&[&words[..], &steps].concat());
    command.stdout(terminal.stdio()).stderr(terminal.stdio());
    command.env_remove("TERM").env("TERM", "xterm");
    let mut throng = command.spawn().unwrap();
    drop(command);
    terminal.shows("33%  1/3 done  1 failed  2 running");
    // A command that has run for a second has a line with its age before it.
    terminal.shows_that("two ages", |text| {
        let lines = text
            .lines()
            .filter_map(|line| line.trim_start().split_once("  "));
        let is_age = |word: &str| word.contains(':') && !word.contains('%');
        lines.filter(|(word, _)| is_age(word)).count() == 2
    });
    // A line of the view may contain it, as a part of a command.
    let text = terminal.text();
    assert!(!text.lines().any(|line| line == "said"), "{text}");
    std::fs::write(&one, "").unwrap();
    terminal.shows_that("the view is below what was said", |text| {
        text.starts_with("said\ncried\n66%  2/3 done  1 failed  1 running")
    });
    terminal.resize(24, 30);
    terminal.shows("said\ncried\n2/3 done  1 failed");
    std::fs::write(&two, "").unwrap();
    assert_eq!(throng.wait().unwrap().code(), Some(1));
    terminal.shows_that("what was said alone", |text| {
        text == "said\ncried\nsaid\ncried"
    });
}

#[test]
fn the_list_of_running_commands_is_above_the_view() {
    let terminal = Terminal::new(24, 100);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let wait = format!("wait-file:{}", path.display());
    let mut command = run(&["--eta", child(), "{}", ":::", &wait]);
    command.stdout(terminal.stdio()).stderr(terminal.stdio());
    command.env("TERM", "xterm");
    let mut throng = command.spawn().unwrap();
    drop(command);
    terminal.shows("0%  0/1 done  1 running");
    for _ in 0..3 {
        let pid = Pid::from_raw(throng.id().cast_signed()).unwrap();
        kill_process(pid, Signal::USR1).unwrap();
    }
    // Signals that arrive together are one.
    terminal.shows_that("a list, and below it one view", |text| {
        let lines: Vec<&str> = text.lines().collect();
        let is_list = |line: &&str| line.starts_with("throng: 1 pid ");
        let (last, before) = lines.split_last().unwrap();
        last.starts_with("0%  0/1 done") && !before.is_empty() && {
            let text = before.concat();
            before.iter().any(is_list) && !text.contains("0%")
        }
    });
    // The view was cleared before, so that nothing of it is left beside a shorter line.
    let written = terminal.written.lock().unwrap().clone();
    let text = String::from_utf8(written).unwrap();
    let (before, _) = text.split_once("throng: 1 pid ").unwrap();
    assert!(before.ends_with("\x1b[J\r"), "{before:?}");
    std::fs::write(&path, "").unwrap();
    assert!(throng.wait().unwrap().success());
}

#[test]
fn a_dry_run_shows_no_control_characters_on_a_terminal() {
    let terminal = Terminal::new(24, 100);
    let hostile = "x\x1b[2J\x07\u{9b}31my";
    let mut command = run(&["--dry-run", "echo", ":::", hostile]);
    command.stdout(terminal.stdio());
    let mut throng = command.spawn().unwrap();
    drop(command);
    assert!(throng.wait().unwrap().success());
    terminal.shows(r"echo 'x\u{1b}[2J\u{7}\u{9b}31my'");
}

#[test]
fn there_is_no_view_if_it_was_disabled() {
    let dir = tempfile::tempdir().unwrap();
    for (options, term) in [(&["--progress", "never"][..], "xterm"), (&[], "dumb")] {
        let terminal = Terminal::new(24, 80);
        let path = dir.path().join(term);
        let wait = format!("wait-file:{}", path.display());
        let words = [
            "-j2",
            child(),
            "{}",
            "outs:said\n",
            ":::",
            "sleep:1500",
            &wait,
        ];
        let mut command = run(&[options, &words].concat());
        command.stdout(terminal.stdio()).stderr(terminal.stdio());
        command.env("TERM", term);
        let mut throng = command.spawn().unwrap();
        drop(command);
        terminal.shows("said");
        std::fs::write(&path, "").unwrap();
        assert!(throng.wait().unwrap().success());
        terminal.shows("said\nsaid");
        assert_eq!(*terminal.written.lock().unwrap(), b"said\r\nsaid\r\n");
    }
}

#[test]
fn nothing_of_the_view_goes_to_a_stdout_that_is_not_a_terminal() {
    let terminal = Terminal::new(24, 80);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let wait = format!("wait-file:{}", path.display());
    let words = [
        "--bar",
        "-j2",
        child(),
        "outs:said\n",
        "{}",
        ":::",
        "exit:0",
        &wait,
    ];
    let mut command = run(&words);
    command.stderr(terminal.stdio()).env("TERM", "xterm");
    let throng = command.spawn().unwrap();
    drop(command);
    terminal.shows("#-");
    terminal.shows("50%  1/2 done  1 running");
    std::fs::write(&path, "").unwrap();
    let output = finish(throng);
    assert_eq!(output.stdout, b"said\nsaid\n");
    eventually("the view is gone", || terminal.text().is_empty());
}

/// The reader of the pipe may show what it reads on the same terminal.
#[test]
fn the_view_is_drawn_if_stdout_is_a_file_but_not_if_it_is_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    for (options, is_pipe, has_view) in [
        (&[][..], true, false),
        (&["--progress"], true, true),
        (&[], false, true),
        (&["--progress", "never"], false, false),
    ] {
        let terminal = Terminal::new(24, 80);
        let go_on = dir.path().join("go-on");
        let _ = std::fs::remove_file(&go_on);
        let wait = format!("wait-file:{}", go_on.display());
        let steps = [child(), "outs:said\n", "{}", ":::", "exit:0", &wait];
        let mut command = run(&[options, &["-j2"], &steps].concat());
        command.stderr(terminal.stdio()).env("TERM", "xterm");
        let path = dir.path().join("stdout");
        if !is_pipe {
            command.stdout(File::create(&path).unwrap());
        }
        let throng = command.spawn().unwrap();
        drop(command);
        if has_view {
            terminal.shows("1/2 done");
        } else {
            // Long enough for a view to have been drawn.
            thread::sleep(std::time::Duration::from_millis(600));
        }
        std::fs::write(&go_on, "").unwrap();
        let output = finish(throng);
        assert!(output.status.success());
        if is_pipe {
            assert_eq!(output.stdout, b"said\nsaid\n");
        } else {
            assert_eq!(std::fs::read(&path).unwrap(), b"said\nsaid\n");
        }
        let written = !terminal.written.lock().unwrap().is_empty();
        assert_eq!(written, has_view, "{options:?}");
    }
}

#[test]
fn a_stopped_command_is_marked_in_the_view() {
    let terminal = Terminal::new(24, 100);
    let mut command = run(&["--progress", "sh", "-c", "kill -STOP $$", ":::", "x"]);
    command.stdout(Stdio::null()).stderr(terminal.stdio());
    command.env("TERM", "xterm");
    let mut throng = command.spawn().unwrap();
    drop(command);
    terminal.shows("stopped: sh -c kill -STOP $$ x");
    terminal.shows("was stopped by SIGSTOP; kill -CONT ");
    let text = terminal.text();
    let (_, pid) = text.split_once("(pid ").unwrap();
    let pid = pid.split_once(')').unwrap().0.parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert!(throng.wait().unwrap().success());
}
