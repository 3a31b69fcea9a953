//! Signals that ask us to end, step by step: finish what runs, end what runs, kill it, leave. And
//! those that ask what runs.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use throng::Throng;

use crate::exit::Exit;
use crate::sys::{self, Request};
use crate::text;

/// Whether a signal has asked us to end, and which was the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupts {
    first: Arc<AtomicI32>,
}

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

impl Stage {
    fn next(self, request: Request) -> (Stage, Step) {
        match (self, request) {
            (stage, Request::List) => (stage, Step::Nothing),
            (Stage::Running, Request::Finish { .. }) => (Stage::Finishing, Step::StartNoMore),
            // Whoever only wants what runs to be finished has that, or has been overtaken.
            (stage, Request::Finish { insists: false, .. }) => (stage, Step::Nothing),
            (Stage::Running | Stage::Finishing, _) => (Stage::Ending, Step::Cancel),
            (Stage::Ending, _) => (Stage::Killing, Step::Kill),
            (Stage::Killing, _) => (Stage::Killing, Step::Leave),
        }
    }
}

impl Interrupts {
    pub(crate) fn watch(throng: &Arc<Throng>) -> anyhow::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let first = interrupts.first.clone();
        let throng = Arc::downgrade(throng);
        let stage = Mutex::new(Stage::default());
        let on_request = move |request: Request| {
            let Some(throng) = throng.upgrade() else {
                return;
            };
            if request == Request::List {
                list(&throng);
                return;
            }
            let number = request.signal().unwrap_or_default();
            let _ = first.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
            let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
            let (next, step) = stage.next(request);
            *stage = next;
            match step {
                Step::Nothing => {}
                Step::StartNoMore => {
                    throng.start_no_more();
                    text::complain(format_args!(
                        "no more commands are started; {} still run, and are ended by {}",
                        throng.live(),
                        sys::ENDS
                    ));
                }
                Step::Cancel => throng.cancel(),
                Step::Kill => {
                    text::complain(format_args!("killing what still runs"));
                    throng.kill();
                    exit_soon(number);
                }
                Step::Leave => std::process::exit(Exit::Signal(number).code().into()),
            }
        };
        sys::watch_interrupts(Box::new(on_request))?;
        Ok(interrupts)
    }

    /// Waits until a signal that has been sent to us has arrived, unless we do not listen to it.
    pub(crate) fn wait_for_one(&self) {
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.exit().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        let number = self.first.load(Ordering::SeqCst);
        (number != 0).then_some(Exit::Signal(number))
    }
}

/// Says what runs, the longest running first.
fn list(throng: &Throng) {
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
        lines = "throng: nothing runs\n".into();
    }
    text::print_lines(&lines);
}

/// A stdout that nobody reads can keep us from ever getting to the end. What we started dies with
/// us, so leaving is safe.
fn exit_soon(number: i32) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        std::process::exit(Exit::Signal(number).code().into());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Request = Request::Finish {
        signal: 15,
        insists: true,
    };
    const HUP: Request = Request::Finish {
        signal: 1,
        insists: false,
    };
    const INT: Request = Request::End { signal: 2 };

    fn steps(requests: &[Request]) -> Vec<Step> {
        let mut stage = Stage::default();
        let steps = requests.iter().map(|request| {
            let (next, step) = stage.next(*request);
            stage = next;
            step
        });
        steps.collect()
    }

    #[test]
    fn ctrl_c_ends_then_kills_then_leaves() {
        let expected = [Step::Cancel, Step::Kill, Step::Leave];
        assert_eq!(steps(&[INT, INT, INT]), expected);
    }

    #[test]
    fn sigterm_finishes_then_ends_then_kills() {
        let expected = [Step::StartNoMore, Step::Cancel, Step::Kill, Step::Leave];
        assert_eq!(steps(&[TERM; 4]), expected);
        assert_eq!(steps(&[TERM, INT]), [Step::StartNoMore, Step::Cancel]);
    }

    #[test]
    fn sighup_finishes_and_never_ends() {
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
    fn asking_what_runs_changes_nothing() {
        let list = Request::List;
        let expected = [Step::Nothing, Step::StartNoMore, Step::Nothing];
        assert_eq!(steps(&[list, TERM, list]), expected);
    }
}
