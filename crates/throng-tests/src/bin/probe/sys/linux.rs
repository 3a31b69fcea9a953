//! The modes about limits and signals.

mod ground;
mod group;
mod orphans;
mod reaped;
mod scenarios;
mod spill;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use throng::{Command, Outcome, Stream, Throng};
use throng_tests::{Gate, Tag, eventually, stable, with_enough_time};

use self::spill::tempdir;
use crate::setting::{Setting, is_whole};

/// Runs a mode that exists only on this system.
pub(crate) fn run(mode: &str, setting: &Setting) {
    match mode {
        "limits" => few_descriptors(setting),
        "few-processes" => few_processes(setting),
        "starve" => starve(setting),
        "no-thread" => no_thread(setting),
        "full-disk" => spill::full_disk(setting),
        "no-file" => spill::no_file(setting),
        "no-memory" => spill::no_memory(setting),
        "spill-dir" => spill::spill_dir(setting),
        "scenarios" => scenarios::run(setting),
        "scenarios-reaped" => reaped::scenarios(setting),
        "reused" => reaped::reused(setting),
        "exits-without-descriptors" => exits_without_descriptors(setting),
        "basics" => ground::basics(setting),
        "closed" => ground::closed(setting),
        "no-null" => ground::no_null(setting),
        "not-ours" => ground::not_ours(setting),
        "survey" => scenarios::survey(),
        "run-group" => group::run_group(setting),
        "orphans-in-our-group" => orphans::in_our_group(setting),
        "relieve" => relieve(setting),
        "cancel-waiting" => cancel_waiting(setting),
        "soft-limit" => soft_limit(setting),
        "exit-codes" => exit_codes(setting),
        "signals" => signals(setting),
        "undisturbed" => undisturbed(setting),
        "peak" => peak(setting),
        mode => panic!("{mode} is not a mode"),
    }
}

pub(super) fn set_nofile(soft: u64, hard: Option<u64>) {
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(soft),
            maximum: hard,
        },
    )
    .expect("a limit may be lowered");
}

/// Many processes with few descriptors. Arguments: the descriptors and the processes.
fn few_descriptors(setting: &Setting) {
    let limit = setting.number(0) as u64;
    set_nofile(limit, Some(limit));
    let throng = setting.throng(1000);
    println!("jobs={}", throng.jobs());
    println!("jobs_limit={}", throng.jobs_limit().unwrap_or("none"));
    let count = setting.number(1);
    let command = setting.child("out:100 err:7");
    let outcomes = throng.run(std::iter::repeat_n(command, count));
    println!(
        "whole={}",
        outcomes.filter(|outcome| is_whole(outcome, 100, 7)).count()
    );
}

/// Many processes where few may live: the number captured completely. None ends before no more can
/// be started.
fn few_processes(setting: &Setting) {
    let throng = setting.throng(1000);
    let count = setting.number(0);
    let gate = Gate::new();
    let command = setting.child(&format!("out:100 err:7 {}", gate.step()));
    let outcomes = throng.run(std::iter::repeat_n(command, count));
    eventually("some run", || throng.live() >= 20);
    stable(|| throng.live() as u64);
    gate.open();
    let (mut whole, mut retries) = (0, 0);
    for outcome in outcomes {
        whole += usize::from(is_whole(&outcome, 100, 7));
        retries += u64::from(outcome.start_retries());
    }
    println!("whole={whole}");
    println!("retries={retries}");
}

/// A run that gets no thread for its commands, because this user may have no more: the number
/// captured completely, and the total. The commands themselves can be started.
fn no_thread(setting: &Setting) {
    let throng = setting.throng(4);
    let own = getrlimit(Resource::Nproc);
    let none = Rlimit {
        current: Some(0),
        ..own
    };
    setrlimit(Resource::Nproc, none).expect("a limit may be lowered");
    let is_refused = thread::Builder::new().spawn(|| ()).is_err();
    let command = setting.child("out:100 err:7");
    let outcomes = throng.run(std::iter::repeat_n(command, setting.number(0)));
    setrlimit(Resource::Nproc, own).expect("a soft limit may be raised");
    println!("refused={is_refused}");
    println!(
        "whole={}",
        outcomes.filter(|outcome| is_whole(outcome, 100, 7)).count()
    );
}

/// Opens descriptors until there are none left.
pub(super) fn take_all_descriptors() -> Vec<fs::File> {
    std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect()
}

/// A command is given while no descriptor is left, and none becomes free.
fn starve(setting: &Setting) {
    set_nofile(100, Some(100));
    let throng = setting.throng(4);
    let taken = take_all_descriptors();
    let begun = Instant::now();
    let outcome = throng
        .spawn(&setting.child("out:9"))
        .wait()
        .expect("an outcome comes");
    let waited = begun.elapsed();
    drop(taken);
    let error = outcome.start_error().expect("it cannot have started");
    println!("kind={:?}", error.kind());
    println!("message={error}");
    println!("waited_ms={}", waited.as_millis());
    println!("retries={}", outcome.start_retries());
    let after = throng
        .spawn(&setting.child("out:9"))
        .wait()
        .expect("an outcome comes");
    println!("whole_after={}", is_whole(&after, 9, 0));
}

/// A command is given while no descriptor is left, and then some become free.
fn relieve(setting: &Setting) {
    set_nofile(100, Some(100));
    let throng = setting.throng(4);
    let run = |pause| relieve_after(setting, &throng, pause);
    let outcome = with_enough_time(run, |outcome| outcome.start_retries() > 0);
    println!("whole={}", is_whole(&outcome, 9, 0));
    println!("retries={}", outcome.start_retries());
    println!("latency_ms={}", outcome.start_latency().as_millis());
}

fn relieve_after(setting: &Setting, throng: &Throng, pause: Duration) -> Outcome {
    let taken = take_all_descriptors();
    let process = throng.spawn(&setting.child("out:9"));
    // Nothing announces an attempt that failed; the retries of the outcome show that there was one.
    thread::sleep(pause);
    drop(taken);
    process.wait().expect("an outcome comes")
}

/// Processes that end while no descriptor is left, and any that becomes free is taken, until their
/// outcomes have arrived: the number of expected outcomes.
fn exits_without_descriptors(setting: &Setting) {
    set_nofile(100, Some(100));
    let (throng, heard) = setting.listening_with(setting.builder().jobs(1));
    let dir = tempdir();
    let (mut right, mut held) = (0, 0);
    for n in 0..setting.number(0) {
        let tag = Tag::new();
        let steps = format!("out:5 wait-file:{dir}/{n}");
        let early = format!("{steps} close:out close:err exit:3");
        let with_holder = format!("holder:{tag},sleep:90000 {steps}");
        let mut command = setting.child(if n % 2 == 0 { &early } else { &with_holder });
        let process = throng.spawn(command.grace(Duration::from_millis(50)));
        eventually("it runs", || heard.load(Ordering::Relaxed) == 5 * (n + 1));
        let outcome = while_all_are_taken(|| {
            // Creating a directory needs no descriptor.
            fs::create_dir(format!("{dir}/{n}")).expect("a directory can be made");
            process.wait().expect("an outcome comes")
        });
        let code = outcome.status().and_then(|status| status.code());
        right += usize::from(code == Some(3) && outcome.is_complete());
        let verdict = outcome.verdict(Stream::Stdout).name();
        held += usize::from(outcome.success() && verdict == "held");
        println!("so-far={}", n + 1);
    }
    println!("right={right}");
    println!("held={held}");
    fs::remove_dir_all(dir).expect("it is ours");
    println!("left={}", left_of_trees(setting, &throng));
}

/// The number of processes left of trees that were killed while no descriptor was left.
fn left_of_trees(setting: &Setting, throng: &Throng) -> usize {
    let mut left = 0;
    for _ in 0..4 {
        let tag = Tag::new();
        let away = format!("daemon:{tag},sleep:90000 bare-session:{tag},sleep:90000");
        let process = throng.spawn(&setting.child(&format!("{away} {tag} sleep:90000")));
        tag.await_count(3);
        let taken = take_all_descriptors();
        process.kill();
        process.wait().expect("an outcome comes");
        drop(taken);
        left += tag.pids().len();
    }
    left
}

/// Runs something while no descriptor is left, and none becomes free.
fn while_all_are_taken<T>(work: impl FnOnce() -> T) -> T {
    let mut taken = take_all_descriptors();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                taken.extend(take_all_descriptors());
                thread::sleep(Duration::from_micros(100));
            }
        });
        let result = work();
        is_done.store(true, Ordering::Relaxed);
        result
    })
}

/// Commands that wait for a descriptor are cancelled: one by its handle, then all by a drop.
fn cancel_waiting(setting: &Setting) {
    set_nofile(100, Some(100));
    let throng = setting.throng(1);
    let taken = take_all_descriptors();
    let (first, second) = (
        throng.spawn(&setting.child("")),
        throng.spawn(&setting.child("")),
    );
    // As above. One that was not tried before is cancelled as well.
    thread::sleep(Duration::from_millis(100));
    first.cancel();
    let first = first.wait().expect("an outcome comes");
    drop(throng);
    let second = second.wait().expect("an outcome comes");
    for (name, outcome) in [("first", first), ("second", second)] {
        let error = outcome.start_error().expect("it cannot have started");
        println!("{name}={:?}", error.kind());
    }
    drop(taken);
}

/// A soft limit below the hard one: the limits of processes of a first and of a second throng.
fn soft_limit(setting: &Setting) {
    set_nofile(
        setting.number(0) as u64,
        getrlimit(Resource::Nofile).maximum,
    );
    for round in ["first", "second"] {
        let throng = setting.builder().build().expect("a throng can be built");
        let outcome = throng
            .spawn(&setting.child("nofile"))
            .wait()
            .expect("an outcome comes");
        println!("{round}={}", String::from_utf8_lossy(outcome.stdout()));
    }
    let own = getrlimit(Resource::Nofile).current;
    println!(
        "own={}",
        own.map_or("unlimited".into(), |own| own.to_string())
    );
}

/// Exit codes, and whether they arrive at all.
fn exit_codes(setting: &Setting) {
    let throng = setting.throng(4);
    let commands: Vec<Command> = (0..20)
        .map(|code| setting.child(&format!("exit:{code}")))
        .collect();
    let right = |outcome: &Outcome| {
        outcome.status().and_then(|status| status.code()) == Some(outcome.seq() as u32)
    };
    println!("right={}", throng.run(commands).filter(right).count());
}

/// The signal dispositions and mask of a process, and those of this program.
fn signals(setting: &Setting) {
    let throng = setting.builder().build().expect("a throng can be built");
    let mut command = Command::new("cat");
    command.arg("/proc/self/status");
    let outcome = throng.spawn(&command).wait().expect("an outcome comes");
    assert!(outcome.verdict(Stream::Stdout).is_complete());
    let own = fs::read_to_string("/proc/thread-self/status").expect("/proc is mounted");
    let theirs = String::from_utf8_lossy(outcome.stdout());
    for (whose, status) in [("own", own.as_str()), ("process", &theirs)] {
        for line in status.lines().filter(|line| line.starts_with("Sig")) {
            let (name, value) = line.split_once(":\t").expect("name and value");
            println!("{whose}_{name}={value}");
        }
    }
}

/// How often the main thread is woken while another thread runs this many processes.
fn undisturbed(setting: &Setting) {
    let throng = setting.throng(2);
    let commands = vec![setting.child("exit:0"); setting.number(0)];
    let worker = thread::spawn(move || throng.run(commands).filter(Outcome::success).count());
    let before = own_sleeps();
    let good = worker.join().expect("it does not panic");
    println!("good={good}");
    println!("woken={}", own_sleeps() - before);
}

/// The reported peak memory of a process that takes this many MiB.
fn peak(setting: &Setting) {
    let command = setting.child(&format!("alloc:{}", setting.number(0)));
    let outcome = setting.throng(1).spawn(&command).wait();
    let usage = outcome.expect("an outcome comes").usage();
    println!(
        "peak_mib={}",
        usage.max_rss_bytes.map_or(0, |bytes| bytes >> 20)
    );
}

/// How often this thread has been put to sleep.
fn own_sleeps() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").expect("/proc is mounted");
    let sleeps = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    sleeps
        .and_then(|number| number.trim().parse().ok())
        .expect("it is a number")
}
