//! With a control group for each process no process escapes, and no group is left. Where groups
//! cannot be created this is an error that gives the reason; in that case this is what is tested
//! here.

use std::fs;
use std::path::Path;
use std::time::Duration;

use throng::os::linux::{BuilderExt, Cgroups, probe_cgroups};
use throng::{ErrorKind, KillSequence, Mechanism, Signal, Throng};
use throng_tests::{
    Tag, assert_complete, child, describe, eventually, for_each_mechanism,
    for_each_mechanism_alone, open_handles, probe, stable,
};

/// Every way to escape, and the one that only a control group finds.
const WAYS: [&str; 4] = ["daemon-holder", "quiet", "bare-session", "bare-daemon"];

/// `None` where groups are not available, after checking that this is reported correctly.
fn throng(mechanism: Mechanism, wait: Duration) -> Option<Throng> {
    let builder = Throng::builder().mechanism(mechanism).jobs(8);
    let builder = builder.kill_sequence(KillSequence::new(Signal::Term, wait));
    let built = builder.cgroups(Cgroups::Command).build();
    match (probe_cgroups(Cgroups::Command), built) {
        (Ok(_), built) => Some(built.unwrap()),
        (Err(refusal), built) => {
            eprintln!("only the refusal is tested: {refusal}");
            let error = built.expect_err("there are none");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(error.to_string(), refusal.to_string());
            None
        }
    }
}

fn soon(mechanism: Mechanism) -> Option<Throng> {
    throng(mechanism, Duration::from_millis(50))
}

fn await_removed(group: &Path) {
    eventually("the group is removed", || !group.exists());
}

#[test]
fn a_process_that_lost_parent_and_environment_is_gone_after_a_timeout() {
    for_each_mechanism(|mechanism| {
        let Some(throng) = soon(mechanism) else {
            return;
        };
        let tag = Tag::new();
        let mut command = child!("ignore-term");
        for way in WAYS {
            command.arg(format!("{way}:ignore-term,{tag},sleep:600000"));
        }
        command.arg("sleep:600000").env_clear();
        let process = throng.spawn(&command);
        tag.await_count(WAYS.len());
        let run = tag.group_of_run();
        // Like a timeout that occurs when all have started.
        throng.end_older(Duration::ZERO);
        let outcome = process.wait().unwrap();
        assert!(outcome.timed_out());
        assert_eq!(tag.pids(), [0; 0], "{}", describe(&outcome));
        assert!(outcome.survivors().is_empty() && outcome.is_contained());
        eventually("its group is removed", || dirs(&run) == 0);
        drop(throng);
        await_removed(&run);
    });
}

#[test]
fn a_process_that_lost_parent_and_environment_is_asked_to_end_before_it_is_killed() {
    for_each_mechanism(|mechanism| {
        let Some(throng) = throng(mechanism, Duration::from_secs(600)) else {
            return;
        };
        let tag = Tag::new();
        let steps = format!("ignore-term bare-daemon:{tag},sleep:600000 sleep:600000");
        let process = throng.spawn(&child!("{steps}"));
        tag.await_count(1);
        process.cancel();
        tag.await_gone();
        process.kill();
        process.wait().unwrap();
    });
}

#[test]
fn one_tree_ends_and_no_other() {
    for_each_mechanism(|mechanism| {
        let Some(throng) = soon(mechanism) else {
            return;
        };
        let tags = [Tag::new(), Tag::new()];
        let [one, _other] = tags.each_ref().map(|tag| {
            let steps = format!("bare-daemon:{tag},sleep:600000 sleep:600000");
            throng.spawn(&child!("{steps}"))
        });
        tags.iter().for_each(|tag| tag.await_count(1));
        one.kill();
        one.wait().unwrap();
        assert_eq!(tags[0].pids(), [0; 0]);
        assert_eq!(tags[1].pids().len(), 1);
    });
}

#[test]
fn processes_left_behind_go_on_in_our_original_group_and_no_group_is_left() {
    for_each_mechanism(|mechanism| {
        let Some(throng) = soon(mechanism) else {
            return;
        };
        let tag = Tag::new();
        let command = child!("bare-daemon:{tag},sleep:600000 out:9");
        assert_complete(&throng.spawn(&command).wait().unwrap());
        let run = tag.group_of_run();
        for _ in 0..9 {
            assert_complete(&throng.spawn(&child!("out:9")).wait().unwrap());
        }
        eventually("one group is left", || dirs(&run) == 1);
        drop(throng);
        assert_eq!(tag.pids().len(), 1);
        let home = probe_cgroups(Cgroups::Command).unwrap();
        assert_eq!(tag.control_groups(), [home]);
        assert!(!run.exists());
    });
}

#[test]
fn a_sweep_finds_processes_left_behind_without_parent_and_environment() {
    for_each_mechanism(|mechanism| {
        let Some(throng) = soon(mechanism) else {
            return;
        };
        let tag = Tag::new();
        let command = child!("bare-daemon:ignore-term,{tag},sleep:600000");
        throng.spawn(&command).wait().unwrap();
        tag.await_count(1);
        assert_eq!(throng.kill_leftovers().unwrap(), []);
        assert_eq!(tag.pids(), [0; 0]);
    });
}

#[test]
fn no_group_and_no_descriptor_is_left_after_any_ending() {
    for_each_mechanism_alone(|mechanism| {
        let Some(throng) = soon(mechanism) else {
            return;
        };
        let tag = Tag::new();
        let _stays = throng.spawn(&child!("{tag} sleep:600000"));
        tag.await_count(1);
        let run = tag.group_of_run();
        let handles = stable(|| open_handles() as u64);
        let missing = throng::Command::new("/there/is/no/such/program");
        for _ in 0..20 {
            throng.spawn(&child!("out:9")).wait().unwrap();
            assert!(
                throng
                    .spawn(&missing)
                    .wait()
                    .unwrap()
                    .start_error()
                    .is_some()
            );
            let process = throng.spawn(&child!("sleep:600000"));
            process.kill();
            process.wait().unwrap();
        }
        eventually("the other groups are removed", || dirs(&run) == 1);
        assert_eq!(stable(|| open_handles() as u64), handles);
        drop(throng);
        await_removed(&run);
    });
}

#[test]
fn a_program_is_in_the_group_of_one_run_at_a_time_and_back_afterwards() {
    for_each_mechanism(|mechanism| {
        let report = probe!(mechanism, "run-group").report();
        if let Err(refusal) = probe_cgroups(Cgroups::Run) {
            eprintln!("only the refusal is tested: {refusal}");
            assert_eq!(report.text("refused"), refusal.to_string());
            return;
        }
        let before = report.text("before");
        assert!(report.text("ours").starts_with(before));
        assert!(report.text("ours").contains("/throng-"), "{report:?}");
        assert_eq!(report.text("theirs"), report.text("ours"));
        assert_eq!(report.text("second"), "Unsupported");
        assert_eq!(report.text("left"), "0", "all but us are ended");
        assert_eq!(report.text("after"), before);
        assert!(report.text("again").contains("/throng-"), "{report:?}");
    });
}

/// The number of groups in this one.
fn dirs(group: &Path) -> usize {
    let entries = fs::read_dir(group).unwrap().flatten();
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_dir).count()
}
