//! A process that is ended while it is being started.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::job::command::{Command, Stdin};
use crate::job::stdin_pipe::StdinPipe;
use crate::model::kill::{KillSequence, Signal};
use crate::pool::throng::Throng;

#[test]
fn a_process_that_is_killed_while_it_is_being_started_is_not_asked_to_end_first() {
    let sequence = KillSequence::new(Signal::Term, Duration::from_secs(3600));
    let builder = Throng::builder().jobs(1).kill_sequence(sequence);
    let throng = builder.build().unwrap();
    // How long a shard takes from the last look at the request to the pipe that stops it. If it
    // takes longer, the process is not started at all, and the test tries again.
    let mut pause = Duration::from_millis(1);
    let outcome = loop {
        let (reader, _writer) = std::io::pipe().unwrap();
        let end = StdinPipe::new(reader);
        let held = end.reader();
        let (report, is_coming) = mpsc::channel();
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdin::Pipe(end.clone()));
        command.on_start(move |_, _| report.send(()).unwrap());
        let process = throng.spawn(&command);
        is_coming.recv().unwrap();
        thread::sleep(pause);
        process.kill();
        drop(held);
        let outcome = process.wait().unwrap();
        if outcome.start_error().is_none() {
            break outcome;
        }
        pause *= 2;
        assert!(pause < Duration::from_secs(60), "it is never started");
    };
    let signal = outcome.status().unwrap().signal();
    assert_eq!(signal, Some(libc::SIGKILL));
}
