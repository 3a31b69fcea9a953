//! A file of settings: `key = value`, and the same below `[profile.NAME]`. Does not know what
//! counts more than it. One that is found, and not named, has to belong to the user.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use clap::{Arg, ArgAction, Command};
use toml::Table;
use toml::Value;

use super::{Setting, Source, flag, key, may_be_bare, options, takes_value, word};
use crate::{size, sys};

/// The table that holds the profiles.
const PROFILES: &str = "profile";

/// How long such a file may be, in bytes.
const SIZE_MAX: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    table: Table,
}

impl File {
    pub(super) fn read(source: &Source) -> anyhow::Result<File> {
        let path = source.path();
        let name = || path.display().to_string();
        let file = open(path).with_context(name)?;
        if !matches!(source, Source::Named(_))
            && let Some(why) = sys::foreign(&file.metadata().with_context(name)?)
        {
            bail!(
                "{}: {why}, so it is not read (--config FILE names a file to read, --no-config \
                 reads none)",
                name()
            );
        }
        let mut text = String::new();
        let mut file = file.take(SIZE_MAX + 1);
        file.read_to_string(&mut text).with_context(name)?;
        ensure!(
            text.len() as u64 <= SIZE_MAX,
            "{}: it has more than {} bytes, which no file with settings needs",
            name(),
            size::with_commas(SIZE_MAX)
        );
        let table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().map_or("", |span| &text[..span.start]);
            let line = before.matches('\n').count() + 1;
            let what = error.message().replace('\n', ", ");
            anyhow!("{}, line {line}: {what}", name())
        })?;
        let file = File {
            path: path.to_owned(),
            table,
        };
        file.check_profiles()?;
        Ok(file)
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn check_profiles(&self) -> anyhow::Result<()> {
        let is_fine = match self.table.get(PROFILES) {
            None => true,
            Some(Value::Table(profiles)) => profiles.values().all(Value::is_table),
            Some(_) => false,
        };
        if !is_fine {
            bail!(
                "{}: {PROFILES}: tables [{PROFILES}.NAME] are expected",
                self.path.display()
            );
        }
        Ok(())
    }

    fn profile(&self, name: &str) -> Option<&Table> {
        self.table.get(PROFILES)?.get(name)?.as_table()
    }

    pub(super) fn has_profile(&self, name: &str) -> bool {
        self.profile(name).is_some()
    }

    /// The settings of the file, and after them those of the profile. Whether or not they count,
    /// all profiles have to be right.
    pub(super) fn settings(
        &self,
        command: &Command,
        profile: Option<&str>,
    ) -> anyhow::Result<Vec<Setting>> {
        let path = self.path.display();
        let mut settings = table(command, &self.table, &path.to_string())?;
        let profiles = self.table.get(PROFILES).and_then(Value::as_table);
        for (name, profiled) in profiles.into_iter().flatten() {
            let origin = format!("{path} [{PROFILES}.{name}]");
            let Value::Table(profiled) = profiled else {
                continue;
            };
            let said = table(command, profiled, &origin)?;
            if profile == Some(name) {
                settings.extend(said);
            }
        }
        Ok(settings)
    }
}

/// Never blocks: what is no regular file is not opened, since a pipe would wait for its writer, and
/// what it was when it was looked at is looked at again.
fn open(path: &Path) -> io::Result<fs::File> {
    let is_file = |metadata: &fs::Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file")),
    };
    is_file(&fs::metadata(path)?)?;
    let file = sys::open_at_once(path)?;
    is_file(&file.metadata()?)?;
    Ok(file)
}

fn table(command: &Command, table: &Table, origin: &str) -> anyhow::Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for (name, value) in table {
        if name == PROFILES {
            continue;
        }
        let arg = options(command).find(|arg| is_named(arg, name));
        let Some(arg) = arg else {
            bail!("{origin}: there is no option --{name}");
        };
        let words = words(arg, value)
            .ok_or_else(|| anyhow!("{origin}: {name} = {value}: {} is expected", expected(arg)))?;
        settings.push(Setting {
            id: arg.get_id().to_string(),
            words,
            origin: origin.to_owned(),
        });
    }
    Ok(settings)
}

/// By its name, by one that it has besides, or with `_` for `-`.
fn is_named(arg: &Arg, name: &str) -> bool {
    let name = name.replace('_', "-");
    let others = arg.get_all_aliases().unwrap_or_default();
    key(arg) == name || others.contains(&name.as_str())
}

fn words(arg: &Arg, value: &Value) -> Option<Vec<std::ffi::OsString>> {
    match value {
        Value::Boolean(false) if !takes_value(arg) || may_be_bare(arg) => Some(Vec::new()),
        Value::Boolean(true) if !takes_value(arg) || may_be_bare(arg) => Some(vec![flag(arg)]),
        Value::Array(values) if takes_list(arg) => {
            let words = values
                .iter()
                .map(|value| Some(word(arg, OsStr::new(&text(value)?))));
            words.collect()
        }
        value if takes_value(arg) => Some(vec![word(arg, OsStr::new(&text(value)?))]),
        _ => None,
    }
}

fn takes_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// What would be written on a command line.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

fn expected(arg: &Arg) -> &'static str {
    match (takes_value(arg), takes_list(arg)) {
        (false, _) => "true or false",
        (true, false) => "text or a number",
        (true, true) => "text, a number or a list of them",
    }
}
