//! What `doctor` finds, and that it reports the cost of each child.

use std::process::{Command, Output, Stdio};

use throng_tests::repeat;

use crate::program::{finish, mechanisms, stdout, without_settings};

fn doctor(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.arg("doctor").args(args).stdin(Stdio::null());
    without_settings(&mut command);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap())
}

#[test]
fn every_mechanism_is_checked_and_its_cost_reported() {
    let children = repeat(120).to_string();
    let output = doctor(&["--children", &children]);
    assert!(output.status.success(), "{output:?}");
    let text = stdout(&output);
    assert!(text.contains("live at once"), "{text}");
    // If there is no limit, there is no number.
    assert!(!text.contains("18,446,744"), "{text}");
    for mechanism in mechanisms() {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{mechanism} ")));
        let line = line.unwrap_or_else(|| panic!("{mechanism} is missing: {text}"));
        assert!(
            line.contains(&format!("{children} of {children} children verified")),
            "{line}"
        );
        assert!(line.contains("µs of CPU"), "{line}");
    }
}

#[test]
fn the_report_is_available_as_json() {
    let output = doctor(&["--children", "9", "--output", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["healthy"], true, "{report}");
    let checks = report["checks"].as_array().unwrap();
    let verified = checks.iter().filter(|check| check["verified"] == 9).count();
    assert_eq!(verified, mechanisms().len(), "{report}");
    assert!(!report["findings"].as_array().unwrap().is_empty());
}
