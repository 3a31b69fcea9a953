//! Mounts that nobody else sees, and that are gone with the program that has them.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The ways to a mount that nobody else sees: as root, and as whoever may make a user namespace.
const WAYS: [&[&str]; 2] = [
    &["unshare", "--mount"],
    &["unshare", "--mount", "--map-root-user"],
];

/// The words to start a program by, so that it finds a file system of this size, in memory, at this
/// directory. None where no way leads to that; then it is said what is not tested.
pub fn on_small_disk(dir: &Path, bytes: u64) -> Option<Vec<String>> {
    let mount = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\"");
    in_own_mounts(&mount, dir, "a disk that is really full")
}

/// The words to start a program by, so that it finds no /dev/null: this directory is in the place
/// of /dev. None as above.
pub fn without_devices(dir: &Path) -> Option<Vec<String>> {
    in_own_mounts(
        "mount --bind \"$0\" /dev",
        dir,
        "a machine without /dev/null",
    )
}

/// The words to start a program by when a shell has mounted something, with this directory as `$0`.
/// Where that is refused it is said what is not tested, in any case: what tests write by `eprintln`
/// is not shown when all is well.
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

/// Says that something cannot be tested on this machine, and why, so that it is seen though all is
/// well otherwise.
pub fn not_tested(what: &str) {
    // Where stderr is closed nobody listens.
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
