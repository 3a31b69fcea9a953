//! Orphans that are reparented to a program and are in its own process group.

use std::fs;
use std::time::Duration;

use rustix::process::{getpgrp, setpgid};
use throng::os::linux::BuilderExt;
use throng::{KillSequence, Signal};
use throng_tests::{Tag, children, eventually};

use super::tempdir;
use crate::setting::Setting;

/// The number left of one that refuses to end, and of this many that end by themselves.
pub(crate) fn in_our_group(setting: &Setting) {
    // The group that we were started in cannot be joined if its leader is outside our PID
    // namespace.
    setpgid(None, None).expect("we may lead a group");
    let group = getpgrp();
    let kill = KillSequence::new(Signal::Term, Duration::from_millis(100));
    let builder = setting.builder().jobs(4).kill_sequence(kill);
    let throng = builder.adopt_orphans(true).build();
    let throng = throng.expect("a throng can be built");

    let count = setting.number(0);
    let dir = tempdir();
    let file = format!("{dir}/end");
    let wait = format!("wait-file:{file}");
    let orphan = setting.child(&format!("bare-orphan:join-group:{group},{wait}"));
    throng.run(vec![orphan; count]).for_each(drop);
    eventually("all have come", || children().len() == count);
    fs::write(&file, "").expect("a file can be made");
    eventually("nobody is left, dead or alive", || children().is_empty());

    let tag = Tag::new();
    let steps = format!("bare-orphan:join-group:{group},ignore-term,{tag},sleep:600000");
    let outcome = throng.spawn(&setting.child(&steps)).wait();
    assert!(outcome.expect("an outcome comes").success());
    tag.await_deaf(1);
    let left = throng.kill_leftovers().expect("/proc is mounted");
    fs::remove_dir_all(&dir).expect("it is ours");
    println!("left={}", left.len() + tag.pids().len());
}
