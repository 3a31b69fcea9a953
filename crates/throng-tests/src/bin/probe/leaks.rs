//! The modes that count what is left after an operation has ended.

use std::time::Duration;
use std::{env, fs, process};

use throng::{Command, KillSequence, Stdin, Throng};
use throng_tests::{children, open_handles, stable, threads};

use crate::setting::Setting;

/// Prints what this program has open. What is about to go (a thread that has finished its work, a
/// holder without references) may take its time.
fn count(when: &str) {
    println!("handles_{when}={}", stable(|| open_handles() as u64));
    println!("threads_{when}={}", stable(|| threads() as u64));
    println!("children_{when}={}", stable(|| children().len() as u64));
}

/// This many starts that fail, in every possible way.
pub(crate) fn failing_starts(setting: &Setting) {
    let throng = setting.throng(4);
    warm_up(setting, &throng);
    // A file is not a program, and neither is a directory.
    let dir = env::temp_dir();
    let text = dir.join(format!("throng-text-{}.exe", process::id()));
    fs::write(&text, "no program").expect("a temporary file can be made");
    count("before");
    let mut failed = 0;
    let commands: Vec<Command> = (0..setting.number(0))
        .map(|n| match n % 6 {
            0 => Command::new("throng-no-such-program"),
            1 => Command::new("/no/such/program"),
            2 if n % 4 == 0 => Command::new(&text),
            2 => Command::new(&dir),
            3 => setting.child("cat").current_dir("/no/such/dir").clone(),
            4 => setting
                .child("cat")
                .stdin(Stdin::File("/no/such/file".into()))
                .clone(),
            _ => setting
                .child("")
                .arg("a\0b")
                .stdin(b"bytes".to_vec())
                .clone(),
        })
        .collect();
    for outcome in throng.run(commands) {
        failed += usize::from(outcome.start_error().is_some());
    }
    println!("failed={failed}");
    count("after");
    fs::remove_file(text).expect("nobody runs it");
}

/// This many processes for each way to end.
pub(crate) fn endings(setting: &Setting) {
    let kill = KillSequence::new(throng::Signal::Term, Duration::from_millis(50));
    let builder = setting.builder().jobs(8).kill_sequence(kill);
    let throng = builder.build().expect("a throng can be built");
    warm_up(setting, &throng);
    count("before");
    for _ in 0..setting.number(0) {
        let long = setting.child("out:10 sleep:600000");
        let commands = vec![
            setting.child("exit:3"),
            setting.child("out:100000 die"),
            setting.child("close:out close:err sleep:30"),
            setting.child("quiet:sleep:50 out:10"),
            setting.child("holder:sleep:50 out:10"),
            setting
                .child("holder:sleep:400 out:10")
                .grace(Duration::from_millis(1))
                .clone(),
            setting
                .child("out:1000")
                .max_output(10)
                .stdin(vec![1; 10])
                .clone(),
            long.clone().timeout(Duration::from_millis(40)).clone(),
            setting
                .child("ignore-term sleep:600000")
                .timeout(Duration::from_millis(40))
                .clone(),
        ];
        throng.run(commands).for_each(drop);
        throng.spawn(&setting.child("sleep:20")).detach();
        drop(throng.spawn(&long));
        let (cancelled, killed) = (throng.spawn(&long), throng.spawn(&long));
        cancelled.cancel();
        killed.kill();
        drop((cancelled.wait(), killed.wait()));
        drop(throng.run(vec![long.clone(); 20]));
    }
    count("after");
}

/// This many throngs, each dropped while it is busy.
pub(crate) fn throngs(setting: &Setting) {
    warm_up(
        setting,
        &setting.builder().build().expect("a throng can be built"),
    );
    count("before");
    for _ in 0..setting.number(0) {
        let throng = setting
            .builder()
            .jobs(8)
            .shards(3)
            .build()
            .expect("a throng can be built");
        let mut run = throng.run(vec![setting.child("out:10000"); 50]);
        run.next().expect("an outcome comes");
        let process = throng.spawn(&setting.child("out:10 sleep:600000"));
        drop(throng);
        process.wait().expect("an outcome comes");
    }
    count("after");
}

/// Creates what is created on first use, for example the threads that search for descendants, so
/// that it does not count.
fn warm_up(setting: &Setting, throng: &Throng) {
    let mut killed = setting.child("sleep:600000");
    killed.timeout(Duration::from_millis(1));
    let many = vec![setting.child("out:10"); 30];
    throng.run([vec![killed], many].concat()).for_each(drop);
}
