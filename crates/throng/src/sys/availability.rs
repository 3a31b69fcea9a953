//! Which mechanisms this system has, and which of them this machine offers.

use std::fmt;
use std::str::FromStr;

use crate::model::mechanism::Mechanism;
use crate::sys::{self, MECHANISMS};

/// A mechanism, and whether this machine offers it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Availability {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// Why it cannot be used here; `None` when it can.
    pub refusal: Option<String>,
}

impl Mechanism {
    /// All mechanisms that throng has on this system, the preferred first, each with the reason
    /// why this machine does not offer it, if it does not.
    pub fn availability() -> Vec<Availability> {
        let probe = |&mechanism| Availability {
            mechanism,
            refusal: sys::probe(mechanism).err(),
        };
        MECHANISMS.iter().map(probe).collect()
    }

    /// The mechanisms that can be used on this machine, the preferred first.
    pub fn available() -> Vec<Mechanism> {
        let usable = Mechanism::availability()
            .into_iter()
            .filter(|s| s.refusal.is_none());
        usable.map(|s| s.mechanism).collect()
    }
}

/// A name that is no mechanism of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseMechanismError {
    name: String,
}

impl fmt::Display for ParseMechanismError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no mechanism \"{}\" on this system; there are:",
            self.name
        )?;
        MECHANISMS
            .iter()
            .try_for_each(|mechanism| write!(f, " {mechanism}"))
    }
}

impl std::error::Error for ParseMechanismError {}

impl FromStr for Mechanism {
    type Err = ParseMechanismError;

    fn from_str(name: &str) -> Result<Mechanism, ParseMechanismError> {
        let known = MECHANISMS.iter().find(|mechanism| mechanism.name() == name);
        known
            .copied()
            .ok_or_else(|| ParseMechanismError { name: name.into() })
    }
}
