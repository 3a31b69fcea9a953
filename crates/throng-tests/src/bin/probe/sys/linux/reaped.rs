//! The modes in which other code of this program waits for all children, including those of throng,
//! as careless libraries do.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{WaitId, WaitIdOptions, waitid};
use throng::{KillSequence, OnHeld, Signal, Throng};
use throng_tests::{Tag, eventually};

use super::scenarios;
use crate::setting::Setting;

/// Where the system counts process ids, and lets root set the next one.
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

/// Takes the exit status of every child that ends, from here on.
fn reap_all() {
    thread::spawn(|| {
        loop {
            if waitid(WaitId::All, WaitIdOptions::EXITED).is_err() {
                // There is no child at all.
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
}

/// The scenarios, with all statuses taken.
pub(super) fn scenarios(setting: &Setting) {
    reap_all();
    scenarios::run_reaped(setting);
}

/// A process whose id, after its status was taken, is given to an unrelated process; then the rest
/// of its tree is ended. For a PID namespace that nothing else uses.
pub(super) fn reused(setting: &Setting) {
    if let Err(error) = fs::write(LAST_PID, "1000") {
        return println!("skipped=no process id can be chosen: {error}");
    }
    reap_all();
    // What it has left behind holds its stream, and is ended by a kill.
    held_then_killed(setting);
    // It ends when it is asked to, and what it has left behind does not.
    asked_then_killed(setting);
}

fn held_then_killed(setting: &Setting) {
    let tag = Tag::new();
    let steps = format!("daemon-holder:{tag},sleep:90000 pgid exit:0");
    let (throng, pid) = listening(setting);
    let process = throng.spawn(setting.child(&steps).on_held(OnHeld::Wait));
    let pid = pid.get();
    eventually("it is gone", || !exists(pid));
    // Nothing shows whether the throng has noticed; it should not matter.
    thread::sleep(Duration::from_millis(100));
    let stranger = Stranger::with(setting, pid);
    process.kill();
    let outcome = process.wait().expect("an outcome comes");
    println!("killed-verdict={}", outcome.verdict(throng::Stream::Stdout));
    println!("killed-left={}", tag.pids().len());
    println!("killed-stranger={}", stranger.state());
}

fn asked_then_killed(setting: &Setting) {
    let tag = Tag::new();
    let holder = format!("daemon-holder:ignore-term,{tag},sleep:90000");
    let steps = format!("{holder} pgid sleep:90000");
    let (throng, pid) = listening(setting);
    let process = throng.spawn(&setting.child(&steps));
    let pid = pid.get();
    tag.await_deaf(1);
    process.cancel();
    eventually("it is gone", || !exists(pid));
    let stranger = Stranger::with(setting, pid);
    process.kill();
    process.wait().expect("an outcome comes");
    println!("asked-left={}", tag.pids().len());
    println!("asked-stranger={}", stranger.state());
}

/// A throng, and the process id that its one process will report.
fn listening(setting: &Setting) -> (Throng, SaidPid) {
    let said = SaidPid::default();
    let ears = said.clone();
    let long = KillSequence::new(Signal::Term, Duration::from_secs(600));
    let builder = setting.builder().jobs(2).kill_sequence(long);
    let builder = builder.on_output(move |output| ears.hear(output.bytes));
    (builder.build().expect("a throng can be built"), said)
}

#[derive(Clone, Default)]
struct SaidPid(Arc<Mutex<String>>);

impl SaidPid {
    fn hear(&self, bytes: &[u8]) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *said += &String::from_utf8_lossy(bytes);
    }

    /// The id comes in one piece, as "PID GROUP".
    fn get(&self) -> u32 {
        let mut pid = None;
        eventually("it says its id", || {
            let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            pid = said.split_once(' ').and_then(|(pid, _)| pid.parse().ok());
            pid.is_some()
        });
        pid.expect("it was waited for")
    }
}

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// A process that has nothing to do with any throng, in a group of its own.
struct Stranger(process::Child);

impl Stranger {
    /// Starts the process that gets this id, which is free.
    fn with(setting: &Setting, pid: u32) -> Stranger {
        for _ in 0..100 {
            fs::write(LAST_PID, (pid - 1).to_string()).expect("it could be written before");
            let mut command = process::Command::new(setting.child("").get_program());
            command.arg("sleep:90000").env_clear().process_group(0);
            let child = command.stdin(Stdio::null()).spawn();
            let stranger = Stranger(child.expect("the child can be started"));
            if stranger.0.id() == pid {
                return stranger;
            }
        }
        panic!("no process gets the id {pid}");
    }

    fn state(&self) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, after_name)| after_name);
        match state.and_then(|state| state.chars().next()) {
            Some('S' | 'R' | 'D') => "unhurt".into(),
            Some(state) => format!("in state {state}"),
            None => "ended".into(),
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may have been ended before.
        let _ = self.0.kill();
    }
}
