//! Runs a program with some system calls refused, as older kernels, containers and emulators refuse
//! them: `confine pidfd_open=EPERM,clone3=ENOSYS -- program arguments`.
//!
//! A list of `-` refuses nothing. What the program starts is confined as well, and no process of it
//! gains privileges by a setuid program. The calls are listed in `sys`; this works on Linux only.

#![forbid(unsafe_code)]

mod sys;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let refusals = args.next().and_then(|word| word.into_string().ok());
    let (Some(refusals), Some(dashes)) = (refusals, args.next()) else {
        return fail("usage: confine CALL=ERROR,.. -- program arguments");
    };
    if dashes != "--" {
        return fail("`--` has to come before the program");
    }
    let argv: Vec<_> = args.collect();
    fail(&sys::run(&refusals, &argv))
}

fn fail(why: &str) -> ExitCode {
    eprintln!("confine: {why}");
    ExitCode::from(125)
}
