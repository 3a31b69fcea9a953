//! The modes that measure what many processes take, or that end while processes run.

use std::sync::atomic::Ordering;
use std::{io, process};

use throng::{Process, Stdin};
use throng_tests::{Gate, children, eventually, open_handles, rss_kib, threads};

use crate::setting::{Setting, is_whole};

/// This many processes live at once, all silent after a first word: the resources they take.
pub(crate) fn quiet(setting: &Setting) {
    let count = setting.number(0);
    let gate = Gate::new();
    let (throng, greeted) = setting.listening(count);
    let command = setting.child(&format!("out:1 {} err:1", gate.step()));
    let processes: Vec<Process> = (0..count).map(|_| throng.spawn(&command)).collect();
    while greeted.load(Ordering::Relaxed) < count {
        let before = greeted.load(Ordering::Relaxed);
        eventually("one more runs", || greeted.load(Ordering::Relaxed) > before);
    }
    println!("live={}", throng.live());
    println!("threads={}", threads());
    println!("rss_kib={}", rss_kib());
    gate.open();
    let outcomes = processes
        .into_iter()
        .map(|process| process.wait().expect("an outcome comes"));
    println!(
        "whole={}",
        outcomes.filter(|outcome| is_whole(outcome, 1, 1)).count()
    );
    println!("children={}", children().len());
}

/// This many processes, one after the other: the resources this program takes meanwhile.
pub(crate) fn flat(setting: &Setting) {
    let count = setting.number(0);
    let throng = setting.throng(8);
    let command = setting.child("out:50 err:50");
    let mut whole = 0;
    for (index, outcome) in throng.run(std::iter::repeat_n(command, count)).enumerate() {
        whole += usize::from(is_whole(&outcome, 50, 50));
        for (name, tenths) in [("tenth", 1), ("third", 4), ("two_thirds", 7), ("end", 10)] {
            if index + 1 == count * tenths / 10 {
                println!("handles_{name}={}", open_handles());
                println!("threads_{name}={}", threads());
                println!("rss_kib_{name}={}", rss_kib());
            }
        }
    }
    println!("whole={whole}");
    println!("children={}", children().len());
}

/// Starts this many long-running processes with these steps before the sleep, prints "ready", and
/// ends as its stdin tells it, or is ended. The second argument is the steps, after a `=`: a tag
/// belongs to the processes alone if it is not an argument of this program.
pub(crate) fn leave(setting: &Setting) {
    let count = setting.number(0);
    let (throng, greeted) = setting.listening(count);
    let steps = setting.args[1].trim_start_matches("with=");
    let command = setting.child(&format!("{steps} out:1 sleep:600000"));
    let processes: Vec<Process> = (0..count).map(|_| throng.spawn(&command)).collect();
    eventually("all run", || greeted.load(Ordering::Relaxed) == count);
    println!("ready");
    let mut how = String::new();
    io::stdin().read_line(&mut how).expect("stdin can be read");
    match how.trim() {
        "exit" => process::exit(0),
        "forget" => std::mem::forget((throng, processes)),
        "return" => {}
        how => panic!("cannot end by {how}"),
    }
}

/// A process that has this program's stdin.
pub(crate) fn inherit(setting: &Setting) {
    let mut command = setting.child("cat");
    command.stdin(Stdin::Inherit);
    let outcome = setting.throng(1).spawn(&command).wait();
    let outcome = outcome.expect("an outcome comes");
    println!("stdout={}", String::from_utf8_lossy(outcome.stdout()));
}

/// This many processes that write much: the number captured completely.
pub(crate) fn outputs(setting: &Setting) {
    let count = setting.number(0);
    let command = setting.child("both:200000");
    let outcomes = setting.throng(8).run(vec![command; count]);
    println!(
        "whole={}",
        outcomes
            .filter(|outcome| is_whole(outcome, 200_000, 200_000))
            .count()
    );
}
