//! The options of GNU parallel and of xargs, and what is here for each. Whether an option is taken
//! is read from the definitions of our own command line; what is written here is what differs, and
//! what to use where there is no such option.
//!
//! Counted are the names in the manual of GNU parallel 20221122, section OPTIONS.

mod control;
mod markdown;
mod other;
mod output;
mod places;
mod remote;
mod stdin;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod xargs;

use std::collections::BTreeSet;

use clap::Command;

pub(crate) use self::markdown::markdown;
pub(crate) use self::table::print;

/// One option of theirs, by all its names.
#[derive(Clone, Copy, Debug)]
struct Row {
    names: &'static [&'static str],
    /// What is another way here on purpose; empty where nothing is.
    differs: &'static str,
    /// What to use where the option is not taken.
    instead: &'static str,
}

/// Options of one theme.
#[derive(Clone, Copy, Debug)]
struct Theme {
    title: &'static str,
    rows: &'static [Row],
}

const THEMES: [Theme; 7] = [
    values::THEME,
    places::THEME,
    stdin::THEME,
    control::THEME,
    output::THEME,
    remote::THEME,
    other::THEME,
];

/// What is here for an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    Differs(&'static str),
    No(&'static str),
}

/// Means the same here.
const fn same(names: &'static [&'static str]) -> Row {
    Row {
        names,
        differs: "",
        instead: "",
    }
}

/// Has another meaning here, on purpose.
const fn differs(names: &'static [&'static str], how: &'static str) -> Row {
    Row {
        names,
        differs: how,
        instead: "",
    }
}

/// Is not taken.
const fn no(names: &'static [&'static str], instead: &'static str) -> Row {
    Row {
        names,
        differs: "",
        instead,
    }
}

impl Row {
    fn answer(&self, own: &OwnNames) -> Answer {
        if !self.names.iter().any(|name| own.has(name)) {
            Answer::No(self.instead)
        } else if self.differs.is_empty() {
            Answer::Yes
        } else {
            Answer::Differs(self.differs)
        }
    }
}

/// The names of the options of `throng run`, as they are defined.
#[derive(Clone, Debug)]
struct OwnNames(BTreeSet<String>);

impl OwnNames {
    fn new(program: &Command) -> OwnNames {
        let mut names = BTreeSet::new();
        let run = program
            .get_subcommands()
            .find(|sub| sub.get_name() == "run");
        for argument in run.into_iter().flat_map(Command::get_arguments) {
            let longs = argument.get_long_and_visible_aliases().unwrap_or_default();
            let hidden = argument.get_all_aliases().unwrap_or_default();
            let longs = longs.into_iter().chain(hidden);
            names.extend(longs.map(|name| format!("--{name}")));
            let shorts = argument.get_short_and_visible_aliases().unwrap_or_default();
            let hidden = argument.get_all_short_aliases().unwrap_or_default();
            let shorts = shorts.into_iter().chain(hidden);
            names.extend(shorts.map(|name| format!("-{name}")));
        }
        OwnNames(names)
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// Why an option that is not ours is not taken, if it is GNU parallel's.
pub(crate) fn refusal(option: &str) -> Option<String> {
    let rows = THEMES.iter().flat_map(|theme| theme.rows);
    let row = rows.into_iter().find(|row| row.names.contains(&option))?;
    let instead = match row.instead {
        "" => String::new(),
        instead => format!(": {instead}"),
    };
    Some(format!("{option} of GNU parallel is not taken{instead}"))
}
