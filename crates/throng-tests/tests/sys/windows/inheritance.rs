//! What a process inherits from this program: its three streams, and no other inheritable handle.

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::process::{Command, Stdio};

use throng::{Outcome, Stream, Throng};
use throng_tests::{
    Source, assert_complete, check_pattern, child, describe, for_each_mechanism_alone, repeat,
};
use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};

/// Handles as careless code in the same program leaves them. So many that the numbers of the last
/// ones are not in use in a small process.
#[expect(unsafe_code, reason = "the library makes no handle that is inherited")]
fn careless_files() -> Vec<File> {
    let files = (0..2000).map(|_| {
        let file = File::open("NUL").expect("NUL can be opened");
        let flag = HANDLE_FLAG_INHERIT;
        // SAFETY: the handle is open as long as the file.
        let ok = unsafe { SetHandleInformation(file.as_raw_handle(), flag, flag) };
        assert_ne!(ok, 0, "{}", io::Error::last_os_error());
        file
    });
    files.collect()
}

#[test]
fn an_inheritable_handle_of_ours_is_not_in_a_process() {
    for_each_mechanism_alone(|mechanism| {
        let files = careless_files();
        let last = files.last().unwrap().as_raw_handle() as usize;
        let throng = Throng::builder().mechanism(mechanism).build().unwrap();
        for stdin in [false, true] {
            let mut command = child!("handle:{last}");
            if stdin {
                command.stdin(b"bytes".to_vec());
            }
            let outcome = throng.spawn(&command).wait().unwrap();
            assert_complete(&outcome);
            assert_eq!(outcome.stdout(), b"none");
        }
        // The standard library passes it on, which shows that the number would be found.
        let mut other = Command::new(env!("CARGO_BIN_EXE_child"));
        let said = other.arg(format!("handle:{last}")).output().unwrap();
        assert_eq!(said.stdout, b"open");
    });
}

/// The documented limitation: a process started by other code may inherit our pipes. Then streams
/// are held, which is reported, and not a byte is lost.
#[test]
fn processes_started_by_other_code_may_hold_streams_but_lose_nothing() {
    for_each_mechanism_alone(|mechanism| {
        let throng = Throng::builder()
            .mechanism(mechanism)
            .jobs(4)
            .build()
            .unwrap();
        let run = throng.run(vec![child!("out:5000 err:5"); repeat(200)]);
        let mut others = Vec::new();
        for _ in 0..repeat(60) {
            let mut other = Command::new(env!("CARGO_BIN_EXE_child"));
            let other = other.arg("sleep:700").stdin(Stdio::null()).spawn();
            others.push(other.unwrap());
        }
        let outcomes: Vec<Outcome> = run.collect();
        assert_eq!(outcomes.len(), repeat(200));
        for outcome in outcomes {
            assert!(outcome.success(), "{}", describe(&outcome));
            for stream in Stream::ALL {
                let verdict = outcome.verdict(stream).name();
                assert!(matches!(verdict, "complete" | "held"), "{verdict}");
            }
            check_pattern(Source::Out, outcome.stdout(), 5000).unwrap();
            check_pattern(Source::Err, outcome.stderr(), 5).unwrap();
        }
        for mut other in others {
            assert!(other.wait().unwrap().success());
        }
    });
}
