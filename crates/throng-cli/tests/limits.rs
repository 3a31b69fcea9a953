//! Limits: how much output is kept, where, and what happens to streams that are held open.

use std::process::Output;
use std::time::Duration;

use crate::program::{child, json, json_bytes, output, stderr, stdout};
use throng_tests::{Tag, with_enough_time};

#[test]
fn the_held_policy_kills_holders_or_fails_commands() {
    let tag = Tag::new();
    let holder = format!("holder:{tag},sleep:600000");
    let run = |policy: &str, mode: &str, grace: Duration| {
        let grace = format!("{}ms", grace.as_millis() / 2);
        let options = ["--grace", &grace, "--termseq", "KILL", "--held", policy];
        let command = [child(), &holder, "outs:x", ":::", "exit:0"];
        output(&[&options[..], &["--output", mode], &command].concat())
    };
    // A killed process has another grace period in which to end.
    let is_quiet = |output: &Output| output.stderr.is_empty();
    let killed = with_enough_time(|grace| run("kill", "group", grace), is_quiet);
    assert_eq!(killed.status.code(), Some(0), "{killed:?}");
    assert_eq!((&killed.stdout[..], stderr(&killed)), (&b"x"[..], ""));
    let is_complete = |output: &Output| stdout(output).contains("\"stdout_verdict\":\"complete\"");
    let killed = with_enough_time(|grace| run("kill", "jsonl", grace), is_complete);
    assert!(is_complete(&killed), "{killed:?}");
    let failed = run("fail", "group", Duration::from_secs(1));
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(stderr(&failed).contains("held by"), "{failed:?}");
    let why = "; failed because its output is held (--held fail)\n";
    assert!(stderr(&failed).contains(why), "{failed:?}");
}

#[test]
fn an_unknown_policy_is_reported() {
    let output = output(&["--held", "perhaps", "x", ":::", "y"]);
    assert_eq!(output.status.code(), Some(255));
    let said = "--held \"perhaps\": one of keep, kill, wait, fail is expected";
    assert!(stderr(&output).contains(said), "{output:?}");
}

/// A command that writes this much to stdout, and the bytes it writes.
fn says(len: usize) -> (String, Vec<u8>) {
    let mut bytes = vec![0; len];
    throng_tests::fill(throng_tests::Source::Out, 0, &mut bytes);
    (format!("out:{len}"), bytes)
}

#[test]
fn spilled_output_is_printed_whole_in_group_and_json_modes() {
    let (step, expected) = says(3_000_000);
    let run = ["--memory", "0", child(), &step, "errs:x", ":::", "exit:0"];
    let group = output(&run);
    assert_eq!((group.status.code(), stderr(&group)), (Some(0), "x"));
    assert!(group.stdout == expected);
    let object = &json(&run)[0];
    assert!(object.get("stdout").is_none(), "the pattern is no text");
    assert!(json_bytes(object, "stdout") == expected);
    assert_eq!(object["stdout_verdict"], "complete");
}

#[test]
fn an_output_limit_keeps_the_requested_part() {
    let (step, all) = says(100_000);
    let kept = |limit: &str| {
        let run = ["--max-output", limit, child(), ":::", &step];
        let object = json(&run).remove(0);
        assert_eq!(object["stdout_verdict"], "capped");
        assert_eq!(object["stdout_dropped_bytes"], 100_000 - 1024);
        json_bytes(&object, "stdout")
    };
    assert!(kept("1K") == all[..1024]);
    assert!(kept("1K,tail") == all[all.len() - 1024..]);
    assert!(kept("1K,both") == [&all[..512], &all[all.len() - 512..]].concat());
}

#[test]
fn invalid_limits_are_reported_and_nothing_starts() {
    for (option, value) in [
        ("--memory", "much"),
        ("--max-output", "1K,middle"),
        ("--tmpdir", "/no/such/directory"),
    ] {
        let output = output(&[option, value, child(), "outs:x", ":::", "exit:0"]);
        assert_eq!(output.status.code(), Some(255));
        let said = format!("throng: {option} \"{value}\": ");
        assert!(stderr(&output).starts_with(&said), "{output:?}");
        assert_eq!(output.stdout, b"");
    }
}
