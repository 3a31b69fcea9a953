//! The modes of the probe.

mod leaks;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use throng::{Builder, Command, Mechanism, Outcome, Process, Stdin, Stream, Throng};
use throng_tests::{
    Source, check_pattern, children, eventually, open_fds, rss_kib, script, threads,
};

/// What every mode knows.
struct Setting {
    child: String,
    mechanism: Mechanism,
    args: Vec<String>,
}

pub(crate) fn main() {
    let mut args = env::args().skip(1);
    let child = args.next().expect("the path of the child");
    let mechanism = args
        .next()
        .expect("a mechanism")
        .parse()
        .expect("a mechanism");
    let mode = args.next().expect("a mode");
    let setting = Setting {
        child,
        mechanism,
        args: args.collect(),
    };
    match mode.as_str() {
        "limits" => few_descriptors(&setting),
        "starve" => starve(&setting),
        "relieve" => relieve(&setting),
        "cancel-waiting" => cancel_waiting(&setting),
        "soft-limit" => soft_limit(&setting),
        "quiet" => quiet(&setting),
        "flat" => flat(&setting),
        "failing-starts" => leaks::failing_starts(&setting),
        "endings" => leaks::endings(&setting),
        "throngs" => leaks::throngs(&setting),
        "leave" => leave(&setting),
        "inherit" => inherit(&setting),
        "exit-codes" => exit_codes(&setting),
        "signals" => signals(&setting),
        mode => panic!("{mode} is not a mode"),
    }
}

impl Setting {
    fn builder(&self) -> Builder {
        Throng::builder().mechanism(self.mechanism)
    }

    fn child(&self, steps: &str) -> Command {
        script(&self.child, steps)
    }

    fn number(&self, index: usize) -> usize {
        self.args[index].parse().expect("a number")
    }
}

fn set_nofile(soft: u64, hard: Option<u64>) {
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(soft),
            maximum: hard,
        },
    )
    .expect("a limit may be lowered");
}

fn is_whole(outcome: &Outcome, out: usize, err: usize) -> bool {
    outcome.success()
        && outcome.is_complete()
        && check_pattern(Source::Out, outcome.stdout(), out).is_ok()
        && check_pattern(Source::Err, outcome.stderr(), err).is_ok()
}

/// Many processes with few descriptors: how many, how many processes.
fn few_descriptors(setting: &Setting) {
    let limit = setting.number(0) as u64;
    set_nofile(limit, Some(limit));
    let throng = setting
        .builder()
        .jobs(1000)
        .build()
        .expect("a throng can be built");
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

/// Opens descriptors until there are none left.
fn take_all_descriptors() -> Vec<fs::File> {
    std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect()
}

/// A command is given while there is no descriptor left, and none comes free.
fn starve(setting: &Setting) {
    set_nofile(100, Some(100));
    let throng = setting
        .builder()
        .jobs(4)
        .build()
        .expect("a throng can be built");
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

/// A command is given while there is no descriptor left, and then some come free.
fn relieve(setting: &Setting) {
    set_nofile(100, Some(100));
    let throng = setting
        .builder()
        .jobs(4)
        .build()
        .expect("a throng can be built");
    let taken = take_all_descriptors();
    let process = throng.spawn(&setting.child("out:9"));
    // Nothing announces an attempt that failed; the retries of the outcome show that there was one.
    thread::sleep(Duration::from_millis(300));
    drop(taken);
    let outcome = process.wait().expect("an outcome comes");
    println!("whole={}", is_whole(&outcome, 9, 0));
    println!("retries={}", outcome.start_retries());
    println!("latency_ms={}", outcome.start_latency().as_millis());
}

/// Commands that wait for a descriptor are cancelled: one by its handle, then all by a drop.
fn cancel_waiting(setting: &Setting) {
    set_nofile(100, Some(100));
    let throng = setting
        .builder()
        .jobs(1)
        .build()
        .expect("a throng can be built");
    let taken = take_all_descriptors();
    let (first, second) = (
        throng.spawn(&setting.child("")),
        throng.spawn(&setting.child("")),
    );
    // As above.
    thread::sleep(Duration::from_millis(100));
    first.cancel();
    let begun = Instant::now();
    let first = first.wait().expect("an outcome comes");
    drop(throng);
    let second = second.wait().expect("an outcome comes");
    for (name, outcome) in [("first", first), ("second", second)] {
        let error = outcome.start_error().expect("it cannot have started");
        println!("{name}={:?}", error.kind());
    }
    println!("waited_ms={}", begun.elapsed().as_millis());
    drop(taken);
}

/// A soft limit below the hard one: what processes of a first and of a second throng have.
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

/// So many live at once, all silent after a first word: what that takes. Needs a directory.
fn quiet(setting: &Setting) {
    let count = setting.number(0);
    let fifo = Path::new(&setting.args[1]).join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("it can be made");
    // While we hold it there is somebody who might write, so readers wait.
    let held = fs::File::options()
        .read(true)
        .write(true)
        .open(&fifo)
        .expect("it can be opened");
    let (throng, greeted) = listening(setting, count);
    let mut command = setting.child("out:1 cat err:1");
    command.stdin(Stdin::File(fifo));
    let processes: Vec<Process> = (0..count).map(|_| throng.spawn(&command)).collect();
    eventually("all run", || greeted.load(Ordering::Relaxed) == count);
    println!("live={}", throng.live());
    println!("threads={}", threads());
    drop(held);
    let outcomes = processes
        .into_iter()
        .map(|process| process.wait().expect("an outcome comes"));
    println!(
        "whole={}",
        outcomes.filter(|outcome| is_whole(outcome, 1, 1)).count()
    );
    println!("children={}", children().len());
}

/// A throng for so many, and how many bytes it has heard.
fn listening(setting: &Setting, jobs: usize) -> (Throng, Arc<AtomicUsize>) {
    let heard = Arc::new(AtomicUsize::new(0));
    let ears = heard.clone();
    let builder = setting.builder().jobs(jobs).on_output(move |output| {
        ears.fetch_add(output.bytes.len(), Ordering::Relaxed);
    });
    (builder.build().expect("a throng can be built"), heard)
}

/// So many processes, one after the other: what this program takes at a tenth and at the end.
fn flat(setting: &Setting) {
    let count = setting.number(0);
    let throng = setting
        .builder()
        .jobs(8)
        .build()
        .expect("a throng can be built");
    let command = setting.child("out:50 err:50");
    let mut whole = 0;
    for (index, outcome) in throng.run(std::iter::repeat_n(command, count)).enumerate() {
        whole += usize::from(is_whole(&outcome, 50, 50));
        for (name, at) in [("tenth", count / 10), ("end", count)] {
            if index + 1 == at {
                println!("fds_{name}={}", open_fds());
                println!("threads_{name}={}", threads());
                println!("rss_kib_{name}={}", rss_kib());
            }
        }
    }
    println!("whole={whole}");
    println!("children={}", children().len());
}

/// Starts so many that would run for long, says "ready", and ends as it is told on its stdin, or
/// is ended. Needs a tag.
fn leave(setting: &Setting) {
    let count = setting.number(0);
    let (throng, greeted) = listening(setting, count);
    let command = setting.child(&format!("{} out:1 sleep:600000", setting.args[1]));
    let processes: Vec<Process> = (0..count).map(|_| throng.spawn(&command)).collect();
    eventually("all run", || greeted.load(Ordering::Relaxed) == count);
    println!("ready");
    let mut how = String::new();
    io::stdin().read_line(&mut how).expect("stdin can be read");
    match how.trim() {
        "exit" => process::exit(0),
        "forget" => std::mem::forget((throng, processes)),
        "return" => {}
        how => panic!("cannot end by {how}"),
    }
}

/// A process that has our own stdin.
fn inherit(setting: &Setting) {
    let throng = setting.builder().build().expect("a throng can be built");
    let mut command = setting.child("cat");
    command.stdin(Stdin::Inherit);
    let outcome = throng.spawn(&command).wait().expect("an outcome comes");
    println!("stdout={}", String::from_utf8_lossy(outcome.stdout()));
}

/// Exit codes, and whether they come at all.
fn exit_codes(setting: &Setting) {
    let throng = setting
        .builder()
        .jobs(4)
        .build()
        .expect("a throng can be built");
    let commands: Vec<Command> = (0..20)
        .map(|code| setting.child(&format!("exit:{code}")))
        .collect();
    let right = |outcome: &Outcome| {
        outcome.status().and_then(|status| status.code()) == Some(outcome.seq() as u32)
    };
    println!("right={}", throng.run(commands).filter(right).count());
}

/// How a process finds its signals set, and how they are set here.
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
