//! Counts the work of loops over input, for tests that it grows linearly with the input. Outside of
//! tests nothing is counted.

#![allow(
    clippy::missing_const_for_thread_local,
    reason = "it fires on const initializers too, on systems where thread-locals have keys"
)]

#[cfg(test)]
thread_local! {
    static COUNT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// This many bytes, values or steps have been looked at.
#[inline]
pub(crate) fn count(steps: usize) {
    #[cfg(test)]
    COUNT.with(|count| count.set(count.get() + steps as u64));
    #[cfg(not(test))]
    let _ = steps;
}

/// What has been counted on this thread while this ran.
#[cfg(test)]
pub(crate) fn of<T>(run: impl FnOnce() -> T) -> u64 {
    let before = COUNT.get();
    drop(run());
    COUNT.get() - before
}
