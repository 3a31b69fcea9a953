//! A process that throng has not started and must leave alone.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

pub(super) struct Stranger(Child);

impl Stranger {
    pub(super) fn in_our_group() -> Stranger {
        Stranger::start(&mut Command::new(env!("CARGO_BIN_EXE_child")))
    }

    /// It leads a group, which others can join.
    pub(super) fn in_own_group() -> Stranger {
        Stranger::start(Command::new(env!("CARGO_BIN_EXE_child")).process_group(0))
    }

    fn start(command: &mut Command) -> Stranger {
        let command = command.arg("sleep:600000").stdin(Stdio::null());
        Stranger(command.spawn().expect("the child can be started"))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has neither ended nor been stopped.
    pub(super) fn is_unhurt(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        let stat = stat.unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, after_name)| after_name);
        state.is_some_and(|state| state.starts_with(['S', 'R', 'D']))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may have been ended by the process under test.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
