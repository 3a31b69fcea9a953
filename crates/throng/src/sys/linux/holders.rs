//! Who else has a pipe open: asked of /proc, where every descriptor of a pipe is a link to
//! `pipe:[inode]`. Processes of other users do not tell; then nobody is named.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use crate::Holder;

/// The processes, other than this one, that have the pipe open.
pub(super) fn find(pipe: &OwnedFd) -> Vec<Holder> {
    let Ok(stat) = rustix::fs::fstat(pipe) else {
        return Vec::new();
    };
    let link = format!("pipe:[{}]", stat.st_ino);
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id();
    let mut holders: Vec<Holder> = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own && has_open(*pid, OsStr::new(&link)))
        .map(|pid| Holder {
            pid,
            argv: command_line(pid),
        })
        .collect();
    holders.sort_by_key(|holder| holder.pid);
    holders
}

fn has_open(pid: u32, link: &OsStr) -> bool {
    let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    fds.flatten()
        .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == link))
}

fn command_line(pid: u32) -> Vec<OsString> {
    let mut line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if line.last() == Some(&0) {
        line.pop();
    }
    if line.is_empty() {
        return Vec::new();
    }
    line.split(|byte| *byte == 0)
        .map(|arg| OsStr::from_bytes(arg).to_owned())
        .collect()
}
