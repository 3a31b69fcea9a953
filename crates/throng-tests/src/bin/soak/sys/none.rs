//! A system that cannot make it any harder.

use throng::Mechanism;

use crate::dice::Dice;
use crate::hardship::Hardship;

/// The hardship, in effect until this is dropped: none.
pub(crate) struct Endured;

pub(crate) fn hardship(_: &mut Dice, _: Mechanism) -> Hardship {
    Hardship::default()
}

pub(crate) fn begin(_: Hardship) -> Endured {
    Endured
}
