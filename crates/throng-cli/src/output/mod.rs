//! What becomes of the output of commands. Each mode is one file; this one knows which is which.

mod jsonl;
mod lines;
mod order;
mod sink;

use std::ffi::OsStr;
use std::fmt::Write;
use std::sync::Arc;

use throng::{ErrorKind, Outcome, Output, Stream, Verdict};

pub(crate) use order::{InOrder, Window};
pub(crate) use sink::Sink;

use self::lines::Lines;
use crate::args::Mode;
use crate::text;

/// Gives output to the sink, as the mode wants it.
#[derive(Debug)]
pub(crate) struct Printer {
    mode: Mode,
    sink: Arc<Sink>,
    lines: Arc<Lines>,
}

impl Printer {
    pub(crate) fn new(mode: Mode, sink: Arc<Sink>) -> Printer {
        Printer {
            mode,
            sink,
            lines: Arc::new(Lines::default()),
        }
    }

    /// Whether bytes are to be kept until a command has ended.
    pub(crate) fn keeps_output(mode: Mode) -> bool {
        matches!(mode, Mode::Group | Mode::Jsonl)
    }

    /// What is to be called with output as it comes.
    pub(crate) fn callback(&self) -> Option<impl Fn(Output<'_>) + Send + Sync + 'static> {
        let (sink, lines) = (self.sink.clone(), self.lines.clone());
        let mode = self.mode;
        matches!(mode, Mode::Line | Mode::Live).then_some(move |output: Output<'_>| match mode {
            Mode::Line => {
                let tag = output.command.get_label();
                let whole = lines.push(output.seq, output.stream, output.bytes, tag);
                sink.write_now(output.stream, &whole);
            }
            _ => sink.write_now(output.stream, output.bytes),
        })
    }

    /// A command has ended.
    pub(crate) fn outcome(&self, outcome: &Outcome) {
        match self.mode {
            Mode::Group => {
                for stream in Stream::ALL {
                    let bytes = outcome.capture().stream(stream);
                    match outcome.command().get_label() {
                        Some(tag) => self.sink.write(stream, &tagged(bytes, tag)),
                        None => self.sink.write(stream, bytes),
                    }
                }
            }
            Mode::Line => {
                for stream in Stream::ALL {
                    let tag = outcome.command().get_label();
                    let rest = self.lines.finish(outcome.seq(), stream, tag);
                    self.sink.write_now(stream, &rest);
                }
            }
            Mode::Jsonl => self.sink.write(Stream::Stdout, &jsonl::line(outcome)),
            Mode::Live | Mode::None => {}
        }
        self.warn(outcome);
    }

    /// Says what the output alone does not, for people; in JSON it is all there.
    fn warn(&self, outcome: &Outcome) {
        if let Some(error) = outcome.start_error() {
            if self.mode != Mode::Jsonl && error.kind() != ErrorKind::Cancelled {
                self.complain(&error.to_string());
            }
            return;
        }
        if self.mode == Mode::Jsonl {
            return;
        }
        if outcome.timed_out() {
            self.complain(&format!("{} ran out of time and was ended", name(outcome)));
        }
        let said = Stream::ALL.map(|stream| match outcome.verdict(stream) {
            verdict @ (Verdict::Held { .. } | Verdict::Failed(_)) => verdict.to_string(),
            _ => String::new(),
        });
        if said[0] == said[1] && !said[0].is_empty() {
            self.complain(&format!("{}: stdout and stderr {}", name(outcome), said[0]));
            return;
        }
        for (stream, said) in Stream::ALL.into_iter().zip(said) {
            if !said.is_empty() {
                self.complain(&format!("{}: {stream} {said}", name(outcome)));
            }
        }
    }

    fn complain(&self, message: &str) {
        self.sink
            .aside(|| text::complain(format_args!("{message}")));
    }
}

/// The command as a user would know it again, cut short.
fn name(outcome: &Outcome) -> String {
    const LONGEST: usize = 60;
    let command = outcome.command();
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        let _ = write!(line, " {}", arg.to_string_lossy());
    }
    if line.chars().count() > LONGEST {
        line = line.chars().take(LONGEST - 3).collect::<String>() + "...";
    }
    format!("\"{}\"", line.escape_debug())
}

/// Puts the tag and a tab before each line.
fn tagged(bytes: &[u8], tag: &OsStr) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(tag.as_encoded_bytes());
        out.push(b'\t');
        out.extend_from_slice(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_tagged_and_an_open_last_line_too() {
        assert_eq!(tagged(b"a\n\nb", OsStr::new("t")), b"t\ta\nt\t\nt\tb");
        assert_eq!(tagged(b"", OsStr::new("t")), b"");
    }
}
