//! `throng config`: the options as they are, and where each was set. What it prints can be put into
//! a file as it is.

use std::ffi::OsStr;
use std::io::Write;

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Value;

use super::{
    BY_VARIABLE, OTHER_VARIABLES, PREFIX, Settings, key, key_of, options, takes_value, user_file,
};
use crate::exit::Exit;
use crate::text;

pub(crate) fn show(
    command: &Command,
    matches: &ArgMatches,
    settings: &Settings,
) -> anyhow::Result<Exit> {
    let mut lines = Vec::new();
    for arg in options(command) {
        if let Some(value) = value(arg, matches) {
            let origin = origin(arg, matches, settings);
            lines.push((format!("{} = {value}", toml_key(&key(arg))), origin));
        }
    }
    let width = lines
        .iter()
        .map(|(line, _)| line.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = std::io::stdout().lock();
    let mut print = |line: String| writeln!(out, "{line}").context("cannot write to stdout");
    print(file_line(settings, matches.get_flag("no_config")))?;
    for (line, origin) in lines {
        let origin = text::on_one_line(origin.as_bytes());
        print(format!("{line:width$}  # {origin}"))?;
    }
    for name in strangers() {
        let name = text::on_one_line(name.as_bytes());
        print(format!("# {name} is ignored"))?;
    }
    Ok(Exit::Commands { failed: 0 })
}

/// Which file has been read, as a comment.
fn file_line(settings: &Settings, is_off: bool) -> String {
    let path = match (&settings.file, user_file()) {
        (Some(source), _) => source.path(),
        (None, Some(path)) if !is_off => {
            let path = text::on_one_line(path.as_os_str().as_encoded_bytes());
            return format!("# no file is read: there is no {path}");
        }
        _ => return "# no file is read".into(),
    };
    let path = text::on_one_line(path.as_os_str().as_encoded_bytes());
    format!("# the file is {path}")
}

/// The value as a file would have it; none where there is none.
fn value(arg: &Arg, matches: &ArgMatches) -> Option<Value> {
    let id = arg.get_id().as_str();
    if !takes_value(arg) {
        return matches.get_flag(id).then_some(Value::Boolean(true));
    }
    let values: Vec<Value> = matches
        .get_raw(id)?
        .map(|value: &OsStr| Value::String(value.to_string_lossy().into_owned()))
        .collect();
    match (arg.get_action(), &values[..]) {
        (ArgAction::Append, _) => Some(Value::Array(values)),
        (_, values) => values.first().cloned(),
    }
}

fn origin(arg: &Arg, matches: &ArgMatches, settings: &Settings) -> String {
    let id = arg.get_id().as_str();
    if let Some(setting) = settings.settings.iter().find(|setting| setting.id == id) {
        return setting.origin.clone();
    }
    match matches.value_source(id) {
        Some(ValueSource::DefaultValue) | None => "default".into(),
        Some(_) => "command line".into(),
    }
}

/// A letter in upper case, or a name with other characters, is quoted to be safe.
fn toml_key(key: &str) -> String {
    let is_bare = key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_bare {
        key.into()
    } else {
        format!("{key:?}")
    }
}

/// Variables that look like ours and set nothing.
fn strangers() -> Vec<String> {
    let is_known = |name: &str| {
        let key = &&key_of(name)[..];
        BY_VARIABLE.contains(key) || OTHER_VARIABLES.contains(key)
    };
    let mut names: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX) && !is_known(name))
        .collect();
    names.sort();
    names
}
