//! Which contestants there are, and in which scenarios each takes part. Runs none.

use std::path::PathBuf;

use anyhow::{Result, bail};
use throng::Mechanism;

use crate::lookup::{Lookup, Tool};
use crate::scenario::{Scenario, Work};
use crate::sys;

/// One way to start processes.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    /// For the command line and for JSON.
    pub(crate) name: String,
    /// For people.
    pub(crate) title: String,
    pub(crate) kind: Kind,
}

/// How a contestant starts processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// throng's library in this program.
    Library(Mechanism),
    /// The same in the second way that the mechanism has on this system.
    LibraryWithPackets(Mechanism),
    /// A loop in C over vfork, execve and waitpid.
    Floor,
    /// The same with two pipes for each process.
    FloorPipes,
    /// std with a thread for each job and one for each stderr.
    StdThreads,
    /// std's own `Command::output` on a thread for each job.
    StdOutput,
    /// tokio's `Command::output` on a worker for each core.
    Tokio,
    /// async-process's `Command::output` on an executor with a thread for each core.
    AsyncProcess,
    /// compio-process's `Command::output` on a runtime for each core.
    Compio,
    /// A program of its own.
    Tool(Tool),
}

impl Contestant {
    fn new(name: impl Into<String>, title: impl Into<String>, kind: Kind) -> Contestant {
        Contestant {
            name: name.into(),
            title: title.into(),
            kind,
        }
    }

    /// All of them, whether or not this machine has them.
    pub(crate) fn all() -> Vec<Contestant> {
        let mut all = vec![
            Contestant::new("floor", "floor", Kind::Floor),
            Contestant::new("floor-pipes", "floor + pipes", Kind::FloorPipes),
        ];
        for mechanism in Mechanism::availability()
            .into_iter()
            .map(|survey| survey.mechanism)
        {
            let name = format!("throng-{mechanism}");
            let title = format!("throng library, {mechanism}");
            all.push(Contestant::new(&name, &title, Kind::Library(mechanism)));
            if sys::has_packets(mechanism) {
                let kind = Kind::LibraryWithPackets(mechanism);
                let (name, title) = (format!("{name}-packets"), format!("{title}, packets"));
                all.push(Contestant::new(name, title, kind));
            }
        }
        all.extend([
            Contestant::new("throng-program", "throng program", Kind::Tool(Tool::Throng)),
            Contestant::new(
                "throng-recording",
                "throng, joblog + view",
                Kind::Tool(Tool::ThrongRecording),
            ),
            Contestant::new("std-threads", "std, 2 threads each", Kind::StdThreads),
            Contestant::new("std-output", "std, output()", Kind::StdOutput),
            Contestant::new("tokio", "tokio", Kind::Tokio),
            Contestant::new("async-process", "async-process", Kind::AsyncProcess),
            Contestant::new("compio", "compio-process", Kind::Compio),
            Contestant::new(
                "rust-parallel",
                "rust-parallel",
                Kind::Tool(Tool::RustParallel),
            ),
            Contestant::new("parallel", "GNU parallel", Kind::Tool(Tool::Parallel)),
            Contestant::new("xargs", "xargs -P", Kind::Tool(Tool::Xargs)),
            Contestant::new("xe", "xe", Kind::Tool(Tool::Xe)),
        ]);
        all
    }

    pub(crate) fn named(name: &str) -> Result<Contestant> {
        match Contestant::all()
            .into_iter()
            .find(|contestant| contestant.name == name)
        {
            Some(contestant) => Ok(contestant),
            None => bail!("no contestant \"{name}\"; `throng-bench --list` names them"),
        }
    }

    /// Those that were asked for: all when none was. `throng` stands for all `throng-` ones.
    pub(crate) fn chosen(only: &[String]) -> Result<Vec<Contestant>> {
        let all = Contestant::all();
        let matches = |contestant: &Contestant, asked: &String| {
            let is_throng = contestant.name.starts_with("throng-");
            contestant.name == *asked || asked == "throng" && is_throng
        };
        for asked in only {
            if !all.iter().any(|contestant| matches(contestant, asked)) {
                bail!("no contestant \"{asked}\"; `throng-bench --list` names them");
            }
        }
        let chosen = |contestant: &Contestant| {
            only.is_empty() || only.iter().any(|asked| matches(contestant, asked))
        };
        Ok(all.into_iter().filter(chosen).collect())
    }

    /// Why this machine cannot run it.
    pub(crate) fn refusal(&self, lookup: &Lookup) -> Option<String> {
        match self.kind {
            Kind::Library(mechanism) | Kind::LibraryWithPackets(mechanism) => {
                let mut surveys = Mechanism::availability().into_iter();
                surveys
                    .find(|survey| survey.mechanism == mechanism)?
                    .refusal
            }
            Kind::Floor | Kind::FloorPipes => sys::PROGRAMS_REFUSED.map(Into::into),
            Kind::Tool(tool) => match sys::PROGRAMS_REFUSED {
                Some(why) => Some(why.into()),
                None => lookup.find(tool).err(),
            },
            _ => None,
        }
    }

    /// The program to run, where it is one of its own. Call it after [`Contestant::refusal`].
    pub(crate) fn tool_path(&self, lookup: &Lookup) -> Option<PathBuf> {
        match self.kind {
            Kind::Tool(tool) => lookup.find(tool).ok(),
            _ => None,
        }
    }

    /// Why it has no place in a scenario.
    pub(crate) fn unsuited(&self, scenario: &Scenario) -> Option<&'static str> {
        match scenario.work {
            Work::Live | Work::Writers if self.is_floor() => Some("one process per core at a time"),
            Work::Bulk | Work::Writers if !self.captures() => Some("captures nothing"),
            Work::Resident if matches!(self.kind, Kind::Tool(_)) => {
                Some("its memory cannot be made large")
            }
            _ => None,
        }
    }

    pub(crate) fn is_floor(&self) -> bool {
        matches!(self.kind, Kind::Floor | Kind::FloorPipes)
    }

    /// Whether it reads what the processes write.
    fn captures(&self) -> bool {
        !matches!(self.kind, Kind::Floor | Kind::Tool(Tool::Xargs | Tool::Xe))
    }

    /// Whether it reports how many bytes it has read.
    pub(crate) fn counts_bytes(&self) -> bool {
        self.captures() && !matches!(self.kind, Kind::Tool(_))
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
    fn names_are_unique() {
        let all = names(&[]);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn the_name_throng_selects_all_of_its_mechanisms() {
        assert_eq!(names(&["floor", "tokio"]), ["floor", "tokio"]);
        assert!(names(&["throng"]).contains(&"throng-program".to_owned()));
        assert!(
            names(&["throng"])
                .iter()
                .all(|name| name.starts_with("throng-"))
        );
        assert!(Contestant::chosen(&["unknown".to_owned()]).is_err());
    }

    #[test]
    fn the_baseline_contestant_takes_part() {
        for base in Scenario::all(1.0).iter().filter_map(Scenario::base) {
            Contestant::named(base).expect("it takes part");
        }
    }
}
