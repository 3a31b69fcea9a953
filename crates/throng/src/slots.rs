//! Ids of live processes and values by id. An id has a generation, so that a late event for a
//! process that is gone never reaches the process that reuses its place.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Identifies one process while it is live, and never another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id {
    index: u32,
    generation: u32,
}

impl Id {
    /// How many bits a tag may have in [`Id::to_token`].
    const TAG_BITS: u32 = 3;
    const INDEX_MAX: u32 = (1 << (32 - Self::TAG_BITS)) - 1;

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }

    /// Packs the id and a small tag into the 64 bits that a kernel hands back with an event.
    pub(crate) fn to_token(self, tag: u8) -> u64 {
        debug_assert!(u32::from(tag) < 1 << Self::TAG_BITS);
        u64::from(self.generation) << 32 | u64::from(self.index) << Self::TAG_BITS | u64::from(tag)
    }

    /// The inverse of [`to_token`](Id::to_token).
    pub(crate) fn from_token(token: u64) -> (Id, u8) {
        let low = token as u32;
        let id = Id {
            index: low >> Self::TAG_BITS,
            generation: (token >> 32) as u32,
        };
        (id, (low & ((1 << Self::TAG_BITS) - 1)) as u8)
    }
}

/// Values by the ids that a [`Slots`] has made: what the layer below stores for each process.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: Vec<Option<(Id, T)>>,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Table<T> {
        Table { rows: Vec::new() }
    }

    pub(crate) fn insert(&mut self, id: Id, value: T) {
        if self.rows.len() <= id.index() {
            self.rows.resize_with(id.index() + 1, || None);
        }
        let row = &mut self.rows[id.index()];
        debug_assert!(
            row.is_none(),
            "the value of an id is removed before its place is reused"
        );
        *row = Some((id, value));
    }

    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        match self.rows.get(id.index()) {
            Some(Some((owner, value))) if *owner == id => Some(value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        match self.rows.get_mut(id.index()) {
            Some(Some((owner, value))) if *owner == id => Some(value),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        self.get(id)?;
        self.rows[id.index()].take().map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.rows.iter().flatten().map(|(id, value)| (*id, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut T)> {
        let rows = self.rows.iter_mut().flatten();
        rows.map(|(id, value)| (*id, value))
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Id, T)> {
        self.rows.drain(..).flatten()
    }
}

/// A [`Table`] that makes the ids; inserting and removing take constant time and reuse places.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    table: Table<T>,
    /// The next id of each place that is not in use.
    free: Vec<Id>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Slots<T> {
        Slots {
            table: Table::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.rows.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cfg(test)]
    pub(crate) fn insert(&mut self, value: T) -> Id {
        let id = self.reserve();
        self.fill(id, value);
        id
    }

    /// An id for a value that is [filled in](Slots::fill) later, or [never](Slots::give_back).
    ///
    /// # Panics
    ///
    /// Panics when there are more live processes than an id can name.
    pub(crate) fn reserve(&mut self) -> Id {
        self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.table.rows.len()).unwrap_or(u32::MAX);
            assert!(index <= Id::INDEX_MAX, "an id cannot name so many");
            self.table.rows.push(None);
            Id {
                index,
                generation: 0,
            }
        })
    }

    /// Sets the value of an id that was reserved.
    pub(crate) fn fill(&mut self, id: Id, value: T) {
        self.table.insert(id, value);
    }

    /// An id that was reserved names nothing, now or later.
    pub(crate) fn give_back(&mut self, id: Id) {
        self.free.push(Id {
            generation: id.generation.wrapping_add(1),
            ..id
        });
    }

    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        self.table.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.table.get_mut(id)
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let value = self.table.remove(id)?;
        self.give_back(id);
        Some(value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.table.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut T)> {
        self.table.iter_mut()
    }
}

/// Numbers for live processes, the lowest free one first, as users see them.
#[derive(Debug)]
pub(crate) struct SlotNumbers {
    never_used: usize,
    free: BinaryHeap<Reverse<usize>>,
}

impl SlotNumbers {
    pub(crate) fn from(first: usize) -> SlotNumbers {
        SlotNumbers {
            never_used: first,
            free: BinaryHeap::new(),
        }
    }

    pub(crate) fn take(&mut self) -> usize {
        match self.free.pop() {
            Some(Reverse(number)) => number,
            None => {
                self.never_used += 1;
                self.never_used - 1
            }
        }
    }

    pub(crate) fn give_back(&mut self, number: usize) {
        self.free.push(Reverse(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lowest_free_number_is_given_first() {
        let mut numbers = SlotNumbers::from(5);
        assert_eq!([numbers.take(), numbers.take(), numbers.take()], [5, 6, 7]);
        numbers.give_back(6);
        numbers.give_back(5);
        assert_eq!([numbers.take(), numbers.take(), numbers.take()], [5, 6, 8]);
    }

    proptest! {
        #[test]
        fn an_id_never_refers_to_another_value(
            steps in prop::collection::vec(any::<(bool, u8)>(), 0..200),
        ) {
            let mut slots = Slots::new();
            let mut live: Vec<(Id, usize)> = Vec::new();
            let mut gone: Vec<Id> = Vec::new();
            for (serial, (insert, pick)) in steps.into_iter().enumerate() {
                if pick % 8 == 0 {
                    let id = slots.reserve();
                    slots.give_back(id);
                    gone.push(id);
                } else if insert || live.is_empty() {
                    live.push((slots.insert(serial), serial));
                } else {
                    let (id, value) = live.swap_remove(pick as usize % live.len());
                    prop_assert_eq!(slots.remove(id), Some(value));
                    gone.push(id);
                }
                prop_assert_eq!(slots.len(), live.len());
                prop_assert!(live.iter().all(|(id, value)| slots.get(*id) == Some(value)));
                prop_assert!(gone.iter().all(|id| slots.get(*id).is_none()));
            }
        }

        #[test]
        fn a_token_yields_the_id_and_the_tag(
            index in 0..=Id::INDEX_MAX, generation: u32, tag in 0u8..8,
        ) {
            let id = Id { index, generation };
            prop_assert_eq!(Id::from_token(id.to_token(tag)), (id, tag));
        }
    }
}
