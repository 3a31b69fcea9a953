//! What the kernel tells of the machine. What cannot be found out is left out.

use std::fs;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: Option<String>,
    pub(crate) cpu: Option<String>,
    pub(crate) memory_bytes: Option<u64>,
    /// Others that were using the machine, to be seen in the load before the start.
    pub(crate) load_average: Option<String>,
    /// With huge pages, copying a parent's page tables costs far less.
    pub(crate) transparent_hugepage: Option<String>,
}

impl Machine {
    pub(crate) fn read() -> Machine {
        Machine {
            kernel: line("/proc/sys/kernel/osrelease"),
            cpu: field("/proc/cpuinfo", "model name"),
            memory_bytes: field("/proc/meminfo", "MemTotal").and_then(|text| kib_in_bytes(&text)),
            load_average: line("/proc/loadavg"),
            transparent_hugepage: line("/sys/kernel/mm/transparent_hugepage/enabled"),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_reported_in_bytes() {
        assert_eq!(kib_in_bytes("24683520 kB"), Some(25_275_924_480));
        assert_eq!(kib_in_bytes("much"), None);
    }
}
