use std::collections::BTreeSet;

use super::table::Counts;
use super::*;
use crate::cli;

fn own() -> OwnNames {
    OwnNames::new(&cli::definition())
}

fn rows() -> impl Iterator<Item = &'static Row> {
    THEMES.iter().flat_map(|theme| theme.rows)
}

#[test]
fn each_option_is_taken_by_all_its_names_or_by_none() {
    let own = own();
    for row in rows() {
        let taken = row.names.iter().filter(|name| own.has(name)).count();
        assert!(
            taken == 0 || taken == row.names.len(),
            "{:?}: {taken} of these names are options",
            row.names
        );
    }
}

#[test]
fn what_is_not_taken_has_something_instead_and_what_is_taken_for_ever_has_not() {
    let own = own();
    for row in rows() {
        match row.answer(&own) {
            Answer::No(instead) => assert_ne!(instead, "", "{:?} needs an `instead`", row.names),
            // A row that has both was written before its option was there.
            Answer::Yes | Answer::Differs(_) => {}
        }
        let is_never_taken = row.differs.is_empty() && !row.instead.is_empty();
        assert!(
            !is_never_taken || matches!(row.answer(&own), Answer::No(_) | Answer::Yes),
            "{:?}",
            row.names
        );
    }
}

#[test]
fn each_name_is_there_once_and_looks_like_an_option() {
    let mut seen = BTreeSet::new();
    for name in rows().flat_map(|row| row.names) {
        assert!(seen.insert(name), "{name} is there twice");
        assert!(name.starts_with('-') && name.len() > 1, "{name}");
    }
    assert_eq!(seen.len(), 207, "names in the manual");
}

#[test]
fn what_is_said_instead_of_an_option_is_an_option() {
    let own = own();
    for row in rows() {
        let words = row.instead.split([' ', ';', ',', ':']);
        let names = words.filter(|word| word.starts_with("--"));
        for name in names {
            let name = name.split('=').next().unwrap_or(name);
            // `throng --version` is of the program itself.
            let is_known = own.has(name) || name == "--version";
            assert!(
                is_known,
                "{:?} points at {name}, which is no option",
                row.names
            );
        }
    }
}

#[test]
fn counts_add_up() {
    let Counts { yes, differs, no } = Counts::of(&own());
    assert_eq!(
        yes + differs + no,
        rows().map(|row| row.names.len()).sum::<usize>()
    );
    assert!(yes > 40 && differs > 20 && no > 50, "{yes} {differs} {no}");
}

#[test]
fn a_missing_option_is_named_with_what_to_use() {
    let refused = refusal("--sshlogin").unwrap();
    let expected = "--sshlogin of GNU parallel is not taken: commands run on this machine";
    assert!(refused.starts_with(expected), "{refused}");
    assert_eq!(refusal("--no-such-option"), None);
}
