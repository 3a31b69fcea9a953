//! Processes that cannot be ended: one that now belongs to root, one that a control group has
//! frozen. Their outcomes still arrive, soon after throng has given up on them, and name them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use throng::{Cause, KillSequence, Mechanism, Signal, Throng};
use throng_tests::os::not_tested;
use throng_tests::{
    HANG, Probe, Report, Tag, assert_ended_by, child, describe, eventually, for_each_mechanism,
    poll_once, within,
};

use super::refusals::LIMIT;

/// How long the processes of these tests live; an outcome that comes sooner has not waited for
/// them.
const LIFE_MS: u64 = 40_000;
const SOON_MS: u64 = 15_000;

/// A directory with the probe, the child, and a program that runs everything it starts as root.
struct Stronger(tempfile::TempDir);

impl Stronger {
    /// `None` if we are not root, or such a program does not work.
    fn new() -> Option<Stronger> {
        if !rustix::process::geteuid().is_root() {
            not_tested("a process that becomes root's, for we are not root");
            return None;
        }
        let Some(setpriv) = ["/usr/bin/setpriv", "/bin/setpriv"]
            .map(Path::new)
            .into_iter()
            .find(|path| path.exists())
        else {
            not_tested("a process that becomes root's, for there is no setpriv");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let open = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
        };
        open(dir.path(), 0o755);
        for (program, name, mode) in [
            (Path::new(env!("CARGO_BIN_EXE_probe")), "probe", 0o755),
            (Path::new(env!("CARGO_BIN_EXE_child")), "child", 0o755),
            (setpriv, "become-root", 0o4755),
        ] {
            let path = dir.path().join(name);
            fs::copy(program, &path).expect("it can be copied");
            open(&path, mode);
        }
        let stronger = Stronger(dir);
        let mut works =
            stronger.unprivileged(&[&stronger.path("become-root"), "--reuid=0", "true"]);
        if !works.status().is_ok_and(|status| status.success()) {
            not_tested("a process that becomes root's: setuid programs do not work here");
            return None;
        }
        Some(stronger)
    }

    fn path(&self, name: &str) -> String {
        let path = self.0.path().join(name);
        path.to_str().expect("a directory of ours is text").into()
    }

    fn unprivileged(&self, words: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args(words).current_dir("/");
        command
    }

    /// What an unprivileged probe reports for this command, whose words have no spaces.
    fn report(&self, mechanism: Mechanism, words: &[&str]) -> Report {
        let mut probe = Probe::new(
            &self.path("probe"),
            &self.path("child"),
            mechanism,
            "not-ours",
        );
        let own: Vec<String> = probe
            .command
            .get_args()
            .map(|arg| arg.to_str().expect("it is text").into())
            .collect();
        let program = self.path("probe");
        let mut argv = vec![program.as_str()];
        argv.extend(own.iter().map(String::as_str));
        argv.extend(words);
        probe.command = self.unprivileged(&argv);
        let (report, ended) = probe.report_within(LIMIT);
        assert!(ended.is_ok(), "{ended:?}: {report:?}");
        report
    }
}

#[track_caller]
fn assert_soon(report: &Report) {
    assert_eq!(report.text("timed_out"), "true", "{report:?}");
    for name in ["outcome_ms", "drop_ms"] {
        let ms = report.get::<u64>(name);
        assert!(ms < SOON_MS, "{name}: {ms}");
    }
    let after = report.text("after");
    let expected = "exit 0 by itself, complete 5 bytes, complete 0 bytes, 0 survive";
    assert_eq!(after, expected, "{report:?}");
}

#[test]
fn a_process_that_became_root_has_an_outcome_that_names_it() {
    for_each_mechanism(|mechanism| {
        let Some(stronger) = Stronger::new() else {
            return;
        };
        let tag = Tag::new();
        let report = stronger.report(
            mechanism,
            &[
                &stronger.path("become-root"),
                "--reuid=0",
                &stronger.path("child"),
                &tag.to_string(),
                &format!("sleep:{LIFE_MS}"),
            ],
        );
        assert_soon(&report);
        assert_eq!(report.text("names_itself"), "true", "{report:?}");
    });
}

#[test]
fn a_descendant_that_became_root_is_named_in_the_outcome() {
    for_each_mechanism(|mechanism| {
        let Some(stronger) = Stronger::new() else {
            return;
        };
        let tag = Tag::new();
        let script = format!(
            "{} --reuid=0 {} {tag} sleep:{LIFE_MS}; echo",
            stronger.path("become-root"),
            stronger.path("child")
        );
        let report = stronger.report(mechanism, &["sh", "-c", &script]);
        assert_soon(&report);
        let pids: Vec<String> = tag.pids().iter().map(u32::to_string).collect();
        assert_eq!(pids.len(), 1, "it cannot have been ended");
        assert_eq!(report.text("survivors"), pids.join(" "), "{report:?}");
    });
}

/// A control group that freezes its processes, of either version.
struct Freezer {
    group: PathBuf,
    state: (&'static str, &'static str, &'static str),
}

const V1: (&str, &str, &str) = ("freezer.state", "FROZEN", "THAWED");
const V2: (&str, &str, &str) = ("cgroup.freeze", "1", "0");

impl Freezer {
    /// `None` if there is no group that we can use.
    fn new(
        version: &str,
        parents: &[&str],
        state: (&'static str, &'static str, &'static str),
    ) -> Option<Freezer> {
        let name = Tag::new().to_string().replace(':', "-");
        for parent in parents {
            let group = Path::new(parent).join(&name);
            if !Path::new(parent).join("cgroup.procs").exists() || fs::create_dir(&group).is_err() {
                continue;
            }
            let freezer = Freezer { group, state };
            // A directory of another file system would have no such file.
            if freezer.group.join(state.0).exists() {
                return Some(freezer);
            }
        }
        not_tested(&format!(
            "a process that is frozen by a control group of version {version}: none can be made"
        ));
        None
    }

    fn freeze(&self, pid: u32) {
        let write = |name: &str, text: &str| {
            fs::write(self.group.join(name), text).expect("the group is ours");
        };
        write("cgroup.procs", &pid.to_string());
        write(self.state.0, self.state.1);
        eventually("it is frozen", || {
            let name = if self.state == V1 {
                V1.0
            } else {
                "cgroup.events"
            };
            let text = fs::read_to_string(self.group.join(name)).unwrap_or_default();
            text.trim() == V1.1 || text.contains("frozen 1")
        });
    }

    fn thaw(&self) {
        fs::write(self.group.join(self.state.0), self.state.2).expect("the group is ours");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
        // The processes in it end now if they were killed, or with their tag.
        for _ in 0..200 {
            if fs::remove_dir(&self.group).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn throng(mechanism: Mechanism) -> Throng {
    let builder = Throng::builder().mechanism(mechanism).shards(1).jobs(4);
    let soon = KillSequence::new(Signal::Term, Duration::from_millis(100));
    builder.kill_sequence(soon).build().unwrap()
}

/// A kill has no effect on it as long as it is frozen.
#[test]
fn a_frozen_process_has_an_outcome_that_names_it() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let steps = format!("{tag} sleep:600000");
        let (other, frozen) = (throng(mechanism), throng(mechanism));
        // After the throngs, so that a panic thaws before it waits for them.
        let Some(freezer) = Freezer::new("1", &["/sys/fs/cgroup/freezer"], V1) else {
            return;
        };
        let process = frozen.spawn(&child!("{steps}"));
        tag.await_count(1);
        let pid = tag.pids()[0];
        freezer.freeze(pid);
        process.cancel();
        let what = "the outcome of one that is frozen";
        let outcome = within(HANG / 6, what, move || process.wait().unwrap());
        assert_eq!(outcome.ended_by(), Some(Cause::Cancel));
        let survivors: Vec<u32> = outcome.survivors().iter().map(|one| one.pid).collect();
        assert_eq!(survivors, [pid], "{}", describe(&outcome));
        within(HANG / 6, "the end of its throng", move || drop(frozen));
        let outcome = other.spawn(&child!("exit:3")).wait().unwrap();
        assert_eq!(outcome.status().unwrap().code(), Some(3));
        freezer.thaw();
        tag.await_gone();
    });
}

/// Version 2 lets a kill through.
#[test]
fn a_process_frozen_by_cgroup_version_2_is_ended() {
    for_each_mechanism(|mechanism| {
        let parents = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        let tag = Tag::new();
        let throng = throng(mechanism);
        let Some(freezer) = Freezer::new("2", &parents, V2) else {
            return;
        };
        // Without `ignore-term` it would end at the first signal, frozen or not.
        let mut process = throng.spawn(&child!("ignore-term {tag} sleep:600000"));
        tag.await_deaf(1);
        freezer.freeze(tag.pids()[0]);
        assert!(poll_once(&mut process).is_pending());
        process.cancel();
        let outcome = within(HANG / 6, "the end of one that is frozen", move || {
            process.wait().unwrap()
        });
        assert_ended_by(&outcome, Signal::Kill);
        assert!(outcome.survivors().is_empty(), "{}", describe(&outcome));
    });
}
