//! What this program has open: what must not grow from round to round.

use throng_tests::{SLACK, children, open_handles, rss_kib, stable, threads};

/// By how much a heap may differ between rounds.
const RSS_SLACK_KIB: u64 = 48 * 1024;

#[derive(Debug)]
pub(crate) struct Traces {
    handles: usize,
    threads: usize,
    children: usize,
    rss_kib: u64,
}

impl Traces {
    /// What is about to go gets time to do so.
    pub(crate) fn take() -> Traces {
        Traces {
            handles: stable(|| open_handles() as u64) as usize,
            threads: stable(|| threads() as u64) as usize,
            children: stable(|| children().len() as u64) as usize,
            rss_kib: rss_kib(),
        }
    }

    pub(crate) fn compare(&self, now: &Traces) -> Result<(), String> {
        let is_more = |now: usize, before: usize| now > before + SLACK;
        let wrong = is_more(now.handles, self.handles)
            || is_more(now.threads, self.threads)
            || now.children > self.children
            || now.rss_kib > self.rss_kib + RSS_SLACK_KIB;
        if wrong {
            return Err(format!("something is left: {now:?}, before it {self:?}"));
        }
        Ok(())
    }
}
