//! Several combinations in one command: `-n`, `-N`, `-L`, `-X`, `-m`, `-s`. Knows how long a
//! command may be; asks the recipe how long it gets.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::bail;

use super::{Columns, Record, Rows, Value};
use crate::args;
use crate::recipe::Recipe;
use crate::sys::{self, Limits};
use crate::template::Packing;
use crate::{size, text};

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Batching {
    /// At most so many combinations; 0: one is read for each command, and not used.
    count: Option<usize>,
    /// As many as fit.
    fills: bool,
    /// What there is at the end is shared out to all that could run.
    shares: bool,
    repeats: bool,
    /// Values are lines in the manner of `-L`.
    by_lines: bool,
    chars_max: Option<usize>,
    exact: bool,
}

/// How long a command is: in the system's units, and in arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) units: usize,
    pub(crate) words: usize,
}

impl Batching {
    pub(super) fn new(options: &args::Input) -> anyhow::Result<Batching> {
        let counts = [
            options.max_args,
            options.max_replace_args,
            options.max_lines,
        ];
        if options.max_lines.is_some() && options.max_replace_args.is_some() {
            bail!("--max-lines cannot be had with --max-replace-args, but with --pipe");
        }
        let count = counts.into_iter().flatten().next();
        let count = count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let joins = options.multiple || options.xargs;
        let fills = joins || options.context_replace || options.max_chars.is_some();
        if options.exit && count.is_none() {
            bail!("--exit is for commands of a number of values; there is no -n, -N or -L");
        }
        Ok(Batching {
            count,
            fills,
            shares: fills && count.is_none() && !options.xargs,
            repeats: !joins,
            by_lines: options.max_lines.is_some(),
            chars_max: options
                .max_chars
                .map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
            exact: options.exit,
        })
    }

    pub(super) fn is_on(&self) -> bool {
        self.count.is_some() || self.fills
    }

    pub(super) fn appends(&self) -> bool {
        self.count != Some(0)
    }

    pub(super) fn packing(&self) -> Packing {
        Packing {
            is_flat: self.count.is_some(),
            repeats: self.is_on() && self.repeats,
        }
    }

    /// The columns of a whole command.
    pub(super) fn columns(&self, columns: &Columns) -> Columns {
        let count = columns.count();
        match self.count {
            Some(times) => {
                let all = count.map(|count| count.saturating_mul(times.max(1)));
                columns.clone().counted(all)
            }
            None => columns.clone(),
        }
    }

    pub(super) fn batches(
        self,
        rows: Rows,
        recipe: &Arc<Recipe>,
        jobs: usize,
    ) -> anyhow::Result<Batches> {
        let limits = sys::limits(recipe.uses_shell());
        let mut chars_max = limits.units;
        if let Some(wanted) = self.chars_max {
            if wanted > limits.units {
                text::complain(format_args!(
                    "--max-chars {}: this system takes {}, and that is used",
                    size::with_commas(wanted as u64),
                    size::with_commas(limits.units as u64)
                ));
            }
            chars_max = chars_max.min(wanted);
        }
        if recipe.joins_in_a_word() {
            chars_max = chars_max.min(limits.word);
        }
        let rows: Rows = if self.by_lines {
            Box::new(continued(rows))
        } else {
            rows
        };
        Ok(Batches {
            rows,
            pending: None,
            batching: self,
            recipe: recipe.clone(),
            limits,
            chars_max,
            jobs: jobs.max(1),
            made: 0,
            shared: VecDeque::new(),
        })
    }
}

/// Lines that are not blank; one that ends with a blank goes on with the next.
fn continued(rows: Rows) -> impl Iterator<Item = anyhow::Result<Vec<Value>>> + Send {
    let mut rows = rows.peekable();
    std::iter::from_fn(move || {
        loop {
            let mut row = match rows.next()? {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
            if row.iter().all(|value| value.trim_ascii().is_empty()) {
                continue;
            }
            while row
                .last()
                .is_some_and(|last| last.ends_with(b" ") || last.ends_with(b"\t"))
                && let Some(Ok(_)) = rows.peek()
                && let Some(Ok(next)) = rows.next()
            {
                let mut next = next.into_iter();
                if let (Some(last), Some(first)) = (row.last_mut(), next.next()) {
                    last.extend(first);
                }
                row.extend(next);
            }
            return Some(Ok(row));
        }
    })
}

/// The records, as they are read.
pub(super) struct Batches {
    rows: Rows,
    /// What did not fit into the last command.
    pending: Option<Vec<Value>>,
    batching: Batching,
    recipe: Arc<Recipe>,
    limits: Limits,
    chars_max: usize,
    jobs: usize,
    made: u64,
    /// The last records, where they were shared out.
    shared: VecDeque<Record>,
}

/// A record that is being filled.
#[derive(Default)]
struct Filling {
    values: Vec<Value>,
    width: usize,
    count: usize,
    /// How long the command is without any value.
    empty: Length,
    length: Length,
}

impl Iterator for Batches {
    type Item = anyhow::Result<Record>;

    fn next(&mut self) -> Option<anyhow::Result<Record>> {
        if let Some(record) = self.shared.pop_front() {
            return Some(Ok(record));
        }
        let record = self.fill().transpose()?;
        self.made += 1;
        Some(record)
    }
}

impl Batches {
    fn fill(&mut self) -> anyhow::Result<Option<Record>> {
        if self.batching.count == Some(0) {
            let row = self.rows.next().transpose()?;
            return Ok(row.map(|_| Record::default()));
        }
        let empty = self.recipe.length(&Record::default(), self.made + 1)?;
        let mut filling = Filling {
            empty,
            length: empty,
            ..Filling::default()
        };
        let count_max = self.batching.count.unwrap_or(usize::MAX);
        let at_end = loop {
            if filling.count == count_max {
                break false;
            }
            let next = self.pending.take().map(Ok).or_else(|| self.rows.next());
            let Some(mut row) = next.transpose()? else {
                break true;
            };
            match self.length_with(&row, &filling)? {
                Some(length) => {
                    filling.width = row.len();
                    filling.values.append(&mut row);
                    filling.length = length;
                    filling.count += 1;
                }
                None if self.batching.exact => bail!(
                    "--exit: {count_max} values do not fit into a command of {} characters",
                    size::with_commas(self.chars_max as u64)
                ),
                None => {
                    self.pending = Some(row);
                    break false;
                }
            }
        };
        if filling.count == 0 {
            return Ok(None);
        }
        if at_end && self.batching.shares && self.jobs > 1 {
            self.share(filling);
            return Ok(self.shared.pop_front());
        }
        Ok(Some(Record {
            values: filling.values,
            width: filling.width,
            ..Record::default()
        }))
    }

    /// How long the command gets with this row as well; none if that is too long, and it is not
    /// the first.
    fn length_with(&self, row: &[Value], filling: &Filling) -> anyhow::Result<Option<Length>> {
        let length = if self.batching.count.is_some() && self.recipe.names_a_column() {
            let mut values = filling.values.clone();
            values.extend_from_slice(row);
            let record = Record {
                values,
                width: row.len(),
                ..Record::default()
            };
            self.recipe.length(&record, self.made + 1)?
        } else {
            let record = Record::from(row.to_vec());
            let alone = self.recipe.length(&record, self.made + 1)?;
            let empty = filling.empty;
            let more = match filling.count {
                0 => 0,
                1 => self.recipe.joins() * (1 + self.limits.quotes),
                _ => self.recipe.joins(),
            };
            Length {
                units: filling.length.units + alone.units.saturating_sub(empty.units) + more,
                words: filling.length.words + alone.words.saturating_sub(empty.words),
            }
        };
        let fits = length.units <= self.chars_max
            && length.units + length.words * self.limits.per_word <= self.limits.units;
        if fits {
            return Ok(Some(length));
        }
        if filling.count > 0 {
            return Ok(None);
        }
        match self.batching.chars_max {
            Some(max) if length.units > max => bail!(
                "--max-chars {}: the command with {} alone has {}",
                size::with_commas(max as u64),
                text::quoted(&row.join(&b' ')),
                size::with_commas(length.units as u64)
            ),
            // Too long for the system: its start will say so, and stop no other.
            _ => Ok(Some(length)),
        }
    }

    /// Shares the last values out, so that all that may run at a time have some.
    fn share(&mut self, filling: Filling) {
        let each = filling.count.div_ceil(self.jobs) * filling.width;
        let width = filling.width;
        for values in filling.values.chunks(each.max(1)) {
            self.shared.push_back(Record {
                values: values.to_vec(),
                width,
                ..Record::default()
            });
        }
    }
}
