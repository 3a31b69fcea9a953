//! Symbolic links in paths with placeholders. No value leads out of the directory before its
//! placeholder, and this makes sure that no link does.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::text;

/// The paths between a directory and this path, from the top, including this path.
pub(crate) fn way<'a>(directory: &Path, path: &'a Path) -> Vec<&'a Path> {
    let length = directory.as_os_str().len();
    let below = path.ancestors();
    let mut way: Vec<_> = below
        .take_while(|path| path.as_os_str().len() > length)
        .collect();
    way.reverse();
    way
}

/// Fails if a symbolic link below this directory, on the way to the path or the path itself, leads
/// out of the directory, or nowhere.
pub(crate) fn refuse_links_out(directory: &Path, path: &Path) -> anyhow::Result<()> {
    for step in way(directory, path) {
        match step.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => refuse_link_out(directory, step)?,
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn refuse_link_out(directory: &Path, link: &Path) -> anyhow::Result<()> {
    let name = || text::quoted_name(link);
    let leads_to = fs::canonicalize(link)
        .with_context(|| format!("{} is a symbolic link that leads nowhere", name()))?;
    let below = match directory.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => directory.to_owned(),
    };
    ensure!(
        leads_to.starts_with(fs::canonicalize(&below)?),
        "{} is a symbolic link that leads out of {}",
        name(),
        text::quoted_name(below)
    );
    Ok(())
}
