//! What the tests ask of the system: counts that must not grow, and processes that must be gone.
//!
//! | name | what it is |
//! |---|---|
//! | `Tag` | a mark on command lines, by which the processes of a test are found |
//! | `children` | the children of this program, those included that nobody has waited for |
//! | `open_fds`, `threads`, `rss_kib` | what this program has |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

pub use system::{Tag, children, open_fds, rss_kib, threads};
