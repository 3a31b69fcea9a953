//! The progress bar on stderr.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::args::When;

/// Shown, or not; the rest of the program does not care.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(when: When, total: Option<u64>) -> Progress {
        let is_terminal = std::io::stderr().is_terminal();
        let shown = match when {
            When::Auto => is_terminal,
            When::Always => true,
            When::Never => false,
        };
        if !shown {
            return Progress { bar: None };
        }
        let bar = ProgressBar::no_length();
        if is_terminal {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        } else {
            bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(
                plain::Plain::default(),
            )));
        }
        let progress = Progress { bar: Some(bar) };
        progress.style(total);
        if let Some(bar) = &progress.bar {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        progress
    }

    fn style(&self, total: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        let template = match total {
            Some(_) => "{bar:30} {pos}/{len} {percent}% {rate} {elapsed} left {eta} {msg}",
            None => "{spinner} {pos} done {rate} {elapsed} {msg}",
        };
        if let Some(total) = total {
            bar.set_length(total);
        }
        let style = ProgressStyle::with_template(template).expect("the templates are constants");
        let rate = |state: &ProgressState, out: &mut dyn Write| {
            // Nothing can be done about a bar that cannot be written.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        };
        bar.set_style(style.progress_chars("=> ").with_key("rate", rate));
    }

    /// All values have been read: there will be this many commands.
    pub(crate) fn set_total(&self, total: u64) {
        self.style(Some(total));
    }

    pub(crate) fn finished_one(&self, failed: u64) {
        let Some(bar) = &self.bar else { return };
        if failed > 0 {
            bar.set_message(format!("{failed} failed"));
        }
        bar.inc(1);
    }

    /// Runs something that writes to the terminal, with the bar out of its way.
    pub(crate) fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

mod plain;
