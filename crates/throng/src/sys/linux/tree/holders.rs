//! Finds the processes that have a pipe open. In /proc every descriptor of a pipe is a link to
//! `pipe:[inode]`; those of other users' processes cannot be read, and these are not named.
//!
//! A process that holds the pipe of another has usually been started after it, and ids are assigned
//! in turn. So the ids that were assigned since are looked at first, as long as they are few, and
//! usually that is all. If one holder is found that way, others that got the pipe over a socket may
//! be missed.
//!
//! A look at all descriptors of all processes is expensive where there are many (docs/linux.md has
//! the figures). So one look notes every pipe that it sees, and serves all processes that had
//! exited by then, both streams of each, for [`KEPT`] times as long as it took. What it has noted
//! is checked before it is used: a process that has closed the pipe since is not named.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::census::Census;
use super::procfs::{NEW_MAX, ProcessKey, Procfs};
use crate::model::verdict::Holder;

/// At most a fifth of the time is spent on looking.
const KEPT: u32 = 4;

/// For more pipes than this at once a look at all processes is cheaper.
const ONE_BY_ONE: usize = 4;

/// At most this many processes are started on a machine in a second, which bounds how soon ids
/// start over.
const STARTS_A_SECOND: u32 = 30_000;

/// The pipe of a process that has exited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldPipe {
    pub(crate) inode: u64,
    pub(crate) pid: u32,
    pub(crate) started: Instant,
    /// A look taken before this is not used: other processes may have got the pipe since.
    pub(crate) not_before: Instant,
}

#[derive(Debug)]
pub(super) struct Holders {
    /// How many ids there are; asked once.
    pid_max: Option<u32>,
    index: Index,
}

/// Which processes had which pipe open at some time, and as which descriptors.
#[derive(Debug)]
struct Index {
    taken: Instant,
    took: Duration,
    by_pipe: HashMap<u64, Vec<(u32, u32)>>,
}

impl Holders {
    pub(super) fn new() -> Holders {
        let index = Index {
            taken: Instant::now(),
            took: Duration::ZERO,
            by_pipe: HashMap::new(),
        };
        Holders {
            pid_max: None,
            index,
        }
    }

    /// The processes that can write to each of these pipes. A process that can only read does not
    /// keep a pipe from ending: that is ourselves, and for a moment processes that we are just
    /// starting.
    pub(super) fn find(&mut self, census: &mut Census, pipes: &[HeldPipe]) -> Vec<Vec<Holder>> {
        let found = self.find_keys(census.procfs(), pipes);
        let mut keys: Vec<_> = found.iter().flatten().copied().collect();
        keys.sort_unstable();
        keys.dedup();
        let described = census.describe(keys.clone());
        let describe = |key| {
            let place = keys.binary_search(key).ok()?;
            described.get(place).cloned()
        };
        let named = found.iter();
        named
            .map(|keys| keys.iter().filter_map(describe).collect())
            .collect()
    }

    fn find_keys(&mut self, procfs: &mut Procfs, pipes: &[HeldPipe]) -> Vec<Vec<ProcessKey>> {
        let mut answers = vec![Vec::new(); pipes.len()];
        if pipes.len() <= ONE_BY_ONE {
            answer(&mut answers, pipes, |pipe| self.among_few(procfs, pipe));
        }
        if self.index.taken.elapsed() < self.index.took * (KEPT + 1) {
            answer(&mut answers, pipes, |pipe| self.index.holders(procfs, pipe));
        }
        if answers.iter().any(Vec::is_empty) {
            // None was found, or its holder has received it from a process that is gone.
            self.index = Index::take(procfs);
            answer(&mut answers, pipes, |pipe| self.index.holders(procfs, pipe));
        }
        answers
    }

    /// Those with the ids that were given since the process was started.
    fn among_few(&mut self, procfs: &mut Procfs, pipe: &HeldPipe) -> Vec<ProcessKey> {
        let pid_max = *self.pid_max.get_or_insert_with(|| procfs.pid_max());
        let lap = Duration::from_secs((pid_max / STARTS_A_SECOND).into());
        let last = procfs.last_pid();
        let since = last.checked_sub(pipe.pid);
        if since.is_none_or(|since| since > NEW_MAX) || pipe.started.elapsed() >= lap {
            return Vec::new();
        }
        let mut ends = Vec::new();
        for pid in pipe.pid..=last {
            procfs.each_pipe(pid, |fd, at| {
                if at == pipe.inode {
                    ends.push((pid, fd));
                }
            });
        }
        writers(procfs, &ends, pipe.inode)
    }
}

/// Looks for what has not been found yet.
fn answer(
    answers: &mut [Vec<ProcessKey>],
    pipes: &[HeldPipe],
    mut look: impl FnMut(&HeldPipe) -> Vec<ProcessKey>,
) {
    for (holders, pipe) in answers.iter_mut().zip(pipes) {
        if holders.is_empty() {
            *holders = look(pipe);
        }
    }
}

/// The processes among these that have a writable end of this pipe.
fn writers(procfs: &mut Procfs, ends: &[(u32, u32)], inode: u64) -> Vec<ProcessKey> {
    let can_write = |(pid, fd): &(u32, u32)| procfs.is_writing_end(*pid, *fd, inode);
    let ends = ends.iter().copied().filter(can_write);
    let mut pids: Vec<u32> = ends.map(|(pid, _)| pid).collect();
    pids.sort_unstable();
    pids.dedup();
    // Other threads of a process have ids as well, and the same descriptors.
    pids.retain(|pid| procfs.is_process(*pid));
    let stats = pids.into_iter().filter_map(|pid| procfs.stat(pid));
    stats.map(|stat| stat.key).collect()
}

impl Index {
    fn take(procfs: &mut Procfs) -> Index {
        let taken = Instant::now();
        let own = std::process::id();
        let mut by_pipe: HashMap<u64, Vec<(u32, u32)>> = HashMap::new();
        for pid in procfs.pids() {
            // We have the reading ends of all pipes that are asked for, and no other.
            if pid != own {
                procfs.each_pipe(pid, |fd, inode| {
                    by_pipe.entry(inode).or_default().push((pid, fd));
                });
            }
        }
        Index {
            taken,
            took: taken.elapsed(),
            by_pipe,
        }
    }

    fn holders(&self, procfs: &mut Procfs, pipe: &HeldPipe) -> Vec<ProcessKey> {
        if self.taken < pipe.not_before {
            return Vec::new();
        }
        let ends = self.by_pipe.get(&pipe.inode);
        writers(procfs, ends.map_or(&[], Vec::as_slice), pipe.inode)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use std::os::fd::OwnedFd;

    use super::*;
    use crate::sys::linux::tree::cookie::RunId;
    use rustix::pipe::{PipeFlags, pipe_with};

    fn census() -> Census {
        Census::new(RunId::random().unwrap()).unwrap()
    }

    /// A program that does nothing until its stdin ends. Our copies of its descriptors are closed.
    fn cat(stdin: impl Into<Stdio>, stdout: impl Into<Stdio>) -> Child {
        Command::new("cat")
            .stdin(stdin)
            .stdout(stdout)
            .spawn()
            .unwrap()
    }

    /// For a process without children, so that all processes have to be examined.
    fn long_ago(pipe: &OwnedFd, not_before: Instant) -> HeldPipe {
        HeldPipe {
            inode: rustix::fs::fstat(pipe).unwrap().st_ino,
            pid: u32::MAX,
            started: Instant::now(),
            not_before,
        }
    }

    /// Polls until the condition holds. Another test of this program may be starting a process,
    /// which has everything that is open here until its program runs.
    #[track_caller]
    fn until(mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(60), "never");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn found(holders: &mut Holders, census: &mut Census, pipe: HeldPipe) -> Vec<u32> {
        let found = holders.find(census, &[pipe]);
        found[0].iter().map(|holder| holder.pid).collect()
    }

    #[test]
    fn many_pipes_are_found_in_one_search() {
        let ends: Vec<_> = (0..2 * ONE_BY_ONE)
            .map(|_| pipe_with(PipeFlags::CLOEXEC).unwrap())
            .collect();
        let (mut writers, ours): (Vec<Child>, Vec<OwnedFd>) = ends
            .into_iter()
            .map(|(ours, theirs)| (cat(Stdio::piped(), theirs), ours))
            .unzip();
        let mut census = census();
        let mut holders = Holders::new();
        let mut look = || {
            let since = Instant::now();
            let pipes: Vec<_> = ours.iter().map(|pipe| long_ago(pipe, since)).collect();
            let found = holders.find(&mut census, &pipes);
            let pids = found
                .iter()
                .map(|holders| Vec::from_iter(holders.iter().map(|holder| holder.pid)));
            (pids.collect::<Vec<_>>(), since, holders.index.taken)
        };
        let expected: Vec<_> = writers.iter().map(|writer| vec![writer.id()]).collect();
        until(|| look().0 == expected);
        let (_, since, taken) = look();
        assert!(
            since <= taken,
            "who has exited since the last look is looked for"
        );
        for writer in &mut writers {
            drop(writer.stdin.take());
            writer.wait().unwrap();
        }
        until(|| look().0.iter().all(Vec::is_empty));
    }

    #[test]
    fn a_process_started_since_is_found_without_examining_all() {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut census = census();
        let before = census.procfs().last_pid();
        let mut writer = cat(Stdio::piped(), theirs);
        let mut holders = Holders::new();
        let taken = holders.index.taken;
        until(|| {
            let pipe = HeldPipe {
                pid: before,
                ..long_ago(&ours, Instant::now())
            };
            found(&mut holders, &mut census, pipe) == [writer.id()]
        });
        // Unless ids have just started over, or thousands of processes were started.
        let is_later = (before..before + NEW_MAX).contains(&writer.id());
        assert!(holders.index.taken == taken || !is_later);
        drop(writer.stdin.take());
        writer.wait().unwrap();
    }

    #[test]
    fn only_a_process_that_can_write_holds_a_pipe() {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut writer = cat(Stdio::piped(), theirs);
        let mut reader = cat(ours.try_clone().unwrap(), Stdio::null());
        let mut holders = Holders::new();
        let mut census = census();
        let mut found = || found(&mut holders, &mut census, long_ago(&ours, Instant::now()));
        until(|| found() == [writer.id()]);
        drop(writer.stdin.take());
        writer.wait().unwrap();
        reader.wait().unwrap();
        // The reading end is still open here.
        until(|| found().is_empty());
    }

    #[test]
    fn an_index_is_reused_but_always_verified() {
        let ends = [(); 2].map(|()| pipe_with(PipeFlags::CLOEXEC).unwrap());
        let [(first, first_end), (second, second_end)] = ends;
        let mut one = cat(Stdio::piped(), first_end);
        let mut two = cat(Stdio::piped(), second_end);
        let mut holders = Holders::new();
        let mut census = census();
        let mut find = |holders: &mut Holders, pipe: &OwnedFd, since| {
            found(holders, &mut census, long_ago(pipe, since))
        };
        let since = Instant::now();
        assert!(find(&mut holders, &first, since).contains(&one.id()));
        holders.index.took = Duration::from_secs(1000);
        let taken = holders.index.taken;
        assert!(find(&mut holders, &second, since).contains(&two.id()));
        assert_eq!(holders.index.taken, taken, "one look was enough");
        drop(two.stdin.take());
        two.wait().unwrap();
        until(|| find(&mut holders, &second, since).is_empty());
        assert!(holders.index.taken > taken, "who is gone is not named");
        let taken = holders.index.taken;
        assert!(find(&mut holders, &first, Instant::now()).contains(&one.id()));
        assert!(
            holders.index.taken > taken,
            "the process had not exited by then"
        );
        drop(one.stdin.take());
        one.wait().unwrap();
    }
}
