//! Follows processes that are younger than a look at all processes. One that forks, leaves its
//! parent and goes on in the child is never there when it is looked at; but it has to be among
//! those that were started since.
//!
//! Ids are given one after the other, and the kernel says which was the last (`/proc/loadavg`).
//! Where it does not, or when ids begin anew, nobody is found here, and the next look at all has to
//! do.

use super::procfs::Procfs;

/// More newcomers than this are not looked at one by one: the oldest of them are missed.
const FEW: u32 = 2048;

/// The ids that are given from some time on.
#[derive(Debug)]
pub(super) struct Newcomers {
    last: u32,
}

impl Newcomers {
    pub(super) fn from_now_on(procfs: &mut Procfs) -> Newcomers {
        Newcomers {
            last: procfs.last_pid(),
        }
    }

    /// Those that were given since this was last asked, the newest first.
    pub(super) fn ids(&mut self, procfs: &mut Procfs) -> impl Iterator<Item = u32> + use<> {
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
        // Unless ids have begun anew, or thousands were given, just now.
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
