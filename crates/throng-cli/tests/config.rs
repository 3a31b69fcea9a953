//! Options from files and variables.

mod program;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use program::{child, finish, stderr, stdout, without_settings};

/// A directory of a project with a file of settings, and one below it; and the user's own.
struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    fn new(project: &str, user: &str) -> Project {
        let dir = tempfile::tempdir().unwrap();
        let write = |place: &str, text: &str| {
            let place = dir.path().join(place);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        };
        write("project/throng.toml", project);
        write("user/throng/throng.toml", user);
        fs::create_dir_all(dir.path().join("project/below")).unwrap();
        Project { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs the program below the project.
    fn throng(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
        command
            .args(args)
            .current_dir(self.path().join("project/below"));
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
fn files_and_variables_set_options_and_the_command_line_has_the_last_word() {
    let project = Project::new(
        "tag = true\n[profile.rough]\ntag = false",
        "grace = \"20s\"",
    );
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let words = [
            &["run"],
            args,
            &[child(), "outs:x\n", "{}", ":::", "exit:0"],
        ]
        .concat();
        let output = project.throng(&words, variables);
        assert!(output.status.success(), "{output:?}");
        stdout(&output).to_owned()
    };
    assert_eq!(run(&[], &[]), "exit:0\tx\n");
    assert_eq!(run(&["--no-config", "--grace", "20s"], &[]), "x\n");
    assert_eq!(run(&["--profile", "rough"], &[]), "x\n");
    assert_eq!(run(&[], &[("THRONG_PROFILE", "rough")]), "x\n");
    assert_eq!(run(&[], &[("THRONG_TAG", "0")]), "x\n");
    assert_eq!(run(&[], &[("THRONG_TAGSTRING", "t{#}")]), "t1\tx\n");
    assert_eq!(
        run(&["--tagstring", "u"], &[("THRONG_TAGSTRING", "t")]),
        "u\tx\n"
    );
}

#[test]
fn what_is_wrong_with_a_file_is_one_line_with_its_name_and_nothing_starts() {
    for (text, expected) in [
        ("jobs = \"many\"", "throng.toml: --jobs \"many\": a number"),
        ("jbos = 3", "throng.toml: there is no option --jbos"),
        ("jobs = [", "throng.toml, line 1: "),
    ] {
        let project = Project::new(text, "");
        let output = project.throng(&["run", child(), "outs:no", ":::", "exit:0"], &[]);
        assert_eq!(output.status.code(), Some(255), "{output:?}");
        assert_eq!(stdout(&output), "", "{text}");
        assert_eq!(stderr(&output).lines().count(), 1, "{output:?}");
        assert!(stderr(&output).contains(expected), "{output:?}");
        let path = project.path().join("project").join("throng.toml");
        let path = path.canonicalize().unwrap();
        let named = path.file_name().unwrap().to_str().unwrap();
        assert!(stderr(&output).contains(named), "{output:?}");
        let without = ["run", "--no-config", child(), "outs:yes", ":::", "exit:0"];
        assert_eq!(stdout(&project.throng(&without, &[])), "yes");
    }
}

#[test]
fn config_shows_what_is_set_and_by_whom() {
    let project = Project::new("jobs = 3\n[profile.p]\nwd = \"x\"", "grace = \"1s\"");
    let variables = [("THRONG_DELAY", "1ms"), ("THRONG_NONSENSE", "1")];
    let output = project.throng(&["config", "--profile", "p", "--tag"], &variables);
    assert!(output.status.success(), "{output:?}");
    let line = |start: &str| {
        let mut lines = stdout(&output).lines();
        let found = lines.find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("{start} is missing: {output:?}"))
    };
    assert!(line("jobs = \"3\"").ends_with("throng.toml"));
    assert!(line("wd = \"x\"").ends_with("throng.toml [profile.p]"));
    assert!(line("grace = \"1s\"").contains("user"));
    assert!(line("delay = \"1ms\"").ends_with("# THRONG_DELAY"));
    assert!(line("tag = true").ends_with("# command line"));
    assert!(line("color = \"never\"").ends_with("# default"));
    assert!(line("# THRONG_NONSENSE is no option").ends_with("it"));
    // It is a file itself.
    let shown = Project::new(stdout(&output), "");
    let again = shown.throng(&["config"], &[]);
    assert!(stdout(&again).contains("tag = true"), "{again:?}");
}
