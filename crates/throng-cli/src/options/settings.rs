//! Where options come from that are not on the command line.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct Settings {
    /// Read options from FILE instead of the user's throng.toml
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    config: Option<PathBuf>,

    /// Use the options of the table [profile.NAME] in the configuration file
    #[arg(short = 'J', long, value_name = "NAME")]
    profile: Option<String>,

    /// Read no configuration file, and no options from THRONG_* variables
    #[arg(long)]
    pub(crate) no_config: bool,
}
