//! What the next start waits for, as reported to the user.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::size;

/// The resource that the next start is waiting for. None if the next command may start, or waits
/// for `--delay` only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shortage(Arc<Mutex<Option<Shortfall>>>);

#[derive(Clone, Debug, PartialEq)]
struct Shortfall {
    since: Instant,
    what: What,
    has_been_told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    Idleness { running: f64, max: f64 },
    Memory { free: f64, min: u64 },
}

impl Shortage {
    /// A shorter wait is not reported.
    const WORTH_A_LINE: Duration = Duration::from_secs(1);

    /// What the next start waits for, if it does.
    pub(crate) fn told(&self) -> Option<String> {
        self.lock().as_ref().map(|shortfall| shortfall.what.told())
    }

    /// The same, once for each long wait.
    pub(crate) fn news(&self, now: Instant) -> Option<String> {
        let mut shortfall = self.lock();
        let shortfall = shortfall.as_mut()?;
        let is_long = now.saturating_duration_since(shortfall.since) >= Self::WORTH_A_LINE;
        let is_news = is_long && !std::mem::replace(&mut shortfall.has_been_told, is_long);
        is_news.then(|| shortfall.what.told())
    }

    pub(crate) fn set(&self, what: Option<What>, now: Instant) {
        let mut shortfall = self.lock();
        *shortfall = what.map(|what| {
            let before = shortfall.take();
            Shortfall {
                since: before.as_ref().map_or(now, |before| before.since),
                has_been_told: before.is_some_and(|before| before.has_been_told),
                what,
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Shortfall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl What {
    pub(crate) fn told(self) -> String {
        match self {
            What::Idleness { running, max } => format!(
                "nothing is started while {running} threads of the machine run: --load requires \
                 fewer than {max}"
            ),
            What::Memory { free, min } => format!(
                "nothing is started while {} of memory is free, and --memfree requires {}",
                size::shown(free as u64),
                size::shown(min)
            ),
        }
    }
}
