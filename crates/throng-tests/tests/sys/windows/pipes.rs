//! However pipes are created and reads are announced, the same bytes arrive.

use throng::os::windows::{BuilderExt, Pipes};
use throng::{Builder, Outcome, Throng};
use throng_tests::{
    Probe, assert_output, child, describe, for_each_mechanism, for_each_mechanism_alone, probe,
};

/// What a process may write: nothing, less than a pipe holds, exactly as much, and far more, at
/// once or a byte at a time.
const AMOUNTS: [(usize, usize); 5] = [
    (0, 0),
    (1, 0),
    (4096, 65_536),
    (65_537, 3),
    (500_000, 500_000),
];

#[track_caller]
fn assert_the_same_bytes_come(builder: Builder) {
    let throng = builder.jobs(4).build().expect("a throng can be built");
    let mut commands: Vec<_> = AMOUNTS
        .iter()
        .map(|(out, err)| child!("out:{out} err:{err}"))
        .collect();
    commands.push(child!("both:200000"));
    commands.push(child!("slow-out:500:0"));
    let mut outcomes: Vec<Outcome> = throng.run(commands).collect();
    outcomes.sort_by_key(Outcome::seq);
    let more = [(200_000, 200_000), (500, 0)];
    for (outcome, (out, err)) in outcomes.iter().zip(AMOUNTS.into_iter().chain(more)) {
        assert_output(outcome, out, err);
        assert_eq!(outcome.read_retries(), 0, "{}", describe(outcome));
    }
    assert_eq!(outcomes.len(), AMOUNTS.len() + 2);
}

#[test]
fn the_same_bytes_arrive_through_named_and_unnamed_pipes() {
    for_each_mechanism(|mechanism| {
        for pipes in [Pipes::Unnamed, Pipes::Named] {
            assert_the_same_bytes_come(Throng::builder().mechanism(mechanism).pipes(pipes));
        }
    });
}

#[test]
fn the_same_bytes_arrive_through_pipes_of_any_size() {
    for_each_mechanism(|mechanism| {
        for size in [1024, 1 << 20] {
            assert_the_same_bytes_come(Throng::builder().mechanism(mechanism).pipe_size(size));
        }
    });
}

#[test]
fn the_same_bytes_arrive_whether_or_not_packets_are_skipped() {
    for_each_mechanism(|mechanism| {
        for skip in [true, false] {
            assert_the_same_bytes_come(Throng::builder().mechanism(mechanism).skip_packets(skip));
        }
    });
}

#[test]
fn two_programs_with_named_pipes_do_not_disturb_each_other() {
    for_each_mechanism_alone(|mechanism| {
        let probes = [0, 1].map(|_| probe!(mechanism, "named-pipes 10"));
        let running = probes.map(|mut probe: Probe| probe.spawn());
        for probe in running {
            let said = probe.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&said.stdout);
            assert_eq!(text.trim(), "whole=10");
        }
    });
}
