//! What the kernel tells of processes in /proc. Read with `std` alone: the figures are exact enough
//! (processor time comes in ticks of 10 ms), and no unsafe call is needed.

use std::fs;

use anyhow::{Context, Result};

/// Processor time of this process and of the processes that it has waited for, user and system.
pub(crate) fn cpu_s() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("read /proc/self/stat")?;
    let ticks = cpu_ticks(&stat).context("no processor times in /proc/self/stat")?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Fields 14 to 17 of proc(5): utime, stime, cutime, cstime. They are counted from the end of the
/// name in parentheses, which may itself contain blanks and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter();
    ticks.map(|field| field.parse::<u64>().ok()).sum()
}

/// Processor time that the whole machine has used, or that its host has given to others.
pub(crate) fn machine_cpu_s() -> Result<Option<f64>> {
    let stat = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    let ticks = busy_ticks(&stat).context("no processor times in /proc/stat")?;
    Ok(Some(
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
    ))
}

/// All of the first line but idle and iowait; guest times are part of user times already.
fn busy_ticks(stat: &str) -> Option<u64> {
    let fields = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace();
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    Some(user + nice + system + irq + softirq + steal)
}

/// The figures of /proc/PID/status that we use. A process that has ended has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) threads: u64,
    pub(crate) rss_bytes: u64,
    pub(crate) peak_rss_bytes: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Usage> {
        let path = format!("/proc/{pid}/status");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        Usage::parse(&text).with_context(|| format!("process {pid} has ended"))
    }

    fn parse(text: &str) -> Option<Usage> {
        let number = |name: &str| -> Option<u64> {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            let (_, value) = lines.find(|(key, _)| *key == name)?;
            value.split_whitespace().next()?.parse().ok()
        };
        Some(Usage {
            threads: number("Threads")?,
            rss_bytes: number("VmRSS")? * 1024,
            peak_rss_bytes: number("VmHWM")? * 1024,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_are_found_after_a_name_with_parentheses() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 9 8 7 6 10 20 300 4000 20 0 1 0 5";
        assert_eq!(cpu_ticks(stat), Some(4330));
        assert_eq!(cpu_ticks("42 (short) S 1"), None);
    }

    #[test]
    fn the_machine_is_busy_when_it_is_not_idle() {
        let stat = "cpu  1 20 300 4000 50000 6 70 800 9 9\ncpu0 0 0 0\n";
        assert_eq!(busy_ticks(stat), Some(1_197));
        assert!(machine_cpu_s().expect("/proc is mounted") >= Some(0.0));
    }

    #[test]
    fn status_is_read_in_bytes() {
        let text = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\nThreads:\t3\n";
        let expected = Usage {
            threads: 3,
            rss_bytes: 1 << 20,
            peak_rss_bytes: 2 << 20,
        };
        assert_eq!(Usage::parse(text), Some(expected));
        assert_eq!(Usage::parse("Name:\tzombie\nThreads:\t1\n"), None);
    }

    #[test]
    fn this_process_has_figures() {
        let own = std::process::id();
        assert!(cpu_s().expect("/proc is mounted") >= 0.0);
        assert!(Usage::of(own).expect("it lives").threads >= 1);
    }
}
