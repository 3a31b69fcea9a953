//! What becomes of the output of commands. Each mode is one file; this one knows which is which.

mod chunked_writer;
mod delivery;
mod dress;
mod lines;
mod order;
mod outbox;
mod spool;
mod start_errors;

use std::ffi::OsStr;
use std::io;
use std::sync::{Arc, Mutex};

use throng::{Command, Outcome, Output, Stream, Verdict};

use crate::fate::{HELD_FAILS, fails_by_holders};
use crate::options::output::Colors;
use crate::records::{self, JobInfo, To};
use crate::terminal::sink::Sink;
pub(crate) use delivery::Delivery;
pub(crate) use order::InOrder;
pub(crate) use outbox::Outbox;

use self::chunked_writer::{ChunkedWriter, Out};
use self::dress::Dress;
use self::lines::Lines;
use self::start_errors::StartErrors;
use crate::options::output::Mode;
use crate::{sys, text};

/// Says what commands have said, as the mode wants it.
#[derive(Debug)]
pub(crate) struct Printer {
    mode: Mode,
    colors: Colors,
    sink: Arc<Sink>,
    lines: Arc<Lines>,
    order: Option<Arc<Mutex<InOrder>>>,
    /// For what is said while commands run.
    outbox: Arc<Outbox>,
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
            outbox: Arc::default(),
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

    /// What is said while commands run, opened if anything is. Each outcome has to
    /// [catch up](Outbox::catch_up) with what was said before.
    pub(crate) fn open_outbox(&self, verbose: bool) -> io::Result<Arc<Outbox>> {
        if verbose || self.says_at_once() {
            self.outbox.open(self.sink.clone(), self.order.clone())?;
        }
        Ok(self.outbox.clone())
    }

    fn says_at_once(&self) -> bool {
        matches!(self.mode, Mode::Line | Mode::Live)
    }

    /// What is to be called with output as it comes.
    pub(crate) fn callback(&self) -> Option<impl Fn(Output<'_>) + Send + Sync + 'static> {
        let (outbox, lines) = (self.outbox.clone(), self.lines.clone());
        let (mode, colors) = (self.mode, self.colors);
        self.says_at_once().then_some(move |output: Output<'_>| {
            if mode == Mode::Live {
                return outbox.put(None, output.stream, output.bytes);
            }
            let tag = output.command.get_label();
            let dress = Dress::new(output.seq, output.stream, tag, colors);
            let whole = lines.push(output.seq, output.stream, output.bytes, &dress);
            outbox.put(Some(output.seq), output.stream, &whole);
        })
    }

    /// What is to be called with the outcome of a command that is run again, before it is: ends the
    /// lines that the command has begun.
    pub(crate) fn before_another_attempt(&self) -> impl Fn(&Outcome) + Send + 'static {
        let (outbox, lines) = (self.outbox.clone(), self.lines.clone());
        let (mode, colors) = (self.mode, self.colors);
        move |outcome: &Outcome| {
            for stream in Stream::ALL.into_iter().filter(|_| mode == Mode::Line) {
                let dress = dress(outcome, stream, colors);
                let rest = lines.finish(outcome.seq(), stream, &dress);
                outbox.put(Some(outcome.seq()), stream, &rest);
            }
        }
    }

    /// What is to be called with a command that starts: it is said on stdout, where its output
    /// is said as it comes, and on stderr, as a script or not, if that is wanted here.
    pub(crate) fn starter(
        &self,
        verbose: Option<bool>,
    ) -> Option<impl Fn(&Command) + Send + Sync + 'static> {
        let (outbox, echo) = (self.outbox.clone(), self.echo);
        let echo = echo.filter(|_| self.says_at_once());
        (echo.is_some() || verbose.is_some()).then_some(move |command: &Command| {
            if let Some(shell) = verbose {
                outbox.put(None, Stream::Stderr, &verbose_line(command, shell));
            }
            if let Some(shell) = echo {
                outbox.put(None, Stream::Stdout, &echoed(command, shell));
            }
        })
    }

    /// A command has ended: says what has not been said yet.
    pub(crate) fn outcome(&self, outcome: &Outcome, info: &JobInfo, out: Out<'_>) {
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
                let mut writer = ChunkedWriter::new(To::Stdout, out);
                let written = records::write_json(&mut writer, outcome, info);
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

    fn group(&self, outcome: &Outcome, stream: Stream, out: Out<'_>) {
        let dress = self.dress(outcome, stream);
        let (mut in_line, mut dressed) = (false, Vec::new());
        let given = records::for_each_chunk(outcome.capture(), stream, |piece| {
            if dress.is_plain() {
                out(stream.into(), piece);
            } else {
                dress.put_on(piece, &mut in_line, &mut dressed);
                out(stream.into(), &dressed);
                dressed.clear();
            }
            Ok(())
        });
        dress.take_off(in_line, &mut dressed);
        out(stream.into(), &dressed);
        lament(outcome, stream, given, out);
    }

    fn dress(&self, outcome: &Outcome, stream: Stream) -> Dress {
        dress(outcome, stream, self.colors)
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

/// Says that output that was spilled to a file cannot be read back, if so.
fn lament(outcome: &Outcome, stream: Stream, given: io::Result<()>, out: Out<'_>) {
    if let Err(error) = given {
        let name = name(outcome);
        let message = text::complaint(&format!("{name}: {stream} cannot be read back: {error}"));
        out(To::Stderr, message.as_bytes());
    }
}

fn dress(outcome: &Outcome, stream: Stream, colors: Colors) -> Dress {
    let tag: Option<&OsStr> = outcome.command().get_label();
    Dress::new(outcome.seq(), stream, tag, colors)
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
fn verbose_line(command: &Command, shell: bool) -> Vec<u8> {
    let mut line = text::on_one_line(&records::shown(command, shell));
    line.push('\n');
    line.into_bytes()
}

/// The command as a user would know it again, cut short.
fn name(outcome: &Outcome) -> String {
    text::quoted(&sys::name(outcome.command()))
}
