//! Options that only Windows has, and what they set.

use anyhow::ensure;
use clap::ValueEnum;
use throng::os::windows::{BuilderExt, CommandExt, Console, Pipes, Priority};
use throng::{Builder, Command};

use crate::size;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SystemArgs {
    /// Console of commands [default: ours, or else a hidden one]
    #[arg(long, value_name = "KIND", value_enum)]
    console: Option<ConsoleKind>,

    /// Kind of the pipes from which output is read
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    pipe_kind: PipeKind,

    /// Size of the pipes from which output is read, such as 4096, 64K or 1M
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pipe_size: Option<u32>,

    /// Run commands at niceness N, from -20 to 19
    ///
    /// Above 0 is below normal priority, from 10 on idle; below 0 is above normal, from -10 on
    /// high.
    #[arg(
        long,
        value_name = "N",
        help_heading = "Control",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-20..=19)
    )]
    nice: Option<i32>,

    /// Allow .bat and .cmd files as commands, which cmd.exe runs
    #[arg(long)]
    allow_batch: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ConsoleKind {
    /// The console of throng
    Inherit,
    /// No console: the cheapest, for programs that start no others
    None,
    /// A hidden console for each command
    Hidden,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum PipeKind {
    /// Without a name, so that no other program can open them
    #[default]
    Unnamed,
    /// With a random name
    Named,
}

impl SystemArgs {
    /// Fails where these options cannot be combined with `--shell`, or need it.
    pub(crate) fn check(&self, uses_shell: bool) -> anyhow::Result<()> {
        let has_none = matches!(self.console, Some(ConsoleKind::None));
        ensure!(
            !(uses_shell && has_none),
            "--console none would lose what the programs of --shell say: cmd.exe without a console \
             lets them open consoles of their own"
        );
        Ok(())
    }

    pub(crate) fn set_command(&self, command: &mut Command) {
        if let Some(kind) = self.console {
            command.console(match kind {
                ConsoleKind::Inherit => Console::Inherit,
                ConsoleKind::None => Console::None,
                ConsoleKind::Hidden => Console::Hidden,
            });
        }
        command.allow_batch(self.allow_batch);
        if let Some(nice) = self.nice {
            command.priority(priority(nice));
        }
    }

    pub(crate) fn set_builder(&self, builder: Builder, _: fn(&str)) -> Builder {
        let builder = builder.guardian(true).pipes(match self.pipe_kind {
            PipeKind::Unnamed => Pipes::Unnamed,
            PipeKind::Named => Pipes::Named,
        });
        match self.pipe_size {
            Some(bytes) => builder.pipe_size(bytes),
            None => builder,
        }
    }
}

fn parse_size(text: &str) -> Result<u32, String> {
    let size = size::parse(text).ok();
    let size = size.and_then(|size| u32::try_from(size).ok());
    size.filter(|size| *size > 0)
        .ok_or_else(|| "a number of bytes such as 4096, 64K or 1M is expected".into())
}

fn priority(nice: i32) -> Priority {
    match nice {
        10.. => Priority::Idle,
        1..10 => Priority::BelowNormal,
        0 => Priority::Normal,
        -9..0 => Priority::AboveNormal,
        _ => Priority::High,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_niceness_is_a_lower_priority() {
        let classes = [19, 10, 9, 1, 0, -1, -9, -10, -20].map(priority);
        assert_eq!(classes[..2], [Priority::Idle; 2]);
        assert_eq!(classes[2..4], [Priority::BelowNormal; 2]);
        assert_eq!(classes[4..5], [Priority::Normal]);
        assert_eq!(classes[5..7], [Priority::AboveNormal; 2]);
        assert_eq!(classes[7..], [Priority::High; 2]);
    }

    #[test]
    fn sizes_are_parsed_and_invalid_ones_refused() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64K"), Ok(65_536));
        assert_eq!(parse_size("1M"), Ok(1 << 20));
        for nonsense in ["", "K", "0", "-1", "+1", "1.5K", "4096M", "4G", "64 K"] {
            assert!(parse_size(nonsense).is_err(), "{nonsense}");
        }
    }
}
