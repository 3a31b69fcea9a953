//! `--dry-run`: the commands as lines that could be read back. Starts nothing.

use std::io::Write;

use anyhow::Context;

use crate::exit::Exit;
use crate::input::Records;
use crate::output::{Resume, Scribe};
use crate::recipe::{NeedsShell, Recipe};
use crate::{sys, text};

pub(super) fn print(
    recipe: &Recipe,
    records: Records,
    resume: Option<&Resume>,
    scribe: &Scribe,
) -> anyhow::Result<Exit> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut seq, mut failed) = (0, 0);
    for (read, record) in (1_u64..).zip(records) {
        let record = record?;
        match recipe.command_in_slot(&record, seq + 1, 1) {
            Ok(None) => {}
            Ok(Some(command)) => {
                seq += 1;
                if let Some(resume) = resume {
                    let note = scribe.note(recipe, &record, seq)?;
                    if !resume.wants(&command, &note)? {
                        continue;
                    }
                }
                let mut line = sys::command_line(&command);
                line.push(b'\n');
                out.write_all(&line).context("cannot write to stdout")?;
            }
            Err(error) if error.is::<NeedsShell>() => {
                return Err(error.context(format!("command line {read}")));
            }
            Err(error) => {
                failed += 1;
                text::complain(format_args!("{error:#}"));
            }
        }
    }
    out.flush().context("cannot write to stdout")?;
    Ok(Exit::Commands { failed })
}
