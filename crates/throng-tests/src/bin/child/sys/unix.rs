//! The steps on Unix: `close` replaces the stream with /dev/null, which closes it; `die` is
//! SIGKILL; `ignore-term` catches SIGTERM and does nothing. And the steps that exist only on Unix.
//!
//! | step | what it does |
//! |---|---|
//! | `signal:NAME` | sends itself this signal |
//! | `exit-at-term:CODE` | ends with this exit code when SIGTERM comes |
//! | `setsid` | leaves for a session of its own |
//! | `daemon:STEPS` | leaves a grandchild with these steps, no stream and a session of its own |
//! | `daemon-holder:STEPS` | the same with both streams |
//! | `bare-daemon:STEPS` | as `daemon`, with an empty environment |
//! | `bare-orphan:STEPS` | as `bare-daemon`, in its present session and group |
//! | `bare-session:STEPS` | starts a child with an empty environment and a session of its own |
//! | `pgid` | prints its pid and its process group |
//! | `join-group:PGID` | leaves its own process group for this one |
//! | `hop:PATH` | starts itself again in another session, and ends, while this file exists |
//! | `bare-hop:PATH` | the same with an empty environment |
//! | `rob-out` | reads its own stdout from here on, as fast as it can |
//! | `fds` | prints which descriptors it has |
//! | `nofile` | prints its soft limit on open files |

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use rustix::fs::OFlags;
use rustix::process::{
    Pid, Resource, Signal, getpgrp, getpid, getrlimit, kill_process, setpgid, setsid,
};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use throng_tests::Source;

pub(crate) fn take_step(name: &str, value: &str) {
    match name {
        "close" => close(value),
        "zero-write" => zero_write(value),
        "die" => kill_process(getpid(), Signal::KILL).expect("we may signal ourselves"),
        "signal" => kill_process(getpid(), signal(value)).expect("we may signal ourselves"),
        "ignore-term" => {
            let noticed = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(SIGTERM, noticed).expect("SIGTERM can be caught");
        }
        "exit-at-term" => {
            let code = value.parse().expect("an exit code");
            let mut signals = Signals::new([SIGTERM]).expect("SIGTERM can be caught");
            thread::spawn(move || signals.forever().next().map(|_| process::exit(code)));
        }
        "setsid" => drop(setsid().expect("we lead no group")),
        "daemon" => leave_behind(own_program().arg("setsid"), &format!("quiet:{value}")),
        "daemon-holder" => leave_behind(own_program().arg("setsid"), &format!("holder:{value}")),
        "bare-daemon" => {
            leave_behind(
                own_program().env_clear().arg("setsid"),
                &format!("quiet:{value}"),
            );
        }
        "bare-orphan" => leave_behind(own_program().env_clear(), &format!("quiet:{value}")),
        "hop" => hop(&mut own_program(), value),
        "bare-hop" => hop(own_program().env_clear(), value),
        "bare-session" => {
            let mut program = own_program();
            program
                .env_clear()
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let steps = ["setsid"].into_iter().chain(value.split(','));
            drop(program.args(steps).spawn().expect("it can be started"));
        }
        "pgid" => say(&format!("{} {}", getpid(), getpgrp())),
        "join-group" => {
            let group = value.parse().ok().and_then(Pid::from_raw);
            setpgid(None, group).expect("it is in our session");
        }
        "rob-out" => rob_stdout(),
        "fds" => say(&open_fds()),
        "nofile" => {
            let limit = getrlimit(Resource::Nofile).current;
            say(&limit.map_or("unlimited".into(), |limit| limit.to_string()));
        }
        "priority" => {
            let nice = rustix::process::nice(0).expect("it can be asked for");
            say(&nice.to_string());
        }
        "stdin-kind" => say(stdin_kind()),
        _ => panic!("\"{name}\" is not a step"),
    }
}

/// What is started has what it is given, and nothing else.
pub(crate) fn keep_streams_to_ourselves() {}

fn own_program() -> Command {
    let mut program = Command::new(env::current_exe().expect("we have a program"));
    program.stdin(Stdio::null());
    program
}

/// A double fork: the child starts the grandchild that this step creates, and exits. A request to
/// end that arrives when the grandchild already runs may still reach the child, which obeys it.
fn leave_behind(program: &mut Command, step: &str) {
    let status = program.arg(step).status().expect("it can be started");
    let was_asked_to_end = status.signal() == Some(SIGTERM);
    assert!(status.success() || was_asked_to_end, "{status}");
}

/// Goes on in a new process, which does everything that this process does.
fn hop(program: &mut Command, path: &str) {
    if Path::new(path).exists() {
        let steps = env::args_os().skip(1).filter(|step| step != "setsid");
        program.arg("setsid").args(steps);
        program.stdout(Stdio::null()).stderr(Stdio::null());
        drop(program.spawn().expect("it can be started"));
    }
    std::process::exit(0);
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

/// A process with permission to inspect our descriptors could do this; for a test the child does it
/// itself.
fn rob_stdout() {
    let mut options = File::options();
    let options = options.custom_flags(OFlags::NONBLOCK.bits() as i32);
    let opened = options.read(true).open("/proc/self/fd/1");
    let mut stdout = opened.expect("it is a pipe");
    thread::spawn(move || {
        let mut loot = [0; 4096];
        loop {
            // An empty pipe is tried again; it has a writer as long as this process lives.
            if stdout.read(&mut loot).is_err() {
                thread::yield_now();
            }
        }
    });
}

fn zero_write(stream: &str) {
    let written = match stream {
        "out" => rustix::io::write(rustix::stdio::stdout(), &[]),
        "err" => rustix::io::write(rustix::stdio::stderr(), &[]),
        _ => panic!("\"{stream}\" is not a stream"),
    };
    assert_eq!(written, Ok(0));
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
