//! How many combinations go into a command: `-n`, `-N`, `-L`, `-X`, `-m`, and how long it may be,
//! `-s`. Asks the builder how long a command is, and never guesses: quotes and edits make a value
//! longer or shorter.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::bail;

use crate::commands::batching::Batching;
use crate::commands::builder::CommandBuilder;
use crate::commands::record::{Length, Record};
use crate::input::Rows;
use crate::input::items::RECORD_BYTES_MAX;
use crate::input::position::{At, Row};
use crate::sys;
use crate::sys::api::Limits;
use crate::values::Value;
use crate::{size, terminal, text, work};

impl Batching {
    /// The records for this builder; `jobs` is how many commands run at a time.
    pub(crate) fn records(
        self,
        rows: Rows,
        builder: &Arc<CommandBuilder>,
        jobs: usize,
    ) -> Box<dyn Iterator<Item = anyhow::Result<Record>> + Send> {
        let limit = Limit::new(self.chars_max, builder);
        if !self.is_on() {
            if self.chars_max.is_none() {
                return Box::new(rows.map(|row| row.map(Record::from)));
            }
            let rows = rows.zip(1..);
            return Box::new(rows.map(move |(row, seq)| {
                let row = row?;
                // What makes no command at all is said when it is made, and stops no other.
                if let Ok(length) = limit.length(&row.values, row.values.len(), seq) {
                    limit
                        .refuse(length, &row.values)
                        .map_err(|error| row.at.name(error))?;
                }
                Ok(Record::from(row))
            }));
        }
        let rows: Rows = if self.by_lines {
            Box::new(continued(rows))
        } else {
            rows
        };
        Box::new(Batches {
            rows,
            ahead: Ahead::default(),
            end: None,
            batching: self,
            limit,
            jobs: jobs.max(1),
            made: 0,
            ready: VecDeque::new(),
        })
    }
}

/// How long commands may be, and how long they are.
struct Limit {
    builder: Arc<CommandBuilder>,
    system: Limits,
    /// What `-s` says.
    asked: Option<usize>,
}

impl Limit {
    fn new(asked: Option<usize>, builder: &Arc<CommandBuilder>) -> Limit {
        let system = sys::limits(builder.uses_shell());
        if let Some(asked) = asked.filter(|asked| *asked > system.units) {
            terminal::warn(format_args!(
                "--max-chars {}: this system takes {}, and that is used",
                size::with_commas(asked as u64),
                size::with_commas(system.units as u64)
            ));
        }
        Limit {
            builder: builder.clone(),
            system,
            asked,
        }
    }

    fn length(&self, values: &[Value], width: usize, seq: u64) -> anyhow::Result<Length> {
        work::count(values.len());
        self.builder.length(values, width, seq)
    }

    fn most(&self) -> usize {
        self.asked.unwrap_or(usize::MAX).min(self.system.units)
    }

    fn fits(&self, length: Length) -> bool {
        length.units <= self.most()
            && length.units + length.words * self.system.per_word <= self.system.units
            && length.longest <= self.system.word
    }

    /// An error where a command is longer than was asked for. What is too long for the system is
    /// found when the command is made, and stops no other.
    fn refuse(&self, length: Length, values: &[Value]) -> anyhow::Result<()> {
        match self.asked {
            Some(most) if length.units > most => bail!(
                "--max-chars {}: the command with {} alone has {}",
                size::with_commas(most as u64),
                text::quoted(&values.join(&b' ')),
                size::with_commas(length.units as u64)
            ),
            _ => Ok(()),
        }
    }
}

/// Lines that are not blank; one that ends with a blank goes on with the next.
fn continued(rows: Rows) -> impl Iterator<Item = anyhow::Result<Row>> + Send {
    let mut rows = rows.peekable();
    std::iter::from_fn(move || {
        loop {
            let mut row = match rows.next()? {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
            if row.values.iter().all(|value| text::is_blank(value)) {
                continue;
            }
            while row
                .values
                .last()
                .is_some_and(|last| last.ends_with(b" ") || last.ends_with(b"\t"))
                && let Some(Ok(_)) = rows.peek()
                && let Some(Ok(next)) = rows.next()
            {
                let mut next = next.values.into_iter();
                if let (Some(last), Some(first)) = (row.values.last_mut(), next.next()) {
                    last.extend(first);
                }
                row.values.extend(next);
                let longest = row.values.last().map_or(0, Vec::len);
                if longest > RECORD_BYTES_MAX {
                    let most = size::with_commas(RECORD_BYTES_MAX as u64);
                    let error = anyhow::anyhow!(
                        "--max-lines: lines that end with a blank go on with the next, and these \
                         have more than {most} bytes"
                    );
                    return Some(Err(row.at.name(error)));
                }
            }
            return Some(Ok(row));
        }
    })
}

/// The records, as they are read.
struct Batches {
    rows: Rows,
    ahead: Ahead,
    /// Whether the rows have ended, with this error.
    end: Option<Option<anyhow::Error>>,
    batching: Batching,
    limit: Limit,
    jobs: usize,
    made: u64,
    /// Records that are made: the last ones, where they were shared out.
    ready: VecDeque<Record>,
}

/// Rows that have been read and are in no command yet.
#[derive(Default)]
struct Ahead {
    values: Vec<Value>,
    /// How many values each row has, and where it was read.
    rows: VecDeque<(usize, At)>,
}

impl Ahead {
    fn push(&mut self, mut row: Row) {
        self.rows.push_back((row.values.len(), row.at));
        self.values.append(&mut row.values);
    }

    /// The values of the first so many rows.
    fn first(&self, rows: usize) -> &[Value] {
        let width = |(width, _): &(usize, At)| *width;
        &self.values[..self.rows.iter().take(rows).map(width).sum()]
    }

    fn take(&mut self, rows: usize) -> Record {
        let rest = self.values.split_off(self.first(rows).len());
        let mut taken = self.rows.drain(..rows);
        let (width, at) = taken.next().unwrap_or_default();
        Record {
            values: std::mem::replace(&mut self.values, rest),
            width,
            at,
            ..Record::default()
        }
    }
}

impl Iterator for Batches {
    type Item = anyhow::Result<Record>;

    fn next(&mut self) -> Option<anyhow::Result<Record>> {
        if self.ready.is_empty()
            && let Err(error) = self.fill()
        {
            self.ahead = Ahead::default();
            self.end = Some(None);
            return Some(Err(error));
        }
        let record = self.ready.pop_front()?;
        self.made += 1;
        Some(Ok(record))
    }
}

impl Batches {
    /// Makes the next record, or the last ones, if there are rows.
    fn fill(&mut self) -> anyhow::Result<()> {
        self.read(1);
        if self.ahead.rows.is_empty() {
            return match self.end.as_mut().and_then(Option::take) {
                Some(error) => Err(error),
                None => Ok(()),
            };
        }
        if self.batching.count == Some(0) {
            let Record { at, .. } = self.ahead.take(1);
            let record = Record {
                at,
                ..Record::default()
            };
            self.ready.push_back(record);
            return Ok(());
        }
        let count = self.count()?;
        let is_last = matches!(self.end, Some(None)) && count == self.ahead.rows.len();
        let record = self.ahead.take(count);
        if is_last && self.batching.shares && self.jobs > 1 {
            self.share(record, count);
        } else {
            self.ready.push_back(record);
        }
        Ok(())
    }

    /// Reads until there are so many rows, if there are.
    fn read(&mut self, wanted: usize) {
        while self.ahead.rows.len() < wanted && self.end.is_none() {
            match self.rows.next() {
                Some(Ok(row)) => self.ahead.push(row),
                Some(Err(error)) => self.end = Some(Some(error)),
                None => self.end = Some(None),
            }
        }
    }

    /// How many of the next rows can be in one command: of those that have as many values as the
    /// first, unless values are counted one by one.
    fn alike(&self, wanted: usize, known: usize) -> usize {
        let rows = &self.ahead.rows;
        if self.batching.count.is_some() {
            return wanted.min(rows.len());
        }
        let width = rows.front().map_or(0, |(width, _)| *width);
        let more = rows.range(known..).take(wanted - known);
        known + more.take_while(|row| row.0 == width).count()
    }

    /// How many rows the next command gets: as many as fit, and at least one.
    ///
    /// To see how long a command is costs as much as it has values, so that is done few times: each
    /// time for an eighth more rows than the last time at least, for twice as many at most.
    fn count(&mut self) -> anyhow::Result<usize> {
        let count_max = self.batching.count.unwrap_or(usize::MAX);
        let (mut fitting, mut wanted) = (0, 1);
        let mut too_many = loop {
            self.read(wanted);
            let count = self.alike(wanted, fitting);
            if count == fitting {
                return Ok(fitting);
            }
            match self.length(count) {
                Ok(length) if self.limit.fits(length) => {
                    fitting = count;
                    if count == count_max {
                        return Ok(count);
                    }
                    let guess = count.saturating_mul(self.limit.most()) / length.units.max(1);
                    let guess = guess.clamp(count + count / 8 + 1, count * 2);
                    wanted = guess.min(count_max);
                }
                Ok(length) if count == 1 => {
                    let values = self.ahead.first(1);
                    let refused = self.limit.refuse(length, values);
                    return refused.map(|()| 1).map_err(|error| self.name(error));
                }
                // It makes no command, which is said then, and stops no other.
                Err(_) if count == 1 => return Ok(1),
                Ok(_) | Err(_) => break count,
            }
        };
        while fitting + 1 < too_many {
            let middle = fitting.midpoint(too_many);
            match self.length(middle) {
                Ok(length) if self.limit.fits(length) => fitting = middle,
                Ok(_) | Err(_) => too_many = middle,
            }
        }
        if self.batching.exact {
            let most = size::with_commas(self.limit.most() as u64);
            let error = anyhow::anyhow!(
                "--exit: {count_max} values do not fit into a command of {most} characters"
            );
            return Err(self.name(error));
        }
        Ok(fitting)
    }

    /// The length of a command of the next so many rows.
    fn length(&self, rows: usize) -> anyhow::Result<Length> {
        let width = self.ahead.rows.front().map_or(0, |(width, _)| *width);
        self.limit
            .length(self.ahead.first(rows), width, self.made + 1)
    }

    /// Adds to an error where the next row was read.
    fn name(&self, error: anyhow::Error) -> anyhow::Error {
        match self.ahead.rows.front() {
            Some((_, at)) => at.name(error),
            None => error,
        }
    }

    /// Shares the last rows out, so that all that may run at a time have some. Where a command of
    /// fewer values could be too long, because its number is longer, they stay together.
    fn share(&mut self, record: Record, rows: usize) {
        let each = rows.div_ceil(self.jobs) * record.width;
        let parts = record.values.chunks(each.max(1));
        let fit = parts.clone().zip(self.made + 1..).all(|(values, seq)| {
            let length = self.limit.length(values, record.width, seq);
            length.is_ok_and(|length| self.limit.fits(length))
        });
        if !fit {
            self.ready.push_back(record);
            return;
        }
        let parts = parts.map(|values| Record {
            values: values.to_vec(),
            width: record.width,
            at: record.at.clone(),
            ..Record::default()
        });
        self.ready.extend(parts);
    }
}
