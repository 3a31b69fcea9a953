//! `throng man` and `throng completions`: made of the definition of the command line when they are
//! asked for, so that they are never of another version. Pages are written in the language of
//! man(7).

#[cfg(test)]
mod tests;

use anyhow::Context;
use clap::builder::PossibleValue;
use clap::{Arg, Args, Command};
use clap_complete::Shell;

use super::help::{self, TOPICS};
use crate::exit::Exit;
use crate::sys;

/// The date of this version, as the changelog has it.
const DATE: &str = "unreleased";

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The page of this command instead of that of throng itself
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell that reads the script
    shell: Shell,
}

pub(crate) fn page(args: &Man, definition: &Command) -> anyhow::Result<Exit> {
    help::print(&render(definition, args.command.as_deref())?)
}

pub(crate) fn completions(args: &Completions, definition: &Command) -> anyhow::Result<Exit> {
    help::print(&complete(args.shell, definition))
}

fn complete(shell: Shell, definition: &Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition.clone(), "throng", &mut script);
    script
}

/// The page of the program, or of one of its commands.
fn render(definition: &Command, name: Option<&str>) -> anyhow::Result<String> {
    let command = match name {
        None => definition,
        Some(name) => {
            let mut pages = pages(definition);
            let command = pages.find(|command| command.get_name() == name);
            command.with_context(|| format!("there is no command \"{name}\""))?
        }
    };
    let title = name.map_or_else(|| "throng".into(), |name| format!("throng-{name}"));
    let mut page = Page::new(&title);
    page.section("NAME");
    page.text(&format!("{title} - {}", about(command)));
    page.section("SYNOPSIS");
    let usage = command.clone().render_usage().to_string();
    let words: Vec<&str> = usage.split_whitespace().skip(1).collect();
    page.text(&words.join(" "));
    page.section("DESCRIPTION");
    let long = command.get_long_about().or(command.get_about());
    page.paragraphs(&long.map(ToString::to_string).unwrap_or_default());
    page.options(command);
    match name {
        None => {
            page.section("COMMANDS");
            for command in pages(definition) {
                page.item(
                    &format!("throng-{}(1)", command.get_name()),
                    &about(command),
                );
            }
            page.section("TOPICS");
            page.text("`throng help TOPIC` prints one of these texts.");
            for topic in &TOPICS {
                page.item(topic.name, topic.about);
            }
            page.section("EXAMPLES");
            page.lines(sys::EXAMPLES);
        }
        Some("run") => {
            for topic in TOPICS.iter().filter(|topic| topic.name != "parallel") {
                page.section(&topic.title().to_uppercase());
                page.lines(&(topic.text)());
            }
            page.section("EXAMPLES");
            page.lines(sys::EXAMPLES);
        }
        Some("config") => {
            page.request(".PP");
            page.text("The other options are those of throng-run(1).");
        }
        Some(_) => {}
    }
    page.section("SEE ALSO");
    let others = pages(definition).map(|command| format!("throng-{}", command.get_name()));
    let others = std::iter::once("throng".to_owned()).chain(others);
    let others: Vec<String> = others
        .filter(|other| *other != title)
        .map(|other| format!("{other}(1)"))
        .collect();
    page.text(&others.join(", "));
    Ok(page.0)
}

/// The commands that have a page. `help` prints what the others tell of themselves.
fn pages(definition: &Command) -> impl Iterator<Item = &Command> {
    let commands = definition.get_subcommands();
    commands.filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// A page as far as it is written.
struct Page(String);

impl Page {
    fn new(title: &str) -> Page {
        let version = env!("CARGO_PKG_VERSION");
        let title = escaped(&title.to_uppercase());
        Page(format!(
            ".TH {title} 1 \"{DATE}\" \"throng {version}\" \"User Commands\"\n"
        ))
    }

    fn request(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.request(&format!(".SH {title}"));
    }

    /// Text in one line of the source: nothing in it is a request or an escape.
    fn text(&mut self, text: &str) {
        if text.starts_with(['.', '\'']) {
            self.0.push_str("\\&");
        }
        self.request(&escaped(text));
    }

    fn paragraphs(&mut self, text: &str) {
        for (i, paragraph) in text.split("\n\n").enumerate() {
            if i > 0 {
                self.request(".PP");
            }
            self.text(&paragraph.replace('\n', " "));
        }
    }

    /// Lines that stay as they are.
    fn lines(&mut self, text: &str) {
        self.request(".nf");
        for line in text.trim_end().lines() {
            self.text(line);
        }
        self.request(".fi");
    }

    /// A name and what it is.
    fn item(&mut self, name: &str, what: &str) {
        self.request(".TP");
        self.request(&format!("\\fB{}\\fR", escaped(name)));
        self.text(what);
    }

    /// The options of a command by their headings, and what else it takes.
    fn options(&mut self, command: &Command) {
        let shown = |arg: &&Arg| !arg.is_hide_set() && !arg.is_hide_long_help_set();
        let args: Vec<&Arg> = command.get_arguments().filter(shown).collect();
        let mut headings: Vec<Option<&str>> = Vec::new();
        for arg in &args {
            if !headings.contains(&arg.get_help_heading()) {
                headings.push(arg.get_help_heading());
            }
        }
        // What has no heading is about the program, and comes last.
        headings.sort_by_key(Option::is_none);
        self.section("OPTIONS");
        for heading in &headings {
            if headings.len() > 1 {
                self.request(&format!(".SS {}", heading.unwrap_or("Other")));
            }
            for arg in args.iter().filter(|arg| arg.get_help_heading() == *heading) {
                self.option(arg);
            }
        }
    }

    fn option(&mut self, arg: &Arg) {
        let help = arg.get_long_help().or(arg.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        let mut paragraphs = help.split("\n\n");
        let first = paragraphs.next().unwrap_or_default().replace('\n', " ");
        self.item(
            help::spec(arg).trim_start(),
            &format!("{first}{}", notes(arg)),
        );
        for paragraph in paragraphs {
            self.request(".IP");
            self.text(&paragraph.replace('\n', " "));
        }
        let values = shown_values(arg);
        if values.iter().any(|value| value.get_help().is_some()) {
            self.request(".RS");
            for value in &values {
                let help = value.get_help().map(ToString::to_string);
                self.item(value.get_name(), &help.unwrap_or_default());
            }
            self.request(".RE");
        }
    }
}

fn shown_values(arg: &Arg) -> Vec<PossibleValue> {
    match arg.get_action().takes_values() && !arg.is_hide_possible_values_set() {
        true => arg.get_possible_values(),
        false => Vec::new(),
    }
}

/// Values that explain themselves, the default and the other names of an option, in brackets.
fn notes(arg: &Arg) -> String {
    let mut notes = String::new();
    let values = shown_values(arg);
    let names: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
    if !names.is_empty() && values.iter().all(|value| value.get_help().is_none()) {
        notes.push_str(&format!(" [{}]", names.join(", ")));
    }
    let default: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.display())
        .collect();
    if let [default] = &default[..]
        && arg.get_action().takes_values()
        && !arg.is_hide_default_value_set()
    {
        notes.push_str(&format!(" [default: {default}]"));
    }
    let longs = arg.get_visible_aliases().unwrap_or_default();
    let longs = longs.into_iter().map(|name| format!("--{name}"));
    let shorts = arg.get_visible_short_aliases().unwrap_or_default();
    let names: Vec<String> = longs
        .chain(shorts.into_iter().map(|name| format!("-{name}")))
        .collect();
    if !names.is_empty() {
        notes.push_str(&format!(" [also: {}]", names.join(", ")));
    }
    notes
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    text.replace('\'', "\\(aq")
}
