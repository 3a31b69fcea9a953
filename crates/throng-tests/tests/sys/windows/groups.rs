//! One wait takes at most sixty-four handles, which is twenty-one processes and a way to be woken:
//! around these numbers only the number of groups changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use throng::{Mechanism, Process, Throng};
use throng_tests::{Gate, assert_output, child, eventually, for_each_mechanism};

/// This many live at once on one shard; the first and the last of them are ended, others take their
/// slots, and then all go on.
fn fill_and_change(mechanism: Mechanism, count: usize) {
    let heard = Arc::new(AtomicUsize::new(0));
    let ears = heard.clone();
    let builder = Throng::builder().mechanism(mechanism).jobs(count).shards(1);
    let builder = builder.on_output(move |output| {
        ears.fetch_add(output.bytes.len(), Ordering::SeqCst);
    });
    let throng = builder.build().expect("a throng can be built");
    let gate = Gate::new();
    let command = child!("out:1 {} out:300 err:20", gate.step());
    let start = || throng.spawn(&command);
    let mut processes: Vec<Process> = (0..count).map(|_| start()).collect();
    let all_speak = |bytes| eventually("all have spoken", || heard.load(Ordering::SeqCst) == bytes);
    all_speak(count);
    assert_eq!(throng.live(), count);
    for at in [0, count - 1] {
        let ended = std::mem::replace(&mut processes[at], start());
        ended.kill();
        assert!(ended.wait().expect("an outcome").ended_by().is_some());
    }
    all_speak(count + 2);
    gate.open();
    for process in processes {
        assert_output(&process.wait().expect("an outcome"), 301, 20);
    }
    assert_eq!(throng.live(), 0);
}

/// With `events` alone: the others have no groups, and starts are expensive.
#[test]
fn twenty_one_and_sixty_four_processes_work_like_other_numbers() {
    for_each_mechanism(|mechanism| {
        if mechanism == Mechanism::Events {
            for count in [21, 22, 63, 64, 65] {
                fill_and_change(mechanism, count);
            }
        }
    });
}
