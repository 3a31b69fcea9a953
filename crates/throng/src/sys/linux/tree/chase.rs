//! Follows processes that are younger than a look at all processes. A process that forks, leaves
//! its parent and goes on in the child is never there when it is looked at; but its successor has
//! to be among the processes that were started since.
//!
//! Ids are assigned in turn, and the kernel tells the last one (`/proc/loadavg`). If it does not,
//! or when ids start over, nothing is found here, and the next look at all processes has to
//! suffice.

use super::procfs::Procfs;

/// If more processes than this are new, the oldest of them are not looked at and are missed.
const FEW: u32 = 2048;

/// The ids that are assigned from some time on.
#[derive(Debug)]
pub(crate) struct Newcomers {
    last: u32,
}

impl Newcomers {
    pub(crate) fn from_now_on(procfs: &mut Procfs) -> Newcomers {
        Newcomers {
            last: procfs.last_pid(),
        }
    }

    /// The ids that were assigned since the last call, the newest first.
    pub(crate) fn ids(&mut self, procfs: &mut Procfs) -> impl Iterator<Item = u32> + use<> {
        let last = procfs.last_pid();
        let before = std::mem::replace(&mut self.last, last);
        let begin = before.saturating_add(1).max(last.saturating_sub(FEW));
        (begin..=last).rev()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn who_was_started_since_is_among_them_once() {
        let mut procfs = Procfs::open().unwrap();
        let mut newcomers = Newcomers::from_now_on(&mut procfs);
        let before = procfs.last_pid();
        let mut child = Command::new("true").spawn().unwrap();
        let ids: Vec<u32> = newcomers.ids(&mut procfs).collect();
        // Unless ids have just started over, or thousands were assigned.
        let is_later = (before..before + FEW / 2).contains(&child.id());
        assert!(ids.contains(&child.id()) || !is_later, "{ids:?}");
        assert!(ids.is_sorted_by(|one, next| one > next));
        assert!(!newcomers.ids(&mut procfs).any(|id| id == child.id()));
        child.wait().unwrap();
        newcomers.last = u32::MAX;
        assert_eq!(newcomers.ids(&mut procfs).count(), 0);
        newcomers.last = 0;
        assert!(newcomers.ids(&mut procfs).count() <= FEW as usize + 1);
    }
}
