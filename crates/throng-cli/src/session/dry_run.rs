//! `--dry-run`: prints the commands as lines that could be read back, and starts nothing. On a
//! terminal unprintable characters are escaped, so those lines are for people only.

use std::io::{IsTerminal, Write};

use anyhow::Context;

use crate::commands::builder::{CommandBuilder, NeedsShell};
use crate::commands::records::Records;
use crate::exit::Exit;
use crate::records::{JobInfoBuilder, Resume};
use crate::{sys, terminal, text};

pub(super) fn print(
    builder: &CommandBuilder,
    records: Records,
    resume: Option<&Resume>,
    info_builder: &mut JobInfoBuilder,
) -> anyhow::Result<Exit> {
    let is_terminal = std::io::stdout().is_terminal();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut seq, mut failed) = (0, 0);
    for record in records {
        let record = record?;
        let number = record.number.unwrap_or_else(|| seq + 1);
        match builder.command_in_slot(&record, number, 1) {
            Ok(None) => {}
            Ok(Some(command)) => {
                seq = number;
                if let Some(resume) = resume {
                    let mut info = match info_builder.build(builder, &record, seq) {
                        Ok(info) => info,
                        Err(error) => {
                            failed += 1;
                            terminal::warn(format_args!("{:#}", record.at.name(error)));
                            continue;
                        }
                    };
                    info_builder.claim(&mut info)?;
                    if !resume.wants(&command, &info)? {
                        continue;
                    }
                }
                let mut line = sys::command_line(&command);
                if line.contains(&0) {
                    failed += 1;
                    terminal::warn(format_args!(
                        "command {seq} has a NUL in it, which no argument can contain: {}",
                        text::quoted(&line)
                    ));
                    continue;
                }
                if is_terminal {
                    line = text::on_one_line(&line).into_bytes();
                }
                line.push(b'\n');
                out.write_all(&line).context("cannot write to stdout")?;
            }
            Err(error) if error.is::<NeedsShell>() => return Err(error),
            Err(error) => {
                failed += 1;
                terminal::warn(format_args!("{error:#}"));
            }
        }
    }
    out.flush().context("cannot write to stdout")?;
    Ok(Exit::Commands { failed })
}
