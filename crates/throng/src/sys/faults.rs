//! Faults that strike on purpose, below the seam: a call fails with a code of the system, takes
//! long, reads less than it could, or what it announces comes in another order. They stand in for
//! what no test can bring about: quotas used up at just this moment, interrupted calls, a scheduler
//! with bad luck.
//!
//! Two ways to order them: the nth call of a kind on this thread, for a test of one of them; or at
//! random from a seed, in all threads, for a soak. Without the feature `faults`, and outside of
//! unit tests, nothing strikes and nothing of this is compiled in.

#![cfg_attr(
    not(feature = "faults"),
    expect(unreachable_pub, reason = "public where a soak needs it")
)]
#![cfg_attr(
    not(any(all(test, target_os = "linux"), feature = "faults")),
    expect(dead_code, reason = "nothing strikes")
)]

#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(all(target_os = "linux", feature = "faults"))]
use linux as system;

#[cfg(windows)]
pub(crate) mod windows;
#[cfg(all(windows, feature = "faults"))]
use windows as system;

#[cfg(feature = "faults")]
const _: fn(Point, u64) -> Option<Fault> = system::fault_of;

/// A call that a fault can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Point {
    /// The pipes of a process are made.
    Pipe,
    /// A process is made.
    Start,
    /// Its program is loaded.
    Exec,
    /// A driver begins to read its pipes.
    Attach,
    /// Its exit begins to be watched.
    Watch,
    /// A pipe is read.
    Read,
    /// A shard waits for what happens.
    Wait,
    /// It is asked whether a process has exited that nobody watches.
    Look,
}

/// What strikes.
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

#[cfg(not(any(all(test, target_os = "linux"), feature = "faults")))]
#[inline]
pub(crate) fn strike(_: Point) -> Option<Fault> {
    None
}

#[cfg(feature = "faults")]
#[doc(hidden)]
pub use dice::{begin, end, struck};
#[cfg(all(test, target_os = "linux"))]
pub(crate) use orders::order;

#[cfg(any(all(test, target_os = "linux"), feature = "faults"))]
pub(crate) fn strike(point: Point) -> Option<Fault> {
    #[cfg(all(test, target_os = "linux"))]
    if let Some(fault) = orders::due(point) {
        return Some(fault);
    }
    #[cfg(feature = "faults")]
    if let Some(fault) = dice::roll_for(point) {
        return Some(fault);
    }
    None
}

/// Strikes a call that can fail or take long: waits, and gives the code that it is to fail with.
pub(crate) fn code(point: Point) -> Option<u32> {
    match strike(point)? {
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

/// Faults that a test orders. Windows has a table of its own for that.
#[cfg(all(test, target_os = "linux"))]
mod orders {
    use std::cell::RefCell;

    use super::{Fault, Point};

    thread_local! {
        static ORDERS: RefCell<Vec<(Point, usize, Fault)>> = const { RefCell::new(Vec::new()) };
    }

    /// Has this fault strike on this thread, after so many calls of this kind that it leaves alone.
    pub(crate) fn order(point: Point, calls_before: usize, fault: Fault) {
        ORDERS.with_borrow_mut(|orders| orders.push((point, calls_before, fault)));
    }

    pub(super) fn due(point: Point) -> Option<Fault> {
        ORDERS.with_borrow_mut(|orders| {
            let is_due = |(at, left, _): &(Point, usize, Fault)| *at == point && *left == 0;
            if let Some(due) = orders.iter().position(is_due) {
                return Some(orders.remove(due).2);
            }
            let later = orders.iter_mut().filter(|(at, ..)| *at == point);
            later.for_each(|(_, left, _)| *left -= 1);
            None
        })
    }
}

/// Faults that strike at random.
#[cfg(feature = "faults")]
mod dice {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use super::{Fault, Point};

    /// One call in so many is struck; none when it is 0.
    static ONE_IN: AtomicU32 = AtomicU32::new(0);
    static SEED: AtomicU64 = AtomicU64::new(0);
    /// How often faults have been begun; with it a thread knows that its dice are old.
    static ROUND: AtomicU64 = AtomicU64::new(0);
    /// How many threads have asked in this round.
    static THREADS: AtomicU64 = AtomicU64::new(0);
    static STRUCK: AtomicU64 = AtomicU64::new(0);

    thread_local! {
        /// The round and the state of this thread's dice.
        static DICE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }

    /// From now on one call in so many is struck, on all threads, as the seed decides.
    pub fn begin(seed: u64, one_in: u32) {
        SEED.store(seed, Ordering::Relaxed);
        THREADS.store(0, Ordering::Relaxed);
        STRUCK.store(0, Ordering::Relaxed);
        ROUND.fetch_add(1, Ordering::Relaxed);
        ONE_IN.store(one_in, Ordering::Release);
    }

    /// From now on none is.
    pub fn end() {
        ONE_IN.store(0, Ordering::Release);
    }

    /// How many calls were struck since it began.
    pub fn struck() -> u64 {
        STRUCK.load(Ordering::Relaxed)
    }

    pub(super) fn roll_for(point: Point) -> Option<Fault> {
        let one_in = ONE_IN.load(Ordering::Acquire);
        if one_in == 0 || !roll().is_multiple_of(u64::from(one_in)) {
            return None;
        }
        let fault = super::system::fault_of(point, roll())?;
        STRUCK.fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }

    /// The next number of this thread's dice (splitmix64).
    fn roll() -> u64 {
        let round = ROUND.load(Ordering::Relaxed);
        let (mut of_round, mut state) = DICE.get();
        if of_round != round {
            let thread = THREADS.fetch_add(1, Ordering::Relaxed);
            of_round = round;
            state = SEED.load(Ordering::Relaxed) ^ thread.wrapping_mul(0xd1b5_4a32_d192_ed03);
        }
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        DICE.set((of_round, state));
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
