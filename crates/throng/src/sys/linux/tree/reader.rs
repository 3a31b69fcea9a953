//! Reads environments and command lines on a thread that is abandoned when a read takes too long.
//!
//! To read either, the kernel takes a lock of the process, or reads a page from a place that the
//! process has chosen, and both can take for ever (docs/linux.md). A caller that must come to an
//! end, whatever other processes do, reads them here. It asks for many at once, because a hand-over
//! to the thread and back for each would take long on a busy machine. Which processes are read
//! again, and how many threads may be abandoned, is for the caller to decide.

use std::ffi::OsString;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::cookie::{JobId, RunId};
use super::procfs::Procfs;
use crate::sync::lock;
use crate::sys::linux::signals;

/// Reads which jobs of a run processes belong to, and their command lines.
#[derive(Debug)]
pub(super) struct Reader {
    run: RunId,
    /// A thread hangs that has read nothing for this long.
    read_max: Duration,
    thread: Option<Thread>,
    /// The /proc of the next thread.
    next: Option<Procfs>,
    abandoned: usize,
}

#[derive(Clone, Copy, Debug)]
enum Question {
    Job(u32),
    CommandLine(u32),
}

enum Answer {
    Job(Option<JobId>),
    CommandLine(Vec<OsString>),
}

/// Questions, and the answers so far.
struct Batch {
    questions: Vec<Question>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

#[derive(Debug)]
struct Thread {
    ask: Sender<Batch>,
    /// Told when a batch has been answered, and not before: to wake the caller for each answer
    /// would take long on a busy machine.
    answered: Receiver<()>,
}

impl Reader {
    pub(super) fn new(run: RunId, read_max: Duration) -> Reader {
        Reader {
            run,
            read_max,
            thread: None,
            next: None,
            abandoned: 0,
        }
    }

    /// How many threads were abandoned.
    pub(super) fn abandoned(&self) -> usize {
        self.abandoned
    }

    /// Opens what the thread will need, for a time when there are no descriptors. The thread itself
    /// is started when it is needed: most runs read nothing, and a thread takes address space that
    /// a program may not have (`ulimit -v`).
    pub(super) fn prepare(&mut self, procfs: &Procfs) {
        if self.thread.is_none() && self.next.is_none() {
            self.next = procfs.share().ok();
        }
    }

    /// Starts the thread if there is none. It uses the same /proc as the caller.
    fn start(&mut self, procfs: &Procfs) {
        self.prepare(procfs);
        if let Some(own) = self.next.take() {
            self.thread = Thread::start(own, &self.run).ok();
        }
    }

    /// The jobs of these processes, in order, up to the first whose environment cannot be read in
    /// time. None for a process, or a thread, that belongs to no job of the run.
    pub(super) fn jobs(&mut self, procfs: &mut Procfs, pids: &[u32]) -> Vec<Option<JobId>> {
        let answers = self.ask(procfs, pids, Question::Job).into_iter();
        let jobs = answers.map(|answer| match answer {
            Answer::Job(job) => job,
            Answer::CommandLine(_) => None,
        });
        jobs.collect()
    }

    /// The beginnings of the command lines of these processes, up to the first that cannot be read
    /// in time.
    pub(super) fn command_lines(
        &mut self,
        procfs: &mut Procfs,
        pids: &[u32],
    ) -> Vec<Vec<OsString>> {
        let answers = self.ask(procfs, pids, Question::CommandLine).into_iter();
        let lines = answers.map(|answer| match answer {
            Answer::CommandLine(argv) => argv,
            Answer::Job(_) => Vec::new(),
        });
        lines.collect()
    }

    fn ask(
        &mut self,
        procfs: &mut Procfs,
        pids: &[u32],
        question: fn(u32) -> Question,
    ) -> Vec<Answer> {
        if pids.is_empty() {
            return Vec::new();
        }
        self.start(procfs);
        let questions: Vec<_> = pids.iter().map(|pid| question(*pid)).collect();
        let Some(thread) = &self.thread else {
            // No thread can be started: it is read here.
            let questions = questions.into_iter();
            return questions
                .map(|question| read(procfs, &self.run, question))
                .collect();
        };
        let answers = Arc::new(Mutex::new(Vec::with_capacity(questions.len())));
        let batch = Batch {
            questions,
            answers: answers.clone(),
        };
        // The thread is there as long as we listen to it.
        let _ = thread.ask.send(batch);
        let mut seen = 0;
        while thread.answered.recv_timeout(self.read_max).is_err() {
            let now = lock(&answers).len();
            if now == seen {
                self.thread = None;
                self.abandoned += 1;
                break;
            }
            seen = now;
        }
        std::mem::take(&mut *lock(&answers))
    }
}

impl Thread {
    fn start(mut procfs: Procfs, run: &RunId) -> io::Result<Thread> {
        let run = run.clone();
        let (ask, asked) = mpsc::channel::<Batch>();
        let (tell, answered) = mpsc::channel();
        let thread = thread::Builder::new().name("throng-reader".into());
        thread.spawn(move || {
            // No signal handler of the program runs here.
            signals::block_all();
            for batch in asked {
                for question in batch.questions {
                    let answer = read(&mut procfs, &run, question);
                    lock(&batch.answers).push(answer);
                }
                // The receiver is gone if this thread was abandoned.
                if tell.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Thread { ask, answered })
    }
}

fn read(procfs: &mut Procfs, run: &RunId, question: Question) -> Answer {
    match question {
        Question::Job(pid) => {
            #[cfg(test)]
            hang::if_ordered(pid);
            let job = procfs.job(pid, run);
            Answer::Job(job.filter(|_| procfs.is_process(pid)))
        }
        Question::CommandLine(pid) => Answer::CommandLine(procfs.command_line(pid)),
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
        let mut reader = Reader::new(run, Duration::from_millis(200));
        let mut jobs = |pids: &[u32]| reader.jobs(&mut procfs, pids);
        for _ in 0..2 {
            assert!(jobs(&[7]).is_empty());
            // On a busy machine it may take longer, and is looked for again.
            let answers = loop {
                let answers = jobs(&[8, 9, 7, 8]);
                if answers.len() >= 2 {
                    break answers;
                }
            };
            assert!(answers[0].is_some());
            assert_eq!(answers[1..], [None], "up to the one that hangs");
        }
        assert!(reader.abandoned() >= 4);
        // The threads that were abandoned end. None may be there any more.
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).custom_flags(libc::O_NONBLOCK);
        let _ = options.open(dir.path().join("7/environ"));
    }
}
