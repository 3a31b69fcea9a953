//! Looks at processes on a thread that is left behind when a look takes long.
//!
//! To read an environment or a command line, the kernel takes a lock of the process, or reads a
//! page from a place that the process chooses, which can take for ever (docs/linux.md). Who must
//! come to an end, whatever other processes do, reads them here. The cost is a message to another
//! thread and one back for each look. What an answer that does not come means, and how many threads
//! may be left behind, the caller decides.

use std::ffi::OsString;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::procfs::Procfs;
use super::tag::RunId;

/// The look did not end in time.
#[derive(Debug)]
pub(crate) struct Hangs;

/// Reads marks, and the command lines of those that have one, on a thread of its own, and on the
/// next one when that hangs.
pub(crate) struct Marks<Open> {
    run: RunId,
    /// How a thread gets a /proc of its own.
    open: Open,
    read_max: Duration,
    reader: Option<Reader>,
    /// How many threads were left behind.
    lost: usize,
}

enum Question {
    HasMark(u32),
    CommandLine(u32),
}

enum Answer {
    HasMark(bool),
    CommandLine(Vec<OsString>),
}

struct Reader {
    ask: Sender<Question>,
    answer: Receiver<Answer>,
}

impl<Open: FnMut() -> io::Result<Procfs>> Marks<Open> {
    /// For the marks of this run; a look that takes longer than this hangs.
    pub(crate) fn new(run: RunId, open: Open, read_max: Duration) -> Marks<Open> {
        Marks {
            run,
            open,
            read_max,
            reader: None,
            lost: 0,
        }
    }

    pub(crate) fn lost(&self) -> usize {
        self.lost
    }

    /// Whether this process has a mark of the run.
    pub(crate) fn is_there(&mut self, pid: u32) -> Result<bool, Hangs> {
        match self.ask(Question::HasMark(pid))? {
            Answer::HasMark(is_there) => Ok(is_there),
            Answer::CommandLine(_) => Ok(false),
        }
    }

    /// The beginning of its command line.
    pub(crate) fn command_line(&mut self, pid: u32) -> Result<Vec<OsString>, Hangs> {
        match self.ask(Question::CommandLine(pid))? {
            Answer::CommandLine(argv) => Ok(argv),
            Answer::HasMark(_) => Ok(Vec::new()),
        }
    }

    fn ask(&mut self, question: Question) -> Result<Answer, Hangs> {
        if self.reader.is_none() {
            let procfs = (self.open)();
            self.reader = procfs
                .and_then(|procfs| Reader::start(procfs, &self.run))
                .ok();
        }
        let Some(reader) = &self.reader else {
            // Without a thread it is read here.
            let procfs = (self.open)();
            return Ok(match procfs {
                Ok(mut procfs) => look(&mut procfs, &self.run, &question),
                Err(_) => Answer::HasMark(false),
            });
        };
        let answer = match reader.ask.send(question) {
            Ok(()) => reader.answer.recv_timeout(self.read_max).ok(),
            Err(_) => None,
        };
        if answer.is_none() {
            self.reader = None;
            self.lost += 1;
        }
        answer.ok_or(Hangs)
    }
}

impl Reader {
    fn start(mut procfs: Procfs, run: &RunId) -> io::Result<Reader> {
        let run = run.clone();
        let (ask, asked) = mpsc::channel::<Question>();
        let (tell, answer) = mpsc::channel();
        thread::Builder::new()
            .name("throng-marks".into())
            .spawn(move || {
                // No handler of the program runs here.
                crate::sys::linux::signals::block_all();
                for question in asked {
                    // The receiver is gone if this has taken too long.
                    if tell.send(look(&mut procfs, &run, &question)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Reader { ask, answer })
    }
}

fn look(procfs: &mut Procfs, run: &RunId, question: &Question) -> Answer {
    match *question {
        Question::HasMark(pid) => {
            #[cfg(test)]
            super::census::hang::if_ordered(pid);
            Answer::HasMark(procfs.mark(pid, run).is_some() && procfs.is_process(pid))
        }
        Question::CommandLine(pid) => Answer::CommandLine(procfs.command_line(pid)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn an_environment_that_cannot_be_read_to_its_end_does_not_keep_others_from_being_looked_at() {
        let run = RunId::random().unwrap();
        let dir = tempfile::tempdir().unwrap();
        for pid in ["7", "8", "9"] {
            fs::create_dir(dir.path().join(pid)).unwrap();
            let status = format!("Name:\ta\nTgid:\t{pid}\n");
            fs::write(dir.path().join(pid).join("status"), status).unwrap();
        }
        // Opening it takes for ever, like reading a page of a file system that does not answer.
        mkfifoat(CWD, dir.path().join("7/environ"), Mode::RWXU).unwrap();
        let mark = format!("A=1\0_THRONG_MARK={}.1\0", run.as_str());
        fs::write(dir.path().join("8/environ"), mark).unwrap();
        fs::write(dir.path().join("9/environ"), "A=1\0").unwrap();
        let open = || Procfs::at(dir.path());
        let mut marks = Marks::new(run, open, Duration::from_millis(200));
        for _ in 0..2 {
            assert!(marks.is_there(7).is_err());
            // On a busy machine it may take longer, and is looked for again.
            let answer = |marks: &mut Marks<_>, pid| loop {
                if let Ok(is_there) = marks.is_there(pid) {
                    return is_there;
                }
            };
            assert!(answer(&mut marks, 8));
            assert!(!answer(&mut marks, 9));
        }
        assert!(marks.lost() >= 2);
        // The threads that were left behind end. None may be there any more.
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).custom_flags(libc::O_NONBLOCK);
        let _ = options.open(dir.path().join("7/environ"));
    }
}
