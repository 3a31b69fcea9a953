//! Ends processes under Wine that hang in their own exit: a fault of Wine 8.0 (docs/windows.md).
//!
//! Such a process has called `exit` in Wine's `ntdll.so`, which waits for a lock of the dynamic
//! loader that no remaining thread can release. Wine's server knows its exit code by then, and
//! reports it once the process is gone. Tests that wait for such a process would wait for ever.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// A process that waits for that lock twice, this long apart, waits for ever.
const EVERY: Duration = Duration::from_secs(3);

/// Ends such processes of all prefixes in a directory for as long as this is there.
#[derive(Debug)]
pub(crate) struct Watchdog {
    _stop: Sender<()>,
}

impl Watchdog {
    pub(crate) fn start(prefixes: &Path) -> Watchdog {
        let (stop, stopped) = channel();
        let variable = [b"WINEPREFIX=", prefixes.as_os_str().as_encoded_bytes()].concat();
        thread::spawn(move || watch(&variable, &stopped));
        Watchdog { _stop: stop }
    }
}

fn watch(variable: &[u8], stopped: &Receiver<()>) {
    let mut before = Vec::new();
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        let stuck = stuck(variable);
        for pid in stuck.iter().filter(|pid| before.contains(*pid)) {
            eprintln!("xtask: Wine's process {pid} hangs in its exit, and is ended");
            let _ = Command::new("kill").args(["-9", pid]).status();
        }
        before = stuck;
    }
}

/// The processes that have this at the beginning of a variable, and are stuck.
fn stuck(variable: &[u8]) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let pids = pids.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    pids.filter(|pid| is_stuck(pid) == Some(true) && has(pid, variable))
        .collect()
}

fn has(pid: &str, variable: &[u8]) -> bool {
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environ
        .split(|byte| *byte == 0)
        .any(|one| one.starts_with(variable))
}

/// Whether the only thread of a process waits for a futex (futex(2), the number of the call for
/// x86-64) in the data of the dynamic loader.
fn is_stuck(pid: &str) -> Option<bool> {
    let call = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    let mut words = call.split_whitespace();
    if words.next() != Some("202") || fs::read_dir(format!("/proc/{pid}/task")).ok()?.count() != 1 {
        return Some(false);
    }
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let futex = number(words.next()?)?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mapping = maps.lines().find(|line| {
        let range = line.split_whitespace().next();
        let range = range.and_then(|range| range.split_once('-'));
        range.is_some_and(|(begin, end)| {
            number(begin).is_some_and(|begin| begin <= futex)
                && number(end).is_some_and(|end| futex < end)
        })
    })?;
    let file = Path::new(mapping.split_whitespace().last()?).file_name()?;
    Some(file.as_encoded_bytes().starts_with(b"ld-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_waits_for_something_else_is_not_stuck() {
        if cfg!(windows) {
            return;
        }
        let own = std::process::id().to_string();
        assert_eq!(is_stuck(&own), Some(false));
        assert!(!stuck(b"PATH=").contains(&own));
        assert!(has(&own, b"PATH="));
    }
}
