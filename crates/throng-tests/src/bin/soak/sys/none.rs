//! A system that has no hardships.

use throng::Mechanism;

use crate::hardship::Hardship;
use crate::random::Random;

/// The hardship, in effect until this is dropped: none.
pub(crate) struct Endured;

pub(crate) fn hardship(_: &mut Random, _: Mechanism) -> Hardship {
    Hardship::default()
}

pub(crate) fn begin(_: Hardship) -> Endured {
    Endured
}
