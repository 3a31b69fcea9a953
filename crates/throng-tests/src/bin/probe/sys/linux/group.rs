//! A program that moves into the control group of its run.

use std::fs;

use throng::os::linux::{BuilderExt, Cgroups};
use throng::{Error, Throng};
use throng_tests::Tag;

use crate::setting::Setting;

/// The groups of this program and of a process before, during and after it, and what
/// `kill_leftovers` leaves.
pub(crate) fn run_group(setting: &Setting) {
    println!("before={}", own_group());
    let throng = match build(setting) {
        Ok(throng) => throng,
        Err(error) => return println!("refused={error}"),
    };
    println!("ours={}", own_group());
    let mut cat = throng::Command::new("cat");
    let outcome = throng.spawn(cat.arg("/proc/self/cgroup")).wait();
    let outcome = outcome.expect("an outcome comes");
    println!(
        "theirs={}",
        version_2(&String::from_utf8_lossy(outcome.stdout()))
    );
    let second = build(setting).expect_err("we are in one");
    println!("second={:?}", second.kind());
    let tag = Tag::new();
    let command = setting.child(&format!("bare-daemon:ignore-term,{tag},sleep:600000"));
    throng.spawn(&command).wait().expect("an outcome comes");
    tag.await_count(1);
    let left = throng.kill_leftovers().expect("/proc is mounted");
    println!("left={}", left.len() + tag.pids().len());
    drop(throng);
    println!("after={}", own_group());
    let throng = build(setting).expect("the first is gone");
    println!("again={}", own_group());
    drop(throng);
}

fn build(setting: &Setting) -> Result<Throng, Error> {
    setting.builder().cgroups(Cgroups::Run).build()
}

fn own_group() -> String {
    version_2(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
}

fn version_2(text: &str) -> String {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"));
    path.unwrap_or("none").to_owned()
}
