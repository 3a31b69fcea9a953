//! Variables, whose names do not depend on case.

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt;

use throng::{Command, Mechanism};
use throng_tests::{assert_complete, child, for_each_mechanism, run_one};

/// The output of the child, unchanged.
#[track_caller]
fn said(mechanism: Mechanism, command: &Command) -> Vec<u8> {
    let outcome = run_one(mechanism, command);
    assert_complete(&outcome);
    outcome.stdout().to_vec()
}

#[test]
fn a_variable_replaces_one_that_differs_only_in_case() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("env:PATH outs:- env:path outs:- env:Path");
        let heard = said(mechanism, command.env("pAtH", "mine"));
        assert_eq!(String::from_utf8_lossy(&heard), "mine-mine-mine");
        let mut removed = child!("env:PATH");
        assert_eq!(said(mechanism, removed.env_remove("path")), b"(not set)");
    });
}

#[test]
fn of_two_names_that_differ_only_in_case_one_is_in_the_process() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("env:THRONG_CASE outs:- env:throng_case");
        command.env("Throng_Case", "a").env("THRONG_CASE", "b");
        let heard = said(mechanism, &command);
        assert!(heard == b"a-a" || heard == b"b-b", "{heard:?}");
    });
}

#[test]
fn names_and_values_may_be_any_text() {
    for_each_mechanism(|mechanism| {
        let value = "größer als 日本 🦀 = \"x\" %PATH% ;";
        let mut command = child!("env:GRÖSSE outs:- env:größe");
        let heard = said(mechanism, command.env("GRÖSSE", value));
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.starts_with(&format!("{value}-")), "{heard}");
    });
}

#[test]
fn a_value_may_be_invalid_text() {
    for_each_mechanism(|mechanism| {
        let value = OsString::from_wide(&[0xD800, b'x' as u16, 0xDC00]);
        let heard = said(mechanism, child!("env:THRONG_X").env("THRONG_X", &value));
        assert_eq!(heard, value.as_encoded_bytes());
    });
}

#[test]
fn a_process_starts_with_no_variables_at_all() {
    for_each_mechanism(|mechanism| {
        let heard = said(
            mechanism,
            child!("env:PATH outs:- env:SystemRoot").env_clear(),
        );
        assert!(heard.starts_with(b"(not set)-"), "{heard:?}");
    });
}

#[test]
fn many_variables_arrive() {
    for_each_mechanism(|mechanism| {
        let mut command = child!("env:V0 env:V1999 env:V777");
        for n in 0..2000 {
            command.env(format!("V{n}"), format!("<{n}>"));
        }
        assert_eq!(said(mechanism, &command), b"<0><1999><777>");
    });
}
