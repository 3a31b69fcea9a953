//! The clocks of a trial, and a meter that looks at this process half-way through the work.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::system;
use anyhow::{Context, Result};

use super::sample::Sample;

/// The wall's clock and the processors'.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    cpu_before: Duration,
}

impl Clock {
    pub(crate) fn start() -> Result<Clock> {
        let cpu_before = cpu()?;
        Ok(Clock {
            start: Instant::now(),
            cpu_before,
        })
    }

    pub(crate) fn stop(&self, sample: &mut Sample) -> Result<()> {
        sample.wall_s = self.start.elapsed().as_secs_f64();
        sample.cpu_s = (cpu()? - self.cpu_before).as_secs_f64();
        Ok(())
    }
}

fn cpu() -> Result<Duration> {
    system::cpu().context("ask for our processor time")
}

/// Counts captured bytes, and the threads when half of the bytes are there. Looking from a thread
/// of its own all the time would be work that is not the contestant's.
#[derive(Debug)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    half: u64,
    threads: AtomicU32,
}

impl Meter {
    pub(crate) fn new(bytes_total: u64) -> Meter {
        Meter {
            bytes: AtomicU64::new(0),
            half: bytes_total.div_ceil(2).max(1),
            threads: AtomicU32::new(0),
        }
    }

    /// Whoever captures the byte in the middle looks.
    pub(crate) fn add(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if before < self.half && before + bytes as u64 >= self.half {
            self.count_threads();
        }
    }

    pub(crate) fn count_threads(&self) {
        // Where the system does not tell, the figure stays what it was, and 0 is shown as such.
        let threads = system::threads().unwrap_or(0);
        self.threads.fetch_max(threads, Ordering::Relaxed);
    }

    /// Before anything is checked, which may need memory too.
    pub(crate) fn read(&self, sample: &mut Sample) -> Result<()> {
        sample.threads = self.threads.load(Ordering::Relaxed);
        sample.peak_working_set_bytes =
            system::peak_working_set_bytes().context("ask for our working set")?;
        Ok(())
    }
}
