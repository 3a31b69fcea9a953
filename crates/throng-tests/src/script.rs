//! Commands that run the scripted child.

use std::ffi::OsStr;
use std::path;

use throng::Command;

use crate::sys::prepare;

/// A command that runs this program with each word of `steps` as an argument.
///
/// # Panics
///
/// When the program's path is empty.
pub fn script(program: &str, steps: &str) -> Command {
    // A program that was built on Linux to run under Wine has the paths of other programs without a
    // drive. Such a path would be relative to the drive of the command's directory.
    script_by_name(
        path::absolute(program).expect("the child has a path"),
        steps,
    )
}

/// The same for a child at another path, which is used as it is.
pub fn script_by_name(program: impl AsRef<OsStr>, steps: &str) -> Command {
    let mut command = Command::new(program);
    prepare(&mut command);
    command.args(steps.split_whitespace());
    command
}
