//! Rows of several sources: each with every other, or side by side. The first group of sources is
//! read as needed; the others are read in full first.

use anyhow::{bail, ensure};

use super::rows::{Opened, Reading};
use super::words::Given;
use crate::input::Rows;
use crate::input::position::Row;
use crate::text;
use crate::values::Columns;

/// Which sources go side by side, and what happens when one has fewer rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linking {
    /// Those after `:::+` and `::::+`, up to the end of the shortest.
    ByWord,
    /// All; a difference is a mistake.
    Equal,
    /// All; the shorter ones begin again.
    Recycle,
    /// All, up to the end of the shortest.
    Shortest,
}

/// All combinations, the last source varying fastest.
pub(crate) struct Combined {
    rows: Rows,
    /// How many there are, where that is known without reading.
    pub(crate) total: Option<u64>,
    peeked: Option<anyhow::Result<Row>>,
}

impl Combined {
    pub(crate) fn empty() -> Combined {
        Combined {
            rows: Box::new(std::iter::empty()),
            total: Some(0),
            peeked: None,
        }
    }

    pub(crate) fn open(
        sources: Vec<Given>,
        reading: &Reading,
        linking: Linking,
    ) -> anyhow::Result<(Combined, Columns)> {
        let mut groups: Vec<Vec<Opened>> = Vec::new();
        let count = sources.len();
        for given in sources {
            let opened = reading.open(given.source)?;
            let is_linked = given.is_linked || linking != Linking::ByWord;
            match groups.last_mut() {
                Some(group) if is_linked => group.push(opened),
                _ => groups.push(vec![opened]),
            }
        }
        let names: Vec<_> = groups
            .iter_mut()
            .flatten()
            .map(|o| o.names.take())
            .collect();
        let columns = if names.iter().any(Option::is_some) {
            Columns::named(names.into_iter().flatten().flatten().collect())
        } else {
            Columns::new((!reading.splits()).then_some(count))
        };
        let mut groups = groups.into_iter().map(|group| link(group, linking));
        let Some(first) = groups.next().transpose()? else {
            bail!("there is no source of values");
        };
        let mut total = first.len;
        let mut others = Vec::new();
        for group in groups {
            let rows = group?.rows.collect::<anyhow::Result<Vec<_>>>()?;
            total = total.map(|total| total.saturating_mul(rows.len() as u64));
            others.push(rows);
        }
        let rows: Rows = if others.is_empty() {
            first.rows
        } else {
            Box::new(Product::new(first.rows, others))
        };
        let combined = Combined {
            rows,
            total,
            peeked: None,
        };
        Ok((combined, columns))
    }

    /// Skips values that are only whitespace.
    pub(crate) fn drop_blank(&mut self) {
        let rows = std::mem::replace(&mut self.rows, Box::new(std::iter::empty()));
        self.rows = Box::new(rows.filter(|row| match row {
            Ok(row) => !row.values.iter().all(|value| text::is_blank(value)),
            Err(_) => true,
        }));
        self.total = None;
    }

    /// Reads everything, and puts it in an order that the seed decides, or else chance.
    pub(crate) fn shuffle(&mut self, seed: Option<u64>) -> anyhow::Result<()> {
        let mut rows = self.by_ref().collect::<anyhow::Result<Vec<_>>>()?;
        let mut random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        random.shuffle(&mut rows);
        self.total = Some(rows.len() as u64);
        self.rows = Box::new(rows.into_iter().map(Ok));
        Ok(())
    }

    /// How many values the first combination has.
    pub(crate) fn peek_width(&mut self) -> Option<usize> {
        self.peeked = self.next();
        match &self.peeked {
            Some(Ok(row)) => Some(row.values.len()),
            _ => None,
        }
    }
}

impl Iterator for Combined {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<anyhow::Result<Row>> {
        self.peeked.take().or_else(|| self.rows.next())
    }
}

struct Group {
    rows: Rows,
    len: Option<u64>,
}

/// Sources side by side.
fn link(mut group: Vec<Opened>, linking: Linking) -> anyhow::Result<Group> {
    let single = (group.len() == 1).then(|| group.pop()).flatten();
    if let Some(opened) = single {
        return Ok(Group {
            rows: opened.rows,
            len: opened.len,
        });
    }
    match linking {
        Linking::ByWord | Linking::Shortest => {
            let known = group.iter().map(|opened| opened.len);
            let len = known.collect::<Option<Vec<_>>>();
            let rows: Vec<_> = group.into_iter().map(|opened| opened.rows).collect();
            Ok(Group {
                rows: Box::new(Shortest(rows)),
                len: len.and_then(|len| len.into_iter().min()),
            })
        }
        Linking::Equal => equal(group),
        Linking::Recycle => recycle(group),
    }
}

/// Rows of each until one has no more.
struct Shortest(Vec<Rows>);

impl Iterator for Shortest {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<anyhow::Result<Row>> {
        let mut all = Row::default();
        for rows in &mut self.0 {
            match rows.next()? {
                Ok(row) => all.append(row),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(all))
    }
}

/// Whoever has an end is read first, so that a difference is found before anything starts.
fn equal(group: Vec<Opened>) -> anyhow::Result<Group> {
    let mut names = Vec::new();
    let mut known: Option<(String, u64)> = None;
    let mut all: Vec<Rows> = Vec::new();
    let all_have_ends = group.iter().all(|opened| opened.has_end);
    for opened in group {
        names.push(opened.name.clone());
        if !opened.has_end {
            all.push(opened.rows);
            continue;
        }
        let rows = opened.rows.collect::<anyhow::Result<Vec<_>>>()?;
        let len = rows.len() as u64;
        match &known {
            Some((name, other)) => ensure!(
                *other == len,
                "--link: {name} has {other} values and {} has {len}; --link=recycle begins the \
                 shorter again, --link=shortest ends with it",
                opened.name
            ),
            None => known = Some((opened.name, len)),
        }
        all.push(Box::new(rows.into_iter().map(Ok)));
    }
    let len = known.map(|(_, len)| len).filter(|_| all_have_ends);
    let rows = Equal { all, names };
    Ok(Group {
        rows: Box::new(rows),
        len,
    })
}

struct Equal {
    all: Vec<Rows>,
    names: Vec<String>,
}

impl Iterator for Equal {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<anyhow::Result<Row>> {
        let mut values = Row::default();
        let (mut ended, mut longer) = (None, None);
        for (rows, name) in self.all.iter_mut().zip(&self.names) {
            match rows.next() {
                Some(Ok(row)) => {
                    values.append(row);
                    longer = Some(name);
                }
                Some(Err(error)) => return Some(Err(error)),
                None => ended = Some(name),
            }
        }
        match (ended, longer) {
            (None, _) => Some(Ok(values)),
            (Some(_), None) => None,
            (Some(ended), Some(longer)) => {
                let error = anyhow::anyhow!("--link: {longer} has more values than {ended}");
                self.all.clear();
                Some(Err(error))
            }
        }
    }
}

fn recycle(group: Vec<Opened>) -> anyhow::Result<Group> {
    let mut known = Vec::new();
    let mut sources = Vec::new();
    for (i, opened) in group.into_iter().enumerate() {
        known.push(opened.len);
        let rows: Rows = if i == 0 {
            opened.rows
        } else {
            let rows = opened.rows.collect::<anyhow::Result<Vec<_>>>()?;
            Box::new(rows.into_iter().map(Ok))
        };
        sources.push(RecycledSource {
            rows,
            seen: Vec::new(),
            next: 0,
            has_ended: false,
        });
    }
    let len = known.into_iter().collect::<Option<Vec<_>>>();
    let len = len.and_then(|len| {
        if len.contains(&0) {
            Some(0)
        } else {
            len.into_iter().max()
        }
    });
    Ok(Group {
        rows: Box::new(Recycle(sources)),
        len,
    })
}

/// A source that begins again. Rows are remembered only as long as another source may still need
/// them, which is as long as another has rows of its own.
struct RecycledSource {
    rows: Rows,
    seen: Vec<Row>,
    next: usize,
    has_ended: bool,
}

struct Recycle(Vec<RecycledSource>);

impl Iterator for Recycle {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<anyhow::Result<Row>> {
        let mut fresh = Vec::new();
        for recycled in &mut self.0 {
            fresh.push(if recycled.has_ended {
                None
            } else {
                recycled.rows.next()
            });
        }
        if fresh.iter().all(Option::is_none) {
            return None;
        }
        let mut values = Row::default();
        let others_go_on = self.0.iter().filter(|recycled| !recycled.has_ended).count() > 1;
        for (recycled, fresh) in self.0.iter_mut().zip(fresh) {
            match fresh {
                Some(Ok(row)) => {
                    values.append(row.clone());
                    if others_go_on {
                        recycled.seen.push(row);
                    }
                }
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    recycled.has_ended = true;
                    let row = recycled
                        .seen
                        .get(recycled.next % recycled.seen.len().max(1))?;
                    values.append(row.clone());
                    recycled.next += 1;
                }
            }
        }
        Some(Ok(values))
    }
}

/// Every row of the first with every combination of the others.
struct Product {
    first: Rows,
    others: Vec<Vec<Row>>,
    combinations: usize,
    /// The current row of the first, and which combination of the others is next.
    current: Option<(Row, usize)>,
}

impl Product {
    fn new(first: Rows, others: Vec<Vec<Row>>) -> Product {
        let combinations = others.iter().map(Vec::len).product();
        Product {
            first,
            others,
            combinations,
            current: None,
        }
    }

    /// Adds the combination of this number to a row of the first.
    fn complete(&self, row: &mut Row, mut number: usize) {
        let mut rows: Vec<_> = self
            .others
            .iter()
            .rev()
            .map(|other| {
                let row = &other[number % other.len()];
                number /= other.len();
                row
            })
            .collect();
        rows.reverse();
        rows.into_iter().for_each(|other| row.append(other.clone()));
    }
}

impl Iterator for Product {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<anyhow::Result<Row>> {
        if self.combinations == 0 {
            return None;
        }
        let (row, number) = match self.current.take() {
            Some(current) => current,
            None => match self.first.next()? {
                Ok(row) => (row, 0),
                Err(error) => return Some(Err(error)),
            },
        };
        let mut values = row.clone();
        self.complete(&mut values, number);
        if number + 1 < self.combinations {
            self.current = Some((row, number + 1));
        }
        Some(Ok(values))
    }
}
