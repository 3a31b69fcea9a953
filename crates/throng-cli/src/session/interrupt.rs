//! Signals that ask the program to end: to finish what runs, to end it, to kill it, to exit at
//! once; and to list what runs.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use throng::Throng;

use crate::exit::Exit;
use crate::session::shortage::Shortage;
use crate::sys::api::Request;
use crate::sys::{self};
use crate::terminal::{self, Terminal};
use crate::text;

/// How long stdout may accept nothing when all commands have ended: then nobody reads it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same after a request to kill.
const PATIENCE_OF_KILL: Duration = Duration::from_secs(2);

/// The signal that asked the program to end, if one has: of two, the one that asked for more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupts {
    signal: Arc<AtomicI32>,
}

/// Two signals within this time are one request: programs that end a process and its group send
/// both (timeout(1) of coreutils: to its child, then to its own group).
const ONE_REQUEST: Duration = Duration::from_millis(200);

/// How far the run has been asked to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Running,
    /// What runs is finished, and nothing else is started.
    Finishing,
    Ending,
    Killing,
}

/// What to do about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    StartNoMore,
    Cancel,
    Kill,
    Leave,
}

/// What has been asked for so far.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    stage: Stage,
    /// When an end was asked for last.
    end_at: Option<Instant>,
}

impl Asked {
    fn next(&mut self, request: Request, now: Instant) -> Step {
        if let Request::End { .. } = request {
            let before = self.end_at.replace(now);
            let is_same = |at| now.saturating_duration_since(at) < ONE_REQUEST;
            if before.is_some_and(is_same) {
                self.end_at = before;
                return Step::Nothing;
            }
        }
        let (stage, step) = self.stage.next(request);
        self.stage = stage;
        step
    }
}

impl Stage {
    fn next(self, request: Request) -> (Stage, Step) {
        match (self, request) {
            (stage, Request::List) => (stage, Step::Nothing),
            (Stage::Running, Request::Finish { .. }) => (Stage::Finishing, Step::StartNoMore),
            // The run is finishing or ending already.
            (stage, Request::Finish { .. }) => (stage, Step::Nothing),
            (Stage::Running | Stage::Finishing, Request::End { .. }) => {
                (Stage::Ending, Step::Cancel)
            }
            (Stage::Ending, Request::End { .. }) => (Stage::Killing, Step::Kill),
            (Stage::Killing, Request::End { .. }) => (Stage::Killing, Step::Leave),
        }
    }
}

impl Interrupts {
    /// Handles signals from now on.
    pub(crate) fn watch(
        throng: &Arc<Throng>,
        terminal: &'static Terminal,
        shortage: Shortage,
    ) -> anyhow::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let signal = interrupts.signal.clone();
        let throng = Arc::downgrade(throng);
        let asked = Mutex::new(Asked::default());
        let on_request = move |request: Request| {
            let Some(throng) = throng.upgrade() else {
                return;
            };
            if request == Request::List {
                let shortage = shortage.clone();
                terminal::on_thread(move || list(&throng, &shortage));
                return;
            }
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            let step = asked.next(request, Instant::now());
            drop(asked);
            if matches!(step, Step::StartNoMore | Step::Cancel) {
                let number = request.signal().unwrap_or_default();
                signal.store(number, Ordering::SeqCst);
            }
            let exit = Exit::Signal(signal.load(Ordering::SeqCst));
            match step {
                Step::Nothing => {}
                Step::StartNoMore => {
                    throng.start_no_more();
                    let live = throng.live();
                    terminal::warn_on_thread(match live {
                        0 => "no more commands are started".into(),
                        _ => format!(
                            "no more commands are started; {live} still run, and are ended by {}",
                            sys::ENDS
                        ),
                    });
                }
                Step::Cancel => {
                    throng.cancel();
                    leave_if_stuck(&throng, terminal, exit, PATIENCE);
                }
                Step::Kill => {
                    throng.kill();
                    terminal::warn_on_thread("killing what still runs".into());
                    leave_if_stuck(&throng, terminal, exit, PATIENCE_OF_KILL);
                }
                Step::Leave => exit.leave(),
            }
        };
        sys::watch_interrupts(Box::new(on_request))?;
        Ok(interrupts)
    }

    /// Waits for a signal that has been sent to this process, unless it is ignored.
    pub(crate) fn wait_for_one(&self) {
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.exit().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        let number = self.signal.load(Ordering::SeqCst);
        (number != 0).then_some(Exit::Signal(number))
    }
}

/// Lists what runs, the longest running first.
fn list(throng: &Throng, shortage: &Shortage) {
    let mut lines = String::new();
    let now = Instant::now();
    for running in throng.running(usize::MAX) {
        let seconds = now.saturating_duration_since(running.started).as_secs_f64();
        let line = sys::command_line(&running.command);
        // Writing to a string does not fail.
        let _ = writeln!(
            lines,
            "throng: {} pid {} {seconds:.1}s {}",
            running.seq + 1,
            running.pid,
            text::on_one_line(&line)
        );
    }
    if lines.is_empty() {
        lines = match throng.live() {
            0 => "throng: nothing runs\n".into(),
            n => format!("throng: {n} run; what they are cannot be told while output waits\n"),
        };
    }
    if let Some(told) = shortage.told() {
        lines.push_str(&text::message_line(&told));
    }
    terminal::print_lines(&lines);
}

/// Output that nobody reads could keep the program from ending. So it exits when nothing runs any
/// more, or what runs waits for the same reader, and nothing has been written for this long. A
/// command whose output could not be written is in no record, so a run that resumes this one runs
/// it again; processes that still run end with this one.
fn leave_if_stuck(
    throng: &Arc<Throng>,
    terminal: &'static Terminal,
    exit: Exit,
    patience: Duration,
) {
    const LOOK_AGAIN: Duration = Duration::from_millis(100);
    let throng = Arc::downgrade(throng);
    let body = move || {
        let mut since = Instant::now();
        let mut written = None;
        while let Some(throng) = throng.upgrade() {
            let now = Some(terminal.written_bytes());
            let goes_on = throng.live() > 0 && !terminal.is_writing();
            if goes_on || now != written {
                (since, written) = (Instant::now(), now);
            }
            if since.elapsed() >= patience {
                let told = "stdout is not read, so what is left of the output is not written";
                terminal::warn_on_thread(told.into());
                // Stderr may not be read either.
                thread::sleep(LOOK_AGAIN);
                exit.leave();
            }
            drop(throng);
            thread::sleep(LOOK_AGAIN);
        }
    };
    // If there is no thread, a second signal is needed.
    let _ = thread::Builder::new().name("leave".into()).spawn(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Request = Request::End { signal: 15 };
    const HUP: Request = Request::Finish { signal: 1 };
    const INT: Request = Request::End { signal: 2 };

    /// The actions taken for requests that arrive one after the other, this far apart.
    fn steps_apart(requests: &[Request], apart: Duration) -> Vec<Step> {
        let mut asked = Asked::default();
        let mut now = Instant::now();
        let steps = requests.iter().map(|request| {
            now += apart;
            asked.next(*request, now)
        });
        steps.collect()
    }

    fn steps(requests: &[Request]) -> Vec<Step> {
        steps_apart(requests, ONE_REQUEST)
    }

    #[test]
    fn signals_that_arrive_together_are_one_request() {
        let at_once = |requests: &[Request]| steps_apart(requests, Duration::from_millis(1));
        let expected = [Step::Cancel, Step::Nothing, Step::Nothing];
        assert_eq!(at_once(&[TERM, TERM, INT]), expected);
        assert_eq!(
            at_once(&[HUP, TERM, TERM])[..2],
            [Step::StartNoMore, Step::Cancel]
        );
        // The interval is counted from the first one, so a burst does not hold back the next
        // request.
        let many = steps_apart(&[TERM; 9], ONE_REQUEST / 4);
        let kills = many.iter().filter(|step| **step == Step::Kill);
        assert_eq!((many[0], kills.count()), (Step::Cancel, 1));
    }

    #[test]
    fn repeated_interrupts_terminate_then_kill_then_exit() {
        let expected = [Step::Cancel, Step::Kill, Step::Leave, Step::Leave];
        for requests in [[INT; 4], [TERM; 4], [TERM, INT, TERM, INT]] {
            assert_eq!(steps(&requests), expected);
        }
    }

    #[test]
    fn sighup_drains_the_run_and_never_terminates_commands() {
        let expected = [
            Step::StartNoMore,
            Step::Nothing,
            Step::Cancel,
            Step::Nothing,
        ];
        assert_eq!(steps(&[HUP, HUP, TERM, HUP]), expected);
        assert_eq!(steps(&[INT, HUP]), [Step::Cancel, Step::Nothing]);
    }

    #[test]
    fn listing_running_commands_changes_nothing() {
        let list = Request::List;
        let expected = [Step::Nothing, Step::StartNoMore, Step::Nothing];
        assert_eq!(steps(&[list, HUP, list]), expected);
    }
}
