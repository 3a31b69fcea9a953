//! Writes the command line of a process: its program's name and its arguments in one string, as
//! `CreateProcessW` takes them.
//!
//! Windows knows no list of arguments: each program splits its command line itself. Nearly all do
//! so by the rules of Microsoft's C runtime (MSDN "Parsing C command-line arguments"), which
//! `CommandLineToArgvW` and Rust's library share, so what is written here is what they read back.
//! Programs with rules of their own are what the raw tail is for; `cmd.exe` is one, see `batch.rs`.
//!
//! It does not know which program it writes for, nor whether that exists. The readers disagree on
//! two quotation marks in a row, therefore a mark is always written with a backslash before it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::iter::repeat_n;
use std::os::windows::ffi::OsStrExt;

/// MSDN "CreateProcessW": so long may `lpCommandLine` be, with the NUL at its end.
const UNITS_MAX: usize = 32_767;

pub(crate) const SPACE: u16 = b' ' as u16;
pub(crate) const QUOTE: u16 = b'"' as u16;
pub(crate) const BACKSLASH: u16 = b'\\' as u16;

/// Why there is no command line for this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LineError {
    /// This part, in words, contains a NUL, which would end the command line.
    Nul(String),
    /// The program's name contains a quotation mark: there is no way to write that, and no file can
    /// have this name.
    Quote,
    /// The command line has more UTF-16 units, its NUL included, than its reader takes.
    TooLong { units: usize, units_max: usize },
    /// `cmd.exe` might not take this for mere text.
    Unsafe { argument: String },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::Nul(what) => write!(f, "{what} contains a NUL byte"),
            LineError::Quote => f.write_str("its name contains a quotation mark"),
            LineError::TooLong { units, units_max } => write!(
                f,
                "its command line has {units} UTF-16 units, and may have {units_max}"
            ),
            LineError::Unsafe { argument } => {
                write!(f, "cmd.exe cannot be given {argument:?} safely")
            }
        }
    }
}

/// The command line that has this program, these arguments and then, as it is, this tail; with a
/// NUL at its end.
pub(crate) fn command_line(
    program: &OsStr,
    args: &[OsString],
    raw_tail: Option<&OsStr>,
) -> Result<Vec<u16>, LineError> {
    let mut line = Vec::new();
    push_program(&mut line, program)?;
    for (i, arg) in args.iter().enumerate() {
        line.push(SPACE);
        push_argument(&mut line, &argument_units(i, arg)?);
    }
    if let Some(tail) = raw_tail {
        line.push(SPACE);
        line.extend(units("the raw text after its arguments", tail)?);
    }
    finish(line, UNITS_MAX)
}

/// The name comes first and has a rule of its own: it lasts from one quotation mark to the next,
/// and backslashes mean nothing. Unquoted it would end at the first blank, and where there is no
/// other name for the program the system would try `C:\Program.exe` for `C:\Program Files\a.exe`.
pub(crate) fn push_program(line: &mut Vec<u16>, program: &OsStr) -> Result<(), LineError> {
    let program = units("the program's name", program)?;
    if program.contains(&QUOTE) {
        return Err(LineError::Quote);
    }
    line.push(QUOTE);
    line.extend(program);
    line.push(QUOTE);
    Ok(())
}

/// The string in UTF-16, surrogates without a partner as they are.
pub(crate) fn units(what: &str, string: &OsStr) -> Result<Vec<u16>, LineError> {
    let units: Vec<u16> = string.encode_wide().collect();
    if units.contains(&0) {
        return Err(LineError::Nul(what.into()));
    }
    Ok(units)
}

/// An argument in UTF-16; arguments are counted from 1 in words, and from 0 here.
pub(crate) fn argument_units(i: usize, arg: &OsStr) -> Result<Vec<u16>, LineError> {
    units(&format!("argument {}", i + 1), arg)
}

/// Puts the NUL at the end, and refuses what is longer than its reader takes.
pub(crate) fn finish(mut line: Vec<u16>, units_max: usize) -> Result<Vec<u16>, LineError> {
    line.push(0);
    let units = line.len();
    if units > units_max {
        return Err(LineError::TooLong { units, units_max });
    }
    Ok(line)
}

/// Backslashes stand for themselves except before a quotation mark, where each counts half and one
/// left over makes the mark a letter. So they are doubled before a mark of the argument, which
/// gets one more, and before the closing mark.
///
/// Blanks are the space and the tab. Some readers, such as Cygwin's, take line ends for blanks as
/// well, so every control character has the argument quoted; it does no harm.
fn push_argument(line: &mut Vec<u16>, argument: &[u16]) {
    let is_special = |unit: &u16| *unit <= SPACE || *unit == QUOTE;
    if !argument.is_empty() && !argument.iter().any(is_special) {
        line.extend_from_slice(argument);
        return;
    }
    line.push(QUOTE);
    let mut backslashes = 0;
    for &unit in argument {
        if unit == QUOTE {
            line.extend(repeat_n(BACKSLASH, backslashes + 1));
        }
        backslashes = if unit == BACKSLASH {
            backslashes + 1
        } else {
            0
        };
        line.push(unit);
    }
    line.extend(repeat_n(BACKSLASH, backslashes));
    line.push(QUOTE);
}

#[cfg(test)]
mod tests;
