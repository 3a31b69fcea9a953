//! Exit codes: all 32 bits, and the names of those that the system uses.

use throng::Status;
use throng_tests::{Source, run_one};
use throng_tests::{assert_complete, check_pattern, child, describe, for_each_mechanism, run_all};

#[test]
fn exit_codes_have_thirty_two_bits() {
    for_each_mechanism(|mechanism| {
        // 259 means "still active" to a program that checks in the wrong way.
        let codes = [
            0,
            1,
            255,
            256,
            259,
            0x7FFF_FFFF,
            0x8000_0000,
            0xC000_0005,
            u32::MAX,
        ];
        let commands = codes.map(|code| child!("out:9 exit:{code}")).to_vec();
        for (outcome, code) in run_all(mechanism, commands).iter().zip(codes) {
            assert_complete(outcome);
            let status = outcome.status();
            assert_eq!(status, Some(Status::Exited(code)), "{}", describe(outcome));
            assert_eq!((outcome.success(), outcome.ended_by()), (code == 0, None));
        }
    });
}

#[test]
fn a_crash_is_a_named_exit_code_and_loses_no_output() {
    for_each_mechanism(|mechanism| {
        let outcome = run_one(mechanism, &child!("out:70000 err:10 crash"));
        assert_complete(&outcome);
        let status = outcome.status().unwrap();
        assert_eq!(
            status,
            Status::Exited(0xC000_0005),
            "{}",
            describe(&outcome)
        );
        assert_eq!(status.to_string(), "exit code 0xC0000005, access violation");
        check_pattern(Source::Out, outcome.stdout(), 70_000).unwrap();
        assert!(outcome.ended_by().is_none() && !outcome.success());
    });
}

#[test]
fn the_process_id_is_that_of_the_process() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let outcome = run_one(mechanism, &child!("enter:{}", dir.path().display()));
        assert_complete(&outcome);
        let own_file = dir.path().join(outcome.pid().unwrap().to_string());
        assert!(own_file.exists(), "{}", describe(&outcome));
    });
}
