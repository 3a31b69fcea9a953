//! Ends what finished processes have left running: all of a run, when the run is to leave nothing.

use std::collections::HashSet;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::groups::Groups;
use super::keeper::Keeper;
use super::orphans;
use super::procfs::{Name, Stat};
use super::signals::to_system;
use super::tag::RunId;
use super::tree::Census;
use crate::{Holder, KillSequence};

/// What has been killed is gone within this time, or does not go at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ends all processes of this run by the kill sequence, all orphans if they come to us, and all
/// in the control group of the run if it has one. Gives those that do not go.
pub(super) fn sweep(
    run: RunId,
    adopts: bool,
    groups: Option<&Groups>,
    keeper: Option<&Keeper>,
    kill: &KillSequence,
) -> io::Result<Vec<Holder>> {
    let mut sweep = Sweep {
        census: Census::new(run)?,
        adopts,
        groups,
        keeper,
    };
    let mut left = Vec::new();
    for step in 0.. {
        left = sweep.left();
        if left.is_empty() {
            break;
        }
        let (signal, wait) = kill.step(step);
        let deadline = Instant::now() + wait.unwrap_or(PATIENCE);
        sweep.signal(&left, to_system(signal));
        let mut pause = Duration::from_millis(1);
        while Instant::now() < deadline && !left.is_empty() {
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
            left = sweep.left();
            if wait.is_none() {
                // Who has come since, perhaps started by one that was being killed.
                sweep.signal(&left, Signal::KILL);
            }
        }
        if wait.is_none() {
            break;
        }
    }
    let procfs = sweep.census.procfs();
    Ok(left.iter().map(|stat| procfs.describe(stat.name)).collect())
}

struct Sweep<'a> {
    census: Census,
    adopts: bool,
    groups: Option<&'a Groups>,
    keeper: Option<&'a Keeper>,
}

impl Sweep<'_> {
    /// All that still run: those with a mark, orphans, those in our control group, and whoever is
    /// below them.
    fn left(&mut self) -> Vec<Stat> {
        let mut tops = self.census.all_marked();
        if self.adopts {
            tops.extend(orphans::all(self.census.procfs(), self.keeper));
        }
        if let Some(groups) = self.groups {
            let others = [std::process::id(), self.keeper.map_or(0, Keeper::pid)];
            let members = self.census.members(groups.run()).into_iter();
            tops.extend(members.filter(|stat| !others.contains(&stat.name.pid)));
        }
        let mut found: Vec<Stat> = Vec::new();
        let mut names: HashSet<Name> = HashSet::new();
        for top in tops {
            let family = Pid::from_raw(top.name.pid as i32).map(|pid| self.census.family(pid));
            for stat in family.into_iter().flatten().chain([top]) {
                if !stat.is_over && names.insert(stat.name) {
                    found.push(stat);
                }
            }
        }
        found
    }

    fn signal(&mut self, left: &[Stat], signal: Signal) {
        if let Some(groups) = self.groups
            && signal == Signal::KILL
            && !groups.has_moved()
        {
            groups.run().kill();
        }
        for stat in left {
            self.census.send_to(stat.name, signal);
        }
    }
}
