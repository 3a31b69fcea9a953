//! Options that only Linux has, or has in a way of its own, and what they set.

use std::sync::OnceLock;

use clap::ValueEnum;
use throng::os::linux::{
    BuilderExt, Cgroups, CommandExt, GuardianEvent, InheritedFds, ProcessGroup, probe_cgroups,
};
use throng::{Builder, Command};

/// Descriptors that a shell or make has opened for commands.
static INHERITED: OnceLock<InheritedFds> = OnceLock::new();

/// Finds the descriptors above stdin, stdout and stderr that are not close-on-exec, before anything
/// opens others.
pub(crate) fn take_stock() {
    INHERITED.get_or_init(InheritedFds::take);
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SystemArgs {
    /// Run commands at niceness N, from -20 to 19
    #[arg(
        long,
        value_name = "N",
        help_heading = "Control",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-20..=19)
    )]
    nice: Option<i32>,

    /// Use control groups so that no descendant escapes being killed
    ///
    /// `throng doctor` tells whether this machine allows it.
    #[arg(
        long,
        value_name = "FOR",
        help_heading = "Control",
        value_enum,
        default_value_t
    )]
    cgroup: CgroupFor,

    /// Pass commands no descriptors of ours except stdin, stdout and stderr
    ///
    /// By default they have those that throng was started with, such as those of <(...) and of
    /// make's jobserver.
    #[arg(long, help_heading = "Control")]
    no_inherit_fds: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum CgroupFor {
    /// No control groups
    #[default]
    None,
    /// One for the run: Ctrl-C and `kill -9` reach all processes; costs a few milliseconds
    Run,
    /// One for each command: timeouts reach all processes, too; starts take a tenth longer
    Command,
}

impl From<CgroupFor> for Cgroups {
    fn from(wanted: CgroupFor) -> Cgroups {
        match wanted {
            CgroupFor::None => Cgroups::None,
            CgroupFor::Run => Cgroups::Run,
            CgroupFor::Command => Cgroups::Command,
        }
    }
}

impl SystemArgs {
    pub(crate) fn check(&self, _: bool) -> anyhow::Result<()> {
        Ok(())
    }

    pub(crate) fn set_command(&self, command: &mut Command) {
        // A command that asks for something on the terminal fails at once, and is not stopped.
        command.process_group(ProcessGroup::NoTerminal);
        command.allow_script(true);
        if let Some(nice) = self.nice {
            command.nice(nice);
        }
    }

    pub(crate) fn set_builder(&self, builder: Builder, warn: fn(&str)) -> Builder {
        let inherited = match self.no_inherit_fds {
            true => InheritedFds::default(),
            false => INHERITED.get().cloned().unwrap_or_default(),
        };
        builder
            .inherit_fds(&inherited)
            .guardian(["/proc/self/exe", "guardian"])
            .on_guardian_lost(move |event| warn(&told(event)))
            .adopt_orphans(true)
            .cgroups(self.cgroups(warn))
    }

    /// The control groups of `--cgroup`, if they are available. If not, the run goes on without.
    fn cgroups(&self, warn: fn(&str)) -> Cgroups {
        let wanted = Cgroups::from(self.cgroup);
        if wanted != Cgroups::None
            && let Err(error) = probe_cgroups(wanted)
        {
            warn(&format!("{error}; the run goes on without"));
            return Cgroups::None;
        }
        wanted
    }
}

/// What happened to the guardian, as a message.
fn told(event: GuardianEvent) -> String {
    let what = "which ends what commands leave behind if throng is killed";
    match event {
        GuardianEvent::Replaced { pid, by } => {
            format!("the guardian (pid {pid}), {what}, was ended; another was started (pid {by})")
        }
        GuardianEvent::Lost { pid: Some(pid) } => {
            format!("the guardian (pid {pid}), {what}, was ended; no other was started")
        }
        GuardianEvent::Continued { pid } => {
            format!("the guardian (pid {pid}), {what}, was stopped, and was continued")
        }
        // There is none.
        _ => format!("there is no guardian, {what}: it cannot be started"),
    }
}
