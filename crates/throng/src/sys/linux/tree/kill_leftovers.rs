//! Kills what finished processes have left running: all of a run, when the run is to leave nothing.
//!
//! Processes that fork and go on in the child faster than all processes can be looked at are
//! chased: after each look the processes that were started meanwhile are looked at, the newest
//! first and without a pause, for as long as members come. A process that is faster still is named
//! even if the one that was seen last is gone: there is another.
//!
//! Processes that are older than this program are not looked into.

use std::collections::HashSet;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::census::Census;
use super::cookie::RunId;
use super::guardian::Guardian;
use super::procfs::{NewPids, ProcessKey, Stat};
use super::run_cgroup::RunCgroup;
use super::subreaper::Subreaper;
use crate::model::kill::KillSequence;
use crate::model::verdict::Holder;
use crate::sys::linux::signals::to_system;

/// A killed process ends within this time, or does not end at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// New processes that are gone when they are looked at may have left another; this is how many
/// times in a row it is looked for.
const CHASED_MAX: usize = 256;

/// Ends all processes of this run by the kill sequence, all orphans if they come to us, and all
/// in the control group of the run if it has one. Returns those that do not end.
pub(super) fn kill_leftovers(
    run: RunId,
    subreaper: Option<&Subreaper>,
    cgroup: Option<&RunCgroup>,
    guardian: Option<&Guardian>,
    kill: &KillSequence,
) -> io::Result<Vec<Holder>> {
    let mut leftovers = Leftovers {
        subreaper,
        cgroup,
        guardian,
        ..Leftovers::of(run)?
    };
    Ok(leftovers.run(kill))
}

struct Leftovers<'a> {
    census: Census,
    /// When this program was started.
    since: u64,
    subreaper: Option<&'a Subreaper>,
    cgroup: Option<&'a RunCgroup>,
    guardian: Option<&'a Guardian>,
    new_pids: NewPids,
    /// All processes that were ever found.
    seen: HashSet<ProcessKey>,
    /// The process that was the last to be found for the first time, as it was then.
    latest: Option<Holder>,
}

impl Leftovers<'_> {
    fn of(run: RunId) -> io::Result<Self> {
        let mut census = Census::new(run)?;
        let own = census.procfs().stat(std::process::id());
        Ok(Leftovers {
            new_pids: NewPids::from_now_on(census.procfs()),
            census,
            since: own.map_or(0, |own| own.key.started),
            subreaper: None,
            cgroup: None,
            guardian: None,
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
        left.retain(|stat| procfs.is_live(stat.key));
        let keys = left.iter().map(|stat| stat.key).collect();
        let mut survivors = self.census.describe(keys);
        let latest = self.latest.take();
        survivors.extend(latest.filter(|latest| left.iter().all(|s| s.key.pid != latest.pid)));
        survivors
    }

    /// All that still run: those with a cookie, orphans, those in our control group, and the
    /// processes below them. With a deadline, those that were started meanwhile are killed as they
    /// are found.
    fn left(&mut self, kill_until: Option<Instant>) -> Vec<Stat> {
        let marked = self.census.marked(self.since).into_iter();
        let mut tops: Vec<Stat> = marked.map(|(_, stat)| stat).collect();
        if let Some(subreaper) = self.subreaper {
            tops.extend(subreaper.all(self.census.procfs()));
        }
        if let Some(cgroup) = self.cgroup {
            let others = [std::process::id(), self.guardian.map_or(0, Guardian::pid)];
            let members = self.census.members(cgroup.run()).into_iter();
            tops.extend(members.filter(|stat| !others.contains(&stat.key.pid)));
        }
        let mut found: Vec<Stat> = Vec::new();
        let mut keys: HashSet<ProcessKey> = HashSet::new();
        for top in tops {
            let family = self.census.procfs().family(top.key, PATIENCE);
            for stat in family.into_iter().chain([top]) {
                if !stat.is_over && keys.insert(stat.key) {
                    self.note(stat);
                    found.push(stat);
                }
            }
        }
        let newer = self.chase(kill_until);
        found.extend(newer.into_iter().filter(|stat| keys.insert(stat.key)));
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
                    self.census.procfs().send_to(stat.key, Signal::KILL);
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
    fn newer(&mut self, is_any_gone: &mut bool) -> Vec<Stat> {
        let pids: Vec<u32> = self.new_pids.ids(self.census.procfs()).collect();
        let since = self.since;
        let (mut found, is_gone) = self.census.look(move |look| {
            let (mut found, mut is_gone) = (Vec::new(), false);
            for pid in &pids {
                let marked = look.marked(*pid, since);
                match marked.filter(|(_, stat)| !stat.is_over) {
                    Some((_, stat)) => found.push(stat),
                    None => is_gone |= look.procfs().stat(*pid).is_none_or(|stat| stat.is_over),
                }
            }
            (found, is_gone)
        });
        *is_any_gone |= is_gone;
        if let Some(subreaper) = self.subreaper {
            let newest = subreaper.newest(self.census.procfs()).into_iter();
            found.extend(newest.filter(|stat| !stat.is_over));
        }
        found
    }

    /// Returns whether this process has not been found before.
    fn note(&mut self, stat: Stat) -> bool {
        let is_new = self.seen.insert(stat.key);
        if is_new {
            self.latest = self.census.describe(vec![stat.key]).pop();
        }
        is_new
    }

    fn signal(&mut self, left: &[Stat], signal: Signal) {
        if let Some(cgroup) = self.cgroup
            && signal == Signal::KILL
            && !cgroup.has_moved()
        {
            cgroup.run().kill();
        }
        for stat in left {
            self.census.procfs().send_to(stat.key, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::super::reader::hang;
    use super::*;

    fn sleeper(run: &RunId) -> Child {
        let mut command = Command::new("sleep");
        let cookie = format!("{}.1", run.as_str());
        command
            .arg("600")
            .env(super::super::cookie::VARIABLE, cookie);
        command.spawn().unwrap()
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_cannot_be_inspected_does_not_keep_others_alive() {
        let run = RunId::random().unwrap();
        let (hung, mut other) = (sleeper(&run), sleeper(&run));
        hang::order(hung.id());
        let (tell, told) = std::sync::mpsc::channel();
        // As the main thread of a program would.
        thread::spawn(move || {
            tell.send(kill_leftovers(
                run,
                None,
                None,
                None,
                &KillSequence::immediate(),
            ))
        });
        let left = told.recv_timeout(Duration::from_secs(60));
        hang::end(hung.id());
        assert_eq!(left.expect("it ends").unwrap(), []);
        assert!(!other.wait().unwrap().success(), "others are ended");
        end(hung);
    }

    #[test]
    fn processes_older_than_the_program_are_not_inspected() {
        let run = RunId::random().unwrap();
        let older = sleeper(&run);
        // The ticks in which /proc counts are of 10 ms.
        thread::sleep(Duration::from_millis(20));
        let younger = sleeper(&run);
        let mut leftovers = Leftovers::of(run).unwrap();
        let pid = older.id();
        let since = leftovers.since;
        let is_ours = leftovers.census.look(move |look| look.marked(pid, since));
        assert!(is_ours.is_some());
        let procfs = leftovers.census.procfs();
        leftovers.since = procfs.stat(younger.id()).unwrap().key.started;
        hang::order(older.id());
        let found = leftovers.left(None);
        hang::end(older.id());
        let found: Vec<u32> = found.iter().map(|stat| stat.key.pid).collect();
        assert_eq!(found, [younger.id()]);
        let since = leftovers.since;
        let is_ours = leftovers.census.look(move |look| look.marked(pid, since));
        assert!(is_ours.is_none());
        end(older);
        end(younger);
    }
}
