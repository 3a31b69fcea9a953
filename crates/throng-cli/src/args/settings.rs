//! Where options come from that are not on the command line.

use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct Settings {
    /// Use this profile of throng.toml: its table [profile.NAME]
    #[arg(short = 'J', long, value_name = "NAME")]
    profile: Option<String>,

    /// Look at no throng.toml and at no THRONG_* variables
    #[arg(long)]
    pub(super) no_config: bool,
}
