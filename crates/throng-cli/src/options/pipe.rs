//! What commands read on stdin.

use std::ffi::OsString;

use clap::Args;

use crate::size;

#[derive(Debug, Args)]
#[command(next_help_heading = "Stdin of commands")]
pub(crate) struct Pipe {
    /// Split stdin or the files of -a into blocks, one on the stdin of each command
    ///
    /// -N, -L and --header mean something else then: -N counts records, -L lines, and --header puts
    /// the first lines before each block.
    #[arg(long, alias = "spreadstdin")]
    pub(crate) pipe: bool,

    /// Split the seekable files of -a into blocks that commands read directly
    #[arg(long, alias = "pipepart", conflicts_with = "pipe")]
    pub(crate) pipe_part: bool,

    /// Size of a block of --pipe and --pipe-part [default: 1M]
    ///
    /// -N with --pipe-part: N blocks for each job.
    #[arg(
        long,
        alias = "block-size",
        value_name = "SIZE",
        allow_hyphen_values = true
    )]
    #[arg(value_parser = Block::parse)]
    pub(crate) block: Option<Block>,

    /// Text at which records of --pipe begin
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) recstart: Option<OsString>,

    /// Text with which records of --pipe end; '' makes each byte a record [default: \n]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) recend: Option<OsString>,

    /// Take --recstart and --recend as regular expressions
    #[arg(long)]
    pub(crate) regexp: bool,

    /// Remove what --recstart and --recend match from the data
    #[arg(long, aliases = ["removerecsep", "rrs"])]
    pub(crate) remove_rec_sep: bool,

    /// Start one command for each job, and pass each block to one that is ready
    #[arg(long, alias = "round", conflicts_with = "pipe_part")]
    pub(crate) round_robin: bool,

    /// Set the stdin of commands: null, inherit, @FILE, or text with placeholders
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
