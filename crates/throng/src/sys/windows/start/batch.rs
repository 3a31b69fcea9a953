//! Batch files: what counts as one, and the command line by which `cmd.exe` runs one.
//!
//! `CreateProcessW` runs a `.bat` or `.cmd` file by `cmd.exe` without being asked to, and `cmd.exe`
//! takes the arguments for code: `"&calc` starts a calculator ("BatBadBut", CVE-2024-24576, and one
//! more of these numbers for each library that starts processes). So a start first asks here, and
//! batch files run only where that was allowed, by a command line written here.
//!
//! The rules of `cmd.exe` are nowhere documented in full. What is relied on is named below; an
//! argument that these facts do not cover is refused rather than hoped for. What the script then
//! does with its arguments is not known: `call` expands them once more, and `%~1` without quotation
//! marks around it sets free whatever the argument contains. Neither can be prevented from here.

use std::ffi::{OsStr, OsString};
use std::iter::repeat_n;
use std::path::{self, Path, PathBuf};

use super::commandline::{
    BACKSLASH, LineError, QUOTE, SPACE, argument_units, finish, push_program, units,
};

/// So long a line does `cmd.exe` take: KB 830473 "Command prompt (Cmd.exe) command-line string
/// limitation". What it does with a longer one, cut off inside a quotation perhaps, is not
/// documented.
pub(crate) const UNITS_MAX: usize = 8_191;

const PERCENT: u16 = b'%' as u16;
const TAB: u16 = b'\t' as u16;

/// What arguments may contain without being quoted, besides letters and digits of ASCII: it
/// separates nothing and means nothing to `cmd.exe`. Scripts compare such arguments as they are,
/// as in `if %1==/q`, therefore not every argument is quoted.
const PLAIN: &[u8] = b"#$*+-./:?@\\_";

/// Whether `CreateProcessW` would take this file for a batch file; also in doubt.
///
/// The system ignores dots and spaces at the end of a name, so `x.bat. .` is a batch file
/// (CVE-2024-43402); it takes out `.` and `..`, so `x.bat\y\..` is one; and a stream of a file is
/// named after a colon, so `x.txt:y.bat` may pass for one. Upper case is that of ASCII, for no
/// other letter has one of these as its upper case.
pub(crate) fn is_batch(program: &Path) -> bool {
    let resolved = path::absolute(program);
    has_batch_name(program) || resolved.is_ok_and(|path| has_batch_name(&path))
}

fn has_batch_name(program: &Path) -> bool {
    let ignored_at_end = |byte: &u8| matches!(byte, b'.' | b' ' | b'\\' | b'/');
    let path = trim_end(program.as_os_str().as_encoded_bytes(), ignored_at_end);
    let name = path.rsplit(|byte| matches!(byte, b'\\' | b'/')).next();
    name.unwrap_or_default()
        .split(|byte| *byte == b':')
        .map(|part| trim_end(part, ignored_at_end))
        .filter_map(|part| part.last_chunk::<4>())
        .any(|end| end.eq_ignore_ascii_case(b".bat") || end.eq_ignore_ascii_case(b".cmd"))
}

fn trim_end(bytes: &[u8], is_ignored: impl Fn(&u8) -> bool) -> &[u8] {
    let kept = bytes.iter().rposition(|byte| !is_ignored(byte));
    &bytes[..kept.map_or(0, |last| last + 1)]
}

/// The command line by which `cmd.exe` runs this script with these arguments and nothing else; with
/// a NUL at its end.
///
/// 1. `/e:ON` turns on the extensions that [`push_text`] needs and `/v:OFF` turns off expansion by
///    `!`, whatever the registry contains; `/d` keeps `AutoRun` of the registry from running first
///    (`cmd /?`).
/// 2. All that follows `/c` is in one more pair of marks: of a text that begins with a mark and has
///    more than two, `cmd.exe` takes off the first and the last (`cmd /?`).
/// 3. The script's path is in marks. It is absolute, so that no command or other file is meant.
/// 4. So are the arguments that need it, see [`push_argument`].
pub(crate) fn batch_command_line(
    cmd_exe: &Path,
    script: &Path,
    args: &[OsString],
) -> Result<Vec<u16>, LineError> {
    let mut line = Vec::new();
    push_program(&mut line, cmd_exe.as_os_str())?;
    line.extend(" /e:ON /v:OFF /d /c \"".encode_utf16()); // 1, 2
    line.push(QUOTE);
    push_text(&mut line, &script_units(script)?); // 3
    line.push(QUOTE);
    for (i, arg) in args.iter().enumerate() {
        let units = argument_units(i, arg)?;
        if units.iter().any(is_refused) {
            return Err(refused(arg));
        }
        line.push(SPACE);
        push_argument(&mut line, &units); // 4
    }
    line.push(QUOTE); // 2
    finish(line, UNITS_MAX)
}

fn script_units(script: &Path) -> Result<Vec<u16>, LineError> {
    let refused = || refused(script.as_os_str());
    let plain = without_verbatim(script).ok_or_else(refused)?;
    let units = units("the program's name", plain.as_os_str())?;
    let is_name = !units.contains(&QUOTE) && units.last() != Some(&BACKSLASH);
    if !is_name || !script.is_absolute() || units.iter().any(is_refused) {
        return Err(refused());
    }
    Ok(units)
}

/// A path like those of `fs::canonicalize`, `\\?\C:\x.bat`, in the form that `cmd.exe` takes; none
/// where the system would not see the same file in that.
fn without_verbatim(script: &Path) -> Option<PathBuf> {
    let Some(rest) = script.to_str().and_then(|path| path.strip_prefix(r"\\?\")) else {
        let is_verbatim = script.as_os_str().as_encoded_bytes().starts_with(br"\\?\");
        return (!is_verbatim).then(|| script.to_owned());
    };
    let is_on_drive = rest.as_bytes().get(1) == Some(&b':');
    let resolved = path::absolute(rest).ok()?;
    (is_on_drive && resolved.as_os_str() == rest).then_some(resolved)
}

/// A line ends at a line feed; a carriage return vanishes; Ctrl-Z has been seen to be read as a
/// line feed (Stack Overflow 4094699 "How does the Windows Command Interpreter (CMD.EXE) parse
/// scripts?"). Of the other control characters nothing is known, except that the tab is a blank.
fn is_refused(unit: &u16) -> bool {
    matches!(unit, 0x00..=0x1F | 0x7F..=0x9F) && *unit != TAB
}

fn refused(text: &OsStr) -> LineError {
    LineError::Unsafe {
        argument: text.to_string_lossy().into_owned(),
    }
}

/// Between two marks `cmd.exe` takes everything as it is but a mark, a `%` and the end of the line.
/// A mark of the argument is doubled: to `cmd.exe` the quotation ends and begins again with nothing
/// in between. So each argument has an even number of marks, and none leaves the next unquoted.
///
/// A script often hands its arguments on. Microsoft's C runtime reads the two marks as one; before
/// 2008, and in `CommandLineToArgvW` still, it then takes the quotation for ended, and a program
/// that reads so may see the rest split at its blanks. `\"` would serve both, but `cmd.exe` takes
/// it for the end of the quotation. Backslashes before a mark are doubled for that runtime. One at
/// the end has the argument quoted, lest it makes a letter of the mark in a script's `"%~1"`.
fn push_argument(line: &mut Vec<u16>, argument: &[u16]) {
    let is_plain = |unit: &u16| {
        let byte = u8::try_from(*unit).unwrap_or(b' ');
        byte.is_ascii_alphanumeric() || PLAIN.contains(&byte)
    };
    if argument.iter().all(is_plain) && !matches!(argument.last(), None | Some(&BACKSLASH)) {
        line.extend_from_slice(argument);
        return;
    }
    line.push(QUOTE);
    for (i, piece) in argument.split(|unit| *unit == QUOTE).enumerate() {
        if i > 0 {
            line.extend([QUOTE, QUOTE]);
        }
        push_text(line, piece);
        let backslashes = piece.iter().rev().take_while(|unit| **unit == BACKSLASH);
        line.extend(repeat_n(BACKSLASH, backslashes.count()));
    }
    line.push(QUOTE);
}

/// Keeps `%PATH%` from being replaced by the value of `PATH`, which happens inside marks as well
/// and cannot be escaped there: on a command line `%%` is two signs, and `^` in marks is a letter.
///
/// So every `%` gets `%cd:~,%` behind it, the part of length zero of the variable `cd`, which is
/// nothing. `cmd.exe` has that variable always (`set /?`), and so each second `%` begins a variable
/// whose name is known. The trick is that of yt-dlp (CVE-2024-22423) and of Rust's own library. It
/// fails if the environment has an empty variable of that name. A program that can set it can set
/// the `PATH` as well.
fn push_text(line: &mut Vec<u16>, text: &[u16]) {
    for &unit in text {
        line.push(unit);
        if unit == PERCENT {
            line.extend("%cd:~,%".encode_utf16());
        }
    }
}

#[cfg(test)]
mod tests;
