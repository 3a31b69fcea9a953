use std::fs::File;
use std::io::Read;
use std::thread;

use super::*;
use crate::sys::HostOptions;
use crate::sys::linux::child::Child;
use crate::sys::linux::signals;

mod groups;

const ALL_FEATURES: [Features; 4] = [
    Features {
        clone3: true,
        close_range: true,
    },
    Features {
        clone3: true,
        close_range: false,
    },
    Features {
        clone3: false,
        close_range: true,
    },
    Features::NONE,
];

/// Runs a command with the means of some kernel, on a thread as shards are; returns its stdout.
fn output(features: Features, command: Command) -> String {
    let body = move || {
        signals::block_all();
        let host = Arc::new(Host::new(&HostOptions::default(), Arc::default()).unwrap());
        let mut launcher = Launcher::with_features(host, features).unwrap();
        let pipes = Launcher::open_pipes(&command).unwrap();
        let (pid, _) = launcher.start(&command, pipes.theirs).unwrap();
        let mut text = String::new();
        File::from(pipes.ours[0].try_clone().unwrap())
            .read_to_string(&mut text)
            .unwrap();
        Child::new(pid, None, std::time::Instant::now(), pipes.ours).bury();
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
    for features in ALL_FEATURES
        .into_iter()
        .filter(|features| features.close_range)
    {
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
            let host = Arc::new(Host::new(&HostOptions::default(), Arc::default()).unwrap());
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
fn a_program_that_has_moved_along_the_path_is_found_again() {
    let dirs =
        [0, 1].map(|n| std::env::temp_dir().join(format!("throng-{}-{n}", std::process::id())));
    for dir in &dirs {
        // Left behind by somebody who had our process id, and was ended.
        let _ = std::fs::remove_dir_all(dir);
        std::fs::create_dir(dir).unwrap();
    }
    let [first, second] = &dirs;
    std::os::unix::fs::symlink("/bin/true", first.join("moves")).unwrap();
    let path = std::env::join_paths(&dirs).unwrap();
    let mut programs = Programs::default();
    assert_eq!(
        programs.find("moves".as_ref(), &path).unwrap(),
        first.join("moves").into_os_string()
    );
    std::fs::rename(first.join("moves"), second.join("moves")).unwrap();
    assert!(programs.forget("moves".as_ref()));
    assert_eq!(
        programs.find("moves".as_ref(), &path).unwrap(),
        second.join("moves").into_os_string()
    );
    assert!(programs.find("neither".as_ref(), &path).is_err());
    dirs.iter()
        .for_each(|dir| std::fs::remove_dir_all(dir).unwrap());
}
