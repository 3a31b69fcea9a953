//! Blocks of variables, and the values in them.

use std::os::windows::ffi::OsStringExt;

use super::*;

fn vars(pairs: &[(&str, &str)]) -> Vars {
    Vars::from_pairs(pairs.iter().map(|(key, value)| (key.into(), value.into())))
}

fn changes(clear: bool, vars: &[(&str, Option<&str>)]) -> EnvChanges {
    let vars = vars.iter();
    EnvChanges {
        clear,
        vars: vars
            .map(|(key, value)| (OsString::from(key), value.map(OsString::from)))
            .collect(),
    }
}

/// The block with a `|` for every NUL.
fn block(ours: &[(&str, &str)], changes: &EnvChanges) -> Result<String, OsString> {
    let block = vars(ours).block(changes)?;
    Ok(String::from_utf16(&block).unwrap().replace('\0', "|"))
}

#[test]
fn an_empty_environment_is_two_nuls() {
    assert_eq!(block(&[("A", "1")], &changes(true, &[])).unwrap(), "||");
    assert_eq!(block(&[], &changes(false, &[])).unwrap(), "||");
    let removed = changes(false, &[("a", None)]);
    assert_eq!(block(&[("A", "1")], &removed).unwrap(), "||");
}

#[test]
fn variables_are_sorted_by_name_ignoring_case() {
    let ours = [
        ("b", "2"),
        ("_", "4"),
        ("C", "3"),
        ("a", "1"),
        ("A1", "5"),
        ("é", "6"),
    ];
    let ours = block(&ours, &changes(false, &[])).unwrap();
    assert_eq!(ours, "a=1|A1=5|b=2|C=3|_=4|é=6||");
    // By units: half of a pair comes before a letter of the first plane that is "less" than it.
    let ours = block(
        &[("\u{FF21}", "2"), ("\u{1F980}", "1")],
        &changes(false, &[]),
    )
    .unwrap();
    assert_eq!(ours, "\u{1F980}=1|\u{FF21}=2||");
}

#[test]
fn a_change_replaces_a_name_in_another_case_and_uses_its_own_case() {
    let ours = [("Path", "old"), ("TMP", "t")];
    let set = changes(false, &[("PATH", Some("new"))]);
    assert_eq!(block(&ours, &set).unwrap(), "PATH=new|TMP=t||");
    let set = changes(false, &[("PATH", Some("1")), ("Path", Some("2"))]);
    assert_eq!(block(&ours, &set).unwrap(), "Path=2|TMP=t||");
    let removed = changes(false, &[("pAtH", None)]);
    assert_eq!(block(&ours, &removed).unwrap(), "TMP=t||");
    let set = changes(true, &[("x", Some(""))]);
    assert_eq!(block(&ours, &set).unwrap(), "x=||");
    let set = changes(false, &[("ÄÖ", Some("1"))]);
    assert_eq!(block(&[("äö", "0")], &set).unwrap(), "ÄÖ=1||");
}

#[test]
fn of_our_own_names_that_differ_in_case_the_first_is_used() {
    let ours = [("Path", "first"), ("PATH", "second")];
    assert_eq!(block(&ours, &changes(false, &[])).unwrap(), "Path=first||");
}

#[test]
fn hidden_variables_stay_unchanged_and_sort_before_letters() {
    let ours = [("A", "1"), ("=C:", r"C:\dir"), ("=::", r"::\"), ("0", "0")];
    let ours = block(&ours, &changes(false, &[])).unwrap();
    assert_eq!(ours, r"0=0|=::=::\|=C:=C:\dir|A=1||");
    let set = changes(true, &[("=D:", Some(r"D:\x"))]);
    assert_eq!(block(&[], &set).unwrap(), r"=D:=D:\x||");
}

#[test]
fn names_and_values_that_would_break_the_block_are_refused() {
    for (key, value) in [
        ("", "v"),
        ("a=b", "v"),
        ("=a=", "v"),
        ("a\0", "v"),
        ("a", "v\0w"),
    ] {
        let set = changes(false, &[(key, Some(value))]);
        assert_eq!(
            block(&[], &set),
            Err(OsString::from(key)),
            "{key:?}={value:?}"
        );
        let removed = changes(false, &[(key, None)]);
        assert!(block(&[], &removed).is_ok(), "{key:?} cannot be there");
    }
    let set = changes(false, &[("a", Some("=v="))]);
    assert_eq!(block(&[], &set).unwrap(), "a==v=||");
}

#[test]
fn letters_that_only_resemble_ascii_are_distinct() {
    let ours = [
        ("I", "1"),
        ("ı", "2"),
        ("S", "3"),
        ("ſ", "4"),
        ("ß", "5"),
        ("SS", "6"),
    ];
    assert_eq!(vars(&ours).vars.len(), ours.len());
}

#[test]
fn unpaired_surrogates_pass_through() {
    let odd = OsString::from_wide(&[0xDC00, 0x61]);
    let mut set = changes(true, &[]);
    set.vars.insert(odd.clone(), Some(odd));
    let block = vars(&[]).block(&set).unwrap();
    assert_eq!(block, [0xDC00, 0x61, 0x3D, 0xDC00, 0x61, 0, 0]);
}

#[test]
fn a_value_is_what_the_process_will_see() {
    let ours = vars(&[("Path", "ours")]);
    let get = |changes: &EnvChanges| ours.get(changes, "PATH");
    assert_eq!(get(&changes(false, &[])), Some("ours".into()));
    assert_eq!(get(&changes(true, &[])), None);
    assert_eq!(get(&changes(false, &[("path", None)])), None);
    assert_eq!(
        get(&changes(true, &[("path", Some("its"))])),
        Some("its".into())
    );
    let both = changes(false, &[("PATH", Some("1")), ("Path", Some("2"))]);
    assert_eq!(get(&both), Some("2".into()));
}

#[test]
fn our_own_environment_is_copied_completely() {
    let captured = Vars::capture();
    assert!(!captured.vars.is_empty());
    for (key, _) in std::env::vars_os() {
        assert!(captured.vars.contains_key(&upper(&key)), "{key:?}");
    }
    let block = captured.block(&changes(false, &[])).unwrap();
    assert_eq!(block[block.len() - 2..], [0, 0]);
}
