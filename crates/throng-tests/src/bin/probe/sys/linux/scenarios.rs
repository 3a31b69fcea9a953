//! A fixed list of commands, and for each a line with its result, which is the same on every
//! machine and must also be the same if system calls are refused.
//!
//! All run at once in one throng, each on a thread of its own, so that one that hangs hides no
//! other. What does not come in time is reported as hanging.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use throng::{Cause, Command, KillSequence, Mechanism, OnHeld, Outcome, Signal, Status, Throng};
use throng_tests::{
    Source, Tag, check_pattern, children, fill, open_handles, stable, with_enough_time,
};

use crate::setting::Setting;

/// Anything that takes longer hangs. It is shorter than any sleep here.
const HANGS: Duration = Duration::from_secs(30);
const SLEEP: &str = "sleep:90000";

type Scenario = fn(&Setting, &Throng) -> String;

const SCENARIOS: [(&str, Scenario); 17] = [
    ("plain", plain),
    ("exit-code", exit_code),
    ("closed-early", closed_early),
    ("closed-early-timeout", closed_early_timeout),
    ("holder", holder),
    ("holders", holders),
    ("holder-killed", holder_killed),
    ("deaf-timeout", deaf_timeout),
    ("session-timeout", session_timeout),
    ("session-kill", session_kill),
    ("stdin-bytes", stdin_bytes),
    ("no-program", no_program),
    ("not-executable", not_executable),
    ("no-directory", no_directory),
    ("many", many),
    ("sequence", sequence),
    ("descriptors", descriptors),
];

/// Whether other code of this program takes exit statuses, which makes them unpredictable.
static IS_REAPED: AtomicBool = AtomicBool::new(false);

/// How many statuses were taken that way.
static UNKNOWN: AtomicUsize = AtomicUsize::new(0);

/// The same list while other code takes exit statuses.
pub(super) fn run_reaped(setting: &Setting) {
    IS_REAPED.store(true, Ordering::Relaxed);
    run(setting);
    println!("unknown={}", UNKNOWN.load(Ordering::Relaxed));
}

/// The available mechanisms, why others are not available, and the default.
pub(super) fn survey() {
    for survey in Mechanism::availability() {
        let refusal = survey.refusal.as_deref().unwrap_or("available");
        println!("{}={refusal}", survey.mechanism);
        let built = Throng::builder().mechanism(survey.mechanism).build();
        match built {
            Ok(_) => println!("build_{}=built", survey.mechanism),
            Err(error) => println!("build_{}={:?}: {error}", survey.mechanism, error.kind()),
        }
    }
    let throng = Throng::builder().build().expect("a throng can be built");
    println!("default={}", throng.mechanism());
}

pub(super) fn run(setting: &Setting) {
    if let Err(error) = thread::Builder::new().spawn(|| {}) {
        println!("no-threads={error}");
        let built = setting.builder().build();
        let error = built.map_or_else(|error| error.to_string(), |_| "built".into());
        return println!("build={error}");
    }
    // As careless code leaves it, with a number that no descriptor of throng has.
    let _careless = careless_file();
    let kill = KillSequence::new(Signal::Term, Duration::from_millis(500));
    // This many, so that commands which hang do not keep others from being started.
    let builder = setting.builder().jobs(128).shards(2).kill_sequence(kill);
    let throng = match builder.build() {
        Ok(throng) => throng,
        Err(error) => return println!("build={error}"),
    };
    let _careless_too = careless_file();
    let warm_up = throng.run(vec![setting.child("out:10"); 40]);
    warm_up.for_each(drop);
    let handles = stable(|| open_handles() as u64);
    thread::scope(|scope| {
        let (say, lines) = mpsc::channel();
        for (name, scenario) in SCENARIOS {
            let (say, throng): (Sender<_>, _) = (say.clone(), &throng);
            // The receiver is gone once the remaining scenarios have been given up.
            scope.spawn(move || drop(say.send((name, scenario(setting, throng)))));
        }
        let mut missing = SCENARIOS.map(|(name, _)| name).to_vec();
        let deadline = Instant::now() + HANGS;
        while !missing.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((name, line)) = lines.recv_timeout(left) else {
                break;
            };
            println!("{name}={line}");
            missing.retain(|other| *other != name);
        }
        for name in &missing {
            println!("{name}=hangs");
        }
        if !missing.is_empty() {
            // Threads that hang would be waited for.
            std::process::exit(0);
        }
    });
    let after = stable(|| open_handles() as u64);
    println!("handles-left={}", after.saturating_sub(handles));
    println!("children-left={}", stable(|| children().len() as u64));
    dropped(setting, throng);
}

fn careless_file() -> OwnedFd {
    let file = File::open("/dev/null").expect("it is there");
    let file = fcntl_dupfd_cloexec(&file, 77).expect("there are descriptors");
    fcntl_setfd(file.as_fd(), FdFlags::empty()).expect("it is open");
    file
}

fn run_one(throng: &Throng, command: &Command) -> Outcome {
    throng.spawn(command).wait().expect("an outcome comes")
}

/// All predictable parts of an outcome.
pub(super) fn say(outcome: &Outcome) -> String {
    if let Some(error) = outcome.start_error() {
        return format!("{:?}: {error}", error.kind());
    }
    let status = match status(outcome) {
        _ if IS_REAPED.load(Ordering::Relaxed) => "ended".into(),
        Some(Status::Exited(code)) => format!("exit {code}"),
        Some(Status::Signaled { signal, .. }) => format!("signal {signal}"),
        status => format!("{status:?}"),
    };
    let cause = match outcome.ended_by() {
        None => "by itself",
        Some(Cause::Timeout) => "by timeout",
        Some(Cause::Cancel) => "by cancel",
        Some(_) => "by something else",
    };
    let mut line = format!("{status} {cause}");
    for (source, stream) in [
        (Source::Out, throng::Stream::Stdout),
        (Source::Err, throng::Stream::Stderr),
    ] {
        let bytes = outcome.capture().stream(stream);
        let is_right = check_pattern(source, bytes, bytes.len()).is_ok();
        let wrong = if is_right { "" } else { " wrong" };
        let verdict = match outcome.verdict(stream) {
            throng::Verdict::Held { holders } => format!("held by {}", holders.len()),
            verdict => verdict.name().to_owned(),
        };
        line += &format!(", {verdict} {}{wrong} bytes", bytes.len());
    }
    line + &format!(", {} survive", outcome.survivors().len())
}

fn status(outcome: &Outcome) -> Option<Status> {
    let status = outcome.status();
    let is_unknown = status == Some(Status::Unknown);
    UNKNOWN.fetch_add(is_unknown.into(), Ordering::Relaxed);
    status
}

/// Whether everything that it wrote came, and its exit code unless other code has taken that.
fn is_right(outcome: &Outcome) -> bool {
    let is_taken = status(outcome) == Some(Status::Unknown) && IS_REAPED.load(Ordering::Relaxed);
    let came = |source, bytes, len| check_pattern(source, bytes, len).is_ok();
    (is_taken || outcome.success())
        && outcome.is_complete()
        && came(Source::Out, outcome.stdout(), 100)
        && came(Source::Err, outcome.stderr(), 7)
}

fn plain(setting: &Setting, throng: &Throng) -> String {
    say(&run_one(throng, &setting.child("out:70000 err:5000 out:3")))
}

fn exit_code(setting: &Setting, throng: &Throng) -> String {
    say(&run_one(throng, &setting.child("out:3 exit:7")))
}

/// It lives on without a stream, and ends by itself.
fn closed_early(setting: &Setting, throng: &Throng) -> String {
    let steps = "out:5 close:out close:err sleep:500 exit:3";
    say(&run_one(throng, &setting.child(steps)))
}

/// With enough time for the preceding steps.
fn run_briefly(
    throng: &Throng,
    command: &Command,
    has_come_far: impl Fn(&Outcome) -> bool,
) -> Outcome {
    let run = |timeout| {
        let mut command = command.clone();
        run_one(throng, command.timeout(timeout))
    };
    with_enough_time(run, has_come_far)
}

fn has_said_all(outcome: &Outcome) -> bool {
    outcome.stdout().len() >= 5
}

fn closed_early_timeout(setting: &Setting, throng: &Throng) -> String {
    let command = setting.child(&format!("out:5 close:out close:err {SLEEP}"));
    say(&run_briefly(throng, &command, Outcome::is_complete))
}

fn holder(setting: &Setting, throng: &Throng) -> String {
    let tag = Tag::new();
    let mut command = setting.child(&format!("holder:{tag},{SLEEP} out:4 exit:0"));
    say(&run_one(throng, command.grace(Duration::from_millis(50))))
}

/// Many holders, some of which have ended before they could be looked at.
fn holders(setting: &Setting, throng: &Throng) -> String {
    let tag = Tag::new();
    let mut command = setting.child(&format!("holder-err:{tag},{SLEEP} out:100"));
    let command = command.grace(Duration::from_millis(50));
    let outcomes = throng.run(vec![command.clone(); 40]);
    let is_held = |outcome: &Outcome| {
        let verdict = outcome.verdict(throng::Stream::Stderr);
        let is_whole = check_pattern(Source::Out, outcome.stdout(), 100).is_ok();
        is_whole && matches!(verdict, throng::Verdict::Held { holders } if holders.len() == 1)
    };
    format!("{} named", outcomes.filter(is_held).count())
}

/// A holder in a session of its own.
fn holder_killed(setting: &Setting, throng: &Throng) -> String {
    let tag = Tag::new();
    let mut command = setting.child(&format!("daemon-holder:{tag},{SLEEP} out:4 exit:0"));
    let command = command.on_held(OnHeld::Kill).grace(Duration::from_secs(1));
    let line = say(&run_one(throng, command));
    format!("{line}, {} left", tag.pids().len())
}

fn deaf_timeout(setting: &Setting, throng: &Throng) -> String {
    let command = setting.child(&format!("ignore-term out:5 {SLEEP}"));
    say(&run_briefly(throng, &command, has_said_all))
}

fn session_timeout(setting: &Setting, throng: &Throng) -> String {
    let tag = Tag::new();
    let steps = format!("daemon:ignore-term,{tag},{SLEEP} out:5 {SLEEP}");
    let line = say(&run_briefly(throng, &setting.child(&steps), has_said_all));
    format!("{line}, {} left", tag.pids().len())
}

fn session_kill(setting: &Setting, throng: &Throng) -> String {
    let tag = Tag::new();
    let steps = format!("daemon:ignore-term,{tag},{SLEEP} {tag} {SLEEP}");
    let process = throng.spawn(&setting.child(&steps));
    tag.await_count(2);
    process.kill();
    let line = say(&process.wait().expect("an outcome comes"));
    format!("{line}, {} left", tag.pids().len())
}

fn stdin_bytes(setting: &Setting, throng: &Throng) -> String {
    let mut bytes = vec![0; 200_000];
    fill(Source::Out, 0, &mut bytes);
    say(&run_one(throng, setting.child("cat").stdin(bytes)))
}

fn no_program(_: &Setting, throng: &Throng) -> String {
    say(&run_one(throng, &Command::new("/no/such/program")))
}

fn not_executable(_: &Setting, throng: &Throng) -> String {
    say(&run_one(throng, &Command::new("/etc/passwd")))
}

fn no_directory(setting: &Setting, throng: &Throng) -> String {
    let mut command = setting.child("out:1");
    let outcome = run_one(throng, command.current_dir("/no/such/dir"));
    let error = outcome.start_error().map(throng::Error::kind);
    format!("{error:?}")
}

fn many(setting: &Setting, throng: &Throng) -> String {
    let commands = vec![setting.child("out:100 err:7"); 200];
    let outcomes = throng.run(commands);
    format!("{} whole", outcomes.filter(is_right).count())
}

/// One after the other: if each is noticed late, the delays add up.
fn sequence(setting: &Setting, throng: &Throng) -> String {
    let outcomes = (0..30).map(|_| run_one(throng, &setting.child("out:100 err:7")));
    format!("{} whole", outcomes.filter(is_right).count())
}

/// The descriptors of a process: its own, and none that is open here without close-on-exec.
fn descriptors(setting: &Setting, throng: &Throng) -> String {
    let mut commands = vec![setting.child("fds"); 20];
    commands[7].stdin(b"bytes".to_vec());
    let outcomes = throng.run(commands);
    let mut said: Vec<String> = outcomes
        .map(|outcome| String::from_utf8_lossy(outcome.stdout()).into_owned())
        .collect();
    said.sort_unstable();
    said.dedup();
    said.join(", or ")
}

/// The throng is dropped while a tree runs of which no process ends when it is asked to.
fn dropped(setting: &Setting, throng: Throng) {
    let tag = Tag::new();
    let steps = format!("ignore-term {tag} daemon:ignore-term,{tag},{SLEEP} {SLEEP}");
    let process = throng.spawn(&setting.child(&steps));
    tag.await_deaf(2);
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        drop(throng);
        let line = say(&process.wait().expect("an outcome comes"));
        // The receiver is gone when it has taken too long.
        let _ = done.send(line);
    });
    let line = is_done.recv_timeout(HANGS / 2);
    let line = line.unwrap_or_else(|_| "hangs".into());
    println!("dropped={line}, {} left", tag.pids().len());
}
