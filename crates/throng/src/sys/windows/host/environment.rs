//! The environment of this program, and the block of variables that a process gets made from it.
//!
//! Names of variables are compared as the system does it: unit by unit in UTF-16, each in upper
//! case, without regard to any locale. Rust's mapping of single letters stands in for the system's
//! own table (`RtlUpcaseUnicodeChar`), which is of an older Unicode: for a few letters outside
//! ASCII the two differ, and a name with one of them in two cases may then count as two names, or
//! two as one. Asking the system for each comparison would be exact, and a call for each.
//!
//! It does not know which variables a process needs. Nothing is put back into a cleared
//! environment, `SystemRoot` included: many programs do not run without that one, because the
//! system finds sockets, random numbers and side-by-side libraries through it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::OsStrExt;

use crate::job::command::EnvChanges;

/// The variables of this program, as they were when they were looked at.
#[derive(Debug)]
pub(crate) struct Vars {
    /// Names as written and values, by names in upper case.
    vars: BTreeMap<Vec<u16>, (OsString, OsString)>,
}

impl Vars {
    /// Looks at the environment of this program. The hidden variables are there too: the system
    /// keeps the current directory of the drive C: as `=C:`, and `vars_os` gives what it finds.
    pub(crate) fn capture() -> Vars {
        Vars::from_pairs(std::env::vars_os())
    }

    /// Of two names that differ only in case the first counts, because the system gives the value
    /// of that one.
    fn from_pairs(pairs: impl Iterator<Item = (OsString, OsString)>) -> Vars {
        let mut vars = BTreeMap::new();
        for (key, value) in pairs {
            vars.entry(upper(&key)).or_insert((key, value));
        }
        Vars { vars }
    }

    /// The environment of a command that changes it like this, as `CreateProcessW` takes it:
    /// `name=value` and a NUL for each variable in the order of their names, which MSDN "Changing
    /// Environment Variables" asks for, and one more NUL; two where there are no variables. Returns
    /// the name of a variable that cannot be set.
    ///
    /// A name replaces one that differs from it only in case. Where the changes themselves have
    /// such names, the last in their order counts, which need not be the one that was set last.
    pub(crate) fn block(&self, changes: &EnvChanges) -> Result<Vec<u16>, OsString> {
        let mut vars: BTreeMap<Cow<'_, [u16]>, (&OsStr, &OsStr)> = BTreeMap::new();
        if !changes.clear {
            let ours = self.vars.iter();
            vars.extend(ours.map(|(upper, (key, value))| (upper.into(), (&**key, &**value))));
        }
        for (key, value) in &changes.vars {
            let Some(value) = value else {
                vars.remove(upper(key).as_slice());
                continue;
            };
            if !can_be_set(key, value) {
                return Err(key.clone());
            }
            vars.insert(upper(key).into(), (key, value));
        }
        let mut block = Vec::new();
        for (key, value) in vars.values() {
            block.extend(key.encode_wide());
            block.push(u16::from(b'='));
            block.extend(value.encode_wide());
            block.push(0);
        }
        if block.is_empty() {
            block.push(0);
        }
        block.push(0);
        Ok(block)
    }

    /// The value that a variable has for a command that changes the environment like this.
    pub(crate) fn get(&self, changes: &EnvChanges, key: &str) -> Option<OsString> {
        let key = upper(OsStr::new(key));
        let mut changed = changes.vars.iter().rev();
        match changed.find(|(changed, _)| upper(changed) == key) {
            Some((_, value)) => value.clone(),
            None if changes.clear => None,
            None => self.vars.get(&key).map(|(_, value)| value.clone()),
        }
    }
}

/// A `=` ends the name unless it is the first unit, as it is for the hidden variables; a NUL ends
/// the variable, and two the block.
fn can_be_set(key: &OsStr, value: &OsStr) -> bool {
    let (key, value) = (key.as_encoded_bytes(), value.as_encoded_bytes());
    !key.is_empty() && !key[1..].contains(&b'=') && !key.contains(&0) && !value.contains(&0)
}

fn upper(key: &OsStr) -> Vec<u16> {
    key.encode_wide().map(upper_unit).collect()
}

/// A letter whose upper case is more than one letter or lies beyond the first plane stays as it is,
/// and so does one outside ASCII whose upper case is in it: the dotless `ı` does not equal `I`
/// for the system, nor the long `ſ` `S` (dotnet/runtime#32247). Halves of surrogate pairs are no
/// letters, not even where the pairs are (dotnet/runtime#134149).
fn upper_unit(unit: u16) -> u16 {
    let Some(letter) = char::from_u32(unit.into()) else {
        return unit;
    };
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) if upper.is_ascii() == letter.is_ascii() => {
            u16::try_from(u32::from(upper)).unwrap_or(unit)
        }
        _ => unit,
    }
}

#[cfg(test)]
mod tests;
