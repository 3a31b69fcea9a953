//! Jobs: what a process starts ends with it, also where we are in a job ourselves; and how many
//! can be captured at once is limited by nothing that is known beforehand.

use throng::Throng;
use throng_tests::{
    Tag, assert_output, child, for_each_mechanism, for_each_mechanism_alone, probe,
};

#[test]
fn a_program_that_is_in_a_job_ends_all_that_its_processes_have_started() {
    for_each_mechanism_alone(|mechanism| {
        let report = probe!(mechanism, "in-a-job").report();
        assert_eq!(report.get::<usize>("whole"), 20);
        assert_eq!(report.text("contained"), "true");
        assert_eq!(report.text("gone"), "true");
    });
}

#[test]
fn a_tree_of_processes_ends_with_its_root() {
    for_each_mechanism(|mechanism| {
        let tag = Tag::new();
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        let branch = format!("quiet:{tag},sleep:600000");
        let steps = format!("{tag} {branch} {branch} holder:{tag},sleep:600000 sleep:600000");
        let process = throng.spawn(&child!("{steps}"));
        tag.await_count(4);
        process.cancel();
        let outcome = process.wait().unwrap();
        assert!(outcome.is_contained() && outcome.ended_by().is_some());
        tag.await_gone();
    });
}

#[test]
fn as_many_jobs_as_were_asked_for_are_granted() {
    for_each_mechanism(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(100_000);
        let throng = builder.build().unwrap();
        assert_eq!((throng.jobs(), throng.jobs_limit()), (100_000, None));
        assert_output(&throng.spawn(&child!("out:5")).wait().unwrap(), 5, 0);
    });
}
