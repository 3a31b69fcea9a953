//! The stamp: on what, with what and when it was measured. What cannot be found out is left out.

use std::fs;
use std::thread;

use serde::Serialize;

use super::contestant::Tool;
use super::lookup::{Lookup, first_line, on_path};

/// The crates among the rivals; their versions are those that this program was built with.
const RIVAL_CRATES: [&str; 3] = ["tokio", "async-process", "compio-process"];
const LOCK_FILE: &str = include_str!("../../../../../Cargo.lock");

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
    pub(crate) date: Option<String>,
    pub(crate) kernel: Option<String>,
    pub(crate) cpu: Option<String>,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: Option<u64>,
    /// Others that were using the machine, to be seen in the load before the start.
    pub(crate) load_average: Option<String>,
    /// With huge pages, copying a parent's page tables costs far less.
    pub(crate) transparent_hugepage: Option<String>,
    pub(crate) debug_build: bool,
    pub(crate) commit: Option<String>,
    /// What a build would use now.
    pub(crate) rustc: Option<String>,
    pub(crate) cc: Option<String>,
    pub(crate) rivals: Vec<String>,
}

impl Environment {
    pub(crate) fn of_this_machine(lookup: &Lookup) -> Environment {
        let crates = RIVAL_CRATES
            .iter()
            .filter_map(|name| Some(format!("{name} {}", locked_version(LOCK_FILE, name)?)));
        let tools = TOOLS.iter().filter_map(|&tool| lookup.version(tool));
        Environment {
            date: said_by("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            kernel: line("/proc/sys/kernel/osrelease"),
            cpu: field("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: field("/proc/meminfo", "MemTotal").and_then(|text| kib_in_bytes(&text)),
            load_average: line("/proc/loadavg"),
            transparent_hugepage: line("/sys/kernel/mm/transparent_hugepage/enabled"),
            debug_build: cfg!(debug_assertions),
            commit: commit(),
            rustc: said_by("rustc", &["--version"]),
            cc: said_by("cc", &["--version"]),
            rivals: crates.chain(tools).collect(),
        }
    }

    /// For people, a fact or two a line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let known = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "unknown".into());
        let memory = self.memory_bytes.map_or("unknown".into(), |bytes| {
            format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
        });
        let build = if self.debug_build {
            "DEBUG, figures mean nothing"
        } else {
            "release"
        };
        let (cpu, cores) = (known(&self.cpu), self.cores);
        let mut lines = vec![
            format!(
                "date    {}   commit {}   build {build}",
                known(&self.date),
                known(&self.commit)
            ),
            format!(
                "kernel  Linux {}   load before {}",
                known(&self.kernel),
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

fn said_by(program: &str, args: &[&str]) -> Option<String> {
    first_line(&on_path(program)?, args)
}

fn commit() -> Option<String> {
    let commit = said_by("git", &["rev-parse", "--short=12", "HEAD"])?;
    let changed = said_by("git", &["status", "--porcelain"]).is_some();
    Some(if changed {
        format!("{commit} with changes")
    } else {
        commit
    })
}

fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

fn kib_in_bytes(text: &str) -> Option<u64> {
    text.strip_suffix(" kB")?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
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
    fn facts_fill_lines() {
        let facts = ["a".repeat(40), "b".repeat(40), "c".repeat(40)];
        let lines = fill("x ", &facts);
        let expected = [
            format!("x {}; {}", facts[0], facts[1]),
            format!("x {}", facts[2]),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn memory_is_given_in_bytes() {
        assert_eq!(kib_in_bytes("24683520 kB"), Some(25_275_924_480));
        assert_eq!(kib_in_bytes("much"), None);
    }
}
