//! Which words of the command line are the command and which are sources of values:
//! `COMMAND ::: a b :::: file`. Reads nothing.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::options;

/// A source of values, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    List(Vec<OsString>),
    File(PathBuf),
    Stdin,
}

/// A source, and whether it goes along with the one before it, as with `:::+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) source: Source,
    pub(crate) is_linked: bool,
}

/// The words that begin a source.
#[derive(Clone, Debug)]
pub(crate) struct Separators {
    list: OsString,
    /// None where only the word of `--arg-sep` separates.
    file: Option<OsString>,
}

/// What follows a separator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Separator {
    is_file: bool,
    is_linked: bool,
}

impl Default for Separators {
    fn default() -> Separators {
        Separators {
            list: ":::".into(),
            file: Some("::::".into()),
        }
    }
}

impl Separators {
    pub(crate) fn new(options: &options::input::Input) -> anyhow::Result<Separators> {
        let mut separators = Separators::default();
        if let Some(word) = &options.arg_sep {
            separators.list.clone_from(word);
            separators.file = None;
        }
        if let Some(word) = &options.arg_file_sep {
            separators.file = Some(word.clone());
        }
        if separators.list.is_empty() {
            bail!("--arg-sep \"\": a word is expected");
        }
        if separators.file.as_ref().is_some_and(|word| word.is_empty()) {
            bail!("--arg-file-sep \"\": a word is expected");
        }
        if separators.file.as_ref() == Some(&separators.list) {
            let word = separators.list.display();
            bail!("--arg-sep and --arg-file-sep are both {word}");
        }
        Ok(separators)
    }

    fn of(&self, word: &OsStr) -> Option<Separator> {
        let file = self.file.iter().map(|text| (text, true));
        for (text, is_file) in std::iter::once((&self.list, false)).chain(file) {
            let rest = word
                .as_encoded_bytes()
                .strip_prefix(text.as_encoded_bytes());
            match rest {
                Some(b"") => {
                    return Some(Separator {
                        is_file,
                        is_linked: false,
                    });
                }
                Some(b"+") => {
                    return Some(Separator {
                        is_file,
                        is_linked: true,
                    });
                }
                _ => {}
            }
        }
        None
    }
}

/// Separates the command from the sources. Without any there is stdin.
///
/// Where values are file names that a shell has found (`::: *`), a file can have the name of a
/// separator, and what follows it would be read as values or even opened. So a separator after the
/// first is refused where there `is_file` of its name.
pub(crate) fn split_words(
    words: Vec<OsString>,
    arg_files: &[PathBuf],
    separators: &Separators,
    is_file: impl Fn(&OsStr) -> bool,
) -> anyhow::Result<(Vec<OsString>, Vec<Given>)> {
    let mut command = Vec::new();
    let files = arg_files.iter().cloned();
    let mut sources: Vec<Given> = files
        .map(|path| Given {
            source: Source::file(path),
            is_linked: false,
        })
        .collect();
    let mut words = VecDeque::from(words);
    let mut is_first = true;
    while let Some(word) = words.pop_front() {
        let Some(separator) = separators.of(&word) else {
            command.push(word);
            continue;
        };
        if !std::mem::take(&mut is_first) && is_file(&word) {
            bail!(
                "{0} begins a source of values, and there is a file of that name here; file names \
                 are safe as ./* or from find -print0 with -0, and --arg-sep WORD separates by \
                 another word alone",
                word.display()
            );
        }
        let Separator {
            is_file: has_names,
            is_linked,
        } = separator;
        if is_linked && sources.is_empty() {
            bail!(
                "{} has no source before it to go along with",
                word.display()
            );
        }
        let end = words.iter().position(|word| separators.of(word).is_some());
        let values: Vec<_> = words.drain(..end.unwrap_or(words.len())).collect();
        if !has_names {
            let source = Source::List(values);
            sources.push(Given { source, is_linked });
        } else if values.is_empty() {
            bail!("{} needs the name of a file", word.display());
        } else {
            sources.extend(values.into_iter().map(|name| Given {
                source: Source::file(name.into()),
                is_linked,
            }));
        }
    }
    if sources.is_empty() {
        sources.push(Given {
            source: Source::Stdin,
            is_linked: false,
        });
    }
    let from_stdin = sources
        .iter()
        .filter(|given| given.source == Source::Stdin)
        .count();
    if from_stdin > 1 {
        bail!("stdin can be a source of values only once");
    }
    Ok((command, sources))
}

impl Source {
    fn file(path: PathBuf) -> Source {
        if path == Path::new("-") {
            Source::Stdin
        } else {
            Source::File(path)
        }
    }

    /// As a message names it.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::List(_) => "the list".into(),
            Source::File(path) => path.display().to_string(),
            Source::Stdin => "stdin".into(),
        }
    }
}
