//! Ends what finished processes have left running: all of a run, when the run is to leave nothing.
//!
//! Processes that fork and go on in the child faster than all processes can be looked at are
//! chased: after each look the processes that were started meanwhile are looked at, the newest
//! first and without a pause, for as long as members come. A process that is faster still is named
//! even if the one that was seen last is gone: there is another.
//!
//! Processes that are older than this program are not looked into. What may take for ever is read
//! on a thread that is left behind when it takes long (`marks.rs`), since the caller waits for the
//! sweep; a process at which a thread was left behind is left alone from then on.

use std::collections::HashSet;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::census::Census;
use super::chase::Newcomers;
use super::groups::Groups;
use super::keeper::Keeper;
use super::marks::{Hangs, Marks};
use super::orphans::Orphans;
use super::procfs::{Name, Procfs, Stat};
use super::tag::RunId;
use crate::model::kill::KillSequence;
use crate::model::verdict::Holder;
use crate::sys::linux::signals::to_system;

/// What has been killed is gone within this time, or does not go at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Newcomers that are gone when they are looked at may have left another; this is how many times in
/// a row it is looked for.
const CHASED_MAX: usize = 256;

/// A look at one process that takes longer than this will not end.
const LOOK_MAX: Duration = Duration::from_millis(800);

/// How many threads may be left behind; after that nothing is read any more that may take long.
const LOST_MAX: usize = 4;

/// Ends all processes of this run by the kill sequence, all orphans if they come to us, and all
/// in the control group of the run if it has one. Gives those that do not go.
pub(crate) fn sweep(
    run: RunId,
    orphans: Option<&Orphans>,
    groups: Option<&Groups>,
    keeper: Option<&Keeper>,
    kill: &KillSequence,
) -> io::Result<Vec<Holder>> {
    let mut sweep = Sweep {
        orphans,
        groups,
        keeper,
        ..Sweep::of(run)?
    };
    Ok(sweep.run(kill))
}

type OpenProcfs = fn() -> io::Result<Procfs>;

struct Sweep<'a> {
    census: Census,
    marks: Marks<OpenProcfs>,
    /// The processes at which threads were left behind.
    avoided: HashSet<Name>,
    /// When this program was started.
    since: u64,
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
    fn of(run: RunId) -> io::Result<Self> {
        let mut census = Census::new(run.clone())?;
        let own = census.procfs().stat(std::process::id());
        Ok(Sweep {
            newcomers: Newcomers::from_now_on(census.procfs()),
            census,
            marks: Marks::new(run, Procfs::open, LOOK_MAX),
            avoided: HashSet::new(),
            since: own.map_or(0, |own| own.name.started),
            orphans: None,
            groups: None,
            keeper: None,
            seen: HashSet::new(),
            latest: None,
        })
    }

    /// Ends all by the kill sequence. Returns those that do not end.
    fn run(&mut self, kill: &KillSequence) -> Vec<Holder> {
        for step in 0.. {
            let left = self.left(None);
            if left.is_empty() {
                break;
            }
            let (signal, wait) = kill.step(step);
            let Some(wait) = wait else {
                return self.kill(left);
            };
            self.signal(&left, to_system(signal));
            let deadline = Instant::now() + wait;
            let mut pause = Duration::from_millis(1);
            while Instant::now() < deadline && !self.left(None).is_empty() {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
        }
        Vec::new()
    }

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
        let names = left.iter().map(|stat| stat.name);
        let mut survivors: Vec<Holder> = names.map(|name| self.describe(name)).collect();
        let latest = self.latest.take();
        survivors.extend(latest.filter(|latest| left.iter().all(|s| s.name.pid != latest.pid)));
        survivors
    }

    /// All that still run: those with a mark, orphans, those in our control group, and the
    /// processes below them. With a deadline, those that were started meanwhile are killed as they
    /// are found.
    fn left(&mut self, kill_until: Option<Instant>) -> Vec<Stat> {
        let mut tops = self.all_marked();
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
            match self.look_at(pid) {
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

    /// All that has a mark of this run.
    fn all_marked(&mut self) -> Vec<Stat> {
        let own = std::process::id();
        let pids = self.census.procfs().pids().into_iter();
        let others = pids.filter(|pid| *pid != own);
        let looks = others.filter_map(|pid| self.look_at(pid));
        looks
            .filter_map(|(stat, is_marked)| is_marked.then_some(stat))
            .collect()
    }

    /// A process, and whether it has a mark of this run; `None` when it is gone.
    fn look_at(&mut self, pid: u32) -> Option<(Stat, bool)> {
        let before = self.census.procfs().stat(pid)?;
        if before.is_over || before.name.started < self.since {
            return Some((before, false));
        }
        let is_marked = self.watched(before.name, |marks| marks.is_there(pid));
        let stat = self.census.procfs().stat(pid)?;
        Some((stat, is_marked == Some(true) && stat.name == before.name))
    }

    /// A process as it is reported to the user.
    fn describe(&mut self, name: Name) -> Holder {
        let argv = self.watched(name, |marks| marks.command_line(name.pid));
        Holder {
            pid: name.pid,
            argv: argv.unwrap_or_default(),
            started: self.census.procfs().started_at(name),
        }
    }

    /// Takes a look that may take long, unless it is known that it never ends.
    fn watched<T>(
        &mut self,
        name: Name,
        look: impl FnOnce(&mut Marks<OpenProcfs>) -> Result<T, Hangs>,
    ) -> Option<T> {
        if self.marks.lost() >= LOST_MAX || self.avoided.contains(&name) {
            return None;
        }
        let seen = look(&mut self.marks);
        if seen.is_err() {
            self.avoided.insert(name);
        }
        seen.ok()
    }

    /// Returns whether this process has not been found before.
    fn note(&mut self, stat: Stat) -> bool {
        let is_new = self.seen.insert(stat.name);
        if is_new {
            self.latest = Some(self.describe(stat.name));
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

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::super::census::hang;
    use super::*;

    fn sleeper(run: &RunId) -> Child {
        let mut command = Command::new("sleep");
        let mark = format!("{}.1", run.as_str());
        command.arg("600").env(super::super::tag::NAME, mark);
        command.spawn().unwrap()
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_cannot_be_looked_at_does_not_keep_a_sweep_from_its_end() {
        let run = RunId::random().unwrap();
        let (hung, mut other) = (sleeper(&run), sleeper(&run));
        hang::order(hung.id());
        let (tell, told) = std::sync::mpsc::channel();
        // As the main thread of a program, whose sweep nobody ends.
        thread::spawn(move || tell.send(sweep(run, None, None, None, &KillSequence::immediate())));
        let left = told.recv_timeout(Duration::from_secs(60));
        hang::end(hung.id());
        assert_eq!(left.expect("it ends").unwrap(), []);
        assert!(!other.wait().unwrap().success(), "others are ended");
        end(hung);
    }

    #[test]
    fn a_sweep_looks_into_nobody_who_is_older_than_the_program() {
        let run = RunId::random().unwrap();
        let older = sleeper(&run);
        // The ticks in which /proc counts are of 10 ms.
        thread::sleep(Duration::from_millis(20));
        let younger = sleeper(&run);
        let mut sweep = Sweep::of(run).unwrap();
        assert!(
            sweep
                .look_at(older.id())
                .is_some_and(|(_, is_marked)| is_marked)
        );
        sweep.since = sweep
            .census
            .procfs()
            .stat(younger.id())
            .unwrap()
            .name
            .started;
        hang::order(older.id());
        let found: Vec<u32> = sweep
            .all_marked()
            .iter()
            .map(|stat| stat.name.pid)
            .collect();
        hang::end(older.id());
        assert_eq!(found, [younger.id()]);
        assert_eq!(sweep.marks.lost(), 0);
        end(older);
        end(younger);
    }
}
