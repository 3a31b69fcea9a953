//! A disk that is really full: a file system of a few pages, for one program alone.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The ways to a mount that nobody else sees: as root, and as whoever may make a user namespace.
const WAYS: [&[&str]; 2] = [
    &["unshare", "--mount"],
    &["unshare", "--mount", "--map-root-user"],
];

/// The words to start a program by, so that it finds a file system of this size, in memory, at this
/// directory. Nobody else does, and it is gone when the program is. None where no way leads to
/// that; then it is said what is not tested, in any case: what tests write by `eprintln` is not
/// shown when all is well.
pub fn on_small_disk(dir: &Path, bytes: u64) -> Option<Vec<String>> {
    let mount = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\" && exec \"$@\"");
    let mut why = String::new();
    for way in WAYS {
        let words = way.iter().copied().chain(["sh", "-c", &mount]);
        let mut words: Vec<String> = words.map(String::from).collect();
        words.push(dir.to_str().expect("a directory of ours is text").into());
        match try_out(&words) {
            Ok(()) => return Some(words),
            Err(error) => why = format!("{}: {error}", way.join(" ")),
        }
    }
    let _ = writeln!(
        io::stderr(),
        "NOT TESTED: a disk that is really full, for nothing can be mounted here: {why}"
    );
    None
}

fn try_out(words: &[String]) -> Result<(), String> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg("true").stdin(Stdio::null());
    let tried = command.output().map_err(|error| error.to_string())?;
    match tried.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&tried.stderr).trim().to_owned()),
    }
}
