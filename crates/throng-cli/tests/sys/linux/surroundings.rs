//! What commands inherit from the environment in which throng was started: descriptors, no
//! terminal, and files that only a shell can run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use throng_tests::eventually;

use crate::program::{
    child, finish, json, mechanisms, output, run, stderr, stdout, without_settings,
};

/// The output of bash for a script in which `$throng` is the program and `$child` the scripted
/// child.
fn bash(script: &str) -> Output {
    finish(start_bash(script))
}

fn start_bash(script: &str) -> Child {
    let mut command = Command::new("bash");
    without_settings(&mut command);
    command
        .args(["-c", script])
        .env("throng", env!("CARGO_BIN_EXE_throng"))
        .env("child", child())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn commands_can_read_a_process_substitution() {
    for mechanism in mechanisms() {
        let script = format!(
            "printf 'b\\nd\\n' >B; \
             \"$throng\" run --mechanism {mechanism} -j1 comm -12 <(printf 'a\\nb\\n') {{}} ::: B"
        );
        let dir = tempfile::tempdir().unwrap();
        let output = bash(&format!("cd {}; {script}", dir.path().display()));
        assert_eq!(stdout(&output), "b\n", "{mechanism}: {output:?}");
        assert!(output.status.success());
    }
}

#[test]
fn commands_have_the_inherited_descriptors_and_no_others() {
    // 3 is the number that a descriptor of ours would get first.
    let given = "exec 3</dev/null 7>/dev/null 90<>/dev/null; ";
    // The parent of this test may have left further descriptors open.
    let expected = bash(&format!("{given} \"$child\" fds"));
    let expected = stdout(&expected);
    assert!(expected.starts_with("0 1 2 3 7 "), "{expected}");
    for mechanism in mechanisms() {
        let words = format!("run --mechanism {mechanism} -j3 \"$child\" fds sleep:20 {{}}");
        let script = format!("{given} \"$throng\" {words} ::: exit:0 exit:0 exit:0 exit:0");
        let listed = bash(&script);
        assert_eq!(stdout(&listed), expected.repeat(4), "{listed:?}");
        let script = script.replace("run ", "run --no-inherit-fds ");
        let listed = bash(&script);
        assert_eq!(stdout(&listed), "0 1 2".repeat(4), "{listed:?}");
    }
}

/// The guardian, which lives as long as throng, would keep a reader from seeing the end.
#[test]
fn a_job_log_named_by_an_inherited_descriptor_keeps_existing_content() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    for name in ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/1"] {
        let script = format!(
            "{{ echo one; \"$throng\" run --joblog {name} true ::: a; echo two; }} > {0} 2>> {0}",
            file.display()
        );
        let output = bash(&script);
        assert!(output.status.success(), "{output:?}");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("one\n"), "{name}: {text}");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "{name}");
        assert!(text.ends_with("\ntwo\n"), "{name}: {text}");
        assert_eq!(text.lines().count(), 4, "{name}: {text}");
    }
}

#[test]
fn an_inherited_pipe_ends_with_the_last_command() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {}; \"$throng\" run \"$child\" {{}} ::: exit:0 9> >(cat; echo over >end); \
         while [ ! -e end ]; do sleep .01; done",
        dir.path().display()
    );
    let output = bash(&script);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_guardian_has_none_of_the_descriptors_of_commands() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let script = format!(
        "exec 9</dev/null; exec \"$throng\" run \"$child\" wait-file:{{}} ::: {}",
        file.display()
    );
    let throng = start_bash(&script);
    let has_it = |pid: u32| fs::exists(format!("/proc/{pid}/fd/9")).unwrap();
    let named = |name: &str| {
        let children = children_of(throng.id());
        children.into_iter().find(|(_, line)| line.contains(name))
    };
    eventually("the command has it", || {
        named("wait-file").is_some_and(|(pid, _)| has_it(pid))
    });
    let (guardian, _) = named("\0guardian\0").expect("a command is not started without a guardian");
    eventually("the guardian has begun", || {
        fs::read_link(format!("/proc/{guardian}/cwd")).is_ok_and(|dir| dir == Path::new("/"))
    });
    assert!(!has_it(guardian));
    fs::write(&file, "").unwrap();
    assert!(finish(throng).status.success());
}

/// The processes started by this one, with their arguments.
fn children_of(pid: u32) -> Vec<(u32, String)> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let read = |file: &str| fs::read_to_string(format!("/proc/{child}/{file}"));
        let stat = read("stat").unwrap_or_default();
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1));
        if parent == Some(&pid.to_string()) {
            children.push((child, read("cmdline").unwrap_or_default()));
        }
    }
    children
}

#[test]
fn commands_share_the_jobserver_of_make() {
    let Ok(version) = Command::new("make").arg("--version").output() else {
        // If there is no jobserver, the tests above cover descriptors.
        return;
    };
    assert!(stdout(&version).starts_with("GNU Make"));
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_throng");
    let top = format!("all:\n\t+@{program} run --no-config $(MAKE) -C {{}} ::: a b\n");
    fs::write(dir.path().join("Makefile"), top).unwrap();
    for name in ["a", "b"] {
        let sub = dir.path().join(name);
        fs::create_dir(&sub).unwrap();
        // A jobserver without tokens would let one recipe run at a time.
        let text = "all: x y\nx y:\n\t@echo flags $(MAKEFLAGS)\n";
        fs::write(sub.join("Makefile"), text).unwrap();
    }
    let mut make = Command::new("make");
    without_settings(&mut make);
    let output = make.arg("-j2").current_dir(dir.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        stderr(&output),
        "",
        "a jobserver that is not there is warned of"
    );
    let flags: Vec<&str> = stdout(&output)
        .lines()
        .filter(|l| l.starts_with("flags"))
        .collect();
    assert_eq!(flags.len(), 4, "{output:?}");
    assert!(
        flags.iter().all(|line| line.contains("--jobserver-auth")),
        "{output:?}"
    );
}

#[test]
fn a_command_has_no_terminal() {
    for mechanism in mechanisms() {
        let words = [
            "--mechanism",
            &mechanism,
            "sh",
            "-c",
            ": </dev/tty",
            ":::",
            "x",
        ];
        let object = &json(&words)[0];
        assert_ne!(object["exit_code"], 0, "{object}");
        let said = object["stderr"].as_str().unwrap();
        assert!(said.contains("/dev/tty"), "{object}");
    }
}

#[test]
fn a_command_stopped_by_a_signal_is_reported() {
    let words = [
        "sh",
        "-c",
        "kill -STOP $$; echo \"went on with $1\"",
        "sh",
        ":::",
        "it\x1b",
    ];
    let mut throng = run(&words).spawn().unwrap();
    let mut stderr = throng.stderr.take().unwrap();
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(b"\n") {
        std::io::Read::read_exact(&mut stderr, &mut byte).unwrap();
        said.push(byte[0]);
    }
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("throng: \"sh -c kill -STOP"), "{said:?}");
    assert!(said.contains("was stopped by SIGSTOP"), "{said:?}");
    let remedy = said.rsplit_once("; ").unwrap().1;
    let pid = remedy.strip_prefix("kill -CONT ").unwrap();
    let pid = pid.split_once(' ').unwrap().0.parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let output = finish(throng);
    assert_eq!(output.stdout, b"went on with it\x1b\n");
}

#[test]
fn a_script_without_an_interpreter_is_run_and_a_binary_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let script = file("script", b"echo \"said $1\"\n");
    let run = output(&["-k", &script, ":::", "a", "b c"]);
    assert_eq!(stdout(&run), "said a\nsaid b c\n", "{run:?}");
    let binary = file("binary", b"\xca\xfe\0\0\n");
    let run = output(&[&binary, ":::", "a"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(
        stderr(&run).contains("in no format that this system can run"),
        "{run:?}"
    );
}
