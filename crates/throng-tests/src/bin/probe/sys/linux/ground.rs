//! The modes in hostile environments: without stdin, stdout and stderr, without /dev/null, among
//! processes that may not be signalled, and under emulators.

use std::fs::File;
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::fcntl_dupfd_cloexec;
use throng::{Command, KillSequence, Outcome, Signal, Stdin, Throng, Verdict};

use super::scenarios::say;
use crate::setting::{Setting, is_whole};

/// Basic starts and start errors, one line for each.
pub(super) fn basics(setting: &Setting) {
    let throng = match setting.builder().jobs(2).shards(1).build() {
        Ok(throng) => throng,
        Err(error) => return println!("build={error}"),
    };
    println!("build=built");
    let run = |command: &Command| say(&throng.spawn(command).wait().expect("an outcome comes"));
    let mut not_there = setting.child("");
    for (name, command) in [
        ("true", &Command::new("true")),
        ("output", &setting.child("out:70000 err:5000 exit:7")),
        ("no-program", &Command::new("/no/such/program")),
        ("not-in-path", &Command::new("throng-no-such-program")),
        ("not-executable", &Command::new("/etc/passwd")),
    ] {
        println!("{name}={}", run(command));
    }
    let outcome = throng.spawn(not_there.current_dir("/no/such/dir")).wait();
    let outcome = outcome.expect("an outcome comes");
    let error = outcome.start_error().map(throng::Error::kind);
    println!("no-directory={error:?}");
    let outcome = throng.spawn(&setting.child("fds")).wait();
    let outcome = outcome.expect("an outcome comes");
    println!("descriptors={}", String::from_utf8_lossy(outcome.stdout()));
    // A program that is not loaded at the timeout cannot be asked to end; under an emulator, on a
    // busy machine, loading takes long.
    let timed = |time| {
        run(setting
            .child("sleep:90000")
            .timeout(Duration::from_millis(time)))
    };
    let mut ends = [100, 1000, 10_000].into_iter().map(timed);
    let end = ends.find(|end| !end.starts_with("signal 9"));
    println!("timeout={}", end.as_deref().unwrap_or("not asked to end"));
    let mut held = setting.child("holder:sleep:90000");
    let outcome = throng.spawn(held.grace(Duration::from_millis(1))).wait();
    let outcome = outcome.expect("an outcome comes");
    let is_held = matches!(
        outcome.verdict(throng::Stream::Stdout),
        Verdict::Held { .. }
    );
    let left = throng.kill_leftovers().expect("/proc is mounted");
    println!("held={is_held}, {} survive", left.len());
}

/// stdin, stdout and stderr of this program are closed, before it makes a throng or afterwards.
pub(super) fn closed(setting: &Setting) {
    let report = fcntl_dupfd_cloexec(std::io::stdout(), 100).expect("there are descriptors");
    let mut report = File::from(report);
    let is_before = setting.args[0] == "before";
    if is_before {
        close_standard_streams();
    }
    let builder = setting.builder().jobs(4).shards(2).build();
    let throng = builder.expect("a throng can be built");
    if !is_before {
        close_standard_streams();
    }
    let mut say = |line: String| writeln!(report, "{line}").expect("it can be written");
    let outcomes = throng.run(vec![setting.child("out:5000 err:700"); 50]);
    let whole = outcomes.filter(|outcome| is_whole(outcome, 5000, 700));
    say(format!("whole={}", whole.count()));
    for (name, steps) in [("stdin", "stdin-kind"), ("descriptors", "fds")] {
        let mut command = setting.child(steps);
        let outcome = throng.spawn(command.stdin(Stdin::Inherit)).wait();
        let outcome = outcome.expect("an outcome comes");
        match outcome.start_error() {
            Some(error) => say(format!("{name}=error: {error}")),
            None => say(format!(
                "{name}={}",
                String::from_utf8_lossy(outcome.stdout())
            )),
        }
    }
    let mut echo = setting.child("cat");
    let outcome = throng.spawn(echo.stdin(b"bytes".to_vec())).wait();
    let outcome = outcome.expect("an outcome comes");
    say(format!(
        "echo={}",
        String::from_utf8_lossy(outcome.stdout())
    ));
}

#[expect(
    unsafe_code,
    reason = "a descriptor that others own can be closed by no other means"
)]
fn close_standard_streams() {
    for fd in 0..=2 {
        // SAFETY: from here on only the standard library uses them in this program, and it treats a
        // closed one as one that discards everything.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

/// There is no /dev/null: the resulting error.
pub(super) fn no_null(setting: &Setting) {
    let throng = match setting.builder().build() {
        Ok(throng) => throng,
        Err(error) => return println!("error={error}"),
    };
    let outcome = throng.spawn(&setting.child("out:5")).wait();
    let outcome = outcome.expect("an outcome comes");
    match outcome.start_error() {
        Some(error) => println!("error={error}"),
        None => println!("error=none: {}", say(&outcome)),
    }
}

/// A command, given as further arguments, that times out, and whose processes may not be signalled.
pub(super) fn not_ours(setting: &Setting) {
    let kill = KillSequence::new(Signal::Term, Duration::from_millis(100));
    let throng = setting.builder().jobs(2).shards(1).kill_sequence(kill);
    let throng = throng.build().expect("a throng can be built");
    let mut command = Command::from_argv(&setting.args);
    let process = throng.spawn(command.timeout(Duration::from_millis(500)));
    let begun = Instant::now();
    let outcome = process.wait().expect("an outcome comes");
    println!("outcome_ms={}", begun.elapsed().as_millis());
    tell_survivors(&outcome);
    let after = throng.spawn(&setting.child("out:5")).wait();
    println!("after={}", say(&after.expect("an outcome comes")));
    drop_in_time(throng);
}

fn tell_survivors(outcome: &Outcome) {
    println!("timed_out={}", outcome.timed_out());
    println!("outcome={}", say(outcome));
    let survivors = outcome.survivors();
    let own = outcome.pid().expect("it was started");
    let is_named = survivors.iter().any(|survivor| survivor.pid == own);
    println!("names_itself={is_named}");
    let pids: Vec<String> = survivors
        .iter()
        .map(|survivor| survivor.pid.to_string())
        .collect();
    println!("survivors={}", pids.join(" "));
}

fn drop_in_time(throng: Throng) {
    let begun = Instant::now();
    let dropping = thread::spawn(move || drop(throng));
    dropping.join().expect("it does not panic");
    println!("drop_ms={}", begun.elapsed().as_millis());
}
