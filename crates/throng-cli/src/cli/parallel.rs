//! The options of GNU parallel and of xargs, and what is here for each: for people who come from
//! there (`throng help parallel`, `docs/parallel.md`), and for errors. The table is data,
//! `parallel.txt`; a test compares it with the options that there are.

use std::fmt::Write as _;

use super::help::entry;

const TABLE: &str = include_str!("parallel.txt");

/// The section of the table that has options of xargs, and words to write here.
const XARGS: &str = "xargs";
/// The section that has options which GNU parallel has not.
const OWN: &str = "Only in throng";

/// Where the right column begins.
const INDENT: usize = 28;

/// What differs whatever the option.
const PRINCIPLES: [&str; 8] = [
    "A command is a program and its arguments, and is started without a shell; --shell gives it \
     one, with values quoted into it, or refused where they could be code.",
    "The stdout of commands goes to stdout, and their stderr to stderr.",
    "The exit status is the number of commands that failed, 101 for more than 100, and 255 if \
     throng itself failed or could not keep all output.",
    "Perl expressions, {= =}, are refused.",
    "A placeholder for a value that does not exist is refused; only -n, -N and -L make it empty.",
    "Doubled braces around a placeholder are text: {{2}} is {2}. {0} is refused.",
    "A line ends with LF or CRLF, and a byte order mark before text is removed.",
    "A value with a NUL, or too long for an argument, is refused with its line; the others run.",
];

/// Options that are answered together.
#[derive(Clone, Copy, Debug)]
struct Row {
    section: &'static str,
    /// Separated by spaces.
    names: &'static str,
    /// yes, no, differs or new; nothing for xargs.
    answer: &'static str,
    /// What differs, or what to use instead.
    note: &'static str,
}

impl Row {
    fn names(self) -> impl Iterator<Item = &'static str> {
        self.names.split(' ')
    }

    fn is_of_parallel(&self) -> bool {
        ![XARGS, OWN].contains(&self.section)
    }
}

fn rows() -> impl Iterator<Item = Row> {
    let mut section = "";
    TABLE.lines().filter_map(move |line| {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        let mut cells = line.splitn(3, '|').map(str::trim);
        let (names, answer) = (cells.next()?, cells.next()?);
        let note = cells.next().unwrap_or_default();
        (!line.starts_with('#')).then_some(Row {
            section,
            names,
            answer,
            note,
        })
    })
}

/// The sentence that counts the names by their answer.
fn counts() -> String {
    let count = |answer| {
        let rows = rows().filter(|row| row.is_of_parallel() && row.answer == answer);
        rows.map(|row| row.names().count()).sum::<usize>()
    };
    let [yes, differs, no] = ["yes", "differs", "no"].map(count);
    format!(
        "Of {} names of options in the manual of GNU parallel 20221122, {yes} mean the same, \
         {differs} differ on purpose, and {no} are not available.",
        yes + differs + no
    )
}

/// The table for a terminal.
pub(super) fn text() -> String {
    let mut text = entry("", 0, &counts());
    text.push_str("\nOn purpose, whatever the option:\n");
    for principle in PRINCIPLES {
        text.push_str(&entry("  * ", 4, principle));
    }
    let mut section = "";
    for row in rows() {
        if row.section != section {
            section = row.section;
            // Writing to a string does not fail.
            let _ = writeln!(text, "\n{section}");
        }
        let what = match (row.answer, row.note) {
            ("", note) | (note, "") => note.to_owned(),
            (answer, note) => format!("{answer}: {note}"),
        };
        let names = match row.answer {
            "" => row.names.to_owned(),
            _ => row.names.replace(' ', ", "),
        };
        text.push_str(&entry(&format!("  {names}"), INDENT, &what));
    }
    text
}

/// The table as a document: `docs/parallel.md`.
pub(super) fn markdown() -> String {
    let mut text = format!(
        "# GNU parallel and xargs, and throng\n\n\
         Made by `throng help parallel --markdown`; a test checks that it is current.\n\n\
         {}\n\nOn purpose, whatever the option:\n\n",
        counts()
    );
    for principle in PRINCIPLES {
        let _ = writeln!(text, "* {}", escaped(principle));
    }
    let mut section = "";
    for row in rows() {
        if row.section != section {
            section = row.section;
            let head = match section {
                XARGS => "| xargs | | throng run |",
                _ => "| option | | |",
            };
            let _ = write!(text, "\n## {section}\n\n{head}\n|---|---|---|\n");
        }
        let names = match row.answer {
            "" => format!("`{}`", row.names),
            _ => format!("`{}`", row.names.replace(' ', "` `")),
        };
        let (answer, note) = (row.answer, escaped(row.note));
        let _ = writeln!(text, "| {names} | {answer} | {note} |");
    }
    text
}

/// Text in a cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "\\<")
        .replace('*', "\\*")
}

/// Why an option that is not ours is refused, if it is GNU parallel's.
pub(super) fn refusal(option: &str) -> Option<String> {
    let mut rows = rows().filter(Row::is_of_parallel);
    let row = rows.find(|row| row.names().any(|name| name == option))?;
    Some(format!(
        "{option} of GNU parallel is not available: {}",
        row.note
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Arg;

    use super::*;
    use crate::cli;

    /// All names of an option of this program.
    fn names(arg: &Arg) -> Vec<String> {
        let long = arg.get_long().into_iter();
        let longs = long.chain(arg.get_all_aliases().unwrap_or_default());
        let short = arg.get_short().into_iter();
        let shorts = short.chain(arg.get_all_short_aliases().unwrap_or_default());
        let longs = longs.map(|name| format!("--{name}"));
        longs.chain(shorts.map(|name| format!("-{name}"))).collect()
    }

    fn own() -> BTreeSet<String> {
        let program = cli::definition();
        let run = program.find_subcommand("run").unwrap();
        run.get_arguments().flat_map(names).collect()
    }

    #[test]
    fn the_answer_of_each_row_holds_for_all_its_names() {
        let own = own();
        for row in rows().filter(|row| row.section != XARGS) {
            let taken = row.names().filter(|name| own.contains(*name)).count();
            match row.answer {
                "yes" | "differs" => assert_eq!(taken, row.names().count(), "{row:?}"),
                "no" => assert_eq!(taken, 0, "{row:?}: is an option"),
                "new" if row.note.ends_with(" only") => {}
                "new" => assert_eq!(taken, row.names().count(), "{row:?}"),
                answer => panic!("{row:?}: {answer:?} is no answer"),
            }
            assert_eq!(row.answer == "new", row.section == OWN, "{row:?}");
            assert_eq!(row.note.is_empty(), row.answer == "yes", "{row:?}: a note?");
        }
    }

    #[test]
    fn each_name_is_in_one_row_and_looks_like_an_option() {
        let mut seen = BTreeSet::new();
        for row in rows().filter(|row| row.section != XARGS) {
            for name in row.names() {
                assert!(seen.insert(name), "{name} is in two rows");
                assert!(name.starts_with('-') && name.len() > 1, "{name}");
            }
        }
        let of_parallel = rows().filter(Row::is_of_parallel);
        let names = of_parallel.map(|row| row.names().count()).sum::<usize>();
        assert_eq!(names, 207, "names in the manual");
    }

    #[test]
    fn each_option_is_in_the_table() {
        let listed: BTreeSet<&str> = rows().flat_map(|row| row.names()).collect();
        let program = cli::definition();
        let run = program.find_subcommand("run").unwrap();
        for arg in run.get_arguments().filter(|arg| !arg.is_positional()) {
            let names = names(arg);
            assert!(
                names.iter().any(|name| listed.contains(&name[..])),
                "src/cli/parallel.txt has no row for {arg}: put it where GNU parallel has it, or \
                 below \"{OWN}\""
            );
        }
    }

    #[test]
    fn a_suggested_replacement_is_an_existing_option() {
        let own = own();
        for row in rows().filter(|row| row.section != XARGS) {
            let words = row.note.split([' ', ';', ',', ':']);
            for name in words.filter(|word| word.starts_with("--")) {
                let name = name.split('=').next().unwrap_or(name);
                // `throng --version` belongs to the program itself.
                let is_known = own.contains(name) || name == "--version";
                assert!(is_known, "{row:?} points at {name}, which is no option");
            }
        }
    }

    #[test]
    fn an_unavailable_option_is_reported_with_its_replacement() {
        let refused = refusal("--sshlogin").unwrap();
        let expected = "--sshlogin of GNU parallel is not available: commands run on this machine";
        assert!(refused.starts_with(expected), "{refused}");
        assert_eq!(refusal("--no-such-option"), None);
        assert_eq!(refusal("--allow-batch"), None, "it is ours");
        let wide = text()
            .lines()
            .find(|line| line.chars().count() > super::super::help::WIDTH)
            .map(String::from);
        assert_eq!(wide, None);
    }
}
