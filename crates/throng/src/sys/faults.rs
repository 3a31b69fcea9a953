//! Faults that are injected below the seam: a call fails with a code of the system, takes long,
//! reads less than it could, or what it announces comes in another order. They stand in for what no
//! test can bring about: quotas used up at just this moment, names that clash, interrupted calls, a
//! scheduler with bad luck.
//!
//! There are two ways to order them: the nth call of a kind on this thread, for a unit test; or at
//! random from a seed, in all threads, for a soak. Without the feature `faults`, and outside of
//! unit tests, nothing is injected and nothing of this is compiled in.

#![cfg_attr(
    not(feature = "faults"),
    expect(unreachable_pub, reason = "public where a soak needs it")
)]
#![cfg_attr(
    not(any(all(test, target_os = "linux"), feature = "faults")),
    expect(dead_code, reason = "nothing is injected, or on Windows only codes")
)]

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::fail;
#[cfg(all(target_os = "linux", feature = "faults"))]
use linux::fault_of;

#[cfg(all(windows, feature = "faults"))]
mod windows;
#[cfg(all(windows, feature = "faults"))]
use windows::fault_of;

#[cfg(feature = "faults")]
const _: fn(Point, u64) -> Option<Fault> = fault_of;

/// A call that a fault can be injected into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Point {
    /// The pipes of a process are made.
    Pipe,
    /// A pipe of the unnamed kind is made.
    #[cfg(windows)]
    UnnamedPipe,
    /// The bytes that a process reads as its stdin are put into a file.
    #[cfg(windows)]
    HoldStdin,
    /// A process is made.
    Start,
    /// The job is given along with the start.
    #[cfg(windows)]
    JobList,
    /// A process is put into its job.
    #[cfg(windows)]
    AssignJob,
    /// Its program is loaded.
    #[cfg(target_os = "linux")]
    Exec,
    /// A driver begins to read its pipes.
    #[cfg(target_os = "linux")]
    Attach,
    /// Its exit begins to be watched.
    #[cfg(target_os = "linux")]
    Watch,
    /// A pipe is read. On Windows the read is finished at once, without bytes and with this code; 0
    /// is the success of a read that a write of nothing has ended.
    Read,
    /// A shard waits for what happens.
    Wait,
    /// It is asked whether a process has exited that is not watched.
    #[cfg(target_os = "linux")]
    Look,
}

/// What is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Fault {
    /// The call fails with this code of the system.
    Code(u32),
    /// It takes so many microseconds longer.
    Delay(u32),
    /// It reads no more than this.
    Short(usize),
    /// What it announces comes in an order that this number decides.
    Shuffle(u64),
}

#[cfg(not(any(test, feature = "faults")))]
#[inline]
pub(crate) fn inject(_: Point) -> Option<Fault> {
    None
}

#[cfg(test)]
pub(crate) use orders::order;
#[cfg(feature = "faults")]
#[doc(hidden)]
pub use random::{begin, end, injected};

#[cfg(any(test, feature = "faults"))]
pub(crate) fn inject(point: Point) -> Option<Fault> {
    #[cfg(test)]
    if let Some(fault) = orders::due(point) {
        return Some(fault);
    }
    #[cfg(feature = "faults")]
    if let Some(fault) = random::due(point) {
        return Some(fault);
    }
    None
}

/// For a call that can fail or take long: waits, and gives the code that it is to fail with.
pub(crate) fn code(point: Point) -> Option<u32> {
    match inject(point)? {
        Fault::Code(code) => Some(code),
        Fault::Delay(us) => {
            delay(us);
            None
        }
        Fault::Short(_) | Fault::Shuffle(_) => None,
    }
}

pub(crate) fn delay(us: u32) {
    std::thread::sleep(std::time::Duration::from_micros(us.into()));
}

/// Puts things into an order that this number decides.
pub(crate) fn shuffle<T>(things: &mut [T], number: u64) {
    let mut state = number;
    for last in (1..things.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        things.swap(last, (state >> 33) as usize % (last + 1));
    }
}

/// Faults that a test orders.
#[cfg(test)]
mod orders {
    use std::sync::Mutex;
    use std::thread::{self, ThreadId};

    use super::{Fault, Point};
    use crate::sync::lock;

    /// A fault that has been ordered, and how many calls have none before it.
    struct Order {
        thread: ThreadId,
        point: Point,
        calls_before: usize,
        fault: Fault,
    }

    static ORDERS: Mutex<Vec<Order>> = Mutex::new(Vec::new());

    /// Orders this fault on this thread, after so many calls of this kind without one. A call that
    /// has another fault does not count.
    pub(crate) fn order(point: Point, calls_before: usize, fault: Fault) {
        lock(&ORDERS).push(Order {
            thread: thread::current().id(),
            point,
            calls_before,
            fault,
        });
    }

    pub(super) fn due(point: Point) -> Option<Fault> {
        let thread = thread::current().id();
        let is_meant = |order: &Order| order.thread == thread && order.point == point;
        let mut orders = lock(&ORDERS);
        let mut now = orders.iter();
        if let Some(due) = now.position(|order| is_meant(order) && order.calls_before == 0) {
            return Some(orders.remove(due).fault);
        }
        let later = orders.iter_mut().filter(|order| is_meant(order));
        later.for_each(|order| order.calls_before -= 1);
        None
    }
}

/// Faults that are injected at random.
#[cfg(feature = "faults")]
mod random {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use super::{Fault, Point};

    /// One call in so many has a fault; none when it is 0.
    static ONE_IN: AtomicU32 = AtomicU32::new(0);
    static SEED: AtomicU64 = AtomicU64::new(0);
    /// How often faults have been begun; with it a thread knows that its generator is old.
    static ROUND: AtomicU64 = AtomicU64::new(0);
    /// How many threads have asked in this round.
    static THREADS: AtomicU64 = AtomicU64::new(0);
    static STRUCK: AtomicU64 = AtomicU64::new(0);

    thread_local! {
        /// The round and the state of this thread's generator.
        static GENERATOR: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }

    /// From now on one call in so many has a fault, on all threads, as the seed decides.
    pub fn begin(seed: u64, one_in: u32) {
        SEED.store(seed, Ordering::Relaxed);
        THREADS.store(0, Ordering::Relaxed);
        STRUCK.store(0, Ordering::Relaxed);
        ROUND.fetch_add(1, Ordering::Relaxed);
        ONE_IN.store(one_in, Ordering::Release);
    }

    /// From now on none has.
    pub fn end() {
        ONE_IN.store(0, Ordering::Release);
    }

    /// How many faults were injected since it began.
    pub fn injected() -> u64 {
        STRUCK.load(Ordering::Relaxed)
    }

    pub(super) fn due(point: Point) -> Option<Fault> {
        let one_in = ONE_IN.load(Ordering::Acquire);
        if one_in == 0 || !next().is_multiple_of(u64::from(one_in)) {
            return None;
        }
        let fault = super::fault_of(point, next())?;
        STRUCK.fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }

    /// The next number of this thread's generator (splitmix64).
    fn next() -> u64 {
        let round = ROUND.load(Ordering::Relaxed);
        let (mut of_round, mut state) = GENERATOR.get();
        if of_round != round {
            let thread = THREADS.fetch_add(1, Ordering::Relaxed);
            of_round = round;
            state = SEED.load(Ordering::Relaxed) ^ thread.wrapping_mul(0xd1b5_4a32_d192_ed03);
        }
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        GENERATOR.set((of_round, state));
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
