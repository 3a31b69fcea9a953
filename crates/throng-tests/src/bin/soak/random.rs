//! Random numbers from a seed: splitmix64. Does not know what they decide.

/// A generator that yields the same numbers for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, number: u64) -> Random {
        Random(seed ^ number.wrapping_mul(0xa076_1d64_78bd_642f))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len() as u64) as usize]
    }

    /// A number of bytes: few, many, and those around the size of a pipe and of a page.
    pub(crate) fn size(&mut self) -> usize {
        let around = self.one_of(&[0, 1, 4096, 65_536, 131_072]);
        match self.below(8) {
            0 => 0,
            1 => (around + self.below(3)).saturating_sub(1) as usize,
            2 => self.below(300_000) as usize,
            _ => self.below(600) as usize,
        }
    }
}
