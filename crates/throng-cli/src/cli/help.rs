//! What `-h`, `--help` and `throng help TOPIC` print: the texts beside this file, and the options
//! as they are defined. The manual page is made of the same (`manual.rs`).

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, bail};
use clap::{Arg, Command};

use super::parallel;
use crate::exit::Exit;
use crate::{sys, text};

/// How wide help is, in columns.
pub(super) const WIDTH: usize = 80;

/// Where the sentences of options begin in the short help.
const INDENT: usize = 27;

/// A text that `throng help NAME` prints, and that is a section of the manual page of `run`.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) text: fn() -> String,
}

pub(super) const TOPICS: [Topic; 8] = [
    Topic {
        name: "values",
        about: "Sources of values, and lines that are commands",
        text: || include_str!("help/values.txt").replace("{WORD_RULES}", sys::WORD_RULES),
    },
    Topic {
        name: "placeholders",
        about: "{}, {.}, {1}, {#} and the others, --plus, --rpl",
        text: || include_str!("help/placeholders.txt").into(),
    },
    Topic {
        name: "shell",
        about: "Pipes and redirections in commands; quoting",
        text: || include_str!("help/shell.txt").into(),
    },
    Topic {
        name: "jsonl",
        about: "The fields of --output jsonl",
        text: || include_str!("help/jsonl.txt").into(),
    },
    Topic {
        name: "exit-status",
        about: "The exit status of throng run",
        text: || include_str!("help/exit-status.txt").replace("{INTERRUPTS}", sys::INTERRUPTS),
    },
    Topic {
        name: "environment",
        about: "Variables that throng reads and sets",
        text: || include_str!("help/environment.txt").into(),
    },
    Topic {
        name: "files",
        about: "The configuration file and temporary files",
        text: || include_str!("help/files.txt").into(),
    },
    Topic {
        name: "parallel",
        about: "Each option of GNU parallel and xargs, and what to use here",
        text: parallel::text,
    },
];

impl Topic {
    /// As the heading of a section: `Exit status`.
    pub(super) fn title(&self) -> String {
        let mut title = self.name.replace('-', " ");
        title[..1].make_ascii_uppercase();
        title
    }
}

/// The options that the short help of `run` has, by the parser's names.
const COMMON: [&str; 13] = [
    "jobs",
    "keep_order",
    "tag",
    "shell",
    "dry_run",
    "timeout",
    "retries",
    "halt",
    "mode",
    "joblog",
    "resume",
    "progress",
    "summary",
];

const PLACEHOLDERS: &str = "\
Placeholders:
  {}      the value; appended if there is no placeholder at all
  {.}     without extension             {/}     without directory
  {//}    its directory                 {/.}    without both
  {1}     the value of source 1         {#}     the number of the command";

/// The command line with the texts of its help.
pub(super) fn complete(program: Command) -> Command {
    let mut program = program.after_help(overview());
    program.build();
    for command in program.get_subcommands_mut() {
        let defined = std::mem::take(command);
        *command = match defined.get_name() {
            "run" => complete_run(defined),
            // The options are explained where they belong.
            "config" => defined
                .mut_args(|arg| {
                    let is_hidden = arg.get_help_heading().is_some();
                    arg.hide_short_help(is_hidden).hide_long_help(is_hidden)
                })
                .after_help("The options are those of `throng run`; see `throng run --help`."),
            _ => defined,
        };
    }
    program
}

fn complete_run(run: Command) -> Command {
    let short = short(&run);
    run.mut_args(|arg| arg.hide_short_help(true))
        .help_template(
            "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}{all-args}{after-help}",
        )
        .before_help(short)
        .before_long_help(format!("Examples:\n{}\n\n{PLACEHOLDERS}", sys::EXAMPLES))
        .after_long_help(long())
}

fn overview() -> String {
    let mut text = format!("Examples:\n{}\n\nTopics:\n", sys::EXAMPLES);
    for Topic { name, about, .. } in &TOPICS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<14}{about}");
    }
    text.push_str(
        "\n`throng run -h` lists the common options, `throng run --help` all of them, and\n\
         `throng help TOPIC` explains a topic.",
    );
    text
}

/// What the short help of `run` has after the usage.
fn short(run: &Command) -> String {
    let examples: Vec<&str> = sys::EXAMPLES.lines().take(4).collect();
    let mut text = format!("Examples:\n{}\n\n{PLACEHOLDERS}\n\n", examples.join("\n"));
    text.push_str("Common options:\n");
    for id in COMMON {
        let arg = run.get_arguments().find(|arg| arg.get_id() == id);
        let arg = arg.expect("it is an option");
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        text.push_str(&entry(&format!("  {}", spec(arg)), INDENT, &help));
    }
    text.push_str(
        "\n`throng run --help` and throng-run(1) have all options. `throng help TOPIC` has\n\
         more on values, placeholders, shell, jsonl, exit-status, and parallel (for users\n\
         of GNU parallel and xargs).",
    );
    text
}

/// What the long help of `run` has after the options.
fn long() -> String {
    let topics = TOPICS.iter().filter(|topic| topic.name != "parallel");
    let sections: Vec<String> = topics
        .map(|topic| format!("{}:\n{}", topic.title(), (topic.text)().trim_end()))
        .collect();
    sections.join("\n\n")
}

/// An option as it is written: `-j, --jobs <N>`.
pub(super) fn spec(arg: &Arg) -> String {
    match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(_)) => format!("-{short}, {arg}"),
        (None, Some(_)) => format!("    {arg}"),
        _ => arg.to_string(),
    }
}

/// A name, and behind it, from this column on, what it is. A name that is too long has lines of its
/// own.
pub(super) fn entry(name: &str, indent: usize, what: &str) -> String {
    let mut text = String::new();
    let mut start = format!("{name:<indent$}");
    let length = start.chars().count();
    if length > indent || (length == indent && !(start.is_empty() || start.ends_with(' '))) {
        wrap(&mut text, "  ", 4, name.trim_start());
        start = " ".repeat(indent);
    }
    wrap(&mut text, &start, indent, what);
    text
}

/// Appends the start and words behind it, with further lines indented.
fn wrap(text: &mut String, start: &str, indent: usize, words: &str) {
    text.push_str(start);
    let start = start.chars().count();
    let mut column = start;
    for word in words.split_whitespace() {
        let width = word.chars().count();
        let is_first = column == start;
        if !is_first && column + 1 + width > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
        } else if !is_first {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

/// `throng help TOPIC`, unless the words are something else, which the parser knows.
pub(super) fn topic(words: &[OsString], program: &Command) -> Option<anyhow::Result<Exit>> {
    let [_, help, name, rest @ ..] = words else {
        return None;
    };
    let is_other = name.as_encoded_bytes().starts_with(b"-")
        || name == "help"
        || name
            .to_str()
            .and_then(|name| program.find_subcommand(name))
            .is_some();
    (help == "help" && !is_other).then(|| {
        let shown = text::quoted_name(name);
        let topic = TOPICS.iter().find(|topic| name == topic.name);
        let topic = topic.with_context(|| {
            format!("there is no command or topic {shown}; `throng help` lists them")
        })?;
        match rest {
            [] => print(&(topic.text)()),
            [option] if topic.name == "parallel" && option == "--markdown" => {
                print(&parallel::markdown())
            }
            [word, ..] => bail!("help {} takes no {}", topic.name, text::quoted_name(word)),
        }
    })
}

/// Prints to stdout.
pub(super) fn print(text: &(impl AsRef<[u8]> + ?Sized)) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(text.as_ref()).and_then(|()| out.flush());
    printed.context("cannot write to stdout")?;
    Ok(Exit::Commands { failed: 0 })
}
