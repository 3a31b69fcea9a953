//! One random process: its script, and what must be known of it in the end.

use std::time::Duration;

use throng::{Command, Mechanism, OnHeld};
use throng_tests::script;

use crate::random::Random;

/// What a process does, and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) steps: String,
    pub(crate) out: Said,
    pub(crate) err: usize,
    pub(crate) end: End,
    pub(crate) treatment: Treatment,
    /// Whether other processes may still hold its streams when it has ended.
    pub(crate) may_be_held: bool,
    pub(crate) keep_at_most: Option<u64>,
    /// Whether another process reads some of its stdout.
    pub(crate) is_robbed: bool,
    timeout: Option<Duration>,
    grace: Option<Duration>,
    held: Option<OnHeld>,
    stdin: Vec<u8>,
}

/// What it writes to stdout.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// This many bytes of the pattern.
    Pattern(usize),
    /// The bytes it was given.
    Echo(Vec<u8>),
}

/// How it ends if it is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Exit(u32),
    Dies,
    /// Never: it has to be ended.
    Never,
    /// It does not even start.
    NoProgram,
}

/// What is done with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It belongs to a run.
    Run,
    /// Its handle is waited for.
    Wait,
    /// Its handle is cancelled, or killed, after this many microseconds, and waited for.
    Cancel(u64),
    Kill(u64),
    /// Its handle is dropped after this many microseconds.
    Drop(u64),
}

/// Whether the system has sessions.
pub(crate) fn has_sessions() -> bool {
    Mechanism::available().contains(&Mechanism::Epoll)
}

impl Case {
    pub(crate) fn random(random: &mut Random, tag: &str) -> Case {
        let mut case = Case {
            steps: tag.to_owned(),
            out: Said::Pattern(0),
            err: 0,
            end: End::Exit(0),
            treatment: Treatment::Run,
            may_be_held: false,
            keep_at_most: None,
            is_robbed: false,
            timeout: None,
            grace: None,
            held: None,
            stdin: Vec::new(),
        };
        match random.below(100) {
            0..78 => case.speak(random),
            78..82 => case.echo(random),
            82..85 => case.trickle(random),
            85..89 => case.leave_holder(random, tag),
            89..91 => case.grow_tree(random, tag),
            91..94 => case.run_out_of_time(random),
            94..95 => case.end = End::NoProgram,
            _ => case.be_treated(random),
        }
        if case.treatment == Treatment::Run && random.below(3) == 0 {
            case.treatment = Treatment::Wait;
        }
        case
    }

    fn add(&mut self, step: &str) {
        self.steps += " ";
        self.steps += step;
    }

    /// The common case: bytes on both streams in some order, then an end.
    fn speak(&mut self, random: &mut Random) {
        let (out, err) = (random.size(), random.size());
        match random.below(5) {
            0 if out == err => self.add(&format!("both:{out}")),
            0 => self.add(&format!("err:{err} out:{out}")),
            1 => self.add(&format!("out:{out} close:out err:{err} close:err")),
            2 => self.add(&format!("out:{} err:{err} out:{}", out / 2, out - out / 2)),
            _ => self.add(&format!("out:{out} err:{err}")),
        }
        (self.out, self.err) = (Said::Pattern(out), err);
        self.end = match random.below(10) {
            0 => End::Dies,
            1 => End::Exit(random.below(200) as u32),
            _ => End::Exit(0),
        };
        match self.end {
            End::Dies => self.add("die"),
            End::Exit(code) => self.add(&format!("exit:{code}")),
            End::Never | End::NoProgram => {}
        }
        if random.below(12) == 0 {
            self.keep_at_most = Some(random.size() as u64);
        }
    }

    fn echo(&mut self, random: &mut Random) {
        let len = random.size();
        self.stdin = (0..len).map(|_| random.next() as u8).collect();
        self.out = Said::Echo(self.stdin.clone());
        self.add("cat");
    }

    fn trickle(&mut self, random: &mut Random) {
        let count = random.below(20) as usize;
        if has_sessions() && random.below(2) == 0 {
            self.is_robbed = true;
            self.add("rob-out");
        }
        self.add(&format!("slow-out:{count}:{}", random.below(2000)));
        self.out = Said::Pattern(count);
        if self.is_robbed && random.below(3) == 0 {
            // It goes on without output after what may have been stolen.
            self.add("sleep:600000");
            self.end = End::Never;
            self.timeout = Some(Duration::from_millis(20 + random.below(80)));
        }
    }

    /// A descendant keeps a stream open for a while: shorter or longer than the grace period.
    fn leave_holder(&mut self, random: &mut Random, tag: &str) {
        let way = random.one_of(&["holder", "holder-out", "holder-err", "quiet"]);
        let out = random.size();
        let ms = random.below(120);
        self.add(&format!("{way}:{tag},sleep:{ms} out:{out}"));
        self.out = Said::Pattern(out);
        self.grace = Some(Duration::from_millis(random.one_of(&[1, 30, 20_000])));
        self.held = Some(random.one_of(&[OnHeld::Keep, OnHeld::Keep, OnHeld::Kill, OnHeld::Wait]));
        self.may_be_held = true;
    }

    /// Descendants that do not end by themselves, wherever they have moved, until the process is
    /// ended.
    fn grow_tree(&mut self, random: &mut Random, tag: &str) {
        let ways: &[&str] = if has_sessions() {
            &["quiet", "holder", "daemon", "daemon-holder", "bare-session"]
        } else {
            &["quiet", "holder"]
        };
        for _ in 0..=random.below(2) {
            self.add(&format!("{}:{tag},sleep:600000", random.one_of(ways)));
        }
        self.end = End::Never;
        self.add("sleep:600000");
        self.timeout = Some(Duration::from_millis(50 + random.below(200)));
    }

    fn run_out_of_time(&mut self, random: &mut Random) {
        if random.below(3) == 0 {
            self.add("ignore-term");
        }
        let out = random.size();
        self.add(&format!("out:{out}"));
        if has_sessions() && random.below(3) == 0 {
            self.add("signal:STOP");
        }
        self.add("sleep:600000");
        self.out = Said::Pattern(out);
        self.end = End::Never;
        self.timeout = Some(Duration::from_millis(random.below(80)));
    }

    fn be_treated(&mut self, random: &mut Random) {
        let (after_us, out) = (random.below(20_000), random.size());
        self.add(&format!("out:{out}"));
        self.out = Said::Pattern(out);
        if random.below(2) == 0 {
            self.add("sleep:600000");
            self.end = End::Never;
        }
        self.treatment = match random.below(3) {
            0 => Treatment::Cancel(after_us),
            1 => Treatment::Kill(after_us),
            _ => Treatment::Drop(after_us),
        };
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.timeout.is_some()
    }

    pub(crate) fn command(&self, child: &str) -> Command {
        let mut command = match self.end {
            End::NoProgram => Command::new("throng-no-such-program"),
            _ => script(child, &self.steps),
        };
        if let Some(timeout) = self.timeout {
            command.timeout(timeout);
        }
        if let Some(grace) = self.grace {
            command.grace(grace);
        }
        if let Some(held) = self.held {
            command.on_held(held);
        }
        if let Some(most) = self.keep_at_most {
            command.max_output(most);
        }
        if matches!(self.out, Said::Echo(_)) {
            command.stdin(self.stdin.clone());
        }
        command
    }
}
