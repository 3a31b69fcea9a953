//! `--tty` is not available on Windows: every process on our console can read from it and draw on
//! it, and nothing assigns it to one of them.

use std::time::Duration;

use throng::Command;

/// There is none.
#[derive(Clone, Debug)]
pub(crate) enum Tty {}

impl Tty {
    pub(crate) fn open() -> anyhow::Result<Tty> {
        anyhow::bail!(
            "--tty is not available on Windows; commands have our console (--console inherit), and \
             can open CONIN$ and CONOUT$"
        )
    }

    pub(crate) fn set_command(&self, _: &mut Command) {
        match *self {}
    }

    pub(crate) fn stopped(&self, _: u32, _: i32) {
        match *self {}
    }

    pub(crate) fn suspend(&self) {
        match *self {}
    }

    pub(crate) fn resume(&self, _: u32) {
        match *self {}
    }

    pub(crate) fn pause(&self) -> Option<Duration> {
        match *self {}
    }

    pub(crate) fn pass_on_interrupt(&self) -> bool {
        match *self {}
    }
}
