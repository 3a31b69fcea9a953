//! Options from files and variables.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::program::{child, finish, stderr, stdout, without_settings};

/// A working directory and its parent, the user's own file, and a file to name.
struct Setup {
    dir: tempfile::TempDir,
}

impl Setup {
    fn new(user: &str, named: &str) -> Setup {
        let setup = Setup {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(setup.path().join("around/here")).unwrap();
        setup.write("user/throng/throng.toml", user);
        setup.write("named.toml", named);
        setup
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, place: &str, text: &str) -> PathBuf {
        let place = self.path().join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, text).unwrap();
        place
    }

    fn named(&self) -> String {
        self.path().join("named.toml").to_str().unwrap().to_owned()
    }

    /// Runs the program in the working directory.
    fn throng(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
        command
            .args(args)
            .current_dir(self.path().join("around/here"));
        let user = self.path().join("user");
        without_settings(&mut command);
        command.env("XDG_CONFIG_HOME", &user).env("APPDATA", &user);
        command.envs(variables.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        finish(command.spawn().unwrap())
    }
}

#[test]
fn a_file_sets_options_and_the_command_line_overrides_it() {
    let setup = Setup::new(
        "tag = true\n[profile.rough]\ntag = false",
        "tagstring = \"n{#}\"",
    );
    let named = setup.named();
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let grace = ["run", "--grace", "20s"];
        let command = [child(), "outs:x\n", "{}", ":::", "exit:0"];
        let words = [&grace[..], args, &command].concat();
        let output = setup.throng(&words, variables);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(stderr(&output), "");
        stdout(&output).to_owned()
    };
    assert_eq!(run(&[], &[]), "exit:0\tx\n");
    assert_eq!(run(&["--no-config"], &[]), "x\n");
    assert_eq!(run(&["--profile", "rough"], &[]), "x\n");
    assert_eq!(run(&[], &[("THRONG_PROFILE", "rough")]), "x\n");
    // The named file replaces the user's file.
    assert_eq!(run(&["--config", &named], &[]), "n1\tx\n");
    assert_eq!(run(&[], &[("THRONG_CONFIG", &named)]), "n1\tx\n");
    let both = [("THRONG_CONFIG", "/no/such/file")];
    assert_eq!(
        run(&["--config", &named, "--tagstring", "c"], &both),
        "c\tx\n"
    );
    assert_eq!(run(&["--no-config"], &both), "x\n");
}

#[test]
fn a_config_file_in_or_above_the_working_directory_has_no_effect() {
    let setup = Setup::new("", "");
    for place in [
        "around/here/throng.toml",
        "around/throng.toml",
        "throng.toml",
    ] {
        setup.write(place, "tagstring = \"planted\"\njoblog = \"planted.log\"");
    }
    let words = ["run", child(), "outs:x\n", ":::", "exit:0"];
    // A settings directory that is not an absolute path has no effect either.
    setup.write("around/here/throng/throng.toml", "tag = true");
    for variables in [
        &[][..],
        &[("XDG_CONFIG_HOME", "."), ("APPDATA", "."), ("HOME", "")],
    ] {
        let output = setup.throng(&words, variables);
        assert_eq!(
            (stdout(&output), stderr(&output)),
            ("x\n", ""),
            "{variables:?}"
        );
    }
    assert!(!setup.path().join("around/here/planted.log").exists());
    let relative = setup.throng(&words, &[("THRONG_CONFIG", "throng.toml")]);
    assert_eq!((relative.status.code(), stdout(&relative)), (Some(255), ""));
    assert!(
        stderr(&relative).contains("THRONG_CONFIG \"throng.toml\": an absolute path is expected"),
        "{relative:?}"
    );
    let missing = setup.path().join("missing");
    let missing = setup.throng(&words, &[("THRONG_CONFIG", missing.to_str().unwrap())]);
    assert_eq!(missing.status.code(), Some(255));
    assert!(
        stderr(&missing).starts_with("throng: THRONG_CONFIG: "),
        "{missing:?}"
    );
}

#[test]
fn variables_set_harmless_options_and_others_are_not_silently_ignored() {
    let setup = Setup::new("", "");
    let log = setup.write("log", "precious");
    let variables = [
        ("THRONG_JOBLOG", log.to_str().unwrap()),
        ("THRONG_ENV", "A=1"),
        ("THRONG_JOBS", "1"),
        ("THRONG_SEQ", "7"),
        ("THRONG_JOB", "4"),
    ];
    let words = ["run", child(), "env:A", "env:THRONG_JOB", ":::", "exit:0"];
    let output = setup.throng(&words, &variables);
    assert_eq!(stdout(&output), "(not set)4");
    assert_eq!(
        stderr(&output),
        "throng: THRONG_ENV, THRONG_JOBLOG are ignored: variables set only jobs, progress, color, \
         memory, tmpdir; --config FILE names a file with other options\n"
    );
    assert_eq!(fs::read_to_string(&log).unwrap(), "precious");
    let output = setup.throng(&words, &[("THRONG_JOBS", "many")]);
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).starts_with("throng: THRONG_JOBS \"many\": a number"));
}

#[test]
fn an_error_in_a_config_file_is_one_line_with_its_name_and_nothing_starts() {
    for (text, expected) in [
        ("jobs = \"many\"", "throng.toml: --jobs \"many\": a number"),
        ("jbos = 3", "throng.toml: there is no option --jbos"),
        ("config = \"x\"", "throng.toml: there is no option --config"),
        ("jobs = [", "throng.toml, line 1: "),
    ] {
        let setup = Setup::new(text, "");
        let output = setup.throng(&["run", child(), "outs:no", ":::", "exit:0"], &[]);
        assert_eq!(output.status.code(), Some(255), "{output:?}");
        assert_eq!(stdout(&output), "", "{text}");
        assert_eq!(stderr(&output).lines().count(), 1, "{output:?}");
        assert!(stderr(&output).contains(expected), "{output:?}");
        let without = ["run", "--no-config", child(), "outs:yes", ":::", "exit:0"];
        assert_eq!(stdout(&setup.throng(&without, &[])), "yes");
    }
    let setup = Setup::new("", "");
    let missing = ["run", "--config", "no.toml", child(), ":::", "outs:no"];
    let output = setup.throng(&missing, &[]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(255), ""));
    assert!(
        stderr(&output).starts_with("throng: no.toml: "),
        "{output:?}"
    );
    assert_eq!(stderr(&output).lines().count(), 1, "{output:?}");
}

#[test]
fn config_shows_settings_and_their_sources() {
    let text = "jobs = 3\ngrace = \"1s\"\n[profile.p]\nwd = \"x\"";
    let setup = Setup::new(text, "grace = \"2s\"");
    let variables = [("THRONG_MEMORY", "64M"), ("THRONG_NONSENSE", "1")];
    let output = setup.throng(&["config", "--profile", "p", "--tag"], &variables);
    assert!(output.status.success(), "{output:?}");
    let line = |output: &Output, start: &str| {
        let mut lines = stdout(output).lines();
        let found = lines.find(|line| line.starts_with(start));
        let found = found.map(String::from);
        found.unwrap_or_else(|| panic!("{start} is missing: {output:?}"))
    };
    assert!(line(&output, "# the file is ").ends_with("throng.toml"));
    assert!(line(&output, "jobs = \"3\"").ends_with("throng.toml"));
    assert!(line(&output, "wd = \"x\"").ends_with("throng.toml [profile.p]"));
    assert!(line(&output, "grace = \"1s\"").contains("user"));
    assert!(line(&output, "memory = \"64M\"").ends_with("# THRONG_MEMORY"));
    assert!(line(&output, "tag = true").ends_with("# command line"));
    assert!(line(&output, "color = \"never\"").ends_with("# default"));
    assert_eq!(
        line(&output, "# THRONG_NONSENSE"),
        "# THRONG_NONSENSE is ignored"
    );
    // The directory is itself a file.
    let shown = Setup::new(stdout(&output), "");
    let again = shown.throng(&["config"], &[]);
    assert!(stdout(&again).contains("tag = true"), "{again:?}");

    let named = setup.throng(&["config", "--config", &setup.named()], &[]);
    assert!(line(&named, "# the file is ").ends_with("named.toml"));
    assert!(line(&named, "grace = \"2s\"").ends_with("named.toml"));
    let none = setup.throng(&["config", "--no-config"], &variables);
    assert_eq!(line(&none, "# no file"), "# no file is read");
}

#[test]
fn a_variable_cannot_name_a_config_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jobs");
    fs::write(&file, "3").unwrap();
    for value in [file.to_str().unwrap(), "many", "/etc/passwd"] {
        let mut command = crate::program::run(&[child(), ":::", "outs:x"]);
        let refused = crate::program::finish(command.env("THRONG_JOBS", value).spawn().unwrap());
        assert_eq!(refused.status.code(), Some(255), "{refused:?}");
        let said = stderr(&refused);
        assert!(said.starts_with("throng: THRONG_JOBS \""), "{said}");
        assert!(!said.contains("the file contains"), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
    let mut command = crate::program::run(&[child(), ":::", "outs:x"]);
    let taken = crate::program::finish(command.env("THRONG_JOBS", "50%").spawn().unwrap());
    assert_eq!(stdout(&taken), "x", "{taken:?}");
}

#[test]
fn an_oversized_config_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("throng.toml");
    fs::write(&file, "#".repeat((1 << 20) + 1)).unwrap();
    let words = ["--config", file.to_str().unwrap(), child(), ":::", "outs:x"];
    let refused = crate::program::output(&words);
    assert_eq!(refused.status.code(), Some(255), "{refused:?}");
    assert!(
        stderr(&refused).contains("it has more than 1,048,576 bytes"),
        "{refused:?}"
    );
    fs::write(&file, "#".repeat(1 << 20)).unwrap();
    assert_eq!(stdout(&crate::program::output(&words)), "x");
}
