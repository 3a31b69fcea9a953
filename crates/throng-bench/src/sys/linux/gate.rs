//! The gate at which processes wait until all of them are live.
//!
//! Every process signs the attendance list, one byte each, and waits at a FIFO that nobody has
//! open for writing. The keeper, a thread of the contestant, counts the bytes, looks at the
//! contestant when all have signed, and opens the gate. So "live at once" is proved, not assumed
//! from a sleep that was long enough.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::fs::{CWD, FileType, Mode};

use super::procfs::Status;
use super::task::FullHouse;

const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// When no process has come for this long, no more will.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// Who is looked at when all processes are live.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    /// This process; the keeper's own thread is not counted.
    Ourselves,
    /// Another one.
    Process(u32),
}

/// The keeper of a gate.
#[derive(Debug)]
pub(crate) struct Gate {
    keeper: JoinHandle<Result<(FullHouse, File)>>,
    over: Sender<()>,
}

struct Keeper {
    dir: PathBuf,
    subject: Subject,
    count: u64,
    start: Instant,
    rss_before_bytes: Option<u64>,
    over: Receiver<()>,
}

impl Gate {
    /// Makes the list and the gate. Must be called before the first process is started.
    pub(crate) fn prepare(dir: &Path) -> Result<()> {
        File::create(dir.join("attendance")).context("create the attendance list")?;
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(CWD, dir.join("gate"), FileType::Fifo, mode, 0)
            .context("create the gate")
    }

    /// Starts to count; `start` is when the contestant's work began.
    pub(crate) fn keep(dir: &Path, subject: Subject, count: u64, start: Instant) -> Result<Gate> {
        let rss_before_bytes = match subject {
            Subject::Ourselves => Some(Status::of(std::process::id())?.rss_bytes),
            Subject::Process(_) => None,
        };
        let (over, is_over) = mpsc::channel();
        let dir = dir.to_owned();
        let keeper = Keeper {
            dir,
            subject,
            count,
            start,
            rss_before_bytes,
            over: is_over,
        };
        let keeper = thread::Builder::new()
            .name("gate".into())
            .spawn(move || keeper.run());
        Ok(Gate {
            keeper: keeper.context("start the gate's thread")?,
            over,
        })
    }

    /// What was seen, once the contestant has done its work.
    pub(crate) fn full_house(self) -> Result<FullHouse> {
        // An error says that the keeper has left already.
        let _ = self.over.send(());
        let seen = self
            .keeper
            .join()
            .map_err(|_| anyhow!("the gate's thread panicked"))?;
        Ok(seen?.0)
    }
}

impl Keeper {
    /// The open gate is handed back: processes that come late must still pass.
    fn run(self) -> Result<(FullHouse, File)> {
        let (live, after) = self.count_processes()?;
        let pid = match self.subject {
            Subject::Ourselves => std::process::id(),
            Subject::Process(pid) => pid,
        };
        let status = Status::of(pid).with_context(|| {
            format!(
                "the contestant had ended when {live} of {} were live",
                self.count
            )
        })?;
        // Opening a FIFO for both never waits on Linux: fifo(7).
        let gate = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.dir.join("gate"));
        let own_threads = u64::from(matches!(self.subject, Subject::Ourselves));
        let full_house = FullHouse {
            live,
            after_s: after.as_secs_f64(),
            threads: status.threads - own_threads,
            rss_bytes: status.rss_bytes,
            rss_before_bytes: self.rss_before_bytes,
        };
        Ok((full_house, gate.context("open the gate")?))
    }

    /// How many came, and when the last of them did.
    fn count_processes(&self) -> Result<(u64, Duration)> {
        let list = self.dir.join("attendance");
        let mut live = 0;
        let mut last_came = self.start.elapsed();
        loop {
            let signed = fs::metadata(&list)
                .context("read the attendance list")?
                .len();
            let now = self.start.elapsed();
            if signed > live {
                (live, last_came) = (signed, now);
            }
            if live >= self.count || now - last_came > GIVE_UP_AFTER {
                return Ok((live, last_came));
            }
            match self.over.recv_timeout(LOOK_AGAIN) {
                Err(RecvTimeoutError::Timeout) => {}
                // The contestant is through although the gate is shut: its processes have failed.
                _ => return Ok((live, last_came)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_gate_opens_when_all_have_signed() {
        let dir = tempfile::tempdir().expect("there is room");
        Gate::prepare(dir.path()).expect("the directory is empty");
        let start = Instant::now();
        let gate = Gate::keep(dir.path(), Subject::Ourselves, 2, start).expect("it can start");
        let path = dir.path().to_owned();
        let process = thread::spawn(move || {
            let mut list = OpenOptions::new()
                .append(true)
                .open(path.join("attendance"))
                .expect("it exists");
            list.write_all(b"xx").expect("there is room");
            File::open(path.join("gate")).expect("it exists");
        });
        process.join().expect("the gate opens");
        let full_house = gate.full_house().expect("it was seen");
        assert_eq!(full_house.live, 2);
        assert!(full_house.threads >= 1);
    }

    #[test]
    fn a_contestant_that_is_through_early_ends_the_count() {
        let dir = tempfile::tempdir().expect("there is room");
        Gate::prepare(dir.path()).expect("the directory is empty");
        let gate = Gate::keep(dir.path(), Subject::Ourselves, 2, Instant::now());
        let full_house = gate.and_then(Gate::full_house).expect("it was seen");
        assert_eq!(full_house.live, 0);
    }
}
