//! Who decides what an outcome means for the run, as soon as it arrives.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::job::outcome::Outcome;
use crate::sync::Mutex;
use crate::sync::lock;

/// What happens after an outcome; see [`Throng::run_judged`](crate::Throng::run_judged).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// The run goes on.
    #[default]
    GoOn,
    /// The command is run again once this much time has passed, before commands that have not been
    /// run yet and with the same [`seq`](Outcome::seq). This outcome is not
    /// [final](Outcome::is_final), and another one follows; its [`attempt`](Outcome::attempt) is
    /// one more. When nothing is started any more the other one says
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    RunAgain(Duration),
    /// As [`Throng::start_no_more`](crate::Throng::start_no_more).
    StartNoMore,
    /// As [`Throng::cancel`](crate::Throng::cancel).
    Cancel,
}

/// The callback of [`Throng::run_judged`](crate::Throng::run_judged).
pub(crate) struct Judge(Mutex<Box<JudgeFn>>);

type JudgeFn = dyn FnMut(&Outcome) -> Next + Send;

impl Judge {
    pub(crate) fn new(callback: impl FnMut(&Outcome) -> Next + Send + 'static) -> Judge {
        Judge(Mutex::new(Box::new(callback)))
    }

    pub(crate) fn ask(&self, outcome: &Outcome) -> Next {
        let mut callback = lock(&self.0);
        // A panic has been printed.
        catch_unwind(AssertUnwindSafe(|| callback(outcome))).unwrap_or_default()
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge(..)")
    }
}
