//! The program that contestants start: the scripted child of throng-tests, built beside this one.

use std::ffi::OsString;
use std::iter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::child::{Child, ERR_LINE, GATE, OUT_LINE};

/// How much a [`Child::Writer`] writes at a time.
const PIECE_BYTES: u64 = 4096;

#[derive(Debug)]
pub(crate) struct Programs {
    child: PathBuf,
}

impl Programs {
    /// Finds it; nothing is made in this directory.
    pub(crate) fn make(_: &Path) -> Result<Programs> {
        let own = std::env::current_exe().context("find this program")?;
        let child = own.with_file_name("child.exe");
        if !child.is_file() {
            bail!(
                "not built: {} (cargo build --package throng-tests --bin child)",
                child.display()
            );
        }
        Ok(Programs { child })
    }

    /// What runs a process of this kind, before its number.
    pub(crate) fn argv(&self, child: Child) -> Vec<OsString> {
        let lines = [format!("outs:{OUT_LINE}"), format!("errs:{ERR_LINE}")];
        let gate = GATE.to_owned();
        let steps: Vec<String> = match child {
            Child::Lines => lines.into(),
            Child::True => Vec::new(),
            Child::Live => iter::once(gate).chain(lines).collect(),
            Child::Writer { bytes } => {
                let piece = ["out", "err"].map(|stream| format!("{stream}:{PIECE_BYTES}"));
                let pieces = (0..bytes / PIECE_BYTES).flat_map(|_| piece.clone());
                iter::once(gate).chain(pieces).collect()
            }
            Child::Bulk { bytes } => vec![format!("out:{bytes}")],
        };
        // It ends before it looks at its number.
        let end = ["exit:0".to_owned()];
        let words = steps.into_iter().chain(end).map(OsString::from);
        iter::once(self.child.clone().into()).chain(words).collect()
    }

    pub(crate) fn floor(&self) -> Option<&Path> {
        None
    }
}
