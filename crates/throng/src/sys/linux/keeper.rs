//! Who sees to it that nothing is left when this program is killed: a process of its own.
//!
//! The kernel kills our children when we end (`PR_SET_PDEATHSIG`), and nobody else: what they have
//! started goes on. So a program that wants to leave nothing starts a keeper, which reads a pipe
//! that nobody writes to. The pipe ends when we do, however that comes about, and then the keeper
//! kills all that has the mark of our run, and all in its control group if it has one. When we end
//! in good order we end the keeper first.
//!
//! It is started while we prepare ourselves, and the first command is not started before it has
//! been: from then on it has its end of the pipe, whatever becomes of us, and need not have come to
//! read it. It has nothing of ours: /dev/null for its streams, no other descriptor, a group of its
//! own, `/` for its directory.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, io};

use rustix::io::Errno;

use super::groups::keep_out_of;
use super::signals;
use super::tag::RunId;
use super::tree::Census;

/// Tells the keeper whose processes it keeps.
const RUN: &str = "THRONG_KEEPER";

/// Tells it which control group to empty, if there is one.
const GROUP: &str = "THRONG_KEEPER_GROUP";

/// What goes on after so long will not be had.
const PATIENCE: Duration = Duration::from_secs(10);

/// A keeper that is being started, or runs.
#[derive(Debug)]
pub(super) struct Keeper {
    starting: Option<JoinHandle<io::Result<Child>>>,
    /// Set when it has been started; 0 when it could not be.
    pid: Arc<OnceLock<u32>>,
}

impl Keeper {
    /// Starts a program that is to call [`keep`], on a thread of its own.
    pub(super) fn start(
        argv: &[OsString],
        run: &RunId,
        group: Option<&Path>,
    ) -> io::Result<Keeper> {
        let Some((program, args)) = argv.split_first() else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let mut command = Command::new(program);
        command
            .args(args)
            .env(RUN, run.as_str())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match group {
            Some(group) => command.env(GROUP, group),
            None => command.env_remove(GROUP),
        };
        let pid = Arc::new(OnceLock::new());
        let found = pid.clone();
        let start = move || {
            let child = command.spawn();
            found.get_or_init(|| child.as_ref().map_or(0, Child::id));
            child
        };
        let thread = thread::Builder::new().name("throng-keeper".into());
        Ok(Keeper {
            starting: Some(thread.spawn(start)?),
            pid,
        })
    }

    /// Its id, or 0 as long as it has none.
    pub(super) fn pid(&self) -> u32 {
        self.pid.get().copied().unwrap_or(0)
    }

    /// Waits until it has been started, or could not be.
    pub(super) fn await_start(&self) {
        self.pid.wait();
    }
}

impl Drop for Keeper {
    /// We end in good order: what goes on is meant to.
    fn drop(&mut self) {
        let started = self
            .starting
            .take()
            .and_then(|starting| starting.join().ok());
        if let Some(Ok(mut keeper)) = started {
            let _ = keeper.kill();
            let _ = keeper.wait();
        }
    }
}

/// What the keeper does, until there is nothing left to keep.
pub(crate) fn keep() -> io::Result<()> {
    let run = env::var(RUN).ok().as_deref().and_then(RunId::parse);
    let run = run.ok_or_else(|| io::Error::other(format!("{RUN} is not set to a run")))?;
    // Whoever ends us (Ctrl-C, a terminal that goes) has ended our program as well, and then we
    // have work to do.
    signals::block_all();
    // What was inherited by mistake is somebody's pipe that does not end.
    super::clone::close_all_above(2);
    let _ = rustix::process::chdir("/");
    let mut census = Census::new(run)?;
    let group = env::var_os(GROUP).map(|group| keep_out_of(Path::new(&group), census.procfs()));
    await_end()?;
    let deadline = Instant::now() + PATIENCE;
    let mut last_was_empty = false;
    while Instant::now() < deadline {
        let grouped = group
            .as_ref()
            .map_or(0, |group| census.kill_group(group).len());
        let is_empty = census.kill_all_marked() + grouped == 0;
        if is_empty && last_was_empty {
            break;
        }
        last_was_empty = is_empty;
        // What we have killed takes a moment to go.
        thread::sleep(Duration::from_millis(2));
    }
    if let Some(group) = group {
        group.remove_all();
    }
    Ok(())
}

/// Reads stdin, to which nobody writes, to its end.
fn await_end() -> io::Result<()> {
    loop {
        match rustix::io::read(io::stdin().as_fd(), &mut [0; 8]) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::super::engine::Engine;
    use super::super::host::Host;
    use crate::os::linux::BuilderExt;
    use crate::slots::Slots;
    use crate::{Command, Mechanism, Throng};

    /// Starts a process with this program as the keeper, and shows the keeper's id as it is then.
    fn keeper_at_the_first_start(program: &str, look: impl FnOnce(u32)) {
        let options = Throng::builder().keeper([program]).os;
        let host = Arc::new(Host::new(&options, Arc::default()).unwrap());
        let mut engine = Engine::new(Mechanism::Threads, host.clone()).unwrap();
        let id = Slots::new().insert(());
        engine.start(id, &Command::new("true")).unwrap();
        look(host.keeper_pid());
    }

    #[test]
    fn no_process_is_started_before_the_keeper_has_been() {
        // Often, for it may be there in time by chance.
        for _ in 0..30 {
            keeper_at_the_first_start("cat", |keeper| {
                let line = fs::read(format!("/proc/{keeper}/cmdline")).unwrap();
                assert_eq!(line, b"cat\0", "{keeper}");
            });
        }
    }

    #[test]
    fn a_keeper_that_cannot_be_started_keeps_nobody_waiting() {
        keeper_at_the_first_start("/nonexistent/keeper", |keeper| assert_eq!(keeper, 0));
    }
}
