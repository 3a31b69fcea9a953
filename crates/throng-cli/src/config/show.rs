//! `throng config`: the options as they are, and who said so. What it prints can be put into a file
//! as it is.

use std::ffi::OsStr;
use std::io::Write;

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Value;

use super::{PREFIX, Places, Setting, key, options, takes_value};
use crate::exit::Exit;

pub(crate) fn show(
    command: &Command,
    matches: &ArgMatches,
    settings: &[Setting],
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
    for (line, origin) in lines {
        print(format!("{line:width$}  # {origin}"))?;
    }
    for name in strangers(command) {
        print(format!("# {name} is no option, and nobody looks at it"))?;
    }
    Ok(Exit::Commands { failed: 0 })
}

/// The value as a file would have it; none where there is nothing to say.
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

fn origin(arg: &Arg, matches: &ArgMatches, settings: &[Setting]) -> String {
    let id = arg.get_id().as_str();
    if let Some(setting) = settings.iter().find(|setting| setting.id == id) {
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
fn strangers(command: &Command) -> Vec<String> {
    let known = |name: &str| {
        let key = name.to_lowercase().replace('_', "-");
        let is_about_settings = ["profile"].contains(&key.as_str());
        // The library marks processes with it.
        let is_a_mark = key == "job";
        let is_option = options(command)
            .any(|arg| super::key(arg) == key && arg.get_id().as_str() != "allow_code");
        is_about_settings || is_a_mark || is_option
    };
    let names = Places::of_this_program().variables.into_iter();
    let mut names: Vec<String> = names
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.strip_prefix(PREFIX).is_some_and(|rest| !known(rest)))
        .collect();
    names.sort();
    names
}
