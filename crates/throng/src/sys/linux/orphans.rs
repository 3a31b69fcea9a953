//! Descendants that have lost their parent come to us, where the program has asked for that, and
//! not to the first process of the machine (`PR_SET_CHILD_SUBREAPER`). So they stay below us, can
//! be ended when all is to end, and have to be waited for when they end by themselves.
//!
//! An orphan becomes a child of the program's first thread; our own processes are children of
//! shards. So whoever is in the list of the first thread, and not in the program's own group, is an
//! orphan, or was started by the program by other means in a group of its own, which a program that
//! asks for orphans must not do. `waitpid(-1)` is never called.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, getpid, set_child_subreaper};

use super::keeper::Keeper;
use super::procfs::{Procfs, Stat};
use super::wait;

/// How long those that have ended may wait for us. They take nothing but a number.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Orphans {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Orphans {
    /// Has them come to us from now on, and waits for those that end.
    pub(super) fn adopt(keeper: Option<Arc<Keeper>>) -> io::Result<Orphans> {
        let mut procfs = Procfs::open()?;
        if !procfs.lists_children() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        set_child_subreaper(Some(getpid()))?;
        let (stop, stopped) = mpsc::channel();
        let bury_dead = move || {
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                for orphan in all(&mut procfs, keeper.as_deref()) {
                    if orphan.is_over
                        && let Some(pid) = Pid::from_raw(orphan.name.pid as i32)
                    {
                        wait::look(pid, true);
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("throng-orphans".into());
        Ok(Orphans {
            stop: Some(stop),
            thread: Some(thread.spawn(bury_dead)?),
        })
    }
}

/// All orphans, those that have ended included.
pub(super) fn all(procfs: &mut Procfs, keeper: Option<&Keeper>) -> Vec<Stat> {
    let own = std::process::id();
    let Some(own_group) = procfs.stat(own).map(|stat| stat.group) else {
        return Vec::new();
    };
    let keeper = keeper.map_or(0, Keeper::pid);
    let children = procfs.children_of_thread(own, own).into_iter();
    let stats: Vec<_> = children.filter_map(|pid| procfs.stat(pid)).collect();
    let is_orphan =
        |stat: &Stat| stat.parent == own && stat.group != own_group && stat.name.pid != keeper;
    stats.into_iter().filter(is_orphan).collect()
}

impl Drop for Orphans {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
