//! How busy the machine is, from `/proc` and from our control group.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::sys::api::Gauge;

pub(crate) fn read(gauge: Gauge) -> anyhow::Result<f64> {
    match gauge {
        Gauge::Running => running(),
        Gauge::FreeMemory => free_memory().map(|bytes| bytes as f64),
    }
}

/// How many threads of the machine are runnable, without the one that asks.
fn running() -> anyhow::Result<f64> {
    let text = super::read_text("/proc/loadavg").context("/proc/loadavg")?;
    parse_running(&text).context("/proc/loadavg says nothing of what runs")
}

/// The fourth of `0.20 0.18 0.12 1/80 11206` is of scheduling entities: running, all (proc(5)).
fn parse_running(text: &str) -> Option<f64> {
    let (running, _) = text.split(' ').nth(3)?.split_once('/')?;
    let running: u32 = running.parse().ok()?;
    Some(running.saturating_sub(1).into())
}

/// The memory that is available without swapping, on the machine and in our control group.
fn free_memory() -> anyhow::Result<u64> {
    let text = super::read_text("/proc/meminfo").context("/proc/meminfo")?;
    let here = field(&text, "MemAvailable:").context("/proc/meminfo says nothing of it")?;
    let here = here.saturating_mul(1024);
    Ok(match free_in_group() {
        Some(there) => here.min(there),
        None => here,
    })
}

fn free_in_group() -> Option<u64> {
    let group = group()?;
    // A group with a limit may be any of those that ours is in.
    let groups = group.ancestors().take_while(|dir| dir.starts_with(ROOT));
    groups.filter_map(free_in).min()
}

const ROOT: &str = "/sys/fs/cgroup";

/// The directory of the control group (version 2) that we are in.
pub(crate) fn group() -> Option<PathBuf> {
    let text = super::read_text("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let dir = Path::new(ROOT).join(path);
    dir.is_dir().then_some(dir)
}

fn free_in(group: &Path) -> Option<u64> {
    let read = |name: &str| super::read_text(group.join(name)).ok();
    let max: u64 = read("memory.max")?.trim().parse().ok()?;
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    // Files that have been read and may be forgotten count as used.
    let forgettable = read("memory.stat").and_then(|stat| field(&stat, "inactive_file"));
    Some(max.saturating_sub(used.saturating_sub(forgettable.unwrap_or(0))))
}

/// The number after this word at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_contents_of_proc_are_parsed() {
        assert_eq!(parse_running("0.20 0.18 0.12 3/80 11206\n"), Some(2.0));
        assert_eq!(parse_running("0.20"), None);
        let text = "MemTotal:  9 kB\nMemAvailable:   7 kB\n";
        assert_eq!(field(text, "MemAvailable:"), Some(7));
        assert_eq!(field(text, "SwapFree:"), None);
        assert!(free_memory().unwrap() > 0);
        assert!(running().unwrap() >= 0.0);
    }

    #[test]
    fn a_control_group_limit_reduces_free_memory() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        assert_eq!(free_in(dir.path()), None);
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        assert_eq!(free_in(dir.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(free_in(dir.path()), Some(300));
        write("memory.stat", "anon 600\ninactive_file 100\n");
        assert_eq!(free_in(dir.path()), Some(400));
    }
}
