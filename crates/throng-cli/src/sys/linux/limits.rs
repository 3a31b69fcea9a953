//! How long a command may be. Sources in docs/linux.md, "The longest command".

use std::env;
use std::mem::size_of;

use rustix::process::{Resource, getrlimit};

use crate::sys::api::Limits;

const PAGE_BYTES: usize = 4096;

/// One argument with the NUL behind it: `MAX_ARG_STRLEN`, 32 pages.
const WORD_BYTES_MAX: usize = 32 * PAGE_BYTES;

/// `_STK_LIM / 4 * 3`: a larger limit for the stack does not help any more.
const ALL_BYTES_MAX: usize = 6 << 20;

/// The name of the program is on the new stack as well, and `xargs` leaves as much (POSIX).
const RESERVE_BYTES: usize = 2048 + PAGE_BYTES;

/// A word and the NUL behind it.
pub(crate) fn word_length(word: &[u8]) -> usize {
    word.len() + 1
}

/// A script is an argument like others.
pub(crate) fn script_length(script: &[u8]) -> usize {
    word_length(script)
}

/// What remains for arguments beside our environment, which commands get. A script is one argument.
pub(crate) fn limits(is_shell: bool) -> Limits {
    let per_word = size_of::<usize>();
    let stack = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
    let all = usize::try_from(stack / 4)
        .unwrap_or(usize::MAX)
        .clamp(WORD_BYTES_MAX, ALL_BYTES_MAX);
    let environment: usize = env::vars_os()
        .map(|(name, value)| name.len() + value.len() + 2 + per_word)
        .sum();
    let units = all.saturating_sub(environment + RESERVE_BYTES);
    Limits {
        units: if is_shell {
            units.min(WORD_BYTES_MAX)
        } else {
            units
        },
        word: WORD_BYTES_MAX,
        per_word,
    }
}
