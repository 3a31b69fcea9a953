//! Who else has a pipe open: asked of /proc, where every descriptor of a pipe is a link to
//! `pipe:[inode]`. Processes of other users do not tell; then nobody is named.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::Holder;

/// The processes that can write to the pipe. Who can only read is no reason why it does not end:
/// that is ourselves, and for a moment processes that we are just starting.
pub(super) fn find(pipe: &OwnedFd) -> Vec<Holder> {
    let Ok(stat) = rustix::fs::fstat(pipe) else {
        return Vec::new();
    };
    let link = format!("pipe:[{}]", stat.st_ino);
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut holders: Vec<Holder> = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| can_write(*pid, OsStr::new(&link)))
        .map(|pid| Holder {
            pid,
            argv: command_line(pid),
        })
        .collect();
    holders.sort_by_key(|holder| holder.pid);
    holders
}

fn can_write(pid: u32, link: &OsStr) -> bool {
    let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    fds.flatten().map(|fd| fd.path()).any(|path| {
        fs::read_link(&path).is_ok_and(|target| target == link) && is_open_for_writing(&path)
    })
}

/// The permissions of such a link are those of the descriptor (proc(5)).
fn is_open_for_writing(path: &Path) -> bool {
    const OWNER_WRITES: u32 = 0o200;
    fs::symlink_metadata(path).is_ok_and(|link| link.permissions().mode() & OWNER_WRITES != 0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    #[test]
    fn only_who_can_write_holds_a_pipe() {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let pids = || {
            find(&ours)
                .iter()
                .map(|holder| holder.pid)
                .collect::<Vec<_>>()
        };
        assert_eq!(pids(), [std::process::id()]);
        drop(theirs);
        assert_eq!(pids(), [0; 0], "the reading end is still open here");
    }
}
