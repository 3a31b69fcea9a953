//! Options from a file and from variables. What can be set is read from the definition of the
//! command line, so that a new option needs no work here; a setting becomes the words that would
//! have been written on the command line, before those that were. Knows no option by name, except
//! the few that variables may set.
//!
//! Precedence, highest first: the command line, variables, the profile in the file, the file, the
//! default. There is one file: that of `--config`, else that of `THRONG_CONFIG`, else the user's.
//! No directory is searched for one, since options can run programs and overwrite files: a file
//! that another user has left in a directory, or in one above it, must have no effect.

mod file;
mod show;
#[cfg(test)]
mod tests;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use self::file::File;
pub(crate) use self::show::show;
use crate::options::jobs::{self, Count};
use crate::{sys, terminal, text};

/// The name of the user's file.
const FILE: &str = "throng.toml";
const PREFIX: &str = "THRONG_";

/// What cannot be set: it is about settings, or ends before there are any.
const NOT_SET: [&str; 5] = ["config", "profile", "no_config", "help", "version"];

/// The options that variables set. An environment comes from anywhere, so none of these may run a
/// program, name a file that is written, or change which commands are run.
const BY_VARIABLE: [&str; 5] = ["jobs", "progress", "color", "memory", "tmpdir"];

/// Variables that are read elsewhere, or that we set for our commands.
const OTHER_VARIABLES: [&str; 5] = ["config", "profile", "shell", "seq", "slot"];

/// One option as a file or a variable sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The parser's name of the option.
    id: String,
    /// The words that set it; none where it is switched off.
    words: Vec<OsString>,
    /// Where it was set, as a user knows it.
    pub(crate) origin: String,
}

/// A file with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// Named with `--config` on the command line, so it is trusted like the command line.
    Named(PathBuf),
    /// Named with `THRONG_CONFIG`; like those below it has to be the user's own.
    Variable(PathBuf),
    /// Found without either.
    Found(PathBuf),
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Source::Named(path) | Source::Variable(path) | Source::Found(path) => path,
        }
    }
}

/// Where settings may come from.
#[derive(Debug, Default)]
struct Sources {
    file: Option<Source>,
    variables: Vec<(OsString, OsString)>,
}

impl Sources {
    fn new(named: Option<PathBuf>) -> anyhow::Result<Sources> {
        let variables: Vec<_> = env::vars_os().collect();
        let of_variable = variable(&variables, "CONFIG").filter(|path| !path.is_empty());
        let file = match (named, of_variable) {
            (Some(path), _) => Some(Source::Named(path)),
            (None, Some(path)) => {
                let path = PathBuf::from(path);
                // What is in the current directory must not matter.
                ensure!(
                    path.is_absolute(),
                    "THRONG_CONFIG {}: an absolute path is expected",
                    text::quoted_name(path)
                );
                Some(Source::Variable(path))
            }
            (None, None) => user_file().filter(|path| path.is_file()).map(Source::Found),
        };
        Ok(Sources { file, variables })
    }

    /// Variables that have the name of an option and do not set it.
    fn ignored(&self, command: &Command) -> Vec<String> {
        let names = options(command).map(variable_name);
        let mut ignored: Vec<String> = names
            .filter(|name| !BY_VARIABLE.contains(&&key_of(name)[..]))
            .filter(|name| !OTHER_VARIABLES.contains(&&key_of(name)[..]))
            .filter(|name| self.variables.iter().any(|(set, _)| **set == **name))
            .collect();
        ignored.sort();
        ignored
    }
}

/// The user's own file, whether or not it is there.
fn user_file() -> Option<PathBuf> {
    sys::config_dir().map(|dir| dir.join("throng").join(FILE))
}

fn variable<'a>(variables: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    let name = PREFIX.to_owned() + name;
    let (_, value) = variables.iter().find(|(key, _)| **key == *name)?;
    Some(value)
}

/// The variable of an option: `THRONG_MAX_ARGS`.
fn variable_name(arg: &Arg) -> String {
    PREFIX.to_owned() + &key(arg).to_uppercase().replace('-', "_")
}

/// The option of a variable: `max-args`.
fn key_of(variable: &str) -> String {
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
    name.to_lowercase().replace('_', "-")
}

/// What a command has been set up with besides its command line.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Those that count, the ones that count more after the others.
    settings: Vec<Setting>,
    file: Option<Source>,
}

/// The settings of this command, given what its command line sets already.
pub(crate) fn settings(command: &Command, written: &ArgMatches) -> anyhow::Result<Settings> {
    if written.get_flag("no_config") {
        return Ok(Settings::default());
    }
    let profile = written.get_one::<String>("profile").cloned();
    let sources = Sources::new(written.get_one::<PathBuf>("config").cloned())?;
    let all = gather(command, &sources, profile)?;
    for setting in &all {
        check(command, setting)?;
    }
    let ignored = sources.ignored(command);
    if !ignored.is_empty() {
        terminal::warn(format_args!(
            "{} ignored: variables set only {}; --config FILE names a file with other options",
            match &ignored[..] {
                [name] => format!("{name} is"),
                names => format!("{} are", names.join(", ")),
            },
            BY_VARIABLE.join(", ")
        ));
    }
    let settings = effective(command, all, &|id| {
        written.value_source(id) == Some(ValueSource::CommandLine)
    });
    Ok(Settings {
        settings,
        file: sources.file,
    })
}

/// The words with the settings among them, where options go.
pub(crate) fn insert(words: Vec<OsString>, settings: &Settings) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut all: Vec<OsString> = words.by_ref().take(2).collect();
    let set = settings.settings.iter();
    all.extend(set.flat_map(|setting| setting.words.clone()));
    all.extend(words);
    all
}

/// All settings, what counts more after the rest.
fn gather(
    command: &Command,
    sources: &Sources,
    profile: Option<String>,
) -> anyhow::Result<Vec<Setting>> {
    let named = variable(&sources.variables, "PROFILE").and_then(OsStr::to_str);
    let named = named.filter(|name| !name.is_empty()).map(String::from);
    let (profile, by) = match profile {
        Some(profile) => (Some(profile), "--profile"),
        None => (named, "THRONG_PROFILE"),
    };
    let read = |source: &Source| match source {
        Source::Variable(_) => File::read(source).context("THRONG_CONFIG"),
        Source::Named(_) | Source::Found(_) => File::read(source),
    };
    let file = sources.file.as_ref().map(read).transpose()?;
    if let Some(profile) = &profile
        && !file.as_ref().is_some_and(|file| file.has_profile(profile))
    {
        match &file {
            Some(file) => bail!(
                "{by} \"{profile}\": there is no such profile in {}",
                file.name()
            ),
            None => bail!("{by} \"{profile}\": there is no {FILE} that could have such a profile"),
        }
    }
    let mut settings = match &file {
        Some(file) => file.settings(command, profile.as_deref())?,
        None => Vec::new(),
    };
    for arg in options(command) {
        let name = variable_name(arg);
        let value = sources.variables.iter().find(|(key, _)| **key == *name);
        if let Some((_, value)) = value
            && BY_VARIABLE.contains(&&key(arg)[..])
        {
            refuse_file(arg, &name, value)?;
            settings.push(of_variable(arg, &name, value)?);
        }
    }
    Ok(settings)
}

/// `-j` takes the name of a file, which a variable may not choose: an environment comes from
/// anywhere, and what is in the file is shown where it is no number.
fn refuse_file(arg: &Arg, name: &str, value: &OsStr) -> anyhow::Result<()> {
    let is_number = |text: &str| text.parse::<Count>().is_ok();
    ensure!(
        key(arg) != "jobs" || value.to_str().is_some_and(is_number),
        "{name} {}: {}, is expected; -j and --config take the name of a file as well",
        text::quoted_name(value),
        jobs::EXPECTED
    );
    Ok(())
}

fn of_variable(arg: &Arg, name: &str, value: &OsStr) -> anyhow::Result<Setting> {
    let words = if takes_value(arg) {
        vec![word(arg, value)]
    } else {
        match value.to_str() {
            Some("1" | "true" | "yes") => vec![flag(arg)],
            Some("" | "0" | "false" | "no") => Vec::new(),
            _ => bail!("{name} \"{}\": 1 or 0 is expected", value.display()),
        }
    };
    Ok(Setting {
        id: arg.get_id().to_string(),
        words,
        origin: name.to_owned(),
    })
}

/// Fails if the value is invalid, and names where it was set.
fn check(command: &Command, setting: &Setting) -> anyhow::Result<()> {
    let words = [OsString::from("throng")].into_iter();
    let words = words.chain(setting.words.iter().cloned());
    match command.clone().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(error) => Err(anyhow::anyhow!(super::errors::one_line(&error)))
            .with_context(|| setting.origin.clone()),
    }
}

/// Leaves out what something that counts more replaces or contradicts.
fn effective(
    command: &Command,
    said: Vec<Setting>,
    is_written: &dyn Fn(&str) -> bool,
) -> Vec<Setting> {
    let written = options(command).filter(|arg| is_written(arg.get_id().as_str()));
    let mut above: Vec<&Arg> = written.collect();
    let mut kept = Vec::new();
    for setting in said.into_iter().rev() {
        let Some(arg) = options(command).find(|arg| arg.get_id().as_str() == setting.id) else {
            continue;
        };
        let yields = above.iter().any(|other| {
            other.get_id() == arg.get_id()
                || contradicts(command, arg, other)
                || contradicts(command, other, arg)
        });
        if yields {
            continue;
        }
        above.push(arg);
        if !setting.words.is_empty() {
            kept.push(setting);
        }
    }
    kept.reverse();
    kept
}

fn contradicts(command: &Command, arg: &Arg, other: &Arg) -> bool {
    let conflicts = command.get_arg_conflicts_with(arg);
    conflicts
        .iter()
        .any(|conflict| conflict.get_id() == other.get_id())
}

/// The options that can be set.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !NOT_SET.contains(&arg.get_id().as_str()))
}

/// The name of an option in a file: its long one, or its letter where it has none.
fn key(arg: &Arg) -> String {
    let long = arg.get_long().map(String::from);
    let letter = || arg.get_short().map(String::from);
    long.or_else(letter).expect("an option has a name")
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// Whether an option may stand without its value.
fn may_be_bare(arg: &Arg) -> bool {
    arg.get_num_args()
        .is_some_and(|range| range.min_values() == 0)
}

fn flag(arg: &Arg) -> OsString {
    match arg.get_long() {
        Some(long) => format!("--{long}").into(),
        None => format!("-{}", key(arg)).into(),
    }
}

/// The option and its value in one word.
fn word(arg: &Arg, value: &OsStr) -> OsString {
    let mut word = flag(arg);
    if arg.get_long().is_some() {
        word.push("=");
    }
    word.push(value);
    word
}
