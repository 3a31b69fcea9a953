//! Where options come from that are not on the command line.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct Settings {
    /// Read options from FILE, and not from the user's throng.toml
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    config: Option<PathBuf>,

    /// Use this profile of the file with options: its table [profile.NAME]
    #[arg(short = 'J', long, value_name = "NAME")]
    profile: Option<String>,

    /// Read options from no file and from no THRONG_* variables
    #[arg(long)]
    pub(crate) no_config: bool,
}
