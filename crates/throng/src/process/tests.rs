use super::*;
use proptest::prelude::*;

fn limits() -> Limits {
    Limits {
        timeout: Some(Duration::from_secs(1)),
        grace: Duration::from_millis(200),
        kill: Arc::new(KillSequence::new(Signal::Term, Duration::from_secs(2))),
    }
}

/// A machine, and everything that it has asked for so far.
struct Run {
    machine: Machine,
    asked: Vec<Action>,
}

impl Run {
    fn new() -> Run {
        let mut asked = Vec::new();
        let machine = Machine::new(limits(), &mut asked);
        Run { machine, asked }
    }

    fn on(mut self, input: Input) -> Run {
        self.machine.on(input, &mut self.asked);
        self
    }

    fn eof(self, stream: Stream) -> Run {
        self.on(Input::StreamEnded(stream, End::Eof))
    }

    fn finished(&self) -> bool {
        self.asked.last() == Some(&Action::Finish)
    }

    fn signals(&self) -> Vec<Signal> {
        let signal = |action: &Action| match action {
            Action::Signal(signal) => Some(*signal),
            _ => None,
        };
        self.asked.iter().filter_map(signal).collect()
    }

    fn verdict_names(self) -> [&'static str; 2] {
        assert!(self.finished());
        self.machine.into_result().0.map(|v| v.name())
    }
}

#[test]
fn exit_and_end_of_file_come_in_either_order() {
    let exit_last = Run::new().eof(Stream::Stdout).eof(Stream::Stderr);
    assert!(!exit_last.finished());
    assert_eq!(exit_last.on(Input::Exited).verdict_names(), ["complete"; 2]);

    let exit_first = Run::new().on(Input::Exited).eof(Stream::Stderr);
    assert!(!exit_first.finished());
    assert_eq!(
        exit_first.eof(Stream::Stdout).verdict_names(),
        ["complete"; 2]
    );
}

#[test]
fn a_stream_that_is_open_after_the_grace_is_held_and_names_its_holder() {
    let mut run = Run::new().eof(Stream::Stderr).on(Input::Exited);
    assert_eq!(
        run.asked.last(),
        Some(&Action::SetAlarm(limits().grace, Alarm::Grace))
    );
    run = run.on(Input::Alarm(Alarm::Grace));
    assert_eq!(run.asked.last(), Some(&Action::Release(Stream::Stdout)));
    run.machine.held_by(
        Stream::Stdout,
        vec![Holder {
            pid: 7,
            argv: vec!["sleep".into()],
        }],
    );
    run = run.on(Input::StreamEnded(Stream::Stdout, End::Stopped));
    assert!(run.finished());
    let ([stdout, stderr], cause) = run.machine.into_result();
    assert_eq!(stdout.to_string(), "held by pid 7 (sleep)");
    assert_eq!((stderr.name(), cause), ("complete", None));
}

#[test]
fn a_holder_that_lets_go_while_it_is_being_named_leaves_a_complete_capture() {
    let run = Run::new()
        .on(Input::Exited)
        .eof(Stream::Stderr)
        .on(Input::Alarm(Alarm::Grace));
    assert_eq!(run.eof(Stream::Stdout).verdict_names(), ["complete"; 2]);
}

#[test]
fn a_timeout_asks_then_kills_and_what_was_open_is_cut() {
    let run = Run::new()
        .eof(Stream::Stderr)
        .on(Input::Alarm(Alarm::Timeout));
    assert_eq!(run.signals(), [Signal::Term]);
    let run = run.on(Input::Alarm(Alarm::KillStep));
    assert_eq!(run.signals(), [Signal::Term, Signal::Kill]);
    let run = run.on(Input::Exited).eof(Stream::Stdout);
    assert_eq!(run.machine.cause(), Some(Cause::Timeout));
    assert_eq!(run.verdict_names(), ["cut", "complete"]);
}

#[test]
fn the_kill_sequence_goes_on_for_the_group_of_a_process_that_has_exited() {
    let run = Run::new().on(Input::Cancel).on(Input::Exited);
    let run = run.on(Input::Alarm(Alarm::KillStep));
    assert_eq!(run.signals(), [Signal::Term, Signal::Kill]);
    assert!(!run.finished());
    assert!(run.eof(Stream::Stdout).eof(Stream::Stderr).finished());
}

#[test]
fn whoever_of_an_ended_group_has_closed_the_streams_is_killed_at_last() {
    let run = Run::new().on(Input::Cancel).on(Input::Exited);
    let run = run.eof(Stream::Stdout).eof(Stream::Stderr);
    assert_eq!(run.signals(), [Signal::Term, Signal::Kill]);
    assert!(run.finished());
}

#[test]
fn a_timeout_after_the_exit_changes_nothing() {
    let run = Run::new()
        .on(Input::Exited)
        .on(Input::Alarm(Alarm::Timeout));
    assert_eq!(run.signals(), []);
    assert_eq!(
        run.eof(Stream::Stdout).eof(Stream::Stderr).verdict_names(),
        ["complete"; 2]
    );
}

#[test]
fn cancelling_a_process_that_has_exited_lets_go_of_its_streams_at_once() {
    let run = Run::new().on(Input::Exited).on(Input::Cancel);
    assert_eq!(run.signals(), [Signal::Kill]);
    let run = run.on(Input::StreamEnded(Stream::Stdout, End::Stopped));
    let run = run.on(Input::StreamEnded(Stream::Stderr, End::Stopped));
    assert_eq!(run.verdict_names(), ["cut"; 2]);
}

#[test]
fn a_read_error_is_the_verdict_of_that_stream_alone() {
    let broken = std::io::Error::from_raw_os_error(5);
    let run = Run::new().on(Input::StreamEnded(Stream::Stdout, End::Failed(broken)));
    assert_eq!(
        run.eof(Stream::Stderr).on(Input::Exited).verdict_names(),
        ["failed", "complete"]
    );
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    End(Stream),
    CallbackPanic(Stream),
    Exit,
    Alarm(Alarm),
    Cancel,
    Kill,
}

fn happening() -> impl Strategy<Value = Happening> {
    let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
    prop_oneof![
        stream.clone().prop_map(Happening::End),
        stream.prop_map(Happening::CallbackPanic),
        Just(Happening::Exit),
        Just(Happening::Alarm(Alarm::Timeout)),
        Just(Happening::Alarm(Alarm::KillStep)),
        Just(Happening::Alarm(Alarm::Grace)),
        Just(Happening::Cancel),
        Just(Happening::Kill),
    ]
}

proptest! {
    #[test]
    fn any_order_of_events_finishes_once_and_only_after_exit_and_both_ends(
        happenings in prop::collection::vec(happening(), 0..30),
    ) {
        let mut run = Run::new();
        let (mut exited, mut ended, mut asked_to_end) = (false, [false; 2], false);
        for happening in happenings {
            let before = run.asked.len();
            run = match happening {
                Happening::End(stream) => {
                    let released = run.asked.contains(&Action::Release(stream));
                    ended[stream.index()] = true;
                    let end = if released { End::Stopped } else { End::Eof };
                    run.on(Input::StreamEnded(stream, end))
                }
                Happening::CallbackPanic(stream) => run.on(Input::CallbackPanicked(stream)),
                Happening::Exit => { exited = true; run.on(Input::Exited) }
                Happening::Alarm(alarm) => run.on(Input::Alarm(alarm)),
                Happening::Cancel => { asked_to_end = true; run.on(Input::Cancel) }
                Happening::Kill => { asked_to_end = true; run.on(Input::Kill) }
            };
            let finishes = run.asked.iter().filter(|a| **a == Action::Finish).count();
            prop_assert_eq!(finishes, usize::from(exited && ended == [true; 2]));
            if finishes == 1 && run.asked.len() > before {
                prop_assert_eq!(run.asked.last(), Some(&Action::Finish), "nothing after the end");
            }
            if finishes == 0 && asked_to_end {
                prop_assert!(!run.signals().is_empty(), "a process that is to end is told so");
            }
        }
        for stream in Stream::ALL {
            let releases = run.asked.iter().filter(|a| **a == Action::Release(stream)).count();
            prop_assert!(releases <= 1);
        }
    }
}
