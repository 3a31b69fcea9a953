//! How much output of commands is kept, where, and what is done about output that is held open.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser as _};
use throng::{Builder, Command, OnHeld, Retain};

use crate::size;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Hold at most SIZE of output in memory, the rest in files [default: 1/8 of the memory]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    memory: Option<u64>,

    /// Directory of temporary files [default: that of the system]
    ///
    /// Where the directory of the system is in memory, the default is /var/tmp.
    #[arg(long, value_name = "DIR",
          value_parser = PathBufValueParser::new().try_map(directory))]
    tmpdir: Option<PathBuf>,

    /// Keep at most SIZE of each stream of a command: head, tail or both ends
    ///
    /// Without a word after SIZE: head.
    #[arg(long, value_name = "SIZE[,head|tail|both]", value_parser = max_output)]
    max_output: Option<MaxOutput>,

    /// Handle output that a process holds open after the exit: keep, kill, wait or fail
    ///
    /// `keep` delivers what has been captured (the default), `kill` ends the rest of the command's
    /// processes, `wait` waits for the holder, `fail` delivers and counts the command as failed.
    #[arg(
        long,
        value_name = "POLICY",
        default_value_t,
        hide_default_value = true
    )]
    held: OnHeld,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MaxOutput {
    bytes: u64,
    part: Retain,
}

impl Limits {
    /// Captures may have so much of the memory for output.
    pub(crate) fn set_builder(&self, builder: Builder, memory: u64) -> Builder {
        let mut builder = builder.on_held(self.held).memory(memory);
        if let Some(dir) = &self.tmpdir {
            builder = builder.spill_dir(dir);
        }
        builder
    }

    /// How much output may be in memory.
    pub(crate) fn memory(&self) -> u64 {
        let default = || Builder::default().memory_limit();
        self.memory.unwrap_or_else(default)
    }

    /// Where temporary files are.
    pub(crate) fn tmpdir(&self) -> PathBuf {
        let default = || Builder::default().get_spill_dir();
        self.tmpdir.clone().unwrap_or_else(default)
    }

    pub(crate) fn set_command(&self, command: &mut Command) {
        if let Some(MaxOutput { bytes, part }) = self.max_output {
            command.max_output(bytes).retain(part);
        }
    }
}

fn directory(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.is_dir() {
        Ok(path)
    } else {
        Err("there is no such directory")
    }
}

fn max_output(text: &str) -> Result<MaxOutput, String> {
    let (bytes, part) = text.split_once(',').unwrap_or((text, "head"));
    let part = match part {
        "head" => Retain::Head,
        "tail" => Retain::Tail,
        "both" => Retain::Both,
        _ => return Err("one of head, tail, both is expected after the comma".into()),
    };
    let bytes = size::parse(bytes)?;
    Ok(MaxOutput { bytes, part })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_limit_has_a_size_and_an_optional_part() {
        let read = |text| max_output(text).map(|limit| (limit.bytes, limit.part));
        assert_eq!(read("10"), Ok((10, Retain::Head)));
        assert_eq!(read("64K,tail"), Ok((64 << 10, Retain::Tail)));
        assert_eq!(read("1M,both"), Ok((1 << 20, Retain::Both)));
        for nonsense in ["", ",tail", "10,", "10,middle", "10,tail,both", "x"] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }
}
