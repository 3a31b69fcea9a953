//! Options that exist only on Windows, and batch files.

use std::fs;

use throng_tests::{Source, check_pattern};

use crate::program::{child, json, json_bytes, mechanisms, output, output_with_stdin, stderr};
use crate::program::{sorted_lines, stdout};

#[test]
fn every_kind_of_pipe_and_console_captures_everything() {
    for mechanism in mechanisms() {
        for options in [
            &["--pipe-kind", "named"][..],
            &["--pipe-kind", "unnamed", "--pipe-size", "4096"],
            &["--pipe-kind", "named", "--pipe-size", "1M"],
            &["--console", "none"],
            &["--console", "hidden"],
            &["--console", "inherit"],
        ] {
            let steps = [child(), "both:{}", ":::", "0", "1", "300000"];
            let objects = json(&[&["--mechanism", &mechanism], options, &steps].concat());
            for (object, length) in objects.iter().zip([0, 1, 300_000]) {
                for (source, stream) in [(Source::Out, "stdout"), (Source::Err, "stderr")] {
                    let wrong = check_pattern(source, &json_bytes(object, stream), length);
                    assert_eq!(wrong, Ok(()), "{mechanism} {options:?}");
                    assert_eq!(object[format!("{stream}_verdict")], "complete");
                }
            }
        }
    }
}

#[test]
fn invalid_options_are_reported_and_nothing_starts() {
    for (args, named) in [
        (&["--console", "loud", "echo"][..], "loud"),
        (&["--console", "none", "--shell", "echo"], "--console none"),
        (&["--pipe-kind", "pink", "echo"], "pink"),
        (&["--pipe-size", "much", "echo"], "much"),
        (&["--pipe-size", "0", "echo"], "0"),
        (&["--pipe-size", "9G", "echo"], "9G"),
        (&["--mechanism", "epoll", "echo"], "epoll"),
    ] {
        let output = output_with_stdin(args, b"1\n");
        assert_eq!(output.status.code(), Some(255), "{args:?} {output:?}");
        assert_eq!(stdout(&output), "", "{args:?}");
        assert!(stderr(&output).contains(named), "{output:?}");
    }
}

#[test]
fn batch_files_are_refused_by_name_unless_allowed_and_stop_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let batch = dir.path().join("script.cmd");
    fs::write(&batch, "@echo ran %1\r\n").unwrap();
    let batch = batch.to_str().unwrap();
    let lines = format!("\"{batch}\" x\n\"{}\" outs:fine\n", child());
    let refused = output_with_stdin(&["-k"], lines.as_bytes());
    assert_eq!(stdout(&refused), "fine");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(stderr(&refused).lines().count(), 1, "{refused:?}");
    assert!(stderr(&refused).contains("script.cmd"), "{refused:?}");

    let values = ["--allow-batch", batch, ":::", "a", "b&echo no"];
    let allowed = output(&values);
    assert!(allowed.status.success(), "{allowed:?}");
    assert_eq!(
        sorted_lines(&allowed.stdout),
        ["ran \"b&echo no\"", "ran a"]
    );
}

#[test]
fn exit_codes_have_all_their_bits() {
    let values = ["0", "1", "255", "256", "259", "-1"];
    let objects = json(&[&[child(), "exit:{}", ":::"], &values[..5]].concat());
    let codes: Vec<_> = objects.iter().map(|object| &object["exit_code"]).collect();
    assert_eq!(codes, [0, 1, 255, 256, 259]);
    let object = &json(&["--shell", "exit {}", ":::", values[5]])[0];
    assert_eq!(object["exit_code"], u32::MAX);
}
