//! Writes the output of commands, in the mode of `--output`.

use std::ffi::OsStr;
use std::io;
use std::sync::{Arc, Mutex};

use throng::{Command, Outcome, Output, Stream, Verdict};

use super::chunked_writer::{ChunkedWriter, Out};
use super::line_prefix::LinePrefix;
use super::lines::Lines;
use super::order::InOrder;
use super::outbox::Outbox;
use super::start_errors::StartErrors;
use crate::fate::{HELD_FAILS, fails_by_holders};
use crate::options::Run;
use crate::options::output::{Colors, Mode};
use crate::records::{self, JobInfo, To};
use crate::terminal::Terminal;
use crate::{sys, text};

/// Writes the output of commands, in the mode of the run.
#[derive(Debug)]
pub(crate) struct Printer {
    mode: Mode,
    colors: Colors,
    terminal: &'static Terminal,
    lines: Arc<Lines>,
    order: Option<Arc<Mutex<InOrder>>>,
    /// For what is written while commands run.
    outbox: Arc<Outbox>,
    /// Whether each command is written before its output (`-v`), and whether it is a script.
    echo: Option<bool>,
    /// Whether each command is written to stderr when it starts (`-t`), and whether it is a script.
    verbose: Option<bool>,
    start_errors: StartErrors,
}

impl Printer {
    pub(crate) fn new(args: &Run, terminal: &'static Terminal) -> io::Result<Printer> {
        let output = &args.output;
        let shell = args.has_shell();
        let order = InOrder::new(args).map(|order| Arc::new(Mutex::new(order)));
        let printer = Printer {
            mode: output.mode(),
            colors: output.colors(),
            terminal,
            lines: Arc::default(),
            order: order.clone(),
            outbox: Arc::default(),
            echo: output.echo.then_some(shell),
            verbose: output.verbose.then_some(shell),
            start_errors: StartErrors::default(),
        };
        if printer.verbose.is_some() || printer.writes_at_once() {
            printer.outbox.open(terminal, order)?;
        }
        Ok(printer)
    }

    pub(super) fn terminal(&self) -> &'static Terminal {
        self.terminal
    }

    pub(super) fn order(&self) -> Option<&Arc<Mutex<InOrder>>> {
        self.order.as_ref()
    }

    /// What is written while commands run. Before an outcome is handled, all that was put in there
    /// has to be [written](Outbox::catch_up).
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    fn writes_at_once(&self) -> bool {
        matches!(self.mode, Mode::Line | Mode::Live)
    }

    /// Has to be called with output as it comes.
    pub(crate) fn on_output(&self) -> Option<impl Fn(Output<'_>) + Send + Sync + 'static> {
        let (outbox, lines) = (self.outbox.clone(), self.lines.clone());
        let (mode, colors) = (self.mode, self.colors);
        self.writes_at_once().then_some(move |output: Output<'_>| {
            if mode == Mode::Live {
                return outbox.put(None, output.stream, output.bytes);
            }
            let tag = output.command.get_label();
            let prefix = LinePrefix::new(output.seq, output.stream, tag, colors);
            let whole = lines.push(output.seq, output.stream, output.bytes, &prefix);
            outbox.put(Some(output.seq), output.stream, &whole);
        })
    }

    /// Has to be called with the outcome of a command that is run again, before it is: ends the
    /// lines that the command has begun.
    pub(crate) fn before_another_attempt(&self) -> impl Fn(&Outcome) + Send + 'static {
        let (outbox, lines) = (self.outbox.clone(), self.lines.clone());
        let (mode, colors) = (self.mode, self.colors);
        move |outcome: &Outcome| {
            for stream in Stream::ALL.into_iter().filter(|_| mode == Mode::Line) {
                let prefix = line_prefix(outcome, stream, colors);
                let rest = lines.finish(outcome.seq(), stream, &prefix);
                outbox.put(Some(outcome.seq()), stream, &rest);
            }
        }
    }

    /// Has to be called with each command that starts: writes it to stdout, if its output is
    /// written there as it comes, and to stderr.
    pub(crate) fn on_start(&self) -> Option<impl Fn(&Command) + Send + Sync + 'static> {
        let (outbox, verbose) = (self.outbox.clone(), self.verbose);
        let echo = self.echo.filter(|_| self.writes_at_once());
        (echo.is_some() || verbose.is_some()).then_some(move |command: &Command| {
            if let Some(shell) = verbose {
                outbox.put(None, Stream::Stderr, &verbose_line(command, shell));
            }
            if let Some(shell) = echo {
                outbox.put(None, Stream::Stdout, &echoed(command, shell));
            }
        })
    }

    /// A command has ended: writes what has not been written yet.
    pub(super) fn outcome(&self, outcome: &Outcome, info: &JobInfo, out: Out<'_>) {
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
                    let prefix = self.line_prefix(outcome, stream);
                    let rest = self.lines.finish(outcome.seq(), stream, &prefix);
                    out(stream.into(), &rest);
                }
            }
            Mode::Jsonl => {
                let mut writer = ChunkedWriter::new(To::Stdout, out);
                let written = records::write_json(&mut writer, outcome, info);
                drop(writer);
                warn_of_lost(outcome, Stream::Stdout, written, out);
            }
            Mode::Live | Mode::None => {}
        }
        self.warn(outcome, out);
    }

    /// The start errors that were left out because another command had the same, with counts.
    pub(super) fn repeated(&self) -> Vec<String> {
        let lines = self.start_errors.repeated().into_iter();
        lines.map(|line| text::message_line(&line)).collect()
    }

    fn group(&self, outcome: &Outcome, stream: Stream, out: Out<'_>) {
        let prefix = self.line_prefix(outcome, stream);
        let (mut in_line, mut prefixed) = (false, Vec::new());
        let written = records::for_each_chunk(outcome.capture(), stream, |piece| {
            if prefix.is_plain() {
                out(stream.into(), piece);
            } else {
                prefix.push(piece, &mut in_line, &mut prefixed);
                out(stream.into(), &prefixed);
                prefixed.clear();
            }
            Ok(())
        });
        prefix.finish(in_line, &mut prefixed);
        out(stream.into(), &prefixed);
        warn_of_lost(outcome, stream, written, out);
    }

    fn line_prefix(&self, outcome: &Outcome, stream: Stream) -> LinePrefix {
        line_prefix(outcome, stream, self.colors)
    }

    /// Warns about what the output alone does not show. JSON contains all of it.
    fn warn(&self, outcome: &Outcome, out: Out<'_>) {
        let mut warn = |message: &str| out(To::Stderr, text::message_line(message).as_bytes());
        if let Some(error) = outcome.start_error() {
            if self.mode != Mode::Jsonl && self.start_errors.is_new(&error.to_string()) {
                warn(&error.to_string());
            }
            return;
        }
        if self.mode == Mode::Jsonl {
            return;
        }
        if outcome.timed_out() {
            warn(&format!("{} ran out of time and was ended", name(outcome)));
        }
        for survivor in outcome.survivors() {
            warn(&format!(
                "{}: {survivor} was killed but is still running",
                name(outcome)
            ));
        }
        let fails = match fails_by_holders(outcome) {
            true => format!("; {HELD_FAILS}"),
            false => String::new(),
        };
        let texts = Stream::ALL.map(|stream| match outcome.verdict(stream) {
            verdict @ Verdict::Held { .. } => format!("{verdict}{fails}"),
            verdict @ Verdict::Failed(_) => verdict.to_string(),
            _ => String::new(),
        });
        if texts[0] == texts[1] && !texts[0].is_empty() {
            warn(&format!(
                "{}: stdout and stderr {}",
                name(outcome),
                texts[0]
            ));
            return;
        }
        for (stream, text) in Stream::ALL.into_iter().zip(texts) {
            if !text.is_empty() {
                warn(&format!("{}: {stream} {text}", name(outcome)));
            }
        }
    }
}

/// Warns if output that was spilled to a file cannot be read back.
fn warn_of_lost(outcome: &Outcome, stream: Stream, written: io::Result<()>, out: Out<'_>) {
    if let Err(error) = written {
        let name = name(outcome);
        let message = text::message_line(&format!("{name}: {stream} cannot be read back: {error}"));
        out(To::Stderr, message.as_bytes());
    }
}

fn line_prefix(outcome: &Outcome, stream: Stream, colors: Colors) -> LinePrefix {
    let tag: Option<&OsStr> = outcome.command().get_label();
    LinePrefix::new(outcome.seq(), stream, tag, colors)
}

/// What `-v` shows of a command, with its tag.
fn echoed(command: &Command, shell: bool) -> Vec<u8> {
    let tag = command.get_label();
    let prefix = LinePrefix::new(0, Stream::Stdout, tag, Colors::default());
    let mut line = Vec::new();
    prefix.push(&verbose_line(command, shell), &mut false, &mut line);
    line
}

/// What `-v` and `-t` show of a command. It is one line, whatever is in it.
fn verbose_line(command: &Command, shell: bool) -> Vec<u8> {
    let mut line = text::on_one_line(&records::shown(command, shell));
    line.push('\n');
    line.into_bytes()
}

/// The command as a user would recognize it, shortened.
fn name(outcome: &Outcome) -> String {
    text::quoted(&sys::name(outcome.command()))
}
