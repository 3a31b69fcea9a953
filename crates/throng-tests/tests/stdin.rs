//! What a process reads: nothing, bytes, a file, or our stdin.

use std::fs;
use std::io::{self, Write};
use std::process::Stdio;
use std::thread;

use throng::{Command, ErrorKind, Stdin, StdinPipe, Throng};
use throng_tests::{
    HANG, Source, assert_complete, child, describe, fill, for_each_mechanism,
    for_each_mechanism_alone, probe, repeat, run_all, run_one, within,
};

fn pattern(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fill(Source::Out, 0, &mut bytes);
    bytes
}

#[test]
fn a_process_has_an_empty_stdin_by_default() {
    for_each_mechanism(|mechanism| {
        let outcome = run_one(mechanism, &child!("cat stdin-kind"));
        assert_complete(&outcome);
        assert_eq!(outcome.stdout(), b"null");
    });
}

#[test]
fn stdin_bytes_of_any_size_arrive_and_are_echoed() {
    for_each_mechanism(|mechanism| {
        let sizes = [0, 1, 4096, (64 << 10) + 1, 1 << 20];
        let commands: Vec<Command> = sizes
            .iter()
            .map(|size| child!("cat").stdin(pattern(*size)).clone())
            .collect();
        for (outcome, size) in run_all(mechanism, commands).iter().zip(sizes) {
            assert_complete(outcome);
            assert!(outcome.success(), "{}", describe(outcome));
            assert!(outcome.stdout() == pattern(size), "{}", describe(outcome));
        }
    });
}

#[test]
fn five_mebibytes_go_in_and_out_at_once_without_a_deadlock() {
    for_each_mechanism(|mechanism| {
        let bytes = pattern(5 << 20);
        let command = child!("cat").stdin(bytes.clone()).clone();
        for outcome in run_all(mechanism, vec![command; 4]) {
            assert_complete(&outcome);
            assert!(outcome.stdout() == bytes, "{}", describe(&outcome));
        }
    });
}

#[test]
fn unread_stdin_bytes_hinder_no_process() {
    for_each_mechanism(|mechanism| {
        let command = child!("out:10 exit:3").stdin(pattern(1 << 20)).clone();
        for outcome in run_all(mechanism, vec![command; 10]) {
            assert_complete(&outcome);
            assert_eq!(outcome.status().unwrap().code(), Some(3));
        }
    });
}

#[test]
fn each_use_of_a_command_reads_its_bytes_from_the_beginning() {
    for_each_mechanism(|mechanism| {
        let command = child!("cat").stdin(&b"again and again"[..]).clone();
        for outcome in run_all(mechanism, vec![command; repeat(20).max(5)]) {
            assert_eq!(outcome.stdout(), b"again and again");
        }
    });
}

#[test]
fn each_process_reads_a_file_from_its_beginning() {
    for_each_mechanism(|mechanism| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("input");
        fs::write(&path, pattern(300_000)).unwrap();
        let command = child!("cat").stdin(Stdin::File(path.clone())).clone();
        for outcome in run_all(mechanism, vec![command; 10]) {
            assert_complete(&outcome);
            assert!(
                outcome.stdout() == pattern(300_000),
                "{}",
                describe(&outcome)
            );
        }
        let kind = run_one(mechanism, child!("stdin-kind").stdin(Stdin::File(path)));
        assert_eq!(kind.stdout(), b"file");
    });
}

#[test]
fn a_process_may_inherit_our_stdin() {
    for_each_mechanism_alone(|mechanism| {
        let mut probe = probe!(mechanism, "inherit");
        probe.command.stdin(Stdio::piped());
        let mut probe = probe.spawn();
        probe
            .stdin
            .take()
            .unwrap()
            .write_all(b"from the outside")
            .unwrap();
        let output = within(HANG, "the probe", move || probe.wait_with_output().unwrap());
        assert!(output.status.success());
        assert_eq!(output.stdout, b"stdout=from the outside\n");
    });
}

#[test]
fn a_pipe_is_read_while_it_is_being_fed() {
    for_each_mechanism(|mechanism| {
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        let end = Stdin::Pipe(StdinPipe::new(reader));
        let process = throng.spawn(child!("cat").stdin(end.clone()));
        // More than the pipe takes, so the write finishes only if the process reads.
        let fed = pattern(1 << 20);
        let bytes = fed.clone();
        let feeder = thread::spawn(move || writer.write_all(&bytes));
        let outcome = process.wait().unwrap();
        feeder.join().unwrap().unwrap();
        assert_complete(&outcome);
        assert!(outcome.stdout() == fed, "{}", describe(&outcome));

        let again = throng.spawn(child!("cat").stdin(end)).wait().unwrap();
        let error = again.start_error().expect("the pipe is gone");
        assert_eq!(error.kind(), ErrorKind::Stdin);
        assert!(error.to_string().contains("its pipe"), "{error}");
    });
}

#[test]
fn a_writer_to_a_process_that_has_ended_does_not_block() {
    for_each_mechanism(|mechanism| {
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        for program in [child!("exit:0"), Command::new("no-such-program")] {
            let (reader, mut writer) = io::pipe().unwrap();
            let command = program.clone().stdin(StdinPipe::new(reader)).clone();
            let feeder = thread::spawn(move || writer.write_all(&pattern(1 << 20)));
            let outcome = throng.spawn(&command).wait().unwrap();
            let error = feeder.join().unwrap().expect_err("nobody reads it");
            assert_eq!(
                error.kind(),
                io::ErrorKind::BrokenPipe,
                "{}",
                describe(&outcome)
            );
        }
    });
}
