//! The steps that only Unix has.
//!
//! | step | what it does |
//! |---|---|
//! | `close:out` `close:err` | puts /dev/null in the place of the stream, which closes it |
//! | `signal:NAME` | sends itself this signal |
//! | `ignore-term` | catches SIGTERM and does nothing about it |
//! | `pgid` | says its pid and its process group |
//! | `join-parent-group` | leaves its own process group for that of its parent |
//! | `fds` | says which descriptors it has |
//! | `nofile` | says its soft limit on open files |
//! | `stdin-kind` | says what its stdin is |

use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{
    Resource, Signal, getpgid, getpgrp, getpid, getppid, getrlimit, kill_process, setpgid,
};
use signal_hook::consts::SIGTERM;
use throng_tests::Source;

pub(crate) fn take_step(name: &str, value: &str) {
    match name {
        "close" => close(value),
        "signal" => kill_process(getpid(), signal(value)).expect("we may signal ourselves"),
        "ignore-term" => {
            let noticed = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(SIGTERM, noticed).expect("SIGTERM can be caught");
        }
        "pgid" => say(&format!("{} {}", getpid(), getpgrp())),
        "join-parent-group" => {
            let group = getpgid(getppid()).expect("our parent has a group");
            setpgid(None, Some(group)).expect("it is in our session");
        }
        "fds" => say(&open_fds()),
        "nofile" => {
            let limit = getrlimit(Resource::Nofile).current;
            say(&limit.map_or("unlimited".into(), |limit| limit.to_string()));
        }
        "stdin-kind" => say(stdin_kind()),
        _ => panic!("\"{name}\" is not a step"),
    }
}

fn say(text: &str) {
    crate::write(Source::Out, text.as_bytes());
}

fn close(stream: &str) {
    let null = File::options()
        .write(true)
        .open("/dev/null")
        .expect("/dev/null is there");
    let closed = match stream {
        "out" => rustix::stdio::dup2_stdout(&null),
        "err" => rustix::stdio::dup2_stderr(&null),
        _ => panic!("\"{stream}\" is not a stream"),
    };
    closed.expect("it can be replaced");
}

fn signal(name: &str) -> Signal {
    match name {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "KILL" => Signal::KILL,
        "TERM" => Signal::TERM,
        "USR1" => Signal::USR1,
        "ALARM" => Signal::ALARM,
        "STOP" => Signal::STOP,
        _ => panic!("\"{name}\" is not a signal"),
    }
}

/// The descriptors that are still open when the one we list them by is closed again.
fn open_fds() -> String {
    let entries = fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    let mut fds: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    fds.retain(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).is_ok());
    fds.sort_unstable();
    fds.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

fn stdin_kind() -> &'static str {
    let null = fs::metadata("/dev/null").expect("/dev/null is there");
    let stdin = fs::metadata("/dev/stdin").expect("stdin is open");
    let kind = stdin.file_type();
    let device = |metadata: &fs::Metadata| std::os::unix::fs::MetadataExt::rdev(metadata);
    match () {
        () if kind.is_char_device() && device(&stdin) == device(&null) => "null",
        () if kind.is_file() => "file",
        () if kind.is_fifo() => "pipe",
        () => "other",
    }
}
