//! Options that only Linux has, or has in a way of its own, and what they set.

use throng::os::linux::{BuilderExt, CommandExt};
use throng::{Builder, Command};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SystemArgs {
    /// Run commands at this niceness, from -20 to 19
    #[arg(
        long,
        value_name = "N",
        help_heading = "Control",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-20..=19)
    )]
    nice: Option<i32>,
}

impl SystemArgs {
    pub(crate) fn check(&self, _: bool) -> anyhow::Result<()> {
        Ok(())
    }

    pub(crate) fn set_command(&self, command: &mut Command) {
        if let Some(nice) = self.nice {
            command.nice(nice);
        }
    }

    pub(crate) fn set_builder(&self, builder: Builder) -> Builder {
        builder
            .keeper(["/proc/self/exe", "keeper"])
            .adopt_orphans(true)
    }
}
