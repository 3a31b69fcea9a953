//! From the options and words of the command line to the records that commands are made of. Read
//! lazily, so that an endless source starts at once.

use std::sync::Arc;

use crate::commands::builder::CommandBuilder;
use crate::commands::record::Record;
use crate::commands::sources::{Input, Origin};
use crate::values::Value;

impl Input {
    /// The records for this builder; `jobs` is how many commands run at a time.
    pub(crate) fn records(
        self,
        builder: &Arc<CommandBuilder>,
        jobs: usize,
    ) -> anyhow::Result<Records> {
        let combined = match self.origin {
            Origin::Values(combined) => combined,
            Origin::Data(pipe, files) => {
                let records = pipe.open(files, jobs)?.map(|stdin| {
                    let (stdin, sent) = stdin?;
                    Ok(Record {
                        stdin: Some(stdin),
                        sent,
                        ..Record::default()
                    })
                });
                return Records::count(Box::new(records), None, builder);
            }
        };
        let total = combined.total;
        let takes = builder.clone();
        let combined = combined.filter(move |row| match row {
            Ok(row) => takes.takes(&row.values),
            Err(_) => true,
        });
        let is_single = !self.batching.is_on();
        let total = total.filter(|_| is_single && !builder.is_choosy());
        let inner = match builder.needs_total() && total.is_none() {
            // The length of a command depends on the digits of their number, which is at most this.
            true => {
                let rows = combined.collect::<anyhow::Result<Vec<_>>>()?;
                builder.set_total(rows.len() as u64);
                let rows = Box::new(rows.into_iter().map(Ok));
                self.batching.records(rows, builder, jobs)
            }
            false => {
                // Used only if it is known and needed.
                builder.set_total(total.unwrap_or(0));
                self.batching.records(Box::new(combined), builder, jobs)
            }
        };
        Records::count(inner, total, builder)
    }
}

type RecordIter = Box<dyn Iterator<Item = anyhow::Result<Record>> + Send>;

/// The records that the commands of a run are made of.
pub(crate) struct Records {
    inner: RecordIter,
    /// How many records there are, if that is known without reading them.
    pub(crate) total: Option<u64>,
}

impl Records {
    /// These records; all of them are read at once if the builder has to know their number.
    fn count(
        inner: RecordIter,
        total: Option<u64>,
        builder: &CommandBuilder,
    ) -> anyhow::Result<Records> {
        if !builder.needs_total() {
            return Ok(Records { inner, total });
        }
        let all = inner.collect::<anyhow::Result<Vec<_>>>()?;
        let total = all.len() as u64;
        builder.set_total(total);
        Ok(Records {
            inner: Box::new(all.into_iter().map(Ok)),
            total: Some(total),
        })
    }

    /// Reads all of them at once, so that their number is known.
    pub(crate) fn counted(self) -> anyhow::Result<Records> {
        if self.total.is_some() {
            return Ok(self);
        }
        let all = self.inner.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Records {
            total: Some(all.len() as u64),
            inner: Box::new(all.into_iter().map(Ok)),
        })
    }

    /// A record of each line, with the number of its command.
    pub(crate) fn of_lines(lines: Vec<(u64, Value)>) -> Records {
        let record = |(number, line)| {
            let mut record = Record::from(vec![line]);
            record.number = Some(number);
            Ok(record)
        };
        Records {
            total: Some(lines.len() as u64),
            inner: Box::new(lines.into_iter().map(record)),
        }
    }
}

impl Iterator for Records {
    type Item = anyhow::Result<Record>;

    fn next(&mut self) -> Option<anyhow::Result<Record>> {
        self.inner.next()
    }
}
