//! Mounts that no other process sees and that are gone with the program that has them.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The ways to get a private mount: as root, and as a user that may create a user namespace.
const WAYS: [&[&str]; 2] = [
    &["unshare", "--mount"],
    &["unshare", "--mount", "--map-root-user"],
];

/// The command prefix that starts a program with a file system of this size, in memory, at this
/// directory. `None` if no way leads to that; then what is not tested is printed.
pub fn on_small_disk(dir: &Path, bytes: u64) -> Option<Vec<String>> {
    let mount = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\"");
    in_own_mounts(&mount, dir, "a disk that is really full")
}

/// The command prefix that starts a program without /dev/null: this directory replaces /dev. `None`
/// as above.
pub fn without_devices(dir: &Path) -> Option<Vec<String>> {
    in_own_mounts(
        "mount --bind \"$0\" /dev",
        dir,
        "a machine without /dev/null",
    )
}

/// The command prefix that starts a program after a shell has mounted something, with this
/// directory as `$0`. If that is refused, what is not tested is printed in any case: what tests
/// write by `eprintln` is not shown when they pass.
fn in_own_mounts(mount: &str, dir: &Path, what: &str) -> Option<Vec<String>> {
    let script = format!("{mount} && exec \"$@\"");
    let mut why = String::new();
    for way in WAYS {
        let words = way.iter().copied().chain(["sh", "-c", &script]);
        let mut words: Vec<String> = words.map(String::from).collect();
        words.push(dir.to_str().expect("a directory of ours is text").into());
        match try_out(&words) {
            Ok(()) => return Some(words),
            Err(error) => why = format!("{}: {error}", way.join(" ")),
        }
    }
    not_tested(&format!("{what}, for nothing can be mounted here: {why}"));
    None
}

/// Prints that something cannot be tested on this machine, and why, so that it is visible even if
/// all tests pass.
pub fn not_tested(what: &str) {
    // If stderr is closed, there is no reader.
    let _ = writeln!(io::stderr(), "NOT TESTED: {what}");
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
