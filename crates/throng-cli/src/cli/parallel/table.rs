//! `throng help parallel`: the table for people, 80 columns wide.

use std::io::{self, Write};

use clap::Command;

use super::{Answer, OwnNames, Row, THEMES, xargs};

const WIDTH: usize = 80;
const NAMES_WIDTH: usize = 24;

/// How many names of options there are of each answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) yes: usize,
    pub(super) differs: usize,
    pub(super) no: usize,
}

impl Counts {
    pub(super) fn of(own: &OwnNames) -> Counts {
        let mut counts = Counts::default();
        for row in THEMES.iter().flat_map(|theme| theme.rows) {
            let place = match row.answer(own) {
                Answer::Yes => &mut counts.yes,
                Answer::Differs(_) => &mut counts.differs,
                Answer::No(_) => &mut counts.no,
            };
            *place += row.names.len();
        }
        counts
    }

    pub(super) fn sentence(self) -> String {
        let Counts { yes, differs, no } = self;
        let all = yes + differs + no;
        format!(
            "Of {all} names of options in the manual of GNU parallel 20221122, {yes} mean the \
             same, {differs} differ on purpose, and {no} are not taken."
        )
    }
}

/// What differs whatever the option.
pub(super) const PRINCIPLES: [&str; 8] = [
    "A command is an argv and is started without a shell; --shell gives it one, /bin/sh or the \
     PROGRAM of --shell=PROGRAM, with values quoted into it, or refused where they could be code.",
    "stdout goes to stdout and stderr to stderr.",
    "The exit status is the number of commands that failed, 101 for more than 100, 255 when throng \
     itself failed, or could not keep all that commands have said.",
    "Perl expressions, {= =}, are refused.",
    "A place for a value that is not there is refused; only -n, -N and -L make it empty.",
    "Doubled braces around a placeholder are text: {{2}} is {2}. {0} is refused.",
    "A line ends with LF or CRLF, and a byte order mark before text is taken off.",
    "A value with a NUL, or too long for an argument, is refused with its line; the others go on.",
];

/// Prints the table.
pub(crate) fn print(program: &Command) -> io::Result<()> {
    let own = OwnNames::new(program);
    let mut text = String::from("GNU parallel -> throng run\n\n");
    text.push_str(&wrapped("", 0, &Counts::of(&own).sentence()));
    text.push_str("\nOn purpose, whatever the option:\n");
    for principle in PRINCIPLES {
        text.push_str(&wrapped("  * ", 4, principle));
    }
    for theme in THEMES {
        text.push_str(&format!("\n{}\n", theme.title));
        for row in theme.rows {
            text.push_str(&line(row, &own));
        }
    }
    text.push_str("\nxargs -> throng run\n\n");
    for (theirs, ours) in xargs::ROWS {
        text.push_str(&wrapped(&padded(theirs), NAMES_WIDTH + 4, ours));
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn line(row: &Row, own: &OwnNames) -> String {
    let names = row.names.join(", ");
    let what = match row.answer(own) {
        Answer::Yes => "yes".into(),
        Answer::Differs(how) => format!("differs: {how}"),
        Answer::No("") => "no".into(),
        Answer::No(instead) => format!("no: {instead}"),
    };
    wrapped(&padded(&names), NAMES_WIDTH + 4, &what)
}

/// The left column; what is too long for it has a line of its own.
fn padded(names: &str) -> String {
    if names.chars().count() > NAMES_WIDTH {
        let own = wrapped("  ", 4, names);
        return format!("{own}{:1$}", "", NAMES_WIDTH + 4);
    }
    format!("  {names:NAMES_WIDTH$}  ")
}

/// Text behind something, broken between words; further lines are indented.
fn wrapped(before: &str, indent: usize, text: &str) -> String {
    let mut out = before.to_owned();
    let mut column = before.lines().last().map_or(0, |line| line.chars().count());
    let mut is_first = true;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if !is_first && column + 1 + width > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if !is_first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
        is_first = false;
    }
    out.push('\n');
    out
}
