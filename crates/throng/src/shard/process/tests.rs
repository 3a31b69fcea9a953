use super::*;
use proptest::prelude::*;

fn limits() -> Limits {
    Limits {
        timeout: Some(Duration::from_secs(1)),
        grace: Duration::from_millis(200),
        kill: Arc::new(KillSequence::new(Signal::Term, Duration::from_secs(2))),
        held: OnHeld::Keep,
    }
}

/// A state machine, and everything that it has requested so far.
struct Run {
    machine: Machine,
    asked: Vec<Action>,
}

impl Run {
    fn new() -> Run {
        Run::with(OnHeld::Keep)
    }

    fn with(held: OnHeld) -> Run {
        let mut asked = Vec::new();
        let limits = Limits { held, ..limits() };
        let machine = Machine::new(limits, &mut asked);
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
fn a_stream_open_after_the_grace_period_is_held_and_names_its_holder() {
    let mut run = Run::new().eof(Stream::Stderr).on(Input::Exited);
    assert_eq!(
        run.asked.last(),
        Some(&Action::SetAlarm(limits().grace, Alarm::Grace))
    );
    run = run.on(Input::Alarm(Alarm::Grace));
    assert_eq!(run.asked.last(), Some(&Action::NameHolders));
    let holder = Holder {
        pid: 7,
        argv: vec!["sleep".into()],
        started: None,
    };
    run = run.on(Input::HoldersNamed([vec![holder], Vec::new()]));
    assert_eq!(run.asked.last(), Some(&Action::Release(Stream::Stdout)));
    run = run.on(Input::StreamEnded(Stream::Stdout, End::Released));
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
fn a_process_that_is_cancelled_while_its_holders_are_named_is_not_kept_by_that() {
    let run = Run::new().on(Input::Exited);
    let run = run.on(Input::Alarm(Alarm::Grace)).on(Input::Cancel);
    assert!(run.asked.contains(&Action::Release(Stream::Stderr)));
    let run = run.on(Input::HoldersNamed([Vec::new(), Vec::new()]));
    let run = run.on(Input::StreamEnded(Stream::Stdout, End::Released));
    let run = run.on(Input::StreamEnded(Stream::Stderr, End::Released));
    assert_eq!(run.verdict_names(), ["cut"; 2]);
}

#[test]
fn a_process_that_survives_a_kill_is_given_up() {
    let give_up = Action::SetAlarm(GIVE_UP_AFTER, Alarm::GiveUp);
    let run = Run::new().on(Input::Cancel);
    assert!(!run.asked.contains(&give_up));
    let run = run.on(Input::Alarm(Alarm::KillStep));
    assert_eq!(run.asked.last(), Some(&give_up));
    let run = run.eof(Stream::Stdout).on(Input::Alarm(Alarm::GiveUp));
    assert_eq!(run.asked.last(), Some(&Action::Release(Stream::Stderr)));
    assert!(run.asked.contains(&Action::GiveUp));
    let run = run.on(Input::StreamEnded(Stream::Stderr, End::Released));
    assert_eq!(run.verdict_names(), ["cut"; 2]);

    let silent = Run::new().eof(Stream::Stdout).eof(Stream::Stderr);
    let run = silent.on(Input::Kill).on(Input::Alarm(Alarm::GiveUp));
    assert!(run.finished());
}

#[test]
fn a_timeout_asks_then_kills_and_open_streams_are_cut() {
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
fn a_group_member_that_closed_the_streams_is_killed_at_last() {
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
    let run = run.on(Input::StreamEnded(Stream::Stdout, End::Released));
    let run = run.on(Input::StreamEnded(Stream::Stderr, End::Released));
    assert_eq!(run.verdict_names(), ["cut"; 2]);
}

#[test]
fn under_kill_the_rest_of_the_tree_is_ended_after_the_grace_and_read_to_the_end() {
    let run = Run::with(OnHeld::Kill).on(Input::Exited);
    assert_eq!(run.signals(), [], "it has its grace");
    let run = run.on(Input::Alarm(Alarm::Grace));
    assert_eq!(run.signals(), [Signal::Term]);
    assert!(!run.asked.contains(&Action::Release(Stream::Stdout)));
    let run = run.eof(Stream::Stdout).on(Input::Alarm(Alarm::KillStep));
    assert_eq!(run.signals(), [Signal::Term, Signal::Kill]);
    let run = run.eof(Stream::Stderr);
    assert_eq!(run.machine.cause(), None, "the process ended by itself");
    assert_eq!(run.verdict_names(), ["complete"; 2]);
}

#[test]
fn under_kill_an_unreachable_holder_makes_the_stream_held_after_another_grace_period() {
    let run = Run::with(OnHeld::Kill)
        .on(Input::Exited)
        .eof(Stream::Stderr)
        .on(Input::Alarm(Alarm::Grace))
        .on(Input::Alarm(Alarm::KillStep));
    let grace = Action::SetAlarm(limits().grace, Alarm::Grace);
    assert_eq!(run.asked.last(), Some(&grace));
    let run = run.on(Input::Alarm(Alarm::Grace));
    assert_eq!(run.asked.last(), Some(&Action::NameHolders));
    let run = run.on(Input::HoldersNamed([Vec::new(), Vec::new()]));
    assert_eq!(run.asked.last(), Some(&Action::Release(Stream::Stdout)));
    let run = run.on(Input::StreamEnded(Stream::Stdout, End::Released));
    assert_eq!(run.verdict_names(), ["held", "complete"]);
}

#[test]
fn under_wait_only_the_timeout_ends_a_holder() {
    let waits = Run::with(OnHeld::Wait).on(Input::Exited);
    let timeout = Action::SetAlarm(Duration::from_secs(1), Alarm::Timeout);
    assert_eq!(waits.asked, [timeout], "there is no grace");
    let run = waits.on(Input::Alarm(Alarm::Timeout));
    assert_eq!(run.signals(), [Signal::Term]);
    let run = run.on(Input::Alarm(Alarm::KillStep));
    assert_eq!(run.signals(), [Signal::Term, Signal::Kill]);
    let run = run.eof(Stream::Stdout).on(Input::Alarm(Alarm::Grace));
    let run = run.on(Input::StreamEnded(Stream::Stderr, End::Released));
    assert_eq!(run.machine.cause(), Some(Cause::Timeout));
    assert_eq!(run.verdict_names(), ["cut"; 2]);

    let patient = Run::with(OnHeld::Wait)
        .on(Input::Exited)
        .eof(Stream::Stdout);
    assert_eq!(patient.eof(Stream::Stderr).verdict_names(), ["complete"; 2]);
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

/// Something that may happen next, where it makes sense; numbers choose among the possibilities.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Eof(Stream),
    ReadError(Stream),
    /// The engine carries out a request.
    Stopped(Stream),
    Named,
    CallbackPanic(Stream),
    Exit,
    /// One of the alarms that were set goes off: the model does not order them.
    Alarm(usize),
    /// An alarm that was not set for this state.
    StaleAlarm(Alarm),
    Cancel,
    Kill,
}

fn happening() -> impl Strategy<Value = Happening> {
    let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
    let alarm = prop_oneof![
        Just(Alarm::Timeout),
        Just(Alarm::KillStep),
        Just(Alarm::Grace),
        Just(Alarm::GiveUp)
    ];
    prop_oneof![
        2 => stream.clone().prop_map(Happening::Eof),
        1 => stream.clone().prop_map(Happening::ReadError),
        2 => stream.clone().prop_map(Happening::Stopped),
        1 => Just(Happening::Named),
        1 => stream.prop_map(Happening::CallbackPanic),
        2 => Just(Happening::Exit),
        4 => any::<usize>().prop_map(Happening::Alarm),
        1 => alarm.prop_map(Happening::StaleAlarm),
        1 => Just(Happening::Cancel),
        1 => Just(Happening::Kill),
    ]
}

/// What the machine should know and report, derived independently of its implementation.
struct Model {
    run: Run,
    /// How many entries of `asked` have been processed.
    seen: usize,
    alarms: Vec<Alarm>,
    released: [bool; 2],
    exited: bool,
    asked_to_end: bool,
    panicked: [bool; 2],
    verdicts: [Option<&'static str>; 2],
    finishes: usize,
}

impl Model {
    fn new(held: OnHeld) -> Model {
        let mut model = Model {
            run: Run::with(held),
            seen: 0,
            alarms: Vec::new(),
            released: [false; 2],
            exited: false,
            asked_to_end: false,
            panicked: [false; 2],
            verdicts: [None; 2],
            finishes: 0,
        };
        model.look();
        model
    }

    fn is_finished(&self) -> bool {
        self.finishes > 0
    }

    fn happens(&mut self, happening: Happening) {
        let input = match happening {
            Happening::Eof(stream) => return self.ends(stream, End::Eof, "complete"),
            Happening::ReadError(stream) => {
                let error = std::io::Error::from_raw_os_error(5);
                return self.ends(stream, End::Failed(error), "failed");
            }
            Happening::Stopped(stream) if self.released[stream.index()] => {
                return self.ends(stream, End::Released, "held");
            }
            Happening::Stopped(_) => return,
            Happening::Named => Input::HoldersNamed([Vec::new(), Vec::new()]),
            Happening::CallbackPanic(stream) if self.verdicts[stream.index()].is_none() => {
                self.panicked[stream.index()] = true;
                Input::CallbackPanicked(stream)
            }
            Happening::CallbackPanic(_) => return,
            Happening::Exit if !self.exited => {
                self.exited = true;
                Input::Exited
            }
            Happening::Exit => return,
            Happening::Alarm(which) => match self.alarms.len() {
                0 => return,
                len => Input::Alarm(self.alarms.remove(which % len)),
            },
            Happening::StaleAlarm(alarm) => Input::Alarm(alarm),
            Happening::Cancel | Happening::Kill => {
                self.asked_to_end |= !self.is_finished();
                match happening {
                    Happening::Kill => Input::Kill,
                    _ => Input::Cancel,
                }
            }
        };
        self.run.machine.on(input, &mut self.run.asked);
        self.look();
    }

    fn ends(&mut self, stream: Stream, end: End, by_itself: &'static str) {
        let verdict = &mut self.verdicts[stream.index()];
        if verdict.is_some() {
            return;
        }
        *verdict = Some(match by_itself {
            _ if self.panicked[stream.index()] => "failed",
            "failed" => "failed",
            _ if self.run.machine.cause().is_some() => "cut",
            by_itself => by_itself,
        });
        let input = Input::StreamEnded(stream, end);
        self.run.machine.on(input, &mut self.run.asked);
        self.look();
    }

    /// Records what the machine has requested.
    fn look(&mut self) {
        for action in &self.run.asked[self.seen..] {
            assert_eq!(self.finishes, 0, "nothing comes after the end: {action:?}");
            match action {
                Action::SetAlarm(_, alarm) => self.alarms.push(*alarm),
                Action::Release(stream) => {
                    let again = std::mem::replace(&mut self.released[stream.index()], true);
                    assert!(!again, "a stream is released once");
                    assert!(self.exited, "and never before the exit");
                }
                Action::GiveUp => {
                    assert!(!self.exited, "what has exited is not given up");
                    self.exited = true;
                }
                Action::Finish => self.finishes += 1,
                Action::Signal(_) | Action::NameHolders => {}
            }
        }
        self.seen = self.run.asked.len();
        let is_due = self.exited && self.verdicts.iter().all(Option::is_some);
        assert_eq!(self.finishes, usize::from(is_due));
    }

    /// Lets all alarms go off and the engine carry out its requests, until nothing is left.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.happens(Happening::Alarm(0));
            self.happens(Happening::Named);
            for stream in Stream::ALL {
                self.happens(Happening::Stopped(stream));
            }
        }
    }
}

fn held() -> impl Strategy<Value = OnHeld> {
    prop_oneof![
        Just(OnHeld::Keep),
        Just(OnHeld::Kill),
        Just(OnHeld::Wait),
        Just(OnHeld::Fail)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_order_of_events_finishes_once_after_exit_and_both_ends_with_the_right_verdicts(
        held in held(), happenings in prop::collection::vec(happening(), 0..30),
    ) {
        let mut model = Model::new(held);
        for happening in &happenings {
            model.happens(*happening);
            if model.asked_to_end && !model.is_finished() {
                prop_assert!(!model.run.signals().is_empty(), "who is to end is told so");
            }
        }
        if model.is_finished() {
            let verdicts = model.verdicts.map(Option::unwrap);
            prop_assert_eq!(model.run.verdict_names(), verdicts);
        }
    }

    #[test]
    fn whatever_happened_before_an_exit_no_wait_is_endless(
        held in held(), happenings in prop::collection::vec(happening(), 0..30),
    ) {
        let mut model = Model::new(held);
        happenings.into_iter().for_each(|happening| model.happens(happening));
        model.happens(Happening::Exit);
        let had_timeout = model.alarms.contains(&Alarm::Timeout);
        model.settle();
        let may_wait = held == OnHeld::Wait && !had_timeout && model.run.machine.cause().is_none();
        prop_assert!(model.is_finished() || may_wait, "{:?}", model.run.asked);
    }

    #[test]
    fn a_process_that_ignores_a_request_to_end_is_killed(
        held in held(), happenings in prop::collection::vec(happening(), 0..20),
    ) {
        let mut model = Model::new(held);
        happenings.into_iter().for_each(|happening| model.happens(happening));
        if !model.is_finished() {
            model.happens(Happening::Cancel);
            model.settle();
            prop_assert!(model.run.signals().contains(&Signal::Kill));
        }
    }
}
