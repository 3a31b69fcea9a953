//! Exit statuses, which are part of the program's interface.

use std::io;
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// This many commands failed.
    Commands { failed: u64 },
    /// `--halt` ended the run with this.
    Halted(u8),
    /// A signal asked the program to end.
    Signal(i32),
    /// The reader of stdout closed it; the status that SIGPIPE would have caused.
    StdoutClosed,
    /// Throng itself failed.
    Failed,
}

impl Exit {
    const MANY: u8 = 101;
    /// The statuses of a shell for a program that does not exist, and for one that it cannot run.
    pub(crate) const NOT_FOUND: u8 = 127;
    pub(crate) const NOT_EXECUTABLE: u8 = 126;
    /// The status of timeout(1) for a command that ran out of time.
    pub(crate) const TIMED_OUT: u8 = 124;

    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Commands { failed } => u8::try_from(failed).unwrap_or(Self::MANY).min(Self::MANY),
            Exit::Halted(status) => status,
            Exit::Signal(number) => 128 + (number & 0x7f) as u8,
            Exit::StdoutClosed => 141,
            Exit::Failed => 255,
        }
    }

    /// Exits at once.
    pub(crate) fn leave(self) -> ! {
        self.die_if_signal();
        std::process::exit(self.code().into())
    }

    /// Dies of the signal that ended the run, if the parent should see that signal.
    fn die_if_signal(self) {
        if let Exit::Signal(number) = self {
            crate::sys::die_of(number);
        }
    }

    /// Reports why throng failed, in one line on stderr.
    pub(crate) fn report(error: anyhow::Error) -> Exit {
        let is_closed_pipe = |cause: &(dyn std::error::Error + 'static)| {
            cause
                .downcast_ref()
                .is_some_and(|e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe)
        };
        if error.chain().any(is_closed_pipe) {
            return Exit::StdoutClosed;
        }
        crate::terminal::warn(format_args!("{error:#}"));
        Exit::Failed
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        exit.die_if_signal();
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_failures_is_the_exit_status_up_to_a_hundred() {
        let code = |failed| Exit::Commands { failed }.code();
        assert_eq!(
            [0, 1, 100, 101, 102, 256, u64::MAX].map(code),
            [0, 1, 100, 101, 101, 101, 101]
        );
        assert_eq!(Exit::Signal(2).code(), 130);
        assert_eq!(Exit::Failed.code(), 255);
    }
}
