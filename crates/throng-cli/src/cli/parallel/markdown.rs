//! The same table as a document: `docs/parallel.md`.

use std::fmt::Write as _;

use clap::Command;

use super::table::{Counts, PRINCIPLES};
use super::{Answer, OwnNames, THEMES, xargs};

/// The whole document.
pub(crate) fn markdown(program: &Command) -> String {
    let own = OwnNames::new(program);
    let mut text = String::from("# GNU parallel and xargs, and throng\n\n");
    text.push_str("Made by `throng help parallel --markdown`; a test sees that it is current.\n\n");
    text.push_str(&Counts::of(&own).sentence());
    text.push_str("\n\nOn purpose, whatever the option:\n\n");
    // Writing to a string does not fail.
    for principle in PRINCIPLES {
        let _ = writeln!(text, "* {}", escaped(principle));
    }
    for theme in THEMES {
        let _ = write!(
            text,
            "\n## {}\n\n| option | | |\n|---|---|---|\n",
            theme.title
        );
        for row in theme.rows {
            let names: Vec<_> = row.names.iter().map(|name| format!("`{name}`")).collect();
            let (answer, note) = match row.answer(&own) {
                Answer::Yes => ("yes", ""),
                Answer::Differs(how) => ("differs", how),
                Answer::No(instead) => ("no", instead),
            };
            let _ = writeln!(
                text,
                "| {} | {answer} | {} |",
                names.join(" "),
                escaped(note)
            );
        }
    }
    text.push_str("\n## xargs\n\n| xargs | throng run |\n|---|---|\n");
    for (theirs, ours) in xargs::ROWS {
        let _ = writeln!(text, "| `{}` | {} |", theirs, escaped(ours));
    }
    text
}

/// Text in a cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "\\<")
        .replace('*', "\\*")
}
