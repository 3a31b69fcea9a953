//! The modes about jobs and named pipes.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null;

use throng::os::windows::{BuilderExt, Pipes};
use throng_tests::Tag;
use windows_sys::Win32::System::JobObjects::{AssignProcessToJobObject, CreateJobObjectW};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use crate::setting::{Setting, is_whole};

/// Runs a mode that exists only on this system.
pub(crate) fn run(mode: &str, setting: &Setting) {
    match mode {
        "in-a-job" => in_a_job(setting),
        "named-pipes" => named_pipes(setting),
        "left-behind" => left_behind(setting),
        mode => panic!("{mode} is not a mode"),
    }
}

/// Processes of a program that is itself in a job from which none may break away: whether they run,
/// and whether everything they start still ends with them.
fn in_a_job(setting: &Setting) {
    enter_a_job();
    let throng = setting.throng(4);
    let outcomes = throng.run(vec![setting.child("both:1000"); 20]);
    println!(
        "whole={}",
        outcomes
            .filter(|outcome| is_whole(outcome, 1000, 1000))
            .count()
    );
    let tag = Tag::new();
    let steps = format!("{tag} quiet:{tag},sleep:600000 sleep:600000");
    let process = throng.spawn(&setting.child(&steps));
    tag.await_count(2);
    process.cancel();
    let outcome = process.wait().expect("an outcome comes");
    println!("contained={}", outcome.is_contained());
    tag.await_gone();
    println!("gone=true");
}

/// Puts this program into a job without limits, so that nothing may break away from it.
fn enter_a_job() {
    // SAFETY: it has no attributes and no name.
    let job = unsafe { CreateJobObjectW(null(), null()) };
    assert!(!job.is_null(), "{}", io::Error::last_os_error());
    // SAFETY: it has just been created, and has no other owner.
    let job = unsafe { OwnedHandle::from_raw_handle(job) };
    // SAFETY: the pseudo handle of this process is always valid.
    let ourselves = unsafe { GetCurrentProcess() };
    // SAFETY: both handles are open.
    let ok = unsafe { AssignProcessToJobObject(job.as_raw_handle(), ourselves) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
}

/// This many processes that write much, through named pipes.
fn named_pipes(setting: &Setting) {
    let builder = setting.builder().jobs(8).pipes(Pipes::Named);
    let throng = builder.build().expect("a throng can be built");
    let command = setting.child("both:200000");
    let outcomes = throng.run(vec![command; setting.number(0)]);
    println!(
        "whole={}",
        outcomes
            .filter(|outcome| is_whole(outcome, 200_000, 200_000))
            .count()
    );
}

/// A throng, with or without a guardian, whose process has left another one behind with these steps
/// and has ended. Prints "ready", and ends as its stdin tells it, or is ended.
fn left_behind(setting: &Setting) {
    let is_guarded = setting.args[0] == "kept";
    let throng = setting.builder().guardian(is_guarded).build();
    let throng = throng.expect("a throng can be built");
    let steps = setting.args[1].trim_start_matches("with=");
    let process = throng.spawn(&setting.child(&format!("quiet:{steps},sleep:600000")));
    let outcome = process.wait().expect("an outcome comes");
    assert!(outcome.success(), "{outcome:?}");
    println!("ready");
    let mut how = String::new();
    io::stdin().read_line(&mut how).expect("stdin can be read");
    match how.trim() {
        "exit" => std::process::exit(0),
        "return" => {}
        how => panic!("cannot end by {how}"),
    }
}
