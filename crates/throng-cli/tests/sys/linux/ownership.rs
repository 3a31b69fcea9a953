//! Files that other users have made or could write: settings, job logs, results.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::{child, finish, run, stderr, stdout};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn settings_that_others_can_write_are_refused_unless_they_are_named() {
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
