//! The files of each command, if `--results` is a path with placeholders. They are assigned in the
//! order of the commands, so that a resumed run assigns the same ones, and before the command
//! starts, so that a command whose results could not be written does not run.

use std::collections::HashSet;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};

use super::super::joblog::fingerprint;
use super::tree::{Files, LONGEST_NAME, with_ending};
use crate::options::output::FilesWanted;
use crate::template::Pattern;
use crate::{links, sys, text};

/// How many paths are tried for one command.
const TRIES_MAX: u32 = 100;

/// The files that commands of this run have.
#[derive(Debug)]
pub(crate) struct Claims {
    /// The directory before the first placeholder.
    fixed: PathBuf,
    wanted: FilesWanted,
    /// Whether results that exist already are kept and added to.
    keeps: bool,
    /// Fingerprints of paths.
    files: HashSet<u64>,
    directories: HashSet<u64>,
}

/// There are results where a command's should go, and no option says what to do. Ends the run.
#[derive(Debug)]
pub(crate) struct ResultsExist(String);

impl fmt::Display for ResultsExist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--results {}: it is there already: --resume runs what is missing, +NAME writes \
             over it",
            self.0
        )
    }
}

impl std::error::Error for ResultsExist {}

impl Claims {
    pub(crate) fn new(
        pattern: &Pattern,
        wanted: FilesWanted,
        keeps: bool,
    ) -> anyhow::Result<Claims> {
        Ok(Claims {
            fixed: sys::os_string(pattern.fixed_directory().to_vec())?.into(),
            wanted,
            keeps,
            files: HashSet::new(),
            directories: HashSet::new(),
        })
    }

    /// The path for the command with this number: this one, or one beside it if an earlier command
    /// has one of its files. Fails if its files could not be written.
    pub(crate) fn claim(&mut self, path: &[u8], number: u64) -> anyhow::Result<Vec<u8>> {
        for attempt in 0..TRIES_MAX {
            let path = beside(path, number, attempt);
            let files = Files::of_path(&path)?;
            let mut all = vec![&files.stdout, &files.stderr];
            if self.wanted == FilesWanted::All {
                all.push(&files.seq);
            }
            for file in &all {
                self.check(file)
                    .with_context(|| format!("--results {}", text::quoted_name(file)))?;
            }
            if self.is_taken(&files, &all)? {
                continue;
            }
            for file in all {
                self.files.insert(key(file));
                let above = file
                    .parent()
                    .map_or(Vec::new(), |p| links::way(&self.fixed, p));
                self.directories.extend(above.into_iter().map(key));
            }
            return Ok(path);
        }
        bail!(
            "--results {}: earlier values have this name and {} beside it",
            text::quoted(path),
            TRIES_MAX - 1
        )
    }

    /// Fails if this file cannot be written, whatever the command does.
    fn check(&self, file: &Path) -> anyhow::Result<()> {
        links::refuse_links_out(&self.fixed, file)?;
        for step in links::way(&self.fixed, file) {
            let name = step.file_name().unwrap_or_default().as_encoded_bytes();
            let length = sys::name_length(name);
            ensure!(
                length <= LONGEST_NAME,
                "a name of {length} characters is too long, and the limit is {LONGEST_NAME}: \
                 --results DIR cuts such values"
            );
            if step == file {
                break;
            }
            ensure!(
                !self.files.contains(&key(step)),
                "{} is a file with results of an earlier value, so it cannot be a directory",
                text::quoted_name(step)
            );
            match step.metadata() {
                Ok(metadata) => ensure!(
                    metadata.is_dir(),
                    "{} exists and is not a directory",
                    text::quoted_name(step)
                ),
                Err(error) if is_of_a_name(error.kind()) => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Whether one of these files belongs to another command.
    fn is_taken(&self, files: &Files, all: &[&PathBuf]) -> anyhow::Result<bool> {
        let is_known = |key: &u64| self.files.contains(key) || self.directories.contains(key);
        if all.iter().any(|file| is_known(&key(file))) {
            return Ok(true);
        }
        let there = |path: &Path| path.symlink_metadata().is_ok();
        if !self.keeps {
            return match all.iter().find(|file| there(file)) {
                Some(file) => Err(ResultsExist(file.display().to_string()).into()),
                None => Ok(false),
            };
        }
        // A file of an earlier run may be that of another value.
        Ok(all.iter().any(|file| file.is_dir())
            || (there(&files.stdout) && is_beside_another(&files.stdout))
            || all[1..]
                .iter()
                .any(|file| there(file) && there(&with_ending(file, ".seq"))))
    }
}

/// Whether this is the stderr, or the number, of another value, from an earlier run.
fn is_beside_another(file: &Path) -> bool {
    let is_beside = file
        .extension()
        .is_some_and(|ending| ending == "err" || ending == "seq");
    is_beside && file.with_extension("").is_file() && !with_ending(file, ".seq").is_file()
}

/// The path for the command with this number after this many attempts.
fn beside(path: &[u8], number: u64, attempt: u32) -> Vec<u8> {
    let mark = match attempt {
        0 => String::new(),
        1 => format!("#{number}"),
        more => format!("#{number}.{more}"),
    };
    let end = path.iter().rposition(|byte| *byte != b'/');
    let end = end.map_or(0, |last| last + 1);
    let (name, rest) = path.split_at(end);
    [name, mark.as_bytes(), rest].concat()
}

/// The same for all spellings of a path.
fn key(path: impl AsRef<Path>) -> u64 {
    let mut plain = PathBuf::new();
    for component in path.as_ref().components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    fingerprint(&sys::folded_path(&plain))
}

/// Whether something cannot be written to this path, but can to others.
pub(crate) fn is_of_a_name(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::AlreadyExists
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
    )
}
