//! Ends what finished processes have left running: all of a run, when the run is to leave nothing.
//!
//! Processes that fork and go on in the child faster than all processes can be looked at are
//! chased: after each look the processes that were started meanwhile are looked at, the newest
//! first and without a pause, for as long as members come. A process that is faster still is named
//! even if the one that was seen last is gone: there is another.

use std::collections::HashSet;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::chase::Newcomers;
use super::groups::Groups;
use super::keeper::Keeper;
use super::orphans::Orphans;
use super::procfs::{Name, Stat};
use super::signals::to_system;
use super::tag::RunId;
use super::tree::Census;
use crate::{Holder, KillSequence};

/// What has been killed is gone within this time, or does not go at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Newcomers that are gone when they are looked at may have left another; this is how many times in
/// a row it is looked for.
const CHASED_MAX: usize = 256;

/// Ends all processes of this run by the kill sequence, all orphans if they come to us, and all
/// in the control group of the run if it has one. Gives those that do not go.
pub(super) fn sweep(
    run: RunId,
    orphans: Option<&Orphans>,
    groups: Option<&Groups>,
    keeper: Option<&Keeper>,
    kill: &KillSequence,
) -> io::Result<Vec<Holder>> {
    let mut census = Census::new(run)?;
    let mut sweep = Sweep {
        newcomers: Newcomers::from_now_on(census.procfs()),
        census,
        orphans,
        groups,
        keeper,
        seen: HashSet::new(),
        latest: None,
    };
    for step in 0.. {
        let left = sweep.left(None);
        if left.is_empty() {
            break;
        }
        let (signal, wait) = kill.step(step);
        let Some(wait) = wait else {
            return Ok(sweep.kill(left));
        };
        sweep.signal(&left, to_system(signal));
        let deadline = Instant::now() + wait;
        let mut pause = Duration::from_millis(1);
        while Instant::now() < deadline && !sweep.left(None).is_empty() {
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
    Ok(Vec::new())
}

struct Sweep<'a> {
    census: Census,
    orphans: Option<&'a Orphans>,
    groups: Option<&'a Groups>,
    keeper: Option<&'a Keeper>,
    newcomers: Newcomers,
    /// All processes that were ever found.
    seen: HashSet<Name>,
    /// The process that was the last to be found for the first time, as it was then.
    latest: Option<Holder>,
}

impl Sweep<'_> {
    /// Kills all that are left, and any that appear meanwhile. Returns those that do not end.
    fn kill(&mut self, mut left: Vec<Stat>) -> Vec<Holder> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        loop {
            self.latest = None;
            self.signal(&left, Signal::KILL);
            let found = self.left(Some(deadline));
            if found.is_empty() && self.latest.is_none() {
                return Vec::new();
            }
            left = found;
            if Instant::now() >= deadline {
                break;
            }
            // Killed processes take a moment to end; new ones are killed without a wait.
            if self.latest.is_none() {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
        }
        self.signal(&left, Signal::KILL);
        let procfs = self.census.procfs();
        left.retain(|stat| procfs.is_live(stat.name));
        let mut survivors: Vec<Holder> =
            left.iter().map(|stat| procfs.describe(stat.name)).collect();
        let latest = self.latest.take();
        survivors.extend(latest.filter(|latest| left.iter().all(|s| s.name.pid != latest.pid)));
        survivors
    }

    /// All that still run: those with a mark, orphans, those in our control group, and the
    /// processes below them. With a deadline, those that were started meanwhile are killed as they
    /// are found.
    fn left(&mut self, kill_until: Option<Instant>) -> Vec<Stat> {
        let mut tops = self.census.all_marked();
        if let Some(orphans) = self.orphans {
            tops.extend(orphans.all(self.census.procfs()));
        }
        if let Some(groups) = self.groups {
            let others = [std::process::id(), self.keeper.map_or(0, Keeper::pid)];
            let members = self.census.members(groups.run()).into_iter();
            tops.extend(members.filter(|stat| !others.contains(&stat.name.pid)));
        }
        let mut found: Vec<Stat> = Vec::new();
        let mut names: HashSet<Name> = HashSet::new();
        for top in tops {
            let family = self.census.family(top.name, PATIENCE);
            for stat in family.into_iter().chain([top]) {
                if !stat.is_over && names.insert(stat.name) {
                    self.note(stat);
                    found.push(stat);
                }
            }
        }
        let newer = self.chase(kill_until);
        found.extend(newer.into_iter().filter(|stat| names.insert(stat.name)));
        found
    }

    /// The processes that were started since the last look, until no more come.
    fn chase(&mut self, kill_until: Option<Instant>) -> Vec<Stat> {
        let mut found = Vec::new();
        for _ in 0..CHASED_MAX {
            let mut goes_on = false;
            for stat in self.newer(&mut goes_on) {
                // Known or not, it has not ended yet; but only a new one may be one of many.
                goes_on |= self.note(stat);
                if kill_until.is_some() {
                    self.census.send_to(stat.name, Signal::KILL);
                }
                found.push(stat);
            }
            if !goes_on || kill_until.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
        }
        found
    }

    /// The processes of ours that have appeared since the last call. Reports whether one was gone
    /// before it was looked at.
    fn newer(&mut self, somebody_is_gone: &mut bool) -> Vec<Stat> {
        let own = std::process::id();
        let mut found = Vec::new();
        for pid in self.newcomers.ids(self.census.procfs()) {
            match self.census.look_at(pid) {
                Some((stat, true)) if pid != own && !stat.is_over => found.push(stat),
                Some((stat, _)) => *somebody_is_gone |= stat.is_over,
                None => *somebody_is_gone = true,
            }
        }
        if let Some(orphans) = self.orphans {
            let newest = orphans.newest(self.census.procfs()).into_iter();
            found.extend(newest.filter(|stat| !stat.is_over));
        }
        found
    }

    /// Returns whether this process has not been found before.
    fn note(&mut self, stat: Stat) -> bool {
        let is_new = self.seen.insert(stat.name);
        if is_new {
            self.latest = Some(self.census.procfs().describe(stat.name));
        }
        is_new
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
