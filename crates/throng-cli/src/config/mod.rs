//! Options from files and variables. What can be set is read off the definition of the command
//! line, so a new option is there without work here; a setting becomes the words that would have
//! been written on the command line, before those that were. Knows no option by name.
//!
//! Which counts, the first before the others: the command line, `THRONG_*` variables, the profile
//! in the project's file, that file, the profile in the user's file, that file, the default.

mod file;
mod show;
#[cfg(test)]
mod tests;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use self::file::File;
pub(crate) use self::show::show;
use crate::sys;

/// The name of the files.
const FILE: &str = "throng.toml";
const PREFIX: &str = "THRONG_";

/// What cannot be set: it is about settings, or ends before there are any.
const NOT_SET: [&str; 4] = ["profile", "no_config", "help", "version"];

/// What a variable cannot set: it decides what becomes code. `THRONG_SHELL` only names a shell for
/// `--shell`, and means nothing without it.
const NOT_BY_VARIABLE: [&str; 2] = ["shell", "allow_code"];

/// One option as a file or a variable sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The parser's name of the option.
    id: String,
    /// The words that set it; none where it is switched off.
    words: Vec<OsString>,
    /// Where it was said, as a user knows it.
    pub(crate) origin: String,
}

/// Where settings may come from.
#[derive(Debug, Default)]
struct Places {
    project: Option<PathBuf>,
    user: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
}

impl Places {
    fn of_this_program() -> Places {
        let here = env::current_dir().unwrap_or_default();
        let project = here.ancestors().map(|dir| dir.join(FILE));
        let user = sys::config_dir().map(|dir| dir.join("throng").join(FILE));
        Places {
            project: project.into_iter().find(|path| path.is_file()),
            user: user.filter(|path| path.is_file()),
            variables: env::vars_os().collect(),
        }
    }
}

/// The settings that count for this command, the ones that count more after the others, given what
/// its command line says already.
pub(crate) fn settings(command: &Command, written: &ArgMatches) -> anyhow::Result<Vec<Setting>> {
    if written.get_flag("no_config") {
        return Ok(Vec::new());
    }
    let profile = written.get_one::<String>("profile").cloned();
    let said = gather(command, &Places::of_this_program(), profile)?;
    for setting in &said {
        check(command, setting)?;
    }
    Ok(effective(command, said, &|id| {
        written.value_source(id) == Some(ValueSource::CommandLine)
    }))
}

/// The words with the settings among them, where options go.
pub(crate) fn insert(words: Vec<OsString>, settings: &[Setting]) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut all: Vec<OsString> = words.by_ref().take(2).collect();
    all.extend(settings.iter().flat_map(|setting| setting.words.clone()));
    all.extend(words);
    all
}

/// All that is said, what counts more after the rest.
fn gather(
    command: &Command,
    places: &Places,
    profile: Option<String>,
) -> anyhow::Result<Vec<Setting>> {
    let variable = |name: &str| {
        let (_, value) = places.variables.iter().find(|(key, _)| key == name)?;
        value.to_str().filter(|value| !value.is_empty())
    };
    let named = variable("THRONG_PROFILE").map(String::from);
    let (profile, by) = match profile {
        Some(profile) => (Some(profile), "--profile"),
        None => (named, "THRONG_PROFILE"),
    };
    let paths = [places.user.as_deref(), places.project.as_deref()];
    let files = paths.into_iter().flatten().map(File::read);
    let files: Vec<File> = files.collect::<anyhow::Result<_>>()?;
    if let Some(profile) = &profile
        && !files.iter().any(|file| file.has_profile(profile))
    {
        bail!("{by} \"{profile}\": {}", nowhere(&paths));
    }
    let mut settings = Vec::new();
    for file in &files {
        settings.extend(file.settings(command, profile.as_deref())?);
    }
    let is_by_variable = |arg: &&Arg| !NOT_BY_VARIABLE.contains(&arg.get_id().as_str());
    for arg in options(command).filter(is_by_variable) {
        let name = PREFIX.to_owned() + &key(arg).to_uppercase().replace('-', "_");
        if let Some((_, value)) = places.variables.iter().find(|(key, _)| *key == *name) {
            settings.push(of_variable(arg, &name, value)?);
        }
    }
    Ok(settings)
}

fn nowhere(files: &[Option<&Path>]) -> String {
    let files = files
        .iter()
        .flatten()
        .map(|file| file.display().to_string());
    let files: Vec<String> = files.collect();
    if files.is_empty() {
        format!("there is no {FILE} that could have such a profile")
    } else {
        format!("there is no such profile in {}", files.join(" or "))
    }
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

/// Fails when the value is none, and says where it was said.
fn check(command: &Command, setting: &Setting) -> anyhow::Result<()> {
    let words = [OsString::from("throng")].into_iter();
    let words = words.chain(setting.words.iter().cloned());
    match command.clone().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(error) => Err(anyhow::anyhow!(crate::args::one_line(&error)))
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
