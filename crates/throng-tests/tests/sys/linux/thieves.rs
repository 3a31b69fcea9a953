//! Another process reads the output of a process: any process with permission to inspect its
//! descriptors can open its end of a pipe for reading. Stolen bytes are gone, and nothing else is:
//! a thread that was notified of bytes which are no longer there goes on with its other processes.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use throng::{KillSequence, Mechanism, Outcome, Process, Signal, Throng};
use throng_tests::{
    Gate, Tag, assert_ended_by, assert_output, child, describe, eventually, for_each_mechanism,
    within,
};

/// How often the test is repeated: whether a byte disappears between its announcement and the read
/// depends on timing.
const ROUNDS: usize = 4;

/// How many processes write at once in each round, each with a thief of its own.
const TALKERS: usize = 4;

/// Anything that has not ended after this time never will: the thread is frozen.
const FROZEN: Duration = Duration::from_secs(60);

/// Reads as much as it can of what the process with this tag writes to stdout, until it is stopped.
struct Thief {
    stop: Arc<AtomicBool>,
    stolen: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Thief {
    fn of(tag: &Tag) -> Thief {
        tag.await_count(1);
        let path = format!("/proc/{}/fd/1", tag.pids()[0]);
        let mut options = File::options();
        let options = options.custom_flags(OFlags::NONBLOCK.bits() as i32);
        let pipe = options.read(true).open(path).expect("it is a pipe of ours");
        let (stop, stolen) = (Arc::default(), Arc::default());
        let thread = thread::spawn({
            let (stop, stolen) = (Arc::clone(&stop), Arc::clone(&stolen));
            move || steal(pipe, &stop, &stolen)
        });
        Thief {
            stop,
            stolen,
            thread: Some(thread),
        }
    }
}

fn steal(mut pipe: File, stop: &AtomicBool, stolen: &AtomicUsize) {
    let mut loot = [0; 4096];
    let moment = Timespec {
        tv_sec: 0,
        tv_nsec: 5_000_000,
    };
    while !stop.load(Ordering::Relaxed) {
        let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
        // A failure shows in the read.
        let _ = poll(&mut fds, Some(&moment));
        if let Ok(bytes) = pipe.read(&mut loot) {
            stolen.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Thief {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it does not panic");
        }
    }
}

fn throng(mechanism: Mechanism) -> Throng {
    let builder = Throng::builder().mechanism(mechanism).shards(1).jobs(32);
    let soon = KillSequence::new(Signal::Term, Duration::from_millis(50));
    builder.kill_sequence(soon).build().unwrap()
}

/// Writes in small pieces when the gate is open, and then writes nothing and does not end either.
fn talker(throng: &Throng, tag: &Tag, gate: &Gate) -> Process {
    let gate = gate.step();
    throng.spawn(&child!("{tag} {gate} slow-out:300:200 sleep:600000"))
}

/// A process that times out while others of the same thread are being robbed. Returns its outcome,
/// and how much was stolen.
fn bystander_of_thefts(throng: &Throng) -> (Outcome, usize) {
    let gate = Gate::new();
    let tags: [Tag; TALKERS] = std::array::from_fn(|_| Tag::new());
    let talkers = tags.each_ref().map(|tag| talker(throng, tag, &gate));
    let thieves = tags.each_ref().map(Thief::of);
    gate.open();
    let mut bystander = child!("sleep:600000");
    let bystander = throng.spawn(bystander.timeout(Duration::from_millis(300)));
    let outcome = bystander.wait().unwrap();
    // A process that is added later is started, read and waited for.
    let later = throng.spawn(&child!("out:1000 err:10")).wait().unwrap();
    assert_output(&later, 1000, 10);
    for process in &talkers {
        process.cancel();
    }
    for process in talkers {
        let outcome = process.wait().unwrap();
        assert_ended_by(&outcome, Signal::Term);
    }
    let stolen = thieves
        .iter()
        .map(|thief| thief.stolen.load(Ordering::Relaxed));
    (outcome, stolen.sum())
}

#[test]
fn a_thread_whose_bytes_are_stolen_still_serves_its_other_processes() {
    for_each_mechanism(|mechanism| {
        let stolen = within(FROZEN, "a thread whose bytes were stolen", move || {
            let throng = throng(mechanism);
            let mut all = 0;
            for _ in 0..ROUNDS {
                let (outcome, stolen) = bystander_of_thefts(&throng);
                assert!(outcome.timed_out(), "{}", describe(&outcome));
                all += stolen;
            }
            all
        });
        assert!(stolen > 0, "nothing was stolen");
    });
}

#[test]
fn a_process_with_stolen_bytes_and_a_holder_has_an_outcome() {
    for_each_mechanism(|mechanism| {
        within(FROZEN, "the outcome of one that was robbed", move || {
            let throng = throng(mechanism);
            for _ in 0..ROUNDS {
                let gate = Gate::new();
                let tags: [Tag; TALKERS] = std::array::from_fn(|_| Tag::new());
                let processes = tags.each_ref().map(|tag| {
                    // It goes on writing while the thread closes its stream.
                    let gate = gate.step();
                    let holder = format!("holder:{tag},{gate},slow-out:3000:100,sleep:600000");
                    let mut command = child!("{holder} {gate} exit:0");
                    throng.spawn(command.grace(Duration::from_millis(100)))
                });
                let _thieves = tags.each_ref().map(Thief::of);
                gate.open();
                for process in processes {
                    let outcome = process.wait().unwrap();
                    assert!(outcome.success(), "{}", describe(&outcome));
                }
            }
        });
    });
}

#[test]
fn a_process_that_reads_its_own_output_has_an_outcome() {
    for_each_mechanism(|mechanism| {
        within(FROZEN, "the outcome of one that robs itself", move || {
            let throng = throng(mechanism);
            for _ in 0..ROUNDS {
                let (tag, gate) = (Tag::new(), Gate::new());
                let passes = gate.step();
                // It is the only writer, so what it leaves in the pipe when it ends is read.
                let process = throng.spawn(&child!("{tag} {passes} slow-out:300:200 out:5 exit:3"));
                let thief = Thief::of(&tag);
                gate.open();
                let outcome = process.wait().unwrap();
                let code = outcome.status().and_then(throng::Status::code);
                assert_eq!(code, Some(3), "{}", describe(&outcome));
                assert!(outcome.is_complete(), "{}", describe(&outcome));
                eventually("all bytes are somewhere", || {
                    thief.stolen.load(Ordering::Relaxed) + outcome.stdout().len() == 305
                });
            }
        });
    });
}
