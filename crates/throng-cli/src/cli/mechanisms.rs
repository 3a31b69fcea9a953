//! `throng mechanisms`: what this machine offers, and why not the rest.

use std::io::Write;

use throng::Mechanism;

use crate::exit::Exit;

pub(crate) fn list() -> anyhow::Result<Exit> {
    let survey = Mechanism::availability();
    let default = Mechanism::available().first().copied();
    let mut out = std::io::stdout().lock();
    for entry in survey {
        let note = match &entry.refusal {
            Some(why) => format!("not available: {why}"),
            None if Some(entry.mechanism) == default => "available, the default".into(),
            None => "available".into(),
        };
        writeln!(out, "{:<16} {note}", entry.mechanism.name())?;
    }
    out.flush()?;
    Ok(Exit::Commands { failed: 0 })
}
