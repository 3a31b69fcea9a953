//! What becomes of the output of commands. Each mode is one file; this one knows which is which.

mod claims;
mod delivery;
mod dress;
mod harmless;
mod joblog;
mod jsonl;
mod kept;
mod lines;
mod notes;
mod order;
mod pieces;
mod recorder;
mod results;
mod resume;
mod sink;
mod spool;
mod start_errors;
mod summary;
mod target;
mod through;

use std::ffi::OsStr;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use throng::{Command, Outcome, Output, Status, Stream, Verdict};

pub(crate) use claims::IsThere;
pub(crate) use delivery::Delivery;
pub(crate) use dress::Colors;
pub(crate) use notes::{Note, Notes, Scribe};
pub(crate) use order::InOrder;
pub(crate) use recorder::{Plan, Recorder, is_lost};
pub(crate) use results::FilesWanted;
pub(crate) use resume::Resume;
pub(crate) use sink::Sink;
pub(crate) use target::Target;
pub(crate) use through::{Out, Through};

use self::dress::Dress;
use self::lines::Lines;
use self::start_errors::StartErrors;
use crate::args::Mode;
use crate::{sys, text};

/// Where a piece of what is said of a command goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Stdout,
    Stderr,
    Joblog,
    Results,
}

impl To {
    pub(crate) const ALL: [To; 4] = [To::Stdout, To::Stderr, To::Joblog, To::Results];
}

impl From<Stream> for To {
    fn from(stream: Stream) -> To {
        match stream {
            Stream::Stdout => To::Stdout,
            Stream::Stderr => To::Stderr,
        }
    }
}

/// Says what commands have said, as the mode wants it.
#[derive(Debug)]
pub(crate) struct Printer {
    mode: Mode,
    colors: Colors,
    sink: Arc<Sink>,
    lines: Arc<Lines>,
    order: Option<Arc<Mutex<InOrder>>>,
    /// Whether the command is said before its output, as a script or not.
    echo: Option<bool>,
    start_errors: StartErrors,
}

impl Printer {
    pub(crate) fn new(
        mode: Mode,
        colors: Colors,
        order: Option<InOrder>,
        echo: Option<bool>,
        sink: Arc<Sink>,
    ) -> Printer {
        Printer {
            mode,
            colors,
            sink,
            lines: Arc::default(),
            order: order.map(|order| Arc::new(Mutex::new(order))),
            echo,
            start_errors: StartErrors::default(),
        }
    }

    pub(crate) fn sink(&self) -> &Arc<Sink> {
        &self.sink
    }

    pub(crate) fn order(&self) -> Option<&Arc<Mutex<InOrder>>> {
        self.order.as_ref()
    }

    /// What is to be called with output as it comes.
    pub(crate) fn callback(&self) -> Option<impl Fn(Output<'_>) + Send + Sync + 'static> {
        let (sink, lines, order) = (self.sink.clone(), self.lines.clone(), self.order.clone());
        let (mode, colors) = (self.mode, self.colors);
        matches!(mode, Mode::Line | Mode::Live).then_some(move |output: Output<'_>| {
            if mode == Mode::Live {
                return sink.write_now(output.stream, output.bytes);
            }
            let tag = output.command.get_label();
            let dress = Dress::new(output.seq, output.stream, tag, colors);
            let whole = lines.push(output.seq, output.stream, output.bytes, &dress);
            say_lines(&sink, order.as_deref(), output.seq, output.stream, &whole);
        })
    }

    /// What is to be called with a command that starts.
    pub(crate) fn starter(&self) -> Option<impl Fn(&Command) + Send + Sync + 'static> {
        let (shell, sink) = (self.echo?, self.sink.clone());
        let is_at_once = matches!(self.mode, Mode::Line | Mode::Live);
        is_at_once.then_some(move |command: &Command| {
            sink.write_now(Stream::Stdout, &echoed(command, shell));
        })
    }

    /// A command has ended: says what has not been said yet.
    pub(crate) fn outcome(&self, outcome: &Outcome, note: &Note, out: Out<'_>) {
        match self.mode {
            Mode::Group => {
                if let Some(shell) = self.echo {
                    out(To::Stdout, &echoed(outcome.command(), shell));
                }
                for stream in Stream::ALL {
                    self.group(outcome, stream, out);
                }
            }
            Mode::Line => {
                for stream in Stream::ALL {
                    let dress = self.dress(outcome, stream);
                    let rest = self.lines.finish(outcome.seq(), stream, &dress);
                    out(stream.into(), &rest);
                }
            }
            Mode::Jsonl => {
                let mut writer = Through::new(To::Stdout, out);
                let written = jsonl::write(&mut writer, outcome, note);
                drop(writer);
                lament(outcome, Stream::Stdout, written, out);
            }
            Mode::Live | Mode::None => {}
        }
        self.warn(outcome, out);
    }

    /// What was left out because it had been said of another command, with how often.
    pub(crate) fn repeated(&self) -> Vec<String> {
        let lines = self.start_errors.repeated().into_iter();
        lines.map(|line| text::complaint(&line)).collect()
    }

    /// A command has ended and is to be run again. What was to be said at its end is not; a line
    /// that has begun is ended here.
    pub(crate) fn again(&self, outcome: &Outcome) {
        if self.mode != Mode::Line {
            return;
        }
        for stream in Stream::ALL {
            let dress = self.dress(outcome, stream);
            let rest = self.lines.finish(outcome.seq(), stream, &dress);
            say_lines(
                &self.sink,
                self.order.as_deref(),
                outcome.seq(),
                stream,
                &rest,
            );
        }
    }

    fn group(&self, outcome: &Outcome, stream: Stream, out: Out<'_>) {
        let dress = self.dress(outcome, stream);
        let (mut in_line, mut dressed) = (false, Vec::new());
        let given = pieces::for_each(outcome.capture(), stream, |piece| {
            if dress.is_plain() {
                return out(stream.into(), piece);
            }
            dress.put_on(piece, &mut in_line, &mut dressed);
            out(stream.into(), &dressed);
            dressed.clear();
        });
        dress.take_off(in_line, &mut dressed);
        out(stream.into(), &dressed);
        lament(outcome, stream, given, out);
    }

    fn dress(&self, outcome: &Outcome, stream: Stream) -> Dress {
        let tag: Option<&OsStr> = outcome.command().get_label();
        Dress::new(outcome.seq(), stream, tag, self.colors)
    }

    /// Says what the output alone does not, for people; in JSON it is all there.
    fn warn(&self, outcome: &Outcome, out: Out<'_>) {
        let mut complain = |message: &str| out(To::Stderr, text::complaint(message).as_bytes());
        if let Some(error) = outcome.start_error() {
            if self.mode != Mode::Jsonl && self.start_errors.is_new(&error.to_string()) {
                complain(&error.to_string());
            }
            return;
        }
        if self.mode == Mode::Jsonl {
            return;
        }
        if outcome.timed_out() {
            complain(&format!("{} ran out of time and was ended", name(outcome)));
        }
        for survivor in outcome.survivors() {
            complain(&format!(
                "{}: {survivor} was killed and goes on",
                name(outcome)
            ));
        }
        let fails = match fails_by_holders(outcome) {
            true => format!("; {HELD_FAILS}"),
            false => String::new(),
        };
        let said = Stream::ALL.map(|stream| match outcome.verdict(stream) {
            verdict @ Verdict::Held { .. } => format!("{verdict}{fails}"),
            verdict @ Verdict::Failed(_) => verdict.to_string(),
            _ => String::new(),
        });
        if said[0] == said[1] && !said[0].is_empty() {
            complain(&format!("{}: stdout and stderr {}", name(outcome), said[0]));
            return;
        }
        for (stream, said) in Stream::ALL.into_iter().zip(said) {
            if !said.is_empty() {
                complain(&format!("{}: {stream} {said}", name(outcome)));
            }
        }
    }
}

/// Why a command has failed that has itself succeeded.
pub(crate) const HELD_FAILS: &str = "failed because its output is held (--held fail)";

/// Whether a command has failed for that reason alone.
fn fails_by_holders(outcome: &Outcome) -> bool {
    let is_held = |stream| matches!(outcome.verdict(stream), Verdict::Held { .. });
    let has_succeeded = outcome.status().is_some_and(Status::success) && !outcome.timed_out();
    has_succeeded && !outcome.success() && Stream::ALL.into_iter().any(is_held)
}

/// Says that output that was spilled to a file cannot be read back, if so.
fn lament(outcome: &Outcome, stream: Stream, given: io::Result<()>, out: Out<'_>) {
    if let Err(error) = given {
        let name = name(outcome);
        let message = text::complaint(&format!("{name}: {stream} cannot be read back: {error}"));
        out(To::Stderr, message.as_bytes());
    }
}

/// Says lines now, or when it is their command's turn.
fn say_lines(sink: &Sink, order: Option<&Mutex<InOrder>>, seq: u64, stream: Stream, lines: &[u8]) {
    let Some(order) = order.filter(|_| !lines.is_empty()) else {
        return sink.write_now(stream, lines);
    };
    let mut order = order.lock().unwrap_or_else(PoisonError::into_inner);
    if order.is_turn_of(seq) {
        sink.write_now(stream, lines);
    } else {
        order.hold_or_remember(seq, stream.into(), lines);
    }
}

/// What `-v` shows of a command, with its tag.
fn echoed(command: &Command, shell: bool) -> Vec<u8> {
    let tag = command.get_label();
    let dress = Dress::new(0, Stream::Stdout, tag, Colors::default());
    let mut line = Vec::new();
    dress.put_on(&verbose_line(command, shell), &mut false, &mut line);
    line
}

/// What `-v` and `-t` show of a command. It is for people, so it is one line whatever is in it.
pub(crate) fn verbose_line(command: &Command, shell: bool) -> Vec<u8> {
    let mut line = text::on_one_line(&joblog::shown(command, shell));
    line.push('\n');
    line.into_bytes()
}

/// The command as a user would know it again, cut short.
fn name(outcome: &Outcome) -> String {
    text::quoted(&sys::name(outcome.command()))
}
