//! A start that takes long and then fails for now.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::{Command, ErrorKind, PipeEnd, Stdin, Throng};

/// Whoever opens a file that somebody has a write lease on waits until he gives it up (fcntl(2)):
/// as good as a file system that does not answer.
pub(super) fn lease(path: &Path) -> File {
    /// From the kernel's asm-generic/fcntl.h.
    const F_SETSIG: libc::c_int = 10;
    let file = File::options().write(true).open(path).unwrap();
    // The news that somebody waits comes as a signal that does nothing.
    control(&file, F_SETSIG, libc::SIGCHLD);
    control(&file, libc::F_SETLEASE, libc::F_WRLCK);
    file
}

fn control(file: &File, what: libc::c_int, value: libc::c_int) {
    // SAFETY: integers, and a descriptor that is open.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), what, value) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

#[test]
fn a_start_that_is_slow_and_fails_for_now_keeps_its_pipe_for_the_next_attempt() {
    let path = std::env::temp_dir().join(format!("throng-slow-{}", std::process::id()));
    std::fs::copy("/bin/cat", &path).unwrap();
    let throng = Throng::builder().jobs(1).build().unwrap();
    // How long the program is kept from being loaded, and then open for writing. If its start is
    // not slow, or not tried meanwhile, or tried for too long, the test tries again.
    for pause_ms in [100, 200, 400].into_iter().cycle().take(60) {
        let pause = Duration::from_millis(pause_ms);
        let leased = lease(&path);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let stdin = Stdin::Pipe(PipeEnd::new(reader));
        let process = throng.spawn(Command::new(&path).stdin(stdin));
        thread::sleep(pause);
        control(&leased, libc::F_SETLEASE, libc::F_UNLCK);
        thread::sleep(pause);
        drop(leased);
        let written = writer.write_all(b"hello");
        drop(writer);
        let outcome = process.wait().unwrap();
        match outcome.start_error() {
            Some(error) => assert_eq!(error.kind(), ErrorKind::System, "{error}"),
            None if outcome.start_retries() == 0 => {}
            None => {
                written.expect("its reader is kept");
                assert_eq!(outcome.stdout(), b"hello");
                std::fs::remove_file(path).unwrap();
                return;
            }
        }
    }
    panic!("its start never fails for now alone");
}
