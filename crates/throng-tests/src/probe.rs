//! A program that uses throng in a process of its own, for what cannot be tested in this one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use throng::Mechanism;

use crate::patience::{HANG, within};

/// A run of `src/bin/probe` that has not been started; create one with [`probe!`](crate::probe!).
#[derive(Debug)]
pub struct Probe {
    /// For changes to its environment.
    pub command: Command,
    argv: Vec<String>,
}

/// What a probe found: its lines `name=value`.
#[derive(Debug)]
pub struct Report {
    values: BTreeMap<String, String>,
    all: String,
}

impl Probe {
    /// A probe in this mode; its arguments are separated by spaces.
    pub fn new(program: &str, child: &str, mechanism: Mechanism, mode: &str) -> Probe {
        let first = [program, child, mechanism.name()].into_iter();
        let argv: Vec<String> = first
            .chain(mode.split_whitespace())
            .map(String::from)
            .collect();
        let mut command = Command::new(program);
        // A test may be about a panic, and there may be no memory for more than its message.
        command.args(&argv[1..]).env("RUST_BACKTRACE", "0");
        Probe { command, argv }
    }

    /// Starts it through another program, whose last arguments it becomes: `env
    /// --ignore-signal=CHLD`.
    #[must_use]
    pub fn by(self, starter: &str) -> Probe {
        let words: Vec<&str> = starter.split_whitespace().collect();
        self.by_words(&words)
    }

    /// The same with words that may contain spaces.
    ///
    /// # Panics
    ///
    /// When there are none.
    #[must_use]
    pub fn by_words(self, starter: &[impl AsRef<OsStr>]) -> Probe {
        let (program, words) = starter.split_first().expect("a program");
        let mut command = Command::new(program);
        command
            .args(words)
            .args(&self.argv)
            .env("RUST_BACKTRACE", "0");
        Probe { command, ..self }
    }

    /// Starts it with its stdout, and its stdin unless that was set, as pipes.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn spawn(&mut self) -> Child {
        self.command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the probe can be started")
    }

    /// Runs it to its end and reads its report.
    ///
    /// # Panics
    ///
    /// When it fails or hangs.
    #[track_caller]
    pub fn report(mut self) -> Report {
        let what = format!("{:?}", self.command);
        let (all, status) = within(HANG, &what, move || {
            let mut probe = self
                .command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn();
            let probe = probe.as_mut().expect("the probe can be started");
            let mut all = String::new();
            let mut stdout = probe.stdout.take().expect("its stdout is a pipe");
            stdout
                .read_to_string(&mut all)
                .expect("the probe writes text");
            (all, probe.wait().expect("the probe can be waited for"))
        });
        assert!(
            status.success(),
            "{what} failed with {status} after this report:\n{all}"
        );
        Report::new(all)
    }

    /// Runs it for this long at most and then ends it. Returns what it has reported until then, and
    /// what is wrong with its end, if anything is.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn report_within(mut self, limit: Duration) -> (Report, Result<(), String>) {
        self.command.stdin(Stdio::null());
        let mut probe = self.spawn();
        let lines = Lines::read(probe.stdout.take().expect("its stdout is a pipe"));
        let deadline = Instant::now() + limit;
        let result = loop {
            match probe.try_wait().expect("the probe can be waited for") {
                Some(status) if status.success() => break Ok(()),
                Some(status) => break Err(format!("the probe failed with {status}")),
                None if Instant::now() > deadline => {
                    probe.kill().expect("it is ours");
                    probe.wait().expect("the probe can be waited for");
                    break Err(format!("the probe hangs, and was ended after {limit:?}"));
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        (Report::new(lines.so_far()), result)
    }
}

/// What a program has written so far.
struct Lines(Arc<Mutex<String>>);

impl Lines {
    /// Reads on a thread of its own: a process that has the pipe may outlive the program.
    fn read(stdout: ChildStdout) -> Lines {
        let lines = Arc::new(Mutex::new(String::new()));
        let writer = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let mut lines = writer.lock().unwrap_or_else(PoisonError::into_inner);
                *lines += &(line + "\n");
            }
        });
        Lines(lines)
    }

    /// After the program has ended: waits a moment for what is still in the pipe.
    fn so_far(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(5);
        // The thread drops its share at the end of the pipe.
        while Arc::strong_count(&self.0) > 1 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.clone()
    }
}

impl Report {
    fn new(all: String) -> Report {
        let pairs = all.lines().filter_map(|line| line.split_once('='));
        let values = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Report { values, all }
    }

    /// The value of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of this name, as text.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        self.values
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in the report:\n{}", self.all))
    }

    /// The value of this name.
    ///
    /// # Panics
    ///
    /// When there is none, or it is of another type.
    #[track_caller]
    pub fn get<T: FromStr>(&self, name: &str) -> T {
        let text = self.text(name);
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not such a value: {text}"))
    }
}
