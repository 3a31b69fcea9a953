//! How many can be captured at once: as many as there are descriptors for.

use throng::Throng;
use throng_tests::{assert_output, child, for_each_mechanism};

#[test]
fn a_requested_limit_is_reduced_to_what_the_system_allows_and_reported() {
    for_each_mechanism(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(usize::MAX)
            .build()
            .unwrap();
        assert!(throng.jobs() < usize::MAX && throng.jobs() > 0);
        assert!(throng.jobs_limit().unwrap().starts_with("the limit of "));
        assert_eq!(throng.mechanism(), mechanism);
        assert_output(&throng.spawn(&child!("out:5")).wait().unwrap(), 5, 0);
    });
}
