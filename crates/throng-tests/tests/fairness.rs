//! A process that writes much does not keep others from being read, and a process that lives long
//! does not keep others from finishing.

use std::thread;

use throng::{Process, Throng};
use throng_tests::{Gate, assert_complete, assert_output, child, for_some_mechanisms, repeat};

#[test]
fn one_flooding_process_does_not_starve_sixty_three_slow_ones() {
    for_some_mechanisms(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(64).shards(1);
        let throng = builder.build().unwrap();
        let flood = throng.spawn(child!("flood").keep_output(false));
        let trickles: Vec<Process> = (0..63)
            .map(|n| throng.spawn(&child!("slow-out:20:2000 err:{n}")))
            .collect();
        for (n, trickle) in trickles.into_iter().enumerate() {
            assert_output(&trickle.wait().unwrap(), 20, n);
        }
        assert_eq!(throng.live(), 1, "the flood goes on");
        flood.kill();
        assert!(flood.wait().unwrap().ended_by().is_some());
    });
}

/// If a process had inherited the streams of another, these would stay open with it.
#[test]
fn long_lived_processes_do_not_inherit_streams_of_concurrent_starts() {
    for_some_mechanisms(|mechanism| {
        let builder = Throng::builder().mechanism(mechanism).jobs(32).shards(8);
        let throng = builder.build().unwrap();
        for _ in 0..repeat(20) {
            let gate = Gate::new();
            let stays = child!("out:10 {} err:10", gate.step());
            let start = |n: usize| {
                let mut done = Vec::new();
                let mut staying = Vec::new();
                for _ in 0..2 {
                    staying.push(throng.spawn(&stays));
                    done.push(throng.spawn(&child!("out:{n} err:5")));
                }
                for process in done {
                    assert_output(&process.wait().unwrap(), n, 5);
                }
                staying
            };
            let staying: Vec<Process> = thread::scope(|scope| {
                let starters: Vec<_> = (0..8).map(|n| scope.spawn(move || start(n))).collect();
                let joined = starters.into_iter().map(|starter| starter.join());
                joined.flat_map(|staying| staying.unwrap()).collect()
            });
            assert_eq!(staying.len(), 16);
            gate.open();
            for process in staying {
                let outcome = process.wait().unwrap();
                assert_complete(&outcome);
                assert_output(&outcome, 10, 10);
            }
        }
    });
}
