//! The control groups that processes are in.

use std::fs;
use std::path::{Path, PathBuf};

use throng::os::linux::{Cgroups, probe_cgroups};

use super::Tag;

impl Tag {
    /// The directory of the control group of each process with this tag, below the group of this
    /// program; `None` where groups cannot be created.
    pub fn control_groups(&self) -> Vec<PathBuf> {
        let Ok(home) = probe_cgroups(Cgroups::Command) else {
            return Vec::new();
        };
        let own = group("self").expect("we are in one");
        let groups = self.pids().into_iter();
        let groups = groups.filter_map(|pid| group(&pid.to_string()));
        groups
            .map(|group| {
                let below = group.strip_prefix(&own).expect("ours is not one of a run");
                match below == Path::new("") {
                    true => home.clone(),
                    false => home.join(below),
                }
            })
            .collect()
    }

    /// The group of the run to which the one process with this tag belongs.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn group_of_run(&self) -> PathBuf {
        self.find_group_of_run()
            .expect("a process, and a group of a run")
    }

    /// The same, if there is one.
    pub fn find_group_of_run(&self) -> Option<PathBuf> {
        let groups = self.control_groups();
        let group = groups.first()?;
        let is_of_a_run = |dir: &&Path| {
            let name = dir.file_name().unwrap_or_default();
            name.as_encoded_bytes().starts_with(b"throng-")
        };
        let run = group.ancestors().filter(is_of_a_run).last();
        run.map(Path::to_owned)
    }
}

/// The path that the system reports for version 2.
fn group(pid: &str) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(path.into())
}
