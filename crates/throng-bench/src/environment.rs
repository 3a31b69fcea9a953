//! On what, with what and when it was measured. What cannot be found out is left out.

use std::thread;

use serde::Serialize;

use crate::lookup::{Lookup, Tool, first_line, on_path};
use crate::sys::{self, Machine};

/// The crates among the rivals; their versions are those that this program was built with.
const RIVAL_CRATES: [&str; 3] = ["tokio", "async-process", "compio-process"];
const LOCK_FILE: &str = include_str!("../../../Cargo.lock");

/// As wide as the report may be.
const COLUMNS: usize = 100;

const TOOLS: [Tool; 5] = [
    Tool::Throng,
    Tool::RustParallel,
    Tool::Parallel,
    Tool::Xargs,
    Tool::Xe,
];

/// The machine and the programs.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    date: Option<String>,
    #[serde(flatten)]
    machine: Machine,
    cores: usize,
    debug_build: bool,
    commit: Option<String>,
    /// What a build would use now.
    rustc: Option<String>,
    cc: Option<String>,
    rivals: Vec<String>,
}

impl Environment {
    pub(crate) fn read(lookup: &Lookup) -> Environment {
        let crates = RIVAL_CRATES
            .iter()
            .filter_map(|name| Some(format!("{name} {}", locked_version(LOCK_FILE, name)?)));
        let tools = TOOLS.iter().filter_map(|&tool| lookup.version(tool));
        Environment {
            date: printed_by("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            machine: Machine::read(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            debug_build: cfg!(debug_assertions),
            commit: commit(),
            rustc: printed_by("rustc", &["--version"]),
            cc: printed_by("cc", &["--version"]),
            rivals: crates.chain(tools).collect(),
        }
    }

    /// For people, a fact or two a line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let known = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "unknown".into());
        let memory = self.machine.memory_bytes.map_or("unknown".into(), |bytes| {
            format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
        });
        let build = if self.debug_build {
            "DEBUG, figures mean nothing"
        } else {
            "release"
        };
        let (cpu, cores) = (known(&self.machine.cpu), self.cores);
        let mut lines = vec![
            format!(
                "date    {}   commit {}   build {build}",
                known(&self.date),
                known(&self.commit)
            ),
            format!(
                "kernel  {} {}   load before {}",
                sys::NAME,
                known(&self.machine.kernel),
                self.load_before()
            ),
            format!("machine {cpu}, {cores} cores, {memory}"),
            format!("built   {}; {}", known(&self.rustc), known(&self.cc)),
        ];
        lines.extend(fill("rivals  ", &self.rivals));
        lines
    }

    fn load_before(&self) -> String {
        let first = self
            .machine
            .load_average
            .as_deref()
            .and_then(|text| text.split(' ').next());
        first.unwrap_or("unknown").to_owned()
    }
}

/// Lines of facts that start alike, and are as long as fits.
fn fill(start: &str, facts: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for fact in facts {
        match lines.last_mut() {
            Some(line) if line.len() + 2 + fact.len() <= COLUMNS => {
                line.push_str("; ");
                line.push_str(fact);
            }
            _ => lines.push(format!("{start}{fact}")),
        }
    }
    lines
}

fn printed_by(program: &str, args: &[&str]) -> Option<String> {
    first_line(&on_path(program)?, args)
}

fn commit() -> Option<String> {
    let commit = printed_by("git", &["rev-parse", "--short=12", "HEAD"])?;
    let changed = printed_by("git", &["status", "--porcelain"]).is_some();
    Some(if changed {
        format!("{commit} with changes")
    } else {
        commit
    })
}

fn locked_version(lock_file: &str, name: &str) -> Option<String> {
    let package = lock_file.split("[[package]]").find(|package| {
        package
            .lines()
            .any(|line| line == format!("name = \"{name}\""))
    })?;
    let line = package
        .lines()
        .find_map(|line| line.strip_prefix("version = \""))?;
    line.strip_suffix('"').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        let text = "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"b\"\n";
        assert_eq!(locked_version(text, "a").as_deref(), Some("1.2.3"));
        assert_eq!(locked_version(text, "b"), None);
        for name in RIVAL_CRATES {
            assert!(locked_version(LOCK_FILE, name).is_some(), "{name}");
        }
    }

    #[test]
    fn facts_are_wrapped_into_lines() {
        let facts = ["a".repeat(40), "b".repeat(40), "c".repeat(40)];
        let lines = fill("x ", &facts);
        let expected = [
            format!("x {}; {}", facts[0], facts[1]),
            format!("x {}", facts[2]),
        ];
        assert_eq!(lines, expected);
    }
}
