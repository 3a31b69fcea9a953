//! Examples from the manual and the tutorial of GNU parallel, in `scenarios/*.toml`: throng's
//! output is compared with the expected output everywhere, and GNU parallel's as well where it is
//! installed.
//!
//! `echo` and `cat` are the scripted child where only throng runs, so that most scenarios also run
//! on Windows; those marked `shell` and `unix` run where a POSIX shell and its tools exist.
//!
//! With `THRONG_SCENARIOS=FILE` in the environment the results are written side by side to FILE.

use std::collections::BTreeMap;
use std::env::consts;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::program::{child, finish, without_settings};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    /// The arguments of both programs.
    #[serde(default)]
    words: Vec<String>,
    ours: Option<Vec<String>>,
    theirs: Option<Vec<String>>,
    #[serde(default)]
    stdin: String,
    /// stdin has the numbers from 1 to this.
    seq: Option<u32>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    seq_file: BTreeMap<String, u32>,
    /// The command is for a shell: throng gets `--shell`.
    #[serde(default)]
    shell: bool,
    /// Needs tools of Unix.
    #[serde(default)]
    unix: bool,
    /// A Perl module that GNU parallel needs.
    needs: Option<String>,
    /// The order of lines is unspecified.
    #[serde(default)]
    sorted: bool,
    /// "seq": the numbers of stdin.
    output: String,
    #[serde(default)]
    status: i32,
    /// Why GNU parallel's output differs.
    differs: Option<String>,
    their_output: Option<String>,
    their_status: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Result {
    output: String,
    status: i32,
}

fn scenarios() -> Vec<Scenario> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let file: File =
            toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        file.scenario
    };
    paths.iter().flat_map(read).collect()
}

fn numbers(last: u32) -> String {
    (1..=last).fold(String::new(), |mut text, number| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{number}");
        text
    })
}

impl Scenario {
    fn stdin(&self) -> String {
        self.seq.map_or_else(|| self.stdin.clone(), numbers)
    }

    fn runs_here(&self) -> bool {
        consts::FAMILY == "unix" || !(self.shell || self.unix)
    }

    fn expected(&self) -> Result {
        let output = if self.output == "seq" {
            self.stdin()
        } else {
            self.output.clone()
        };
        self.result(output, self.status)
    }

    fn expected_of_theirs(&self) -> Result {
        let expected = self.expected();
        Result {
            output: self.their_output.clone().unwrap_or(expected.output),
            status: self.their_status.unwrap_or(expected.status),
        }
    }

    fn result(&self, mut output: String, status: i32) -> Result {
        if self.sorted {
            let mut lines: Vec<&str> = output.lines().collect();
            lines.sort_unstable();
            output = lines.join("\n");
        }
        Result { output, status }
    }

    /// The words for throng; tools are the scripted child or the installed ones.
    fn our_words(&self, tools_are_ours: bool) -> Vec<String> {
        let words = self.ours.as_ref().unwrap_or(&self.words);
        let mut all = vec!["run".to_owned(), "--grace".into(), "20s".into()];
        all.extend(self.shell.then(|| "--shell".to_owned()));
        for word in words {
            match word.strip_prefix("echo ") {
                _ if self.shell || self.unix || !tools_are_ours => all.push(word.clone()),
                // A value that is itself a command line.
                Some(rest) => all.push(format!("\"{}\" say {rest}", child())),
                None if word == "echo" => all.extend([child().to_owned(), "say".into()]),
                None if word == "cat" => all.extend([child().to_owned(), "cat".into()]),
                None => all.push(word.clone()),
            }
        }
        all
    }

    fn run(&self, program: &str, words: &[String], stdin: &str) -> Result {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in &self.files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        for (name, last) in &self.seq_file {
            fs::write(dir.path().join(name), numbers(*last)).unwrap();
        }
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".parallel")).unwrap();
        fs::write(home.path().join(".parallel/will-cite"), "").unwrap();
        let mut running = Command::new(program);
        without_settings(&mut running);
        let mut running = running
            .args(words)
            .current_dir(dir.path())
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = running.stdin.take().unwrap();
        let stdin = stdin.to_owned();
        let feeder = thread::spawn(move || drop(pipe.write_all(stdin.as_bytes())));
        let output = finish(running);
        feeder.join().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        self.result(text, output.status.code().unwrap_or(-1))
    }

    fn run_ours(&self, tools_are_ours: bool) -> Result {
        let mut stdin = self.stdin();
        if tools_are_ours && !self.shell && stdin.starts_with("echo ") {
            stdin = stdin.replace("echo ", &format!("\"{}\" say ", child()));
        }
        let words = self.our_words(tools_are_ours);
        self.run(env!("CARGO_BIN_EXE_throng"), &words, &stdin)
    }

    fn run_theirs(&self) -> Result {
        let words = self.theirs.as_ref().unwrap_or(&self.words);
        self.run("parallel", words, &self.stdin())
    }
}

/// The version, if this is GNU parallel.
fn gnu_parallel() -> Option<String> {
    let output = Command::new("parallel").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.lines().next()?.strip_prefix("GNU parallel ")?;
    Some(version.to_owned())
}

fn has_module(name: &str) -> bool {
    let module = Command::new("perl")
        .arg(format!("-M{name}"))
        .arg("-e1")
        .output();
    module.is_ok_and(|output| output.status.success())
}

/// Runs this for all scenarios, several at a time; results are in the order of the scenarios.
fn at_once<T: Send>(scenarios: &[Scenario], run: impl Fn(&Scenario) -> T + Sync) -> Vec<T> {
    const THREADS: usize = 4;
    let each = scenarios.len().div_ceil(THREADS).max(1);
    thread::scope(|scope| {
        let chunks = scenarios.chunks(each);
        let run = &run;
        let workers: Vec<_> = chunks
            .map(|chunk| scope.spawn(move || chunk.iter().map(run).collect::<Vec<_>>()))
            .collect();
        let results = workers.into_iter().map(|worker| worker.join().unwrap());
        results.flatten().collect()
    })
}

#[test]
fn scenarios_have_the_expected_output() {
    let mut scenarios = scenarios();
    assert!(scenarios.len() >= 60, "{}", scenarios.len());
    scenarios.retain(Scenario::runs_here);
    let results = at_once(&scenarios, |scenario| scenario.run_ours(true));
    let mut wrong = String::new();
    for (scenario, found) in scenarios.iter().zip(results) {
        let expected = scenario.expected();
        if found != expected {
            let _ = writeln!(wrong, "{}:\n  {found:?}\n  {expected:?}", scenario.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn gnu_parallel_prints_the_same_unless_marked_otherwise() {
    let Some(version) = gnu_parallel() else {
        return;
    };
    // Deliberate differences may look different with another version.
    let is_known = version == "20221122";
    let mut scenarios = scenarios();
    scenarios.retain(|scenario| scenario.needs.as_deref().is_none_or(has_module));
    let results = at_once(&scenarios, |scenario| {
        (scenario.run_ours(false), scenario.run_theirs())
    });
    let mut wrong = String::new();
    let mut report = String::from(REPORT_HEAD);
    let mut different = 0;
    for (scenario, (ours, theirs)) in scenarios.iter().zip(&results) {
        let name = &scenario.name;
        let knows_theirs = is_known || scenario.differs.is_none();
        let theirs_is_wrong = knows_theirs && *theirs != scenario.expected_of_theirs();
        if *ours != scenario.expected() || theirs_is_wrong {
            let _ = writeln!(wrong, "{name}:\n  ours {ours:?}\n  theirs {theirs:?}");
        }
        let verdict = match &scenario.differs {
            _ if ours == theirs => "same",
            Some(why) => why,
            None => "not explained",
        };
        if knows_theirs && (ours == theirs) != scenario.differs.is_none() {
            let _ = writeln!(wrong, "{name}: {verdict}, but it is marked otherwise");
        }
        different += i32::from(ours != theirs);
        let (theirs, ours) = (cell(theirs), cell(ours));
        let verdict = verdict.replace('|', "\\|");
        let _ = writeln!(report, "| {name} | {theirs} | {ours} | {verdict} |");
    }
    let count = results.len();
    let _ = writeln!(
        report,
        "\n{count} scenarios, {different} of them different on purpose."
    );
    if let Some(path) = std::env::var_os("THRONG_SCENARIOS") {
        fs::write(Path::new("../..").join(path), report).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const REPORT_HEAD: &str = "\
# Scenarios, side by side

Made with GNU parallel 20221122 by
`THRONG_SCENARIOS=docs/scenarios.md cargo nextest run -p throng-cli --test suite scenarios`. A line
end is shown as `⏎`, a tab as `→`.

| scenario | GNU parallel | throng | |
|---|---|---|---|
";

/// A result in a table.
fn cell(result: &Result) -> String {
    let mut shown = result.output.replace('\n', "⏎").replace('\t', "→");
    if shown.chars().count() > 60 {
        shown = shown.chars().take(57).collect::<String>() + "...";
    }
    let shown = shown.replace('|', "\\|").replace('`', "´");
    let status = match result.status {
        0 => String::new(),
        status => format!(" status {status}"),
    };
    if shown.is_empty() {
        format!("nothing{status}")
    } else {
        format!("`{shown}`{status}")
    }
}
