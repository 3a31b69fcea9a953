//! `throng man` and `throng completions`: made of the definition of the command line when they are
//! asked for, so that they are never of another version.

use std::io::Write;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The page of this command, and not that of throng itself
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell that is to read them
    shell: Shell,
}

pub(crate) fn page(args: &Man, definition: &Command) -> anyhow::Result<Exit> {
    print(&render(definition, args.command.as_deref())?)
}

/// The page in the language of man(7).
fn render(definition: &Command, name: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let command = match name {
        None => definition.clone(),
        Some(name) => {
            let mut pages = definition
                .get_subcommands()
                .filter(|command| has_page(command));
            let command = pages.find(|command| command.get_name() == name);
            let command = command.with_context(|| format!("there is no command \"{name}\""))?;
            command.clone()
        }
    };
    // The library leaves out what help says of options that are not in the short help, and lists
    // commands that have no page.
    let command = command.mut_args(|arg| arg.hide_short_help(false));
    let hidden = command
        .get_subcommands()
        .filter(|command| !has_page(command));
    let hidden: Vec<String> = hidden
        .map(|command| command.get_name().to_owned())
        .collect();
    let command = hidden.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |command| command.hide(true))
    });
    let title = name.map_or_else(|| "throng".to_owned(), |name| format!("throng-{name}"));
    let version = env!("CARGO_PKG_VERSION");
    // The library would leave out the quotation marks of a date that is empty, and so the date.
    let mut page = format!(".TH {title} 1 \"\" \"throng {version}\"\n").into_bytes();
    page.extend_from_slice(b".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n");
    let man = clap_mangen::Man::new(command.clone());
    man.render_name_section(&mut page)?;
    push_synopsis(&mut page, command.clone());
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(has_page) {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_help() {
        push_sections(&mut page, &text.to_string());
    }
    if name.is_some() {
        page.extend_from_slice(b".SH SEE ALSO\n\\fBthrong\\fR(1)\n");
    }
    Ok(page)
}

/// `help` prints what the other commands say of themselves.
fn has_page(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

/// How the command is written. The library would list every option there.
fn push_synopsis(page: &mut Vec<u8>, mut command: Command) {
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let words: Vec<&str> = usage.split_whitespace().collect();
    page.extend_from_slice(b".SH SYNOPSIS\n");
    push_text(page, &words.join(" "));
}

/// What comes after the options: each `Title:` begins a section, and lines stay as they are.
fn push_sections(page: &mut Vec<u8>, text: &str) {
    let mut is_open = false;
    for line in text.lines() {
        let is_title = line.ends_with(':') && !line.starts_with(' ');
        if is_title || !is_open {
            if is_open {
                page.extend_from_slice(b".fi\n");
            }
            let title = if is_title {
                line.trim_end_matches(':')
            } else {
                "NOTES"
            };
            page.extend_from_slice(format!(".SH {}\n.nf\n", title.to_uppercase()).as_bytes());
            is_open = true;
        }
        if !is_title {
            push_text(page, line);
        }
    }
    if is_open {
        page.extend_from_slice(b".fi\n");
    }
}

/// A line as it is: nothing in it is a request or an escape.
fn push_text(page: &mut Vec<u8>, line: &str) {
    if line.starts_with(['.', '\'']) {
        page.extend_from_slice(b"\\&");
    }
    let escaped = line.replace('\\', "\\e").replace('-', "\\-");
    page.extend_from_slice(escaped.replace('\'', "\\(aq").as_bytes());
    page.push(b'\n');
}

pub(crate) fn completions(args: &Completions, definition: &Command) -> anyhow::Result<Exit> {
    print(&complete(args.shell, definition))
}

fn complete(shell: Shell, definition: &Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition.clone(), "throng", &mut script);
    script
}

fn print(bytes: &[u8]) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(bytes).and_then(|()| out.flush());
    printed.context("cannot write to stdout")?;
    Ok(Exit::Commands { failed: 0 })
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn options(command: &Command) -> Vec<String> {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let names = shown.filter_map(|arg| arg.get_long().map(String::from));
        names.collect()
    }

    fn page_of(name: Option<&str>) -> String {
        let definition = crate::cli::definition();
        String::from_utf8(render(&definition, name).unwrap()).unwrap()
    }

    /// What a page says of each option, by its long name, or its letter.
    fn descriptions(page: &str) -> Vec<(String, String)> {
        let plain = page
            .replace("\\-", "-")
            .replace("\\fB", "")
            .replace("\\fR", "");
        let mut entries = Vec::new();
        for entry in plain.split("\n.TP\n").skip(1) {
            let (head, body) = entry.split_once('\n').unwrap_or((entry, ""));
            let text = body.lines().take_while(|line| !line.starts_with('.'));
            let text: Vec<&str> = text.collect();
            let words = head.split([' ', ',', '[', '=']);
            let names = words.filter(|word| word.starts_with('-'));
            entries.extend(names.map(|name| (name.to_owned(), text.join(" "))));
        }
        entries
    }

    #[test]
    fn the_page_of_each_command_describes_all_its_options() {
        let definition = crate::cli::definition();
        for command in definition.get_subcommands().filter(|c| has_page(c)) {
            let name = command.get_name();
            let described = descriptions(&page_of(Some(name)));
            for option in options(command) {
                let option = format!("--{option}");
                let found = described.iter().find(|(name, _)| *name == option);
                let (_, text) = found.unwrap_or_else(|| panic!("{name}: {option} is missing"));
                assert!(text.split(' ').count() > 1, "{name}: {option}: {text:?}");
            }
        }
        let error = render(&definition, Some("nothing")).unwrap_err();
        assert_eq!(error.to_string(), "there is no command \"nothing\"");
        for name in ["keeper", "help"] {
            assert!(
                render(&definition, Some(name)).is_err(),
                "it is not for users"
            );
        }
    }

    #[test]
    fn a_page_names_its_program_and_refers_only_to_pages_that_there_are() {
        let definition = crate::cli::definition();
        let head = |page: &str| {
            page.lines()
                .find(|line| line.starts_with(".TH"))
                .map(String::from)
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            head(&page_of(None)).unwrap(),
            format!(".TH throng 1 \"\" \"throng {version}\"")
        );
        assert_eq!(
            head(&page_of(Some("run"))).unwrap(),
            format!(".TH throng-run 1 \"\" \"throng {version}\"")
        );
        let page = page_of(None);
        let referred: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("throng\\-")?.strip_suffix("(1)"))
            .collect();
        let pages = definition.get_subcommands().filter(|c| has_page(c));
        let pages: Vec<&str> = pages.map(Command::get_name).collect();
        assert_eq!(referred, pages);
    }

    #[test]
    fn examples_and_exit_statuses_have_sections_and_lines_of_their_own() {
        let page = page_of(Some("run"));
        for section in [
            "SYNOPSIS",
            "DESCRIPTION",
            "VALUES",
            "EXIT STATUS",
            "EXAMPLES",
        ] {
            assert!(page.contains(&format!("\n.SH {section}\n")), "{section}");
        }
        assert!(!page.contains("EXTRA"), "{page}");
        let (_, examples) = page.split_once(".SH EXAMPLES\n.nf\n").unwrap();
        let (examples, _) = examples.split_once("\n.fi\n").unwrap();
        assert!(examples.lines().count() > 2, "{examples}");
        assert!(
            examples.lines().all(|line| line.starts_with("  ")),
            "{examples}"
        );
        let mut text = Vec::new();
        push_text(&mut text, r".a -b \n 'c'");
        assert_eq!(text, b"\\&.a \\-b \\en \\(aqc\\(aq\n");
    }

    #[test]
    fn the_completions_of_each_shell_name_all_options() {
        let definition = crate::cli::definition();
        let run = definition.find_subcommand("run").unwrap();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let script = String::from_utf8(complete(shell, &definition)).unwrap();
            for option in options(run) {
                // fish says `-l jobs`.
                assert!(script.contains(&option), "{shell}: {option}");
            }
        }
        assert!(Shell::value_variants().len() >= 4);
    }
}
