//! Refused system calls, exit statuses that other code takes, exhausted descriptors, and files that
//! may not grow large.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, WaitId, WaitIdOptions, setrlimit, waitid};
use throng::Mechanism;

use crate::hardship::Hardship;
use crate::random::Random;

/// How many descriptors this program may have in a round with few.
const FEW: u64 = 400;

/// How many bytes a file may have when that is limited.
const SMALL: u64 = 100_000;

/// What is refused: each call alone, and all of them.
const REFUSALS: [&str; 9] = [
    "pidfd_open=EPERM",
    "pidfd_open=ENOSYS",
    "pidfd_send_signal=EPERM",
    "clone3=ENOSYS",
    "close_range=EPERM",
    "memfd_create=ENOSYS",
    "clone3=ENOSYS,clone.files=EINVAL",
    "pidfd_open=EPERM,pidfd_send_signal=EPERM,clone3=ENOSYS,close_range=EPERM,memfd_create=EPERM",
    "pidfd_open=ENOSYS,pidfd_send_signal=ENOSYS,clone3=ENOSYS,close_range=ENOSYS,\
     memfd_create=ENOSYS,preadv2=ENOSYS",
];

/// Half of the rounds have none.
pub(crate) fn hardship(random: &mut Random, mechanism: Mechanism) -> Hardship {
    let mut hardship = Hardship::default();
    match random.below(10) {
        0 | 1 => hardship.refusals = Some(random.one_of(&REFUSALS)),
        // A sandbox that has no io_uring.
        2 if mechanism != Mechanism::IoUring => hardship.refusals = Some("io_uring=EPERM"),
        2 => hardship.refusals = Some(REFUSALS[REFUSALS.len() - 1]),
        3 => hardship.is_reaped = true,
        4 => hardship.has_few_descriptors = true,
        5 => hardship.has_full_disk = true,
        _ => {}
    }
    hardship
}

/// The hardship, in effect until this is dropped.
pub(crate) struct Endured {
    stop: Arc<AtomicBool>,
    hog: Option<JoinHandle<()>>,
}

/// Puts it into effect, except for what `confine` has already done. Called before the throng is
/// created, so that the throng meets the limits.
pub(crate) fn begin(hardship: Hardship) -> Endured {
    if hardship.has_full_disk {
        limit(Resource::Fsize, SMALL);
    }
    if hardship.is_reaped {
        thread::spawn(reap_all);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let hog = hardship.has_few_descriptors.then(|| {
        limit(Resource::Nofile, FEW);
        let stop = stop.clone();
        thread::spawn(move || take_all_again_and_again(&stop))
    });
    Endured { stop, hog }
}

impl Drop for Endured {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(hog) = self.hog.take() {
            hog.join().expect("it does not panic");
        }
    }
}

fn limit(resource: Resource, most: u64) {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(resource, limit).expect("a limit may be lowered");
}

fn reap_all() {
    loop {
        if waitid(WaitId::All, WaitIdOptions::EXITED).is_err() {
            // There is no child at all.
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// For a fifth of the time no descriptors are available.
fn take_all_again_and_again(stop: &AtomicBool) {
    // A throng is created first, since it cannot be created without descriptors.
    thread::sleep(Duration::from_millis(200));
    while !stop.load(Ordering::Relaxed) {
        let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        thread::sleep(Duration::from_millis(5));
        drop(taken);
        thread::sleep(Duration::from_millis(20));
    }
}
