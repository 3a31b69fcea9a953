//! What commands read on stdin.

use std::ffi::OsString;

use clap::Args;

use crate::size;

#[derive(Debug, Args)]
#[command(next_help_heading = "Stdin of commands")]
pub(crate) struct Pipe {
    /// Split stdin or the files of -a into blocks, and give each to a command
    #[arg(long, alias = "spreadstdin")]
    pub(crate) pipe: bool,

    /// The same for files that can be read from anywhere
    #[arg(long, alias = "pipepart", conflicts_with = "pipe")]
    pub(crate) pipe_part: bool,

    /// How long a block is; -N with --pipe-part: N for each job [default: 1M]
    #[arg(
        long,
        alias = "block-size",
        value_name = "SIZE",
        allow_hyphen_values = true
    )]
    #[arg(value_parser = Block::parse)]
    pub(crate) block: Option<Block>,

    /// What a record of --pipe begins with
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) recstart: Option<OsString>,

    /// What a record of --pipe ends with; "": records are bytes [default: \n]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) recend: Option<OsString>,

    /// --recstart and --recend are regular expressions
    #[arg(long)]
    pub(crate) regexp: bool,

    /// Leave out what --recstart and --recend match
    #[arg(long, aliases = ["removerecsep", "rrs"])]
    pub(crate) remove_rec_sep: bool,

    /// Start as many commands as run at a time; give each block to one of them
    #[arg(long, alias = "round", conflicts_with = "pipe_part")]
    pub(crate) round_robin: bool,

    /// What commands read: null, inherit, @FILE, or the text itself; with places
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["pipe", "pipe_part", "round_robin"])]
    pub(crate) stdin: Option<OsString>,
}

impl Pipe {
    /// Whether commands get data and not values.
    pub(crate) fn is_on(&self) -> bool {
        self.pipe || self.pipe_part || self.round_robin
    }
}

/// The length of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Bytes(u64),
    /// So many blocks for each command that can run at a time.
    PerJob(u64),
}

impl Block {
    fn parse(text: &str) -> Result<Block, String> {
        match text.strip_prefix('-') {
            Some(text) => size::parse_positive(text).map(Block::PerJob),
            None => size::parse_positive(text).map(Block::Bytes),
        }
    }
}
