//! How many combinations go into a command, by the options `-n`, `-N`, `-L`, `-X`, `-m`, `-s`.

use crate::options;
use crate::template::Packing;
use crate::values::Columns;

/// What the options ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batching {
    /// At most this many combinations; 0: one is read for each command, and not used.
    pub(super) count: Option<usize>,
    /// As many as fit.
    pub(super) fills: bool,
    /// The last combinations are distributed over all jobs.
    pub(super) shares: bool,
    pub(super) repeats: bool,
    /// Values are lines in the manner of `-L`.
    pub(super) by_lines: bool,
    pub(super) chars_max: Option<usize>,
    pub(super) exact: bool,
}

impl Batching {
    pub(crate) fn new(options: &options::input::Input) -> anyhow::Result<Batching> {
        let counts = [
            options.max_args,
            options.max_replace_args,
            options.max_lines,
        ];
        let count = counts.into_iter().flatten().next();
        let count = count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let joins = options.multiple || options.xargs;
        let fills = joins || options.context_replace;
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

    pub(crate) fn is_on(&self) -> bool {
        self.count.is_some() || self.fills
    }

    pub(crate) fn appends(&self) -> bool {
        self.count != Some(0)
    }

    pub(crate) fn packing(&self) -> Packing {
        Packing {
            is_flat: self.count.is_some(),
            repeats: self.is_on() && self.repeats,
        }
    }

    /// The columns of a whole command.
    pub(crate) fn columns(&self, columns: &Columns) -> Columns {
        let count = columns.count();
        match self.count {
            Some(times) => {
                let all = count.map(|count| count.saturating_mul(times.max(1)));
                columns.clone().counted(all)
            }
            None => columns.clone(),
        }
    }
}
