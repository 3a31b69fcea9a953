//! Who takes part, and in what. Runs nobody.

use anyhow::{Result, bail};
use throng::Mechanism;

use super::scenario::{Scenario, Work};

/// One way to start processes.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    /// For the command line and for JSON.
    pub(crate) name: String,
    /// For people.
    pub(crate) title: String,
    pub(crate) kind: Kind,
}

/// How a contestant does it, which decides who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// throng as it is when only the mechanism is said.
    Throng(Mechanism),
    /// throng with a packet for every read, also for those that finish at once.
    ThrongWithPackets(Mechanism),
    /// std's own `Command::output` on a thread for each job.
    StdOutput,
}

/// What all others are compared with.
pub(crate) const BASE: Kind = Kind::Throng(Mechanism::CompletionPort);

impl Contestant {
    fn new(name: impl Into<String>, title: impl Into<String>, kind: Kind) -> Contestant {
        Contestant {
            name: name.into(),
            title: title.into(),
            kind,
        }
    }

    /// All of them.
    pub(crate) fn all() -> Vec<Contestant> {
        let mut all = Vec::new();
        for mechanism in Mechanism::available() {
            let name = mechanism.name();
            all.push(Contestant::new(name, name, Kind::Throng(mechanism)));
            if mechanism == Mechanism::CompletionPort {
                let (short, title) = (format!("{name}-packets"), format!("{name}, packets"));
                all.push(Contestant::new(
                    short,
                    title,
                    Kind::ThrongWithPackets(mechanism),
                ));
            }
        }
        all.push(Contestant::new(
            "std-output",
            "std output()",
            Kind::StdOutput,
        ));
        all
    }

    pub(crate) fn named(name: &str) -> Result<Contestant> {
        let mut all = Contestant::all().into_iter();
        match all.find(|contestant| contestant.name == name) {
            Some(contestant) => Ok(contestant),
            None => bail!("no contestant \"{name}\"; `throng-bench --list` names them"),
        }
    }

    /// Those that were asked for, and the one that they are compared with: all when nobody was.
    pub(crate) fn chosen(only: &[String]) -> Result<Vec<Contestant>> {
        for asked in only {
            Contestant::named(asked)?;
        }
        let mut all = Contestant::all();
        all.retain(|contestant| {
            only.is_empty() || contestant.is_base() || only.contains(&contestant.name)
        });
        Ok(all)
    }

    pub(crate) fn is_base(&self) -> bool {
        self.kind == BASE
    }

    /// Whether it has a place in a scenario. std is here for what a program would do without
    /// throng: run processes from start to end, a thread for each.
    pub(crate) fn suits(&self, scenario: &Scenario) -> bool {
        self.kind != Kind::StdOutput || scenario.work == Work::Children
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(only: &[&str]) -> Vec<String> {
        let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
        let chosen = Contestant::chosen(&only).expect("they exist");
        chosen
            .into_iter()
            .map(|contestant| contestant.name)
            .collect()
    }

    #[test]
    fn names_are_unique_and_can_be_listed_with_commas() {
        let all = names(&[]);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|name| !name.contains(',')));
    }

    #[test]
    fn whoever_is_asked_for_meets_the_base() {
        assert_eq!(names(&["apc"]), ["completion-port", "apc"]);
        assert!(Contestant::chosen(&["nobody".to_owned()]).is_err());
    }
}
