//! What all shards share and none changes: the environment, the pool, how pipes are made.

pub(super) mod environment;
pub(super) mod stdin;

use std::ffi::OsStr;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use windows_sys::Win32::System::Console::GetConsoleProcessList;

use self::environment::Vars;
use super::pipe::{self, Pair, PipeDirectory};
use super::thread_pool::ThreadPool;
use super::tree::Guardian;
use crate::capture::budget::Budget;
use crate::job::command::EnvChanges;
use crate::model::error::{Error, ErrorKind};
use crate::model::kill::KillSequence;
use crate::model::mechanism::Mechanism;
use crate::model::verdict::Holder;
use crate::sys::api::Capacity;
use crate::sys::base::windows::codes::is_exhausted;
use crate::sys::options::HostOptions;
use crate::sys::options::windows::{Console, Pipes};

/// What a pipe takes before its writer waits.
const PIPE_SIZE: u32 = 64 * 1024;

/// The same where there are many of them: the system charges it to its nonpaged pool.
const PIPE_SIZE_AMONG_MANY: u32 = 16 * 1024;
const MANY: usize = 256;

#[derive(Debug)]
pub(crate) struct SystemContext {
    pub(super) vars: Vars,
    /// The environment of a command that changes nothing in it.
    pub(super) environment: Vec<u16>,
    pub(super) null: OwnedHandle,
    /// Knows where the files are that processes read.
    pub(super) budget: Arc<Budget>,
    /// None where none was asked for.
    guardian: Option<Guardian>,
    has_console: bool,
    pool: Arc<ThreadPool>,
    options: HostOptions,
    /// None where the system has refused a pipe without a name.
    directory: Option<PipeDirectory>,
    names_pipes: AtomicBool,
    live: AtomicUsize,
}

impl SystemContext {
    pub(crate) fn new(options: &HostOptions, budget: Arc<Budget>) -> Result<SystemContext, Error> {
        let failed = |doing: &'static str| {
            move |error: io::Error| Error::os(ErrorKind::System, doing, error)
        };
        let vars = Vars::capture();
        let environment = vars.block(&EnvChanges::default());
        let environment = environment.map_err(|key| {
            let key = key.to_string_lossy();
            Error::new(
                ErrorKind::Nul,
                format!("the variable \"{key}\" is malformed"),
            )
        })?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let directory = match options.pipes {
            Pipes::Unnamed => PipeDirectory::open().ok(),
            Pipes::Named => None,
        };
        let guardian = options.guardian.then(Guardian::new).transpose();
        Ok(SystemContext {
            vars,
            environment,
            null: stdin::null().map_err(failed("cannot open NUL"))?,
            budget,
            guardian: guardian.map_err(failed("cannot make a job"))?,
            has_console: has_console(),
            pool: Arc::new(ThreadPool::new(cores).map_err(failed("cannot make a thread pool"))?),
            options: *options,
            names_pipes: AtomicBool::new(directory.is_none()),
            directory,
            live: AtomicUsize::new(0),
        })
    }

    /// Ends what is left of this run, which is known where it has a guardian; gives who does not
    /// go. No process can be asked first, whatever the kill sequence.
    pub(crate) fn kill_leftovers(&self, _: &KillSequence) -> Result<Vec<Holder>, Error> {
        let left = self
            .guardian
            .as_ref()
            .map(Guardian::kill_leftovers)
            .transpose();
        let doing = "cannot see what processes have left behind";
        let left = left.map_err(|error| Error::os(ErrorKind::System, doing, error))?;
        Ok(left.unwrap_or_default())
    }

    /// Nothing limits the number of processes but memory and the system's quotas, which cannot be
    /// asked beforehand; running into them is backpressure.
    pub(crate) fn capacity(&self, _: Mechanism, shards: usize) -> Capacity {
        Capacity {
            processes: usize::MAX,
            shards,
            limit: "nothing that is known before".into(),
        }
    }

    pub(super) fn guardian(&self) -> Option<&Guardian> {
        self.guardian.as_ref()
    }

    pub(super) fn pool(&self) -> &Arc<ThreadPool> {
        &self.pool
    }

    pub(super) fn skips_packets(&self) -> bool {
        self.options.skip_packets.unwrap_or(true)
    }

    pub(super) fn started(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    /// What a command has for a console that asks for nothing.
    pub(super) fn default_console(&self) -> Console {
        if self.has_console {
            Console::Inherit
        } else {
            Console::Hidden
        }
    }

    pub(super) fn has_console(&self) -> bool {
        self.has_console
    }

    /// A pipe for a stream.
    pub(super) fn pair(&self, is_overlapped: bool) -> io::Result<Pair> {
        let among_many = self.live.load(Ordering::Relaxed) > MANY;
        let default = if among_many {
            PIPE_SIZE_AMONG_MANY
        } else {
            PIPE_SIZE
        };
        let size = self.options.pipe_size.unwrap_or(default);
        if !is_overlapped {
            return pipe::synchronous_pair(size);
        }
        if let Some(directory) = &self.directory
            && !self.names_pipes.load(Ordering::Relaxed)
        {
            match directory.unnamed_pair(size) {
                Err(error) if !is_exhausted(&error) => {
                    // It will not be otherwise the next time.
                    self.names_pipes.store(true, Ordering::Relaxed);
                }
                result => return result,
            }
        }
        pipe::named_pair(size)
    }

    #[cfg(test)]
    pub(super) fn names_pipes(&self) -> bool {
        self.names_pipes.load(Ordering::Relaxed)
    }

    /// The search path of a command that changes the environment like this.
    pub(super) fn path(&self, changes: &EnvChanges) -> Option<std::ffi::OsString> {
        self.vars.get(changes, "PATH")
    }

    /// Whether the search path of such a command is ours.
    pub(super) fn has_own_path(changes: &EnvChanges) -> bool {
        let is_path = |key: &OsStr| key.eq_ignore_ascii_case("PATH");
        changes.clear || changes.vars.keys().any(|key| is_path(key))
    }
}

/// Whether processes can share a console with us.
fn has_console() -> bool {
    let mut pids = [0_u32; 1];
    // SAFETY: the list has the length that is passed. Without a console there are no processes on
    // it.
    unsafe { GetConsoleProcessList(pids.as_mut_ptr(), 1) > 0 }
}
