//! How many live processes each shard may have.
//!
//! Invariant: the quotas add up to the jobs limit and the deficit. When the limit is lowered, the
//! difference is added to the deficit, and a shard that has room reduces it before it starts
//! anything. So the limit is exact, each shard keeps to its own quota without asking the others,
//! and nothing has to be sent when a process ends.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[derive(Debug)]
pub(crate) struct Quotas {
    quotas: Vec<AtomicUsize>,
    deficit: AtomicUsize,
}

impl Quotas {
    pub(crate) fn new(jobs: usize, shards: usize) -> Quotas {
        let quota = |shard| jobs / shards + usize::from(shard < jobs % shards);
        Quotas {
            quotas: (0..shards).map(|n| AtomicUsize::new(quota(n))).collect(),
            deficit: AtomicUsize::new(0),
        }
    }

    /// Whether a shard with this many live processes may start another one. Only that shard may
    /// ask.
    pub(crate) fn has_room(&self, shard: usize, live: usize) -> bool {
        let quota = &self.quotas[shard];
        if self.deficit.load(Relaxed) > 0 {
            while quota.load(Relaxed) > live && self.reduce_deficit(1) > 0 {
                quota.fetch_sub(1, Relaxed);
            }
        }
        quota.load(Relaxed) > live
    }

    /// The limit was `before` and is `jobs` now. Called by one thread at a time.
    pub(crate) fn change(&self, before: usize, jobs: usize) {
        if jobs < before {
            self.deficit.fetch_add(before - jobs, Relaxed);
            return;
        }
        let more = jobs - before;
        for _ in self.reduce_deficit(more)..more {
            let least = self.quotas.iter().min_by_key(|quota| quota.load(Relaxed));
            if let Some(quota) = least {
                quota.fetch_add(1, Relaxed);
            }
        }
    }

    /// Reduces the deficit by this much, or by what there is. Returns by how much.
    fn reduce_deficit(&self, most: usize) -> usize {
        let deficit = self.deficit.fetch_update(Relaxed, Relaxed, |deficit| {
            Some(deficit - deficit.min(most))
        });
        deficit.map_or(0, |deficit| deficit.min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn after_any_changes_the_limit_is_used_and_not_exceeded(
            shards in 1usize..5,
            first in 1usize..20,
            steps in prop::collection::vec((any::<bool>(), 0usize..5, 1usize..20), 0..60),
        ) {
            let quotas = Quotas::new(first, shards);
            let mut jobs = first;
            let mut live = vec![0; shards];
            let start = |live: &mut Vec<usize>, jobs: usize| {
                for shard in (0..shards).cycle().take(shards * 20) {
                    if quotas.has_room(shard, live[shard]) {
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
                    quotas.change(jobs, to);
                    jobs = to;
                }
            }
            start(&mut live, jobs);
            prop_assert!(live.iter().sum::<usize>() >= jobs);
        }
    }
}
