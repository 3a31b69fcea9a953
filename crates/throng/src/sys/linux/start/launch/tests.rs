use std::fs::File;
use std::io::Read;
use std::thread;

use super::*;
use crate::sys::HostOptions;
use crate::sys::linux::child::Child;
use crate::sys::linux::signals;

mod groups;
mod kept;

const fn features(clone3: bool, close_range: bool, shared: bool) -> Features {
    Features {
        clone3,
        close_range,
        shared,
    }
}

const ALL_FEATURES: [Features; 6] = [
    features(true, true, true),
    features(true, false, true),
    features(false, true, true),
    features(false, false, true),
    features(false, true, false),
    Features::NONE,
];

/// Runs a command with the system calls of some kernel, on a thread set up like a shard; returns
/// its stdout.
fn output(features: Features, command: Command) -> String {
    let body = move || {
        signals::block_all();
        let host = Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
        let mut launcher = Launcher::with_features(host, features).unwrap();
        let pipes = Launcher::open_pipes(&command).unwrap();
        let begun = launcher.start(&command, pipes.theirs).unwrap();
        let mut text = String::new();
        File::from(pipes.ours[0].try_clone().unwrap())
            .read_to_string(&mut text)
            .unwrap();
        Child::new(begun, &command, std::time::Instant::now(), pipes.ours).reap();
        text
    };
    thread::spawn(body).join().unwrap()
}

fn status_field(status: &str, field: &str) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
}

#[test]
fn every_kernel_gives_a_process_without_blocked_or_handled_signals() {
    for features in ALL_FEATURES {
        let command = Command::from_argv(["cat", "/proc/self/status"]);
        let status = output(features, command);
        assert_eq!(status_field(&status, "SigBlk"), 0, "{features:?}");
        assert_eq!(status_field(&status, "SigCgt"), 0, "{features:?}");
        let sigpipe = 1 << (libc::SIGPIPE - 1);
        assert_eq!(status_field(&status, "SigIgn") & sigpipe, 0, "{features:?}");
    }
}

#[test]
fn a_descriptor_that_was_not_listed_is_not_inherited() {
    for features in ALL_FEATURES {
        // Not marked close-on-exec, as careless code in the same program leaves them.
        let stray = rustix::io::dup(std::io::stdin().as_fd()).unwrap();
        let text = output(features, Command::from_argv(["ls", "/proc/self/fd"]));
        drop(stray);
        // The fourth is the directory that ls is reading.
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>(),
            ["0", "1", "2", "3"]
        );
    }
}

#[test]
fn every_kernel_reports_the_step_that_failed() {
    for features in ALL_FEATURES {
        let result = thread::spawn(move || {
            signals::block_all();
            let host =
                Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
            let mut launcher = Launcher::with_features(host, features).unwrap();
            let mut command = Command::new("true");
            command.current_dir("/nowhere/at/all");
            let pipes = Launcher::open_pipes(&command).unwrap();
            launcher.start(&command, pipes.theirs).map(drop)
        });
        let Err(StartError::Refused(error)) = result.join().unwrap() else {
            panic!("it started")
        };
        let text = "cannot start \"true\": chdir to /nowhere/at/all: No such file or directory";
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn every_kernel_reports_why_a_program_cannot_be_run() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        path.into_os_string()
    };
    let cases = [
        ("no-such-program-anywhere".into(), "not found in PATH"),
        (
            OsString::from("/no/such"),
            "exec /no/such: No such file or directory",
        ),
        (dir.path().into(), "which is a directory: Permission denied"),
        (file("plain", "echo hello\n"), "perhaps a script without #!"),
        (
            file("lost", "#!/no/such/thing\n"),
            "its interpreter is missing: /no/such/thing",
        ),
        (file("empty", ""), "which is empty"),
    ];
    for features in ALL_FEATURES {
        for (program, expected) in cases.clone() {
            let result = thread::spawn(move || {
                signals::block_all();
                let host =
                    Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
                let mut launcher = Launcher::with_features(host, features).unwrap();
                let command = Command::new(&program);
                loop {
                    let pipes = Launcher::open_pipes(&command).unwrap();
                    match launcher.start(&command, pipes.theirs).map(drop) {
                        // Another test has started a process while the file was open here.
                        Err(StartError::Busy(_)) => thread::yield_now(),
                        started => return started,
                    }
                }
            });
            let Err(StartError::Refused(error)) = result.join().unwrap() else {
                panic!("it started")
            };
            assert!(error.to_string().contains(expected), "{features:?} {error}");
        }
    }
}

#[test]
fn a_program_that_moved_to_another_path_entry_is_found_again() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [first, second] = &dirs.each_ref().map(|dir| dir.path().join("moves"));
    std::os::unix::fs::symlink("/bin/echo", first).unwrap();
    let path = std::env::join_paths(dirs.iter().map(|dir| dir.path())).unwrap();
    let body = {
        let (first, second) = (first.clone(), second.clone());
        move || {
            signals::block_all();
            let mut host = SystemContext::new(&HostOptions::default(), Arc::default()).unwrap();
            host.set_path(path);
            let features = Features::probe();
            let mut launcher = Launcher::with_features(Arc::new(host), features).unwrap();
            let command = Command::new("moves");
            let mut start = || {
                let pipes = Launcher::open_pipes(&command).unwrap();
                let begun = launcher.start(&command, pipes.theirs)?;
                Child::new(begun, &command, std::time::Instant::now(), pipes.ours).reap();
                Ok(launcher.found.get(OsStr::new("moves")).cloned())
            };
            start().unwrap();
            std::fs::rename(&first, &second).unwrap();
            // If memory is not shared, the new process cannot report where it was found.
            let expected = Features::probe()
                .shared
                .then(|| second.clone().into_os_string());
            assert_eq!(start().unwrap(), expected);
            assert_eq!(start().unwrap(), expected);
            std::fs::remove_file(second).unwrap();
            let error: StartError = start().unwrap_err();
            assert!(matches!(error, StartError::Refused(_)), "{error:?}");
        }
    };
    thread::spawn(body).join().unwrap();
}

#[test]
fn a_launcher_that_skips_clone3_has_all_signals_blocked() {
    let body = || {
        signals::block_all();
        let host = Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
        let mut launcher = Launcher::new(host).unwrap();
        if !launcher.features.clone3 {
            return;
        }
        let blocked = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            status_field(&status, "SigBlk") & 1 << (libc::SIGCHLD - 1) != 0
        };
        assert!(!blocked(), "ends are ignored");
        launcher.leave_out_clone3();
        assert!(blocked() && !launcher.features.clone3);
    };
    thread::spawn(body).join().unwrap();
}
