//! `--pipe`: stdin or files, split between records into blocks, each the stdin of a command.
//!
//! ```text
//! separator.rs  where one record ends and the next begins
//! blocks.rs     a stream as blocks
//! parts.rs      files that can be read from anywhere, as blocks
//! feed.rs       blocks for commands that already run
//! ```

mod blocks;
mod feed;
mod parts;
mod separator;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, bail, ensure};

use self::blocks::{Blocks, Header, Measure};
use self::parts::Parts;
use self::separator::RecordSeparator;
use crate::options::Run;
use crate::options::pipe::Block;
use crate::{size, text};

/// The bytes that one command reads.
type Bytes = Vec<u8>;

const BLOCK_BYTES: u64 = 1 << 20;

/// The options `--pipe`, `--pipe-part`, `--block` and so on.
#[derive(Clone, Debug)]
pub(crate) struct PipeOptions {
    separator: RecordSeparator,
    measure: Measure,
    block: Block,
    header: Header,
    /// Whether parts of files are read when they are needed.
    in_parts: bool,
    round_robin: bool,
    limit: Limit,
}

/// How long one block may be. It is held in memory, which a record without an end would fill.
#[derive(Clone, Copy, Debug)]
struct Limit {
    bytes: usize,
}

impl Limit {
    /// Blocks count as memory of `--memory`, and one is written while the next is read.
    fn of(memory: u64) -> Limit {
        const LEAST: u64 = 64 << 20;
        let bytes = (memory / 2).max(LEAST);
        Limit {
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    fn check(self, bytes: usize) -> anyhow::Result<()> {
        ensure!(
            bytes <= self.bytes,
            "--pipe: a block is longer than {} bytes, half of --memory: no record ends where \
             --block or -N would have it (--recend, --recstart)",
            size::with_commas(self.bytes as u64)
        );
        Ok(())
    }

    fn check_wanted(self, bytes: u64) -> anyhow::Result<()> {
        ensure!(
            bytes <= self.bytes as u64,
            "--block: a block of {} bytes is more than {}, half of --memory",
            size::with_commas(bytes),
            size::with_commas(self.bytes as u64)
        );
        Ok(())
    }
}

/// How many bytes a command has been sent while it runs.
pub(crate) type Sent = Arc<AtomicU64>;

/// The stdin of a command, and what it is sent later.
pub(crate) type Stdins =
    Box<dyn Iterator<Item = anyhow::Result<(throng::Stdin, Option<Sent>)>> + Send>;

impl PipeOptions {
    /// None if commands get values and not data.
    pub(crate) fn new(args: &Run) -> anyhow::Result<Option<PipeOptions>> {
        let options = &args.pipe;
        if !options.is_on() {
            return Ok(None);
        }
        let separator = RecordSeparator::new(options)?;
        let records = args.input.max_replace_args;
        let lines = args.input.max_lines;
        let block = options.block.unwrap_or(Block::Bytes(BLOCK_BYTES));
        let limit = Limit::of(args.limits.memory());
        if let Block::Bytes(bytes) = block {
            limit.check_wanted(bytes)?;
        }
        let measure = match (records, lines) {
            (None, None) => Measure::Bytes(match block {
                Block::Bytes(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
                Block::PerJob(_) => 0,
            }),
            (records, lines) => Measure::Records {
                count: records.unwrap_or(1),
                lines,
            },
        };
        Ok(Some(PipeOptions {
            separator,
            measure,
            block,
            header: Header::new(args.input.header.as_deref())?,
            in_parts: options.pipe_part,
            round_robin: options.round_robin,
            limit,
        }))
    }

    /// The blocks of these files, or of stdin if there are none.
    pub(crate) fn open(self, files: Vec<PathBuf>, jobs: usize) -> anyhow::Result<Stdins> {
        if self.in_parts {
            ensure!(
                files.iter().all(|path| path.as_os_str() != "-"),
                "--pipe-part reads files, as with -a FILE, and not stdin; there is --pipe"
            );
            let parts = Parts::open(files, self, jobs)?;
            return Ok(Box::new(
                parts.map(|part| part.map(|part| (part.into(), None))),
            ));
        }
        let input = chain(files)?;
        let blocks = Blocks::new(input, self.separator, self.measure, self.header, self.limit);
        if self.round_robin {
            ensure!(
                jobs < 1 << 20,
                "--round-robin starts all its commands at once: -j has to be a number"
            );
            let fed = feed::round_robin(blocks, jobs);
            return Ok(Box::new(
                fed.map(|fed| fed.map(|(stdin, sent)| (stdin, Some(sent)))),
            ));
        }
        Ok(Box::new(
            blocks.map(|block| block.map(|block| (block.into(), None))),
        ))
    }
}

/// One file after the other.
fn chain(files: Vec<PathBuf>) -> anyhow::Result<Box<dyn Read + Send>> {
    let mut all: Option<Box<dyn Read + Send>> = None;
    for path in files {
        let file: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            Box::new(open_file(&path)?)
        };
        all = Some(match all {
            Some(before) => Box::new(before.chain(file)),
            None => file,
        });
    }
    Ok(all.unwrap_or_else(|| Box::new(io::stdin())))
}

fn open_file(path: &std::path::Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot read {}", path.display()))
}

impl Header {
    fn new(written: Option<&str>) -> anyhow::Result<Header> {
        let Some(written) = written else {
            return Ok(Header::None);
        };
        if written == ":" {
            return Ok(Header::Lines(1));
        }
        match size::parse_positive(written) {
            Ok(lines) => Ok(Header::Lines(lines)),
            Err(_) => bail!(
                "--header {}: with --pipe \":\" for the first line, or a number of lines, is \
                 expected",
                text::quoted(written.as_bytes())
            ),
        }
    }
}
