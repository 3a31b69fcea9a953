//! Refusals as seccomp filters, one for each error, since a filter answers with one error only.
//!
//! | name | what is refused |
//! |---|---|
//! | `pidfd_open` `pidfd_send_signal` `clone3` `close_range` `memfd_create` `preadv2` `waitid` |
//! the call |
//! | `io_uring` | all three calls of it |
//! | `close_range.unshare` | `close_range` with `CLOSE_RANGE_UNSHARE` |
//! | `clone.files` | a new process with `CLONE_FILES`, as qemu-user refuses it |
//! | `clone.vm` | a new process with `CLONE_VM` and without `CLONE_VFORK`, which std starts with |
//!
//! A filter sees the numbers that a call is given and nothing that they point to, so the flags of
//! `clone3` cannot be distinguished.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::c_long;
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// The rules of a filter: for each call the cases in which it is refused; an empty list refuses
/// all.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Becomes this program, with these calls refused. Returns only when that fails, with the reason.
pub(crate) fn run(refusals: &str, argv: &[OsString]) -> String {
    let Some((program, args)) = argv.split_first() else {
        return "a program is missing".into();
    };
    if let Err(why) = refuse_all(refusals) {
        return why;
    }
    let error = Command::new(program).args(args).exec();
    format!("cannot run {}: {error}", program.display())
}

fn refuse_all(refusals: &str) -> Result<(), String> {
    let mut by_error: BTreeMap<u32, Rules> = BTreeMap::new();
    for refusal in refusals.split(',').filter(|word| *word != "-") {
        let (name, error) = refusal
            .split_once('=')
            .ok_or_else(|| format!("\"{refusal}\" is not CALL=ERROR"))?;
        let rules = by_error.entry(number_of(error)?).or_default();
        for (call, cases) in calls(name)? {
            rules.insert(call, cases);
        }
    }
    for (error, rules) in by_error {
        apply(error, rules).map_err(|why| format!("cannot install a filter: {why}"))?;
    }
    Ok(())
}

fn number_of(error: &str) -> Result<u32, String> {
    let number = match error {
        "EPERM" => libc::EPERM,
        "ENOSYS" => libc::ENOSYS,
        "EINVAL" => libc::EINVAL,
        "EACCES" => libc::EACCES,
        "EMFILE" => libc::EMFILE,
        _ => return Err(format!("\"{error}\" is not an error that is known here")),
    };
    Ok(number as u32)
}

fn calls(name: &str) -> Result<Vec<(c_long, Vec<SeccompRule>)>, String> {
    let always = |call| (call, Vec::new());
    // Threads share memory and descriptors; only processes are refused.
    let process_with = |flag: i32| has_flags(0, flag | libc::CLONE_THREAD, flag);
    let calls = match name {
        "pidfd_open" => vec![always(libc::SYS_pidfd_open)],
        "pidfd_send_signal" => vec![always(libc::SYS_pidfd_send_signal)],
        "clone3" => vec![always(libc::SYS_clone3)],
        "close_range" => vec![always(libc::SYS_close_range)],
        "memfd_create" => vec![always(libc::SYS_memfd_create)],
        "preadv2" => vec![always(libc::SYS_preadv2)],
        "waitid" => vec![always(libc::SYS_waitid)],
        "io_uring" => vec![
            always(libc::SYS_io_uring_setup),
            always(libc::SYS_io_uring_enter),
            always(libc::SYS_io_uring_register),
        ],
        "close_range.unshare" => {
            let unshare = libc::CLOSE_RANGE_UNSHARE as i32;
            vec![(libc::SYS_close_range, has_flags(2, unshare, unshare)?)]
        }
        "clone.files" => vec![(libc::SYS_clone, process_with(libc::CLONE_FILES)?)],
        "clone.vm" => {
            let of = libc::CLONE_THREAD | libc::CLONE_VFORK | libc::CLONE_VM;
            vec![(libc::SYS_clone, has_flags(0, of, libc::CLONE_VM)?)]
        }
        _ => return Err(format!("\"{name}\" is not a call that is known here")),
    };
    Ok(calls)
}

/// The case in which the argument at this place has, of the flags `of`, exactly `those`.
fn has_flags(place: u8, of: i32, those: i32) -> Result<Vec<SeccompRule>, String> {
    let operator = SeccompCmpOp::MaskedEq(of as u32 as u64);
    let condition = SeccompCondition::new(place, Dword, operator, those as u32 as u64);
    let rule = condition.and_then(|condition| SeccompRule::new(vec![condition]));
    rule.map(|rule| vec![rule]).map_err(|why| why.to_string())
}

fn apply(error: u32, rules: Rules) -> Result<(), String> {
    let arch = std::env::consts::ARCH.try_into();
    let arch = arch.map_err(|why| format!("{why}"))?;
    let (otherwise, then) = (SeccompAction::Allow, SeccompAction::Errno(error));
    let filter = SeccompFilter::new(rules, otherwise, then, arch);
    let filter: Result<BpfProgram, _> = filter.and_then(BpfProgram::try_from);
    let filter = filter.map_err(|why| why.to_string())?;
    apply_filter(&filter).map_err(|why| why.to_string())
}
