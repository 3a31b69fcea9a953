//! Splits files into blocks of whole records, each read when it is needed: no file is in memory as
//! a whole.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::blocks::{Blocks, Header, Measure};
use super::separator::RecordSeparator;
use super::{Bytes, Limit, PipeOptions, open_file};
use crate::options::pipe::Block;

const READ_BYTES: usize = 64 * 1024;

pub(super) struct Parts {
    files: std::vec::IntoIter<Part>,
    current: Option<Part>,
    separator: RecordSeparator,
}

/// The rest of a file.
struct Part {
    limit: Limit,
    name: String,
    file: File,
    header: Bytes,
    at: u64,
    len: u64,
    block: u64,
}

impl Parts {
    pub(super) fn open(
        files: Vec<PathBuf>,
        options: PipeOptions,
        jobs: usize,
    ) -> anyhow::Result<Parts> {
        let mut parts = Vec::new();
        for path in files {
            let name = path.display().to_string();
            let file = open_file(&path)?;
            let data = file.metadata().context(name.clone())?;
            if !data.is_file() {
                bail!("--pipe-part: {name} cannot be read from any offset; use --pipe");
            }
            let header = match options.header {
                Header::None => Vec::new(),
                Header::Lines(count) => header(&file, &options, count)?,
            };
            let at = header.len() as u64;
            let block = match options.block {
                Block::Bytes(bytes) => bytes,
                Block::PerJob(number) => {
                    let blocks = number.saturating_mul(jobs as u64).max(1);
                    (data.len() - at).div_ceil(blocks).max(1)
                }
            };
            options.limit.check_wanted(block)?;
            parts.push(Part {
                limit: options.limit,
                name,
                file,
                header,
                at,
                len: data.len(),
                block,
            });
        }
        Ok(Parts {
            files: parts.into_iter(),
            current: None,
            separator: options.separator,
        })
    }
}

/// The first lines of a file.
fn header(file: &File, options: &PipeOptions, lines: u64) -> anyhow::Result<Bytes> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let measure = Measure::Records {
        count: 1,
        lines: Some(lines),
    };
    let mut first = Blocks::new(
        Box::new(file),
        options.separator.clone(),
        measure,
        Header::None,
        options.limit,
    );
    Ok(first.next().transpose()?.unwrap_or_default())
}

impl Part {
    /// The next block. It ends at the first border at or after its size.
    fn next(&mut self, separator: &RecordSeparator) -> anyhow::Result<Option<Bytes>> {
        if self.at >= self.len {
            return Ok(None);
        }
        let wanted = usize::try_from(self.block.min(self.len - self.at))?;
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        let mut want = wanted + READ_BYTES;
        loop {
            let more = (want - bytes.len()) as u64;
            let count = Read::by_ref(&mut self.file)
                .take(more)
                .read_to_end(&mut bytes)?;
            let is_all = (count as u64) < more || self.at + bytes.len() as u64 >= self.len;
            let least = wanted - 1;
            let from = least.saturating_sub(separator.overlap());
            let end = separator.first(&bytes, least, from, is_all);
            let length = match end {
                Some(end) => end,
                None if is_all => bytes.len(),
                None => {
                    self.limit.check(bytes.len())?;
                    want += want.max(READ_BYTES);
                    continue;
                }
            };
            bytes.truncate(length);
            self.at += length as u64;
            if length == 0 {
                // The file has become shorter.
                return Ok(None);
            }
            return Ok(Some([&self.header[..], &separator.strip(bytes)].concat()));
        }
    }
}

impl Iterator for Parts {
    type Item = anyhow::Result<Bytes>;

    fn next(&mut self) -> Option<anyhow::Result<Bytes>> {
        loop {
            let part = match &mut self.current {
                Some(part) => part,
                None => self.current.insert(self.files.next()?),
            };
            let block = part
                .next(&self.separator)
                .with_context(|| format!("cannot read {}", part.name));
            match block.transpose() {
                Some(block) => return Some(block),
                None => self.current = None,
            }
        }
    }
}
