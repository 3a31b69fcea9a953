//! What the kernel says of its limits, and of what makes starts dear. Reads only.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{getxattr, statfs, statvfs};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use rustix::time::{ClockId, clock_gettime};
use throng::os::linux::{Cgroups, probe_cgroups};

use super::gauge;
use crate::size::with_commas;
use crate::sys::api::Finding;
use crate::sys::api::Gauge;

pub(crate) const SLOW_STARTS: &str =
    "audit rules, security modules or a sandbox may be looking at each";

/// tmpfs, by linux/magic.h.
const TMPFS: u64 = 0x0102_1994;

pub(crate) fn findings() -> Vec<Finding> {
    let all = [
        kernel(),
        open_files(),
        processes(),
        pids(),
        control_group(),
        control_groups(),
        memory(),
        temporary_files(),
        io_uring(),
        pidfd(),
        seccomp(),
        audit(),
    ];
    all.into_iter().flatten().collect()
}

pub(crate) fn own_cpu() -> Option<Duration> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(Duration::new(
        time.tv_sec.try_into().ok()?,
        time.tv_nsec.try_into().ok()?,
    ))
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    let text = super::read_text(path).ok()?;
    Some(text.trim().to_owned())
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    read(path)?.parse().ok()
}

fn kernel() -> Option<Finding> {
    let release = read("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Some(Finding::new(
        "kernel",
        format!("Linux {release}, {cores} cores for us"),
    ))
}

/// The soft and the hard limit of this name.
fn limit(name: &str) -> Option<(String, String)> {
    let limits = read("/proc/self/limits")?;
    parse_limit(&limits, name)
}

fn parse_limit(limits: &str, name: &str) -> Option<(String, String)> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let mut words = line.split_whitespace();
    let mut next = || {
        let word = words.next()?;
        Some(word.parse().map_or_else(|_| word.to_owned(), with_commas))
    };
    Some((next()?, next()?))
}

fn open_files() -> Option<Finding> {
    let (soft, hard) = limit("Max open files")?;
    let value = format!("{soft}, and up to {hard}, which throng makes use of");
    Some(Finding::new("open files", value).hint("each process that runs takes two or three"))
}

fn processes() -> Option<Finding> {
    let (soft, hard) = limit("Max processes")?;
    let value = format!("{soft} of this user's, and up to {hard}");
    Some(Finding::new("processes", value))
}

fn pids() -> Option<Finding> {
    let pid_max = number("/proc/sys/kernel/pid_max")?;
    let threads_max = number("/proc/sys/kernel/threads-max")?;
    let load = read("/proc/loadavg")?;
    let now = load.split([' ', '/']).nth(4)?.parse().ok()?;
    let value = format!(
        "{} ids, {} threads; {} threads there are now",
        with_commas(pid_max),
        with_commas(threads_max),
        with_commas(now)
    );
    Some(Finding::new("machine", value))
}

fn control_group() -> Option<Finding> {
    let group = gauge::group()?;
    let said = |name: &str| {
        let value = read(group.join(name))?;
        let used = read(group.join(name.replace("max", "current")));
        Some((value, used.unwrap_or_default()))
    };
    let part = |name: &str, what: &str| {
        let (max, used) = said(name)?;
        Some(format!("{what} {max} ({used} used)"))
    };
    let parts = [
        part("pids.max", "processes"),
        part("memory.max", "bytes of memory"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let cpu = read(group.join("cpu.max")).filter(|cpu| !cpu.starts_with("max"));
    let mut value = parts.join(", ");
    if value.is_empty() {
        value = "no limits of its own".into();
    }
    let finding = Finding::new("control group", value);
    Some(match cpu {
        Some(cpu) => finding.hint(format!("processor time is limited: {cpu} (microseconds)")),
        None => finding,
    })
}

/// Whether `--cgroup` has something to work with. It is tried, and what is made is removed.
fn control_groups() -> Option<Finding> {
    let name = "--cgroup";
    let home = match probe_cgroups(Cgroups::Command) {
        Ok(home) => home,
        Err(error) => {
            let hint = "only who leaves group, family and environment behind gets away without";
            return Some(Finding::new(name, error.to_string()).hint(hint));
        }
    };
    let finding = Finding::new(name, format!("available below {}", home.display()));
    // systemd marks what it has handed over (systemd.resource-control(5), `Delegate=`).
    let has_systemd = Path::new("/run/systemd/system").is_dir();
    let is_delegated = |group: &Path| getxattr(group, "user.delegate", &mut [0u8; 8]).is_ok();
    Some(if has_systemd && !home.ancestors().any(is_delegated) {
        finding.hint(
            "systemd has not delegated it, and may not expect groups there; ask it for one: \
             systemd-run --user --scope -p Delegate=yes throng run ...",
        )
    } else {
        finding
    })
}

fn memory() -> Option<Finding> {
    let free = Gauge::FreeMemory.read().ok()?;
    let mib = with_commas((free / f64::from(1 << 20)) as u64);
    Some(Finding::new("memory", format!("{mib} MiB available")))
}

fn temporary_files() -> Option<Finding> {
    let dir = throng::Builder::default().get_spill_dir();
    let stat = statvfs(&dir).ok()?;
    let mib = with_commas(stat.f_bavail.saturating_mul(stat.f_frsize) >> 20);
    let value = format!("{mib} MiB free in {}", dir.display());
    let finding = Finding::new("temporary files", value);
    let is_memory = statfs(&dir).is_ok_and(|stat| stat.f_type as u64 == TMPFS);
    Some(if is_memory {
        finding.hint("that is memory (tmpfs), and so is /var/tmp if there is one; see --tmpdir")
    } else {
        finding
    })
}

fn io_uring() -> Option<Finding> {
    let value = match number("/proc/sys/kernel/io_uring_disabled") {
        None | Some(0) => "not disabled by the kernel's settings",
        Some(1) => "for privileged processes only (kernel.io_uring_disabled)",
        Some(_) => "disabled (kernel.io_uring_disabled)",
    };
    Some(Finding::new("io_uring", value))
}

fn pidfd() -> Option<Finding> {
    let finding = Finding::new("pidfd", "");
    Some(match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Finding {
            value: "there".into(),
            ..finding
        },
        Err(error) => Finding {
            value: format!("not there: {error}"),
            ..finding
        }
        .hint("exits are looked for in intervals; the kernel has it since 5.3"),
    })
}

fn seccomp() -> Option<Finding> {
    let status = read("/proc/self/status")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u32>().ok()
    };
    let mode = field("Seccomp:")?;
    if mode == 0 {
        return Some(Finding::new("seccomp", "off"));
    }
    let filters = field("Seccomp_filters:").map_or_else(|| "some".into(), |n| n.to_string());
    let finding = Finding::new("seccomp", format!("on, with {filters} filters"));
    Some(finding.hint("each system call passes through them, and some may be refused"))
}

/// Rules cannot be seen without privileges; that somebody collects what they say can.
fn audit() -> Option<Finding> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut names = processes.filter_map(|entry| read(entry.path().join("comm")));
    let collects = names.any(|name| name == "auditd");
    Some(if collects {
        let finding = Finding::new("audit", "auditd runs");
        finding.hint("rules for execve make each start dearer; `auditctl -l` lists them")
    } else {
        Finding::new("audit", "no auditd that we can see")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let limits = "Limit                 Soft Limit     Hard Limit     Units\n\
                      Max processes         unlimited      unlimited      processes\n\
                      Max open files        1024           1048576        files\n";
        let two = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(
            parse_limit(limits, "Max open files"),
            two("1,024", "1,048,576")
        );
        assert_eq!(
            parse_limit(limits, "Max processes"),
            two("unlimited", "unlimited")
        );
        assert_eq!(parse_limit(limits, "Max cheese"), None);
    }

    #[test]
    fn findings_have_names_and_values() {
        let all = findings();
        assert!(all.len() >= 6, "{all:?}");
        assert!(
            all.iter().all(|finding| !finding.value.is_empty()),
            "{all:?}"
        );
        let groups = all.iter().find(|finding| finding.name == "--cgroup");
        let said = &groups.unwrap().value;
        match probe_cgroups(Cgroups::Command) {
            Ok(home) => assert!(said.ends_with(home.to_str().unwrap()), "{said}"),
            Err(refusal) => assert_eq!(*said, refusal.to_string()),
        }
        assert!(own_cpu().unwrap() > Duration::ZERO);
    }
}
