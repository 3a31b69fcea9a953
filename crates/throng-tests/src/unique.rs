//! Unique names: process ids are used again, after a restart and in every container.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A part of a name that no other call returns, in any program at any time.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let serial = NEXT.fetch_add(1, Ordering::Relaxed);
    // A clock before 1970 is as good as any other.
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = time.unwrap_or_default().as_nanos();
    format!("{}-{time:x}-{serial}", process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_unique_name_is_repeated() {
        assert_ne!(unique(), unique());
    }
}
