//! Runs commands and checks their outcomes; prints everything when one is not as expected.

use throng::{Command, Mechanism, Outcome, Signal, Stream, Throng};

use crate::pattern::{Source, check_pattern};
use crate::sys::is_end_by;

/// Runs one command in a `Throng` of its own.
///
/// # Panics
///
/// When throng itself fails.
#[track_caller]
pub fn run_one(mechanism: Mechanism, command: &Command) -> Outcome {
    let throng = Throng::builder()
        .mechanism(mechanism)
        .build()
        .expect("a throng can be built");
    throng.spawn(command).wait().expect("the outcome comes")
}

/// Runs many commands, eight at once, and returns their outcomes in the order of the commands.
///
/// # Panics
///
/// When throng itself fails.
#[track_caller]
pub fn run_all(mechanism: Mechanism, commands: Vec<Command>) -> Vec<Outcome> {
    let throng = Throng::builder().mechanism(mechanism).jobs(8).build();
    let throng = throng.expect("a throng can be built");
    let count = commands.len();
    let mut outcomes: Vec<Outcome> = throng.run(commands).collect();
    outcomes.sort_by_key(Outcome::seq);
    assert_eq!(outcomes.len(), count, "as many outcomes as commands");
    outcomes
}

/// The process ran, and both captures are provably complete.
///
/// # Panics
///
/// When that is not so.
#[track_caller]
pub fn assert_complete(outcome: &Outcome) {
    assert!(
        outcome.start_error().is_none(),
        "did not start: {}",
        describe(outcome)
    );
    assert!(outcome.is_complete(), "not complete: {}", describe(outcome));
}

/// The process succeeded, and wrote exactly this many bytes of the pattern to each stream.
///
/// # Panics
///
/// When that is not so.
#[track_caller]
pub fn assert_output(outcome: &Outcome, out: usize, err: usize) {
    assert_complete(outcome);
    assert!(outcome.success(), "no success: {}", describe(outcome));
    for (source, len, stream) in [
        (Source::Out, out, Stream::Stdout),
        (Source::Err, err, Stream::Stderr),
    ] {
        let bytes = outcome.capture().stream(stream);
        if let Err(wrong) = check_pattern(source, bytes, len) {
            panic!("{wrong}\n{}", describe(outcome));
        }
    }
}

/// The status is that of a process ended by this signal.
///
/// # Panics
///
/// When that is not so.
#[track_caller]
pub fn assert_ended_by(outcome: &Outcome, signal: Signal) {
    let is_so = outcome
        .status()
        .is_some_and(|status| is_end_by(signal, status));
    assert!(is_so, "not ended by {signal}: {}", describe(outcome));
    assert!(!outcome.success());
}

/// Everything about an outcome, for display.
pub fn describe(outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut say = |line: String| text += &(line + "\n");
    let command = outcome.command();
    say(format!("\"{}\"", command.get_program().display()));
    say(format!(
        "  args: {:?}",
        command.get_args().collect::<Vec<_>>()
    ));
    say(format!(
        "  seq: {}, label: {:?}",
        outcome.seq(),
        command.get_label()
    ));
    match outcome.start_error() {
        Some(error) => say(format!("  start error: {error} ({:?})", error.kind())),
        None => say(format!(
            "  pid: {:?}, status: {:?}",
            outcome.pid(),
            outcome.status()
        )),
    }
    say(format!(
        "  ended by: {:?}, wall: {:?}",
        outcome.ended_by(),
        outcome.wall()
    ));
    for stream in Stream::ALL {
        let bytes = outcome.capture().stream(stream);
        let shown = bytes[..bytes.len().min(300)].escape_ascii();
        let verdict = outcome.verdict(stream);
        say(format!(
            "  {stream}: {verdict}, {} bytes: \"{shown}\"",
            bytes.len()
        ));
    }
    text
}
