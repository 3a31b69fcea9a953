//! Control groups of single processes: what older kernels do not support, and what a kernel
//! refuses.

use std::fs;

use super::*;
use crate::sys::faults::{Fault, order};
use crate::sys::linux::probe_cgroups;
use crate::sys::linux::tree::Cgroup;
use crate::sys::options::linux::Cgroups;

/// Runs this on a thread set up like a shard, with a launcher that creates a group for each
/// process. Where groups are not available, only the refusal can be tested, and that is printed.
fn with_groups(features: Features, body: impl FnOnce(Launcher, &Cgroup) + Send + 'static) {
    let options = HostOptions {
        cgroups: Cgroups::Command,
        ..HostOptions::default()
    };
    if let Err(refusal) = probe_cgroups(Cgroups::Command) {
        eprintln!("only the refusal is tested: {refusal}");
        let error = SystemContext::new(&options, Arc::default()).unwrap_err();
        assert_eq!(error.to_string(), refusal.to_string());
        return;
    }
    let body = move || {
        signals::block_all();
        let host = Arc::new(SystemContext::new(&options, Arc::default()).unwrap());
        let run = host.trees.run_cgroup().unwrap().clone();
        body(Launcher::with_features(host, features).unwrap(), &run);
        assert!(!run.path().exists(), "no group is left");
    };
    thread::spawn(body).join().unwrap();
}

const KERNEL: Features = ALL_FEATURES[0];

fn command() -> Command {
    Command::from_argv(["cat", "/proc/self/cgroup"])
}

/// Waits for a process to end: whether it has a group of its own, as far as the launcher knows and
/// as far as the kernel does.
fn listen(begun: Begun, pipe: Pipe) -> (bool, bool) {
    let mut text = String::new();
    File::from(pipe.try_clone().unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let has_leaf = begun.own.cgroup.is_some();
    Child::new(
        begun,
        &command(),
        std::time::Instant::now(),
        [pipe.clone(), pipe],
    )
    .reap();
    let line = text.lines().find(|line| line.starts_with("0::")).unwrap();
    (has_leaf, line.contains("/throng-"))
}

fn start(launcher: &mut Launcher) -> Result<(bool, bool), StartError> {
    let pipes = Launcher::open_pipes(&command()).unwrap();
    let [out, _err] = pipes.ours;
    let begun = launcher.start(&command(), pipes.theirs)?;
    Ok(listen(begun, out))
}

/// The same, where the group is changed after it was created for the process.
fn start_after(launcher: &mut Launcher, change: impl Fn(&Cgroup)) -> (bool, bool) {
    let pipes = Launcher::open_pipes(&command()).unwrap();
    let [out, _err] = pipes.ours;
    let mut kit = launcher.kits.pop().unwrap();
    let ready = launcher.make_ready(&mut kit, &command(), pipes.theirs);
    let own = ready.unwrap();
    change(&own.cgroup.as_ref().unwrap().cgroup());
    let begun = launcher.clone_and_retry(kit, &command(), own);
    launcher.clear_stdio_fds().unwrap();
    listen(begun.unwrap(), out)
}

fn groups_in(group: &Cgroup) -> usize {
    group.below().count()
}

#[test]
fn a_process_starts_in_its_control_group_or_runs_without_one_on_an_older_kernel() {
    for features in ALL_FEATURES {
        with_groups(features, move |mut launcher, _| {
            let (has_leaf, in_leaf) = start(&mut launcher).unwrap();
            assert_eq!(has_leaf, features.clone3, "{features:?}");
            assert_eq!(in_leaf, features.clone3, "{features:?}");
        });
    }
}

#[test]
fn a_process_that_is_refused_its_group_runs_without_one_and_the_next_has_one_again() {
    with_groups(KERNEL, |mut launcher, run| {
        for code in [
            libc::EBUSY,
            libc::EOPNOTSUPP,
            libc::ENODEV,
            libc::ENOENT,
            libc::EACCES,
            libc::EINVAL,
        ] {
            order(Point::Start, 0, Fault::Code(code as u32));
            assert_eq!(start(&mut launcher).unwrap(), (false, false), "{code}");
            assert_eq!(groups_in(run), 0, "what was made for it is removed: {code}");
            assert_eq!(start(&mut launcher).unwrap(), (true, true), "{code}");
        }
    });
}

#[test]
fn a_group_that_vanishes_or_accepts_no_processes_counts_as_a_refusal() {
    with_groups(KERNEL, |mut launcher, run| {
        let vanish = |group: &Cgroup| assert!(group.remove());
        assert_eq!(start_after(&mut launcher, vanish), (false, false));
        assert_eq!(groups_in(run), 0);
        // Beside a threaded group it is `domain invalid` (cgroups(7)).
        let threads = run.make("for-threads").unwrap();
        let beside_threads = |_: &Cgroup| {
            fs::write(threads.path().join("cgroup.type"), "threaded").unwrap();
        };
        assert_eq!(start_after(&mut launcher, beside_threads), (false, false));
        assert_eq!(start(&mut launcher).unwrap(), (false, false));
        assert_eq!(groups_in(run), 1);
        assert!(threads.remove());
        assert_eq!(start(&mut launcher).unwrap(), (true, true));
    });
}

#[test]
fn a_shortage_is_distinguished_from_a_group_refusal_and_leaves_no_group() {
    with_groups(KERNEL, |mut launcher, run| {
        for (codes, is_want) in [
            (&[libc::EAGAIN][..], true),
            (&[libc::ENOMEM], true),
            // Refused the group, and then the process cannot be created.
            (&[libc::EBUSY, libc::EAGAIN], true),
            (&[libc::EBUSY, libc::EPERM], false),
        ] {
            for code in codes {
                order(Point::Start, 0, Fault::Code(*code as u32));
            }
            let error = start(&mut launcher).unwrap_err();
            assert_eq!(
                matches!(error, StartError::Exhausted(_)),
                is_want,
                "{error:?}"
            );
            assert_eq!(groups_in(run), 0, "{codes:?}");
        }
        assert_eq!(start(&mut launcher).unwrap(), (true, true));
    });
}
