//! The same two hundred random commands have the same results with every mechanism: what they
//! wrote, how they ended, and the verdicts of their streams.
//!
//! The expected results are known beforehand, because the generator of a command knows what it
//! does. So all mechanisms are compared with one table.

use std::time::Duration;

use throng::{Command, ErrorKind, Outcome, Status, Stream, Throng};
use throng_tests::{Source, Tag, child, fill, for_each_mechanism, repeat};

/// A constant, so that a failure can be reproduced.
const SEED: u64 = 0x7468_726f_6e67;

/// A generator of pseudorandom numbers, splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Mostly small, sometimes around the size of pages and pipes, and now and then large.
    fn size(&mut self) -> u64 {
        match self.below(8) {
            0..=3 => self.below(100),
            4 | 5 => self.below(5000),
            6 => [4095, 4096, 4097, 16_384, 65_535, 65_536, 65_537][self.below(7) as usize],
            _ => self.below(300_000),
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Line {
    status: Option<Status>,
    start_error: Option<ErrorKind>,
    written: [Vec<u8>; 2],
    verdicts: [String; 2],
}

impl Line {
    fn of(outcome: &Outcome) -> Line {
        let verdict = |stream| match outcome.verdict(stream).name() {
            "held" => "held".to_owned(),
            _ => outcome.verdict(stream).to_string(),
        };
        Line {
            status: outcome.status(),
            start_error: outcome.start_error().map(|error| error.kind()),
            written: Stream::ALL.map(|stream| outcome.capture().stream(stream).to_vec()),
            verdicts: Stream::ALL.map(verdict),
        }
    }

    /// The expected result, without its bytes.
    fn brief(&self) -> String {
        let [out, err] = &self.written;
        let (status, error) = (self.status, self.start_error);
        let (out, err) = (out.len(), err.len());
        format!("{status:?} {error:?} {out}+{err} {:?}", self.verdicts)
    }
}

/// A command being built, and its expected result.
#[derive(Default)]
struct Draft {
    steps: String,
    positions: [u64; 2],
    line: Line,
    is_closed: [bool; 2],
}

impl Draft {
    fn step(&mut self, step: &str) {
        self.steps += step;
        self.steps += " ";
    }

    fn speak(&mut self, stream: usize, count: u64) {
        if self.is_closed[stream] {
            return;
        }
        self.step(&format!("{}:{count}", ["out", "err"][stream]));
        self.heard(stream, count);
    }

    fn heard(&mut self, stream: usize, count: u64) {
        let mut bytes = vec![0; count as usize];
        let source = [Source::Out, Source::Err][stream];
        fill(source, self.positions[stream], &mut bytes);
        self.positions[stream] += count;
        self.line.written[stream].append(&mut bytes);
    }

    fn take_any_step(&mut self, chance: &mut Chance) {
        match chance.below(10) {
            0..=2 => self.speak(0, chance.size()),
            3 | 4 => self.speak(1, chance.size()),
            5 if self.is_closed == [false; 2] => {
                let count = chance.size();
                self.step(&format!("both:{count}"));
                (0..2).for_each(|stream| self.heard(stream, count));
            }
            6 => self.step(&format!("sleep:{}", chance.below(30))),
            7 if !self.is_closed[0] => {
                self.step("outs:some-words");
                self.line.written[0].extend(b"some-words");
            }
            8 if chance.one_in(3) => {
                let stream = chance.below(2) as usize;
                if !std::mem::replace(&mut self.is_closed[stream], true) {
                    self.step(["close:out", "close:err"][stream]);
                }
            }
            _ => self.step(
                "zero-write:out"
                    .repeat(usize::from(!self.is_closed[0]))
                    .as_str(),
            ),
        }
    }

    /// Another process keeps a stream open, or both.
    fn leave_behind(&mut self, chance: &mut Chance, tag: &Tag) {
        let which = chance.below(3) as usize;
        let name = ["holder-out", "holder-err", "holder"][which];
        self.step(&format!("{name}:{tag},sleep:600000"));
        for (stream, holds) in [(0, which != 1), (1, which != 0)] {
            if holds && !self.is_closed[stream] {
                self.line.verdicts[stream] = "held".into();
            }
        }
    }

    /// Keeps only this many bytes.
    fn cap(&mut self, bytes: u64) {
        for (written, verdict) in self.line.written.iter_mut().zip(&mut self.line.verdicts) {
            let dropped = written.len().saturating_sub(bytes as usize);
            written.truncate(bytes as usize);
            if dropped > 0 {
                *verdict = format!("capped, {dropped} bytes dropped");
            }
        }
    }
}

/// A command, and its expected result.
fn make_up(chance: &mut Chance, tag: &Tag) -> (Command, Line) {
    let mut draft = Draft::default();
    draft.line.verdicts = ["complete", "complete"].map(String::from);
    if chance.one_in(25) {
        draft.line.start_error = Some(ErrorKind::NotFound);
        return (Command::new("throng-no-such-program"), draft.line);
    }
    for _ in 0..chance.below(7) {
        draft.take_any_step(chance);
    }
    let is_held = chance.one_in(25);
    let cap = chance.one_in(8).then(|| chance.size());
    if is_held {
        draft.leave_behind(chance, tag);
    }
    if let Some(bytes) = cap.filter(|_| !is_held) {
        draft.cap(bytes);
    }
    let code = [0, 0, 0, 1, 2, 77, 255][chance.below(7) as usize];
    draft.step(&format!("exit:{code}"));
    draft.line.status = Some(Status::Exited(code));
    let mut command = child!("{}", draft.steps);
    if let Some(bytes) = cap.filter(|_| !is_held) {
        command.max_output(bytes);
    }
    if is_held {
        command.grace(Duration::from_millis(100));
    } else {
        command.grace(Duration::from_secs(60));
    }
    (command, draft.line)
}

#[test]
fn two_hundred_commands_have_the_same_results_with_every_mechanism() {
    for_each_mechanism(|mechanism| {
        let count = repeat(200).max(50);
        let tag = Tag::new();
        let mut chance = Chance(SEED);
        let (commands, table): (Vec<Command>, Vec<Line>) =
            (0..count).map(|_| make_up(&mut chance, &tag)).unzip();
        let builder = Throng::builder().mechanism(mechanism).jobs(16).shards(2);
        let throng = builder.build().unwrap();
        let mut outcomes: Vec<Outcome> = throng.run(commands).collect();
        outcomes.sort_by_key(Outcome::seq);
        assert_eq!(outcomes.len(), count);
        for (outcome, expected) in outcomes.iter().zip(&table) {
            let line = Line::of(outcome);
            assert!(
                line == *expected,
                "{:?}\nexpected {}\nbut came  {}",
                outcome.command().get_args().collect::<Vec<_>>(),
                expected.brief(),
                line.brief()
            );
        }
    });
}
