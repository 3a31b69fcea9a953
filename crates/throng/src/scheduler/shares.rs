//! How many processes each shard may have live. Knows no processes.
//!
//! Invariant: the shares add up to the jobs limit and what is owed. When the limit is lowered,
//! that much is owed; a shard that has room gives it up before it starts anything. So the limit is
//! exact, each shard keeps to its own without asking the others, and nobody has to be told when a
//! process ends.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[derive(Debug)]
pub(crate) struct Shares {
    shares: Vec<AtomicUsize>,
    owed: AtomicUsize,
}

impl Shares {
    pub(crate) fn new(jobs: usize, shards: usize) -> Shares {
        let share = |shard| jobs / shards + usize::from(shard < jobs % shards);
        Shares {
            shares: (0..shards).map(|n| AtomicUsize::new(share(n))).collect(),
            owed: AtomicUsize::new(0),
        }
    }

    /// Whether a shard with so many live processes may start another. To be asked by itself only.
    pub(crate) fn has_room(&self, shard: usize, live: usize) -> bool {
        let share = &self.shares[shard];
        if self.owed.load(Relaxed) > 0 {
            while share.load(Relaxed) > live && self.pay(1) > 0 {
                share.fetch_sub(1, Relaxed);
            }
        }
        share.load(Relaxed) > live
    }

    /// The limit was `before` and is `jobs` now. To be told by one thread at a time.
    pub(crate) fn change(&self, before: usize, jobs: usize) {
        if jobs < before {
            self.owed.fetch_add(before - jobs, Relaxed);
            return;
        }
        let more = jobs - before;
        for _ in self.pay(more)..more {
            let least = self.shares.iter().min_by_key(|share| share.load(Relaxed));
            if let Some(share) = least {
                share.fetch_add(1, Relaxed);
            }
        }
    }

    /// Pays this much of what is owed, or what there is.
    fn pay(&self, most: usize) -> usize {
        let owed = self
            .owed
            .fetch_update(Relaxed, Relaxed, |owed| Some(owed - owed.min(most)));
        owed.map_or(0, |owed| owed.min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn after_any_changes_as_many_run_as_may_and_none_starts_above_the_limit(
            shards in 1usize..5,
            first in 1usize..20,
            steps in prop::collection::vec((any::<bool>(), 0usize..5, 1usize..20), 0..60),
        ) {
            let shares = Shares::new(first, shards);
            let mut jobs = first;
            let mut live = vec![0; shards];
            let start = |live: &mut Vec<usize>, jobs: usize| {
                for shard in (0..shards).cycle().take(shards * 20) {
                    if shares.has_room(shard, live[shard]) {
                        live[shard] += 1;
                        assert!(live.iter().sum::<usize>() <= jobs);
                    }
                }
            };
            for (ends, shard, to) in steps {
                start(&mut live, jobs);
                if ends {
                    live[shard % shards] = live[shard % shards].saturating_sub(1);
                } else {
                    shares.change(jobs, to);
                    jobs = to;
                }
            }
            start(&mut live, jobs);
            prop_assert!(live.iter().sum::<usize>() >= jobs);
        }
    }
}
