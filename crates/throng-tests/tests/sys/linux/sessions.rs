//! Where a process is: in a group of its own, in a session of its own, or in the group of this
//! program; and what is reported of one that is stopped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use throng::os::linux::{CommandExt, ProcessGroup};
use throng::{Builder, Cause, KillSequence, Mechanism, Signal, Throng};
use throng_tests::{
    Tag, assert_complete, assert_ended_by, child, describe, eventually, for_each_mechanism,
};

use super::stranger::Stranger;

fn builder(mechanism: Mechanism) -> Builder {
    let soon = KillSequence::new(Signal::Term, Duration::from_millis(100));
    let builder = Throng::builder().mechanism(mechanism).jobs(8);
    builder.kill_sequence(soon)
}

/// The fields from /proc: state, parent, group, session (proc_pid_stat(5)).
fn stat(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    after_name.split(' ').map(String::from).collect()
}

fn group_and_session(pid: u32) -> (u32, u32) {
    let stat = stat(pid);
    (stat[2].parse().unwrap(), stat[3].parse().unwrap())
}

/// The group and the session of a process started in this way, and its id.
fn place_of(mechanism: Mechanism, group: Option<ProcessGroup>) -> (u32, u32, u32) {
    let throng = builder(mechanism).build().unwrap();
    let tag = Tag::new();
    let mut command = child!("{tag} sleep:600000");
    if let Some(group) = group {
        command.process_group(group);
    }
    let process = throng.spawn(&command);
    tag.await_count(1);
    let pid = tag.pids()[0];
    let (group, session) = group_and_session(pid);
    process.kill();
    let outcome = process.wait().unwrap();
    assert_ended_by(&outcome, Signal::Kill);
    assert_eq!(outcome.pid(), Some(pid));
    (pid, group, session)
}

#[test]
fn a_process_is_in_a_group_of_its_own_and_in_our_session() {
    for_each_mechanism(|mechanism| {
        let (own_group, own_session) = group_and_session(std::process::id());
        for group in [
            None,
            Some(ProcessGroup::Own),
            Some(ProcessGroup::NoTerminal),
        ] {
            let (pid, group, session) = place_of(mechanism, group);
            assert_eq!((group, session), (pid, own_session));
            assert_ne!(group, own_group);
        }
    });
}

#[test]
fn a_process_may_lead_a_session_of_its_own() {
    for_each_mechanism(|mechanism| {
        let (pid, group, session) = place_of(mechanism, Some(ProcessGroup::Session));
        assert_eq!((group, session), (pid, pid));
    });
}

#[test]
fn a_process_in_our_group_is_ended_without_us() {
    for_each_mechanism(|mechanism| {
        let own = group_and_session(std::process::id());
        let (_, group, session) = place_of(mechanism, Some(ProcessGroup::Inherit));
        assert_eq!((group, session), own);
    });
}

/// With everything that it has started, and no other process of our group.
#[test]
fn a_tree_in_our_group_ends_and_we_do_not() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let stranger = Stranger::in_our_group();
        let throng = builder(mechanism).build().unwrap();
        for group in [
            ProcessGroup::Inherit,
            ProcessGroup::Session,
            ProcessGroup::NoTerminal,
        ] {
            let deaf = format!("ignore-term,{tag},sleep:600000");
            let steps = format!("ignore-term {tag} quiet:{deaf} daemon:{deaf} sleep:600000");
            let mut command = child!("{steps}");
            let process = throng.spawn(command.process_group(group));
            tag.await_deaf(3);
            process.cancel();
            let outcome = process.wait().unwrap();
            assert_ended_by(&outcome, Signal::Kill);
            assert_eq!(tag.pids(), [0; 0], "{group:?}: {}", describe(&outcome));
            assert!(outcome.survivors().is_empty());
        }
        assert!(stranger.is_unhurt());
    });
}

#[test]
fn a_timeout_and_a_suspension_reach_a_process_in_any_group() {
    for_each_mechanism(|mechanism| {
        for group in [
            ProcessGroup::Own,
            ProcessGroup::Session,
            ProcessGroup::NoTerminal,
            ProcessGroup::Inherit,
        ] {
            let throng = builder(mechanism).build().unwrap();
            let tag = Tag::new();
            let mut command = child!("{tag} sleep:600000");
            let process = throng.spawn(command.process_group(group));
            tag.await_count(1);
            let pid = tag.pids()[0];
            assert!(throng.suspend());
            eventually("it stands still", || stat(pid)[0] == "T");
            throng.resume();
            eventually("it goes on", || stat(pid)[0] != "T");
            throng.end_older(Duration::ZERO);
            let outcome = process.wait().unwrap();
            assert_eq!(outcome.ended_by(), Some(Cause::Timeout), "{group:?}");
        }
    });
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    seq: u64,
    program: String,
    pid: u32,
    signal: i32,
}

/// A throng, and the stops that were reported.
fn watching(mechanism: Mechanism) -> (Throng, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let eyes = seen.clone();
    let builder = builder(mechanism).on_stopped(move |stopped: throng::Stopped<'_>| {
        eyes.lock().unwrap().push(Seen {
            seq: stopped.seq,
            program: stopped.command.get_program().display().to_string(),
            pid: stopped.pid,
            signal: stopped.signal,
        });
    });
    (builder.build().unwrap(), seen)
}

#[test]
fn a_process_that_stops_itself_is_reported_once() {
    for_each_mechanism(|mechanism| {
        let (throng, seen) = watching(mechanism);
        // The second is the one that is reported.
        assert_complete(&throng.spawn(&child!("out:9")).wait().unwrap());
        let tag = Tag::new();
        let command = child!("{tag} out:5 signal:STOP out:5 exit:3");
        let process = throng.spawn(&command);
        eventually("its stop is told of", || !seen.lock().unwrap().is_empty());
        let [pid] = tag.pids()[..] else {
            panic!("one process has this mark");
        };
        let expected = Seen {
            seq: 1,
            program: command.get_program().display().to_string(),
            pid,
            signal: 19,
        };
        assert_eq!(*seen.lock().unwrap(), std::slice::from_ref(&expected));
        let to = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(to, rustix::process::Signal::CONT).unwrap();
        let outcome = process.wait().unwrap();
        assert_complete(&outcome);
        assert_eq!(outcome.stdout().len(), 10);
        assert_eq!(outcome.status().unwrap().code(), Some(3));
        assert_eq!(*seen.lock().unwrap(), [expected], "once");
    });
}

#[test]
fn a_process_that_stops_again_is_reported_again_and_ended_by_its_timeout() {
    for_each_mechanism(|mechanism| {
        let (throng, seen) = watching(mechanism);
        let tag = Tag::new();
        let process = throng.spawn(&child!("{tag} signal:STOP signal:STOP sleep:600000"));
        let count = || seen.lock().unwrap().len();
        eventually("its stop is told of", || count() == 1);
        let pid = seen.lock().unwrap()[0].pid;
        let to = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(to, rustix::process::Signal::CONT).unwrap();
        eventually("the next is told of", || count() == 2);
        throng.end_older(Duration::ZERO);
        let outcome = process.wait().unwrap();
        assert!(outcome.timed_out(), "{}", describe(&outcome));
        assert_ended_by(&outcome, Signal::Term);
    });
}

#[test]
fn a_process_that_we_suspend_is_not_reported_as_stopped() {
    for_each_mechanism(|mechanism| {
        let (throng, seen) = watching(mechanism);
        let (tag, stops) = (Tag::new(), Tag::new());
        let process = throng.spawn(&child!("{tag} sleep:600000"));
        tag.await_count(1);
        let pid = tag.pids()[0];
        assert!(throng.suspend());
        eventually("it stands still", || stat(pid)[0] == "T");
        throng.resume();
        eventually("it goes on", || stat(pid)[0] != "T");
        // A process that has stopped itself is reported, and so no report is outstanding.
        let last = throng.spawn(&child!("{stops} signal:STOP sleep:600000"));
        eventually("a stop is told of", || !seen.lock().unwrap().is_empty());
        let pids: Vec<u32> = seen.lock().unwrap().iter().map(|seen| seen.pid).collect();
        assert_eq!(pids, stops.pids());
        drop((process, last));
    });
}

/// If exits are learnt from each process alone, also for a process that has closed its streams.
#[test]
fn the_stop_of_a_process_without_streams_is_reported() {
    for_each_mechanism(|mechanism| {
        let (throng, seen) = watching(mechanism);
        let process = throng.spawn(&child!("close:out close:err signal:STOP sleep:600000"));
        eventually("its stop is told of", || !seen.lock().unwrap().is_empty());
        process.cancel();
        assert_eq!(process.wait().unwrap().ended_by(), Some(Cause::Cancel));
    });
}
