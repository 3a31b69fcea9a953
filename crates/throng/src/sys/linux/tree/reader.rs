//! Looks at processes on a thread that is abandoned when a look takes too long.
//!
//! To read an environment or a command line, the kernel takes a lock of the process, or reads a
//! page from a place that the process has chosen, and both can take for ever (docs/linux.md). A
//! caller that must come to an end, whatever other processes do, has everything that depends on
//! such reads done here. A whole look is one task, not a read for each process: a hand-over to the
//! thread and back takes long on a busy machine, and a process that keeps forking is gone by then.

use std::collections::HashSet;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::cookie::{JobId, RunId};
use super::procfs::{ProcessKey, Procfs, Stat};
use crate::model::verdict::Holder;
use crate::sync::lock;
use crate::sys::linux::signals;

/// How long one look waits, in all, for processes that may be loading their program; and how often
/// it looks again. Few young processes have no environment for another reason.
const LOADING_MAX: Duration = Duration::from_millis(50);
const LOADING_PAUSE: Duration = Duration::from_millis(1);

/// Has looks taken, each of which comes to an end.
#[derive(Debug)]
pub(super) struct Reader {
    run: RunId,
    /// A read that takes longer than this is treated as one that never ends.
    read_max: Duration,
    /// How many threads may be abandoned; after that nothing is read any more that may hang.
    abandoned_max: usize,
    thread: Option<Thread>,
    /// The /proc of the next thread.
    next: Option<Procfs>,
    abandoned: usize,
    /// The processes at which threads were abandoned.
    avoided: HashSet<ProcessKey>,
}

/// What a look is taken with.
pub(super) struct Look<'a> {
    procfs: &'a mut Procfs,
    run: &'a RunId,
    avoided: HashSet<ProcessKey>,
    may_read: bool,
    /// How long processes that were loading their program have been waited for.
    waited: Duration,
    progress: &'a Mutex<Progress>,
}

/// How far a look has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    steps: u64,
    /// The process that is being read.
    at: Option<ProcessKey>,
    /// Nobody waits for the result any more.
    is_abandoned: bool,
}

type Task = Box<dyn FnOnce(&mut Procfs, &RunId) + Send>;

#[derive(Debug)]
struct Thread {
    tasks: Sender<Task>,
}

impl Reader {
    pub(super) fn new(run: RunId, read_max: Duration, abandoned_max: usize) -> Reader {
        Reader {
            run,
            read_max,
            abandoned_max,
            thread: None,
            next: None,
            abandoned: 0,
            avoided: HashSet::new(),
        }
    }

    /// Opens what the thread will need, for a time when there are no descriptors. The thread itself
    /// is started when it is needed: most runs read nothing, and a thread takes address space that
    /// a program may not have (`ulimit -v`).
    pub(super) fn prepare(&mut self, procfs: &Procfs) {
        if self.thread.is_none() && self.next.is_none() {
            self.next = procfs.share().ok();
        }
    }

    /// Reads again what was avoided, and gives it.
    pub(super) fn forget_avoided(&mut self) -> HashSet<ProcessKey> {
        std::mem::take(&mut self.avoided)
    }

    /// Starts the thread if there is none. It uses the same /proc as the caller.
    fn start(&mut self, procfs: &Procfs) {
        self.prepare(procfs);
        if self.thread.is_none()
            && let Some(own) = self.next.take()
        {
            self.thread = Thread::start(own, self.run.clone()).ok();
        }
    }

    /// Takes a look. Where it hangs at a process it is taken again from the beginning, and that
    /// process is not read again: for all looks from then on it has no cookie and no command line.
    pub(super) fn look<T: Send + 'static>(
        &mut self,
        procfs: &mut Procfs,
        look: impl Fn(&mut Look) -> T + Clone + Send + 'static,
    ) -> T {
        while self.abandoned < self.abandoned_max {
            self.start(procfs);
            if self.thread.is_none() {
                // None can be started: it is taken here.
                break;
            }
            match self.look_once(look.clone()) {
                Ok(result) => return result,
                Err(at) => {
                    self.avoided.extend(at);
                    self.thread = None;
                    self.abandoned += 1;
                }
            }
        }
        look(&mut Look {
            procfs,
            run: &self.run,
            avoided: self.avoided.clone(),
            may_read: self.abandoned < self.abandoned_max,
            waited: Duration::ZERO,
            progress: &Mutex::default(),
        })
    }

    /// Takes a look on the thread; fails with the process at which it hangs.
    fn look_once<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Look) -> T + Send + 'static,
    ) -> Result<T, Option<ProcessKey>> {
        let progress = Arc::new(Mutex::new(Progress::default()));
        let avoided = self.avoided.clone();
        let (tell, told) = mpsc::channel();
        let task: Task = Box::new({
            let progress = progress.clone();
            move |procfs, run| {
                let result = look(&mut Look {
                    procfs,
                    run,
                    avoided,
                    may_read: true,
                    waited: Duration::ZERO,
                    progress: &progress,
                });
                // The receiver is gone if this thread was abandoned.
                let _ = tell.send(result);
            }
        });
        // The thread is there as long as we have the way to it.
        let _ = self.thread.as_ref().map(|thread| thread.tasks.send(task));
        self.await_result(&told, &progress)
    }

    fn await_result<T>(
        &self,
        told: &Receiver<T>,
        progress: &Mutex<Progress>,
    ) -> Result<T, Option<ProcessKey>> {
        let mut seen = 0;
        loop {
            match told.recv_timeout(self.read_max) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Disconnected) => return Err(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let mut now = lock(progress);
            if now.steps == seen {
                now.is_abandoned = true;
                return Err(now.at);
            }
            seen = now.steps;
        }
    }
}

impl Look<'_> {
    /// For what takes no time.
    pub(super) fn procfs(&mut self) -> &mut Procfs {
        lock(self.progress).steps += 1;
        self.procfs
    }

    /// Whether the caller still waits. If not, what it has asked for may stand for something else
    /// by now, and no process may be signalled for it.
    pub(super) fn is_wanted(&self) -> bool {
        !lock(self.progress).is_abandoned
    }

    /// A process that runs, is not older than this, and is not this program itself.
    pub(super) fn not_older(&mut self, pid: u32, since: u64) -> Option<Stat> {
        let stat = self.procfs().stat(pid)?;
        let is_meant = pid != std::process::id() && !stat.is_over && stat.key.started >= since;
        is_meant.then_some(stat)
    }

    /// A process with a cookie of the run that is [not older](Look::not_older), as it is after its
    /// environment was read.
    pub(super) fn marked(&mut self, pid: u32, since: u64) -> Option<(JobId, Stat)> {
        let stat = self.not_older(pid, since)?;
        let job = self.job(stat.key)?;
        let now = self.procfs().stat(pid)?;
        (now.key == stat.key).then_some((job, now))
    }

    /// The job that a process belongs to by its cookie. `None` for a process that belongs to no job
    /// of the run, for a thread, and for a process that cannot be read. One that is loading its
    /// program has no environment for a moment, and is waited for.
    pub(super) fn job(&mut self, key: ProcessKey) -> Option<JobId> {
        let run = self.run;
        loop {
            let (job, may_be_loading) = self.read(key, |procfs| {
                #[cfg(test)]
                hang::if_ordered(key.pid);
                let job = procfs.job(key.pid, run);
                (job, job.is_none() && procfs.may_be_loading(key))
            })?;
            if !may_be_loading || self.waited >= LOADING_MAX {
                return job.filter(|_| self.procfs.is_process(key.pid));
            }
            thread::sleep(LOADING_PAUSE);
            self.waited += LOADING_PAUSE;
        }
    }

    /// A process as it is reported to the user.
    pub(super) fn describe(&mut self, key: ProcessKey) -> Holder {
        let argv = self.read(key, |procfs| procfs.command_line(key.pid));
        Holder {
            pid: key.pid,
            argv: argv.unwrap_or_default(),
            started: self.procfs.started_at(key),
        }
    }

    fn read<T>(&mut self, key: ProcessKey, read: impl FnOnce(&mut Procfs) -> T) -> Option<T> {
        if !self.may_read || self.avoided.contains(&key) {
            return None;
        }
        self.step(Some(key));
        let result = read(self.procfs);
        self.step(None);
        Some(result)
    }

    fn step(&self, at: Option<ProcessKey>) {
        let mut progress = lock(self.progress);
        progress.steps += 1;
        progress.at = at;
    }
}

impl Thread {
    fn start(mut procfs: Procfs, run: RunId) -> io::Result<Thread> {
        let (tasks, asked) = mpsc::channel::<Task>();
        let thread = thread::Builder::new().name("throng-reader".into());
        thread.spawn(move || {
            // No signal handler of the program runs here.
            signals::block_all();
            for task in asked {
                task(&mut procfs, &run);
            }
        })?;
        Ok(Thread { tasks })
    }
}

/// Reads that never return in a test, like those of a process whose `mmap_lock` is held.
#[cfg(test)]
pub(crate) mod hang {
    use std::sync::{Condvar, Mutex};

    static HANGING: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    static CHANGED: Condvar = Condvar::new();

    pub(crate) fn order(pid: u32) {
        HANGING.lock().unwrap().push(pid);
    }

    pub(crate) fn end(pid: u32) {
        HANGING.lock().unwrap().retain(|other| *other != pid);
        CHANGED.notify_all();
    }

    pub(super) fn if_ordered(pid: u32) {
        let hanging = HANGING.lock().unwrap();
        let waited = CHANGED.wait_while(hanging, |hanging| hanging.contains(&pid));
        drop(waited.unwrap());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn an_unreadable_environment_does_not_prevent_inspecting_others() {
        let run = RunId::random().unwrap();
        let dir = tempfile::tempdir().unwrap();
        for pid in ["7", "8", "9"] {
            fs::create_dir(dir.path().join(pid)).unwrap();
            let status = format!("Name:\ta\nTgid:\t{pid}\n");
            fs::write(dir.path().join(pid).join("status"), status).unwrap();
        }
        // Opening it takes for ever, like reading a page of a file system that does not answer.
        mkfifoat(CWD, dir.path().join("7/environ"), Mode::RWXU).unwrap();
        let cookie = format!("A=1\0_THRONG_MARK={}.1\0", run.as_str());
        fs::write(dir.path().join("8/environ"), cookie).unwrap();
        fs::write(dir.path().join("9/environ"), "A=1\0").unwrap();
        let mut procfs = Procfs::at(dir.path()).unwrap();
        let key = |pid| ProcessKey { pid, started: 1 };
        let (tell, told) = mpsc::channel();
        let jobs = move |look: &mut Look| {
            let jobs = [8, 9, 7, 8].map(|pid| look.job(key(pid)).is_some());
            let _ = tell.send(look.is_wanted());
            jobs
        };
        let mut reader = Reader::new(run, Duration::from_millis(200), 8);
        let mut looks = 0;
        // On a busy machine another read may seem to hang.
        while reader.look(&mut procfs, jobs.clone()) != [true, false, false, true] {
            reader.forget_avoided();
            looks += 1;
            assert!(looks < 7);
        }
        assert_eq!(reader.forget_avoided(), HashSet::from([key(7)]));
        assert!(told.recv().unwrap(), "its result is waited for");
        // The look that has hung ends. Nobody may have opened it yet.
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).custom_flags(libc::O_NONBLOCK);
        let path = dir.path().join("7/environ");
        while let Err(error) = options.open(&path) {
            assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
        }
        assert!(!told.recv().unwrap(), "its result is not waited for");
        // When too many have hung nothing is read any more.
        reader.abandoned = 8;
        assert_eq!(reader.look(&mut procfs, jobs), [false; 4]);
    }
}
