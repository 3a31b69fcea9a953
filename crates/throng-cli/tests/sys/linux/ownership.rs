//! Files that other users have created or could write to: settings, job logs, results.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{
    child, finish, output, output_with_stdin, run, stderr, stdout, without_settings,
};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn settings_writable_by_others_are_refused_unless_named_explicitly() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("throng/throng.toml");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, "tagstring = \"t\"").unwrap();
    let start = |named: &[&str], variables: &[(&str, &Path)]| {
        let words = [named, &[child(), ":::", "outs:x\n"]].concat();
        let mut command = run(&words);
        command.envs(variables.iter().copied());
        finish(command.spawn().unwrap())
    };
    let found = [("XDG_CONFIG_HOME", dir.path())];
    let by_variable = [("THRONG_CONFIG", file.as_path())];
    assert_eq!(stdout(&start(&[], &found)), "t\tx\n");
    set_mode(&file, 0o666);
    for variables in [&found[..], &by_variable] {
        let refused = start(&[], variables);
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(255), ""));
        assert!(
            stderr(&refused).contains("every user can write to it (mode 666), so it is not read"),
            "{refused:?}"
        );
        assert_eq!(stderr(&refused).lines().count(), 1);
        assert_eq!(stdout(&start(&["--no-config"], variables)), "x\n");
    }
    let named = ["--config", file.to_str().unwrap()];
    assert_eq!(stdout(&start(&named, &found)), "t\tx\n");
}

#[test]
fn a_log_writable_by_others_is_used_only_with_an_explicit_option() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let words = [
        "--joblog",
        log,
        child(),
        "outs:{} ",
        "exit:1",
        ":::",
        "a",
        "b",
    ];
    output(&words);
    assert_eq!(fs::metadata(log).unwrap().permissions().mode() & 0o022, 0);
    set_mode(log.as_ref(), 0o646);
    let before = fs::read_to_string(log).unwrap();
    for option in ["--resume", "--resume-failed", "--retry-failed"] {
        let refused = output(&[&[option], &words[..]].concat());
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(255), ""));
        let expected =
            format!("every user can write to it (mode 646), and {option} would go by it");
        assert!(stderr(&refused).contains(&expected), "{refused:?}");
        assert_eq!(stderr(&refused).lines().count(), 1);
        assert_eq!(fs::read_to_string(log).unwrap(), before);
    }
    let trusted = output(&[&["-k", "--retry-failed", "--trust-joblog"], &words[..]].concat());
    assert_eq!(stdout(&trusted), "a b ");
}

#[test]
fn results_writable_by_others_are_used_only_with_an_explicit_option() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results");
    let results = path.to_str().unwrap();
    let words = [
        "--group",
        "--results",
        results,
        child(),
        "outs:{}",
        ":::",
        "a",
    ];
    assert_eq!(stdout(&output(&words)), "a");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o022, 0);
    set_mode(&path, 0o777);
    let resume = [&["--resume"], &words[..], &["b"]].concat();
    let refused = output(&resume);
    assert_eq!((refused.status.code(), stdout(&refused)), (Some(255), ""));
    assert!(
        stderr(&refused).contains("every user can write to it (mode 777), and --resume would"),
        "{refused:?}"
    );
    let trusted = output(&[&["--trust-joblog"], &resume[..]].concat());
    assert_eq!(stdout(&trusted), "b");
    // One forged file would be enough to have its command skipped.
    set_mode(&path, 0o755);
    set_mode(&path.join("1/a/stdout"), 0o666);
    assert_eq!(output(&resume).status.code(), Some(255));
}

#[test]
fn results_do_not_follow_links_that_others_may_have_planted() {
    let shared = tempfile::tempdir().unwrap();
    set_mode(shared.path(), 0o1777);
    let victim = tempfile::tempdir().unwrap();
    let victim = victim.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, shared.path().join("a.err")).unwrap();
    let name = format!("{}/{{}}", shared.path().display());
    let refused = output(&["--results", &name, child(), "outs:x", "errs:e", ":::", "a"]);
    assert_eq!((refused.status.code(), stdout(&refused)), (Some(1), ""));
    assert!(stderr(&refused).contains("is a symbolic link that leads out of"));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn records_are_not_writable_by_others_whatever_the_umask() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let script = r#"umask 0; program=$1; shift; exec "$program" run "$@""#;
    for results in ["tree", "names/{}", "table.csv", "lines.jsonl"] {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_throng")]);
        command.args(["--joblog", &path("log"), "--results", &path(results)]);
        command.args([child(), "outs:x", "errs:y", ":::", "exit:0"]);
        without_settings(&mut command);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        assert!(finish(command.spawn().unwrap()).status.success());
    }
    let mut found = vec![dir.path().to_owned()];
    let mut count = 0;
    while let Some(path) = found.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o022, 0, "{}", path.display());
        count += 1;
        if path.is_dir() {
            found.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    assert!(count >= 15, "{count}");
}

#[test]
fn records_do_not_follow_links_that_others_may_have_planted() {
    let shared = tempfile::tempdir().unwrap();
    set_mode(shared.path(), 0o1777);
    let victim = tempfile::tempdir().unwrap();
    let victim = victim.path().join("victim");
    let header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";
    fs::write(&victim, header).unwrap();
    let link = |name: &str| {
        let link = shared.path().join(name);
        symlink(&victim, &link).unwrap();
        link.to_str().unwrap().to_owned()
    };
    for (option, name) in [
        ("--joblog", link("log")),
        ("--joblog", format!("+{}", link("log2"))),
        ("--results", link("x.csv")),
        ("--results", link("x.jsonl")),
    ] {
        let refused = output(&[option, &name, child(), ":::", "outs:x"]);
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(255), ""));
        assert!(
            stderr(&refused).contains("it is a symbolic link in a directory where others can"),
            "{refused:?}"
        );
        assert_eq!(stderr(&refused).lines().count(), 1);
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), header);
}

#[test]
fn a_nul_in_a_value_never_becomes_code() {
    let dir = tempfile::tempdir().unwrap();
    let [log, pwned] = ["log", "pwned"].map(|name| dir.path().join(name));
    let log = log.to_str().unwrap();
    for (options, command, before) in [
        (&["--shell"][..], &["echo {}"][..], "x\0touch "),
        (&[], &["env", "{}"], "-i\0touch\0"),
    ] {
        let input = format!("A=a\n{before}{}\nB=b\n", pwned.display()).into_bytes();
        output_with_stdin(&[options, &["--joblog", log], command].concat(), &input);
        assert!(!fs::read(log).unwrap().contains(&0));
        for again in ["--retry-failed", "--resume-failed", "--resume"] {
            let words = [&[again, "--joblog", log][..], options, command].concat();
            output_with_stdin(&words, &input);
        }
        let dry = [&["--dry-run"][..], options, command].concat();
        let dry = output_with_stdin(&dry, &input);
        assert!(!dry.stdout.contains(&0), "{dry:?}");
        assert_eq!(stdout(&dry).lines().count(), 2, "{dry:?}");
        assert!(!pwned.exists());
    }
}

#[test]
fn a_value_does_not_follow_a_link_out_of_the_fixed_directory() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("out/inside")).unwrap();
    fs::create_dir_all(at("elsewhere/sub")).unwrap();
    symlink(at("elsewhere"), at("out/l")).unwrap();
    symlink(at("elsewhere/file"), at("out/f")).unwrap();
    symlink("inside", at("out/good")).unwrap();
    let name = format!("{}/{{}}", at("out").display());
    for option in ["--results", "--wd"] {
        for (value, works) in [("l/sub", false), ("f", false), ("good/sub", true)] {
            let output = output(&[option, &name, child(), "tag:{}", ":::", value]);
            assert_eq!(
                output.status.success(),
                works,
                "{option} {value} {output:?}"
            );
            if !works {
                assert!(
                    stderr(&output).contains("is a symbolic link that leads "),
                    "{output:?}"
                );
                assert!(
                    stderr(&output).starts_with("throng: the list value 1: "),
                    "{output:?}"
                );
            }
        }
        let _ = fs::remove_file(at("out/inside/sub"));
    }
    assert!(!at("elsewhere/file").exists());
    assert_eq!(fs::read_dir(at("elsewhere")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(at("elsewhere/sub")).unwrap().count(), 0);
}

#[test]
fn a_result_name_taken_by_its_command_loses_only_its_results_and_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("{}/{{}}", directory.path().display());
    let script = format!("[ {{}} = b ] || mkdir {}/{{}}", directory.path().display());
    let output = output(&[
        "--shell",
        "-j1",
        "--results",
        &name,
        &script,
        ":::",
        "a",
        "b",
    ]);
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    assert!(
        stderr(&output).contains("cannot write --results"),
        "{output:?}"
    );
    assert!(
        stderr(&output).ends_with("--results: those of 1 command could not be written\n"),
        "{output:?}"
    );
    assert!(directory.path().join("b").is_file());
}
