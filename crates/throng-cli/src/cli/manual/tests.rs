//! Pages are complete, and have the form of manual pages.

use clap::ValueEnum;

use super::*;
use crate::cli::definition;

fn page_of(name: Option<&str>) -> String {
    render(&definition(), name).unwrap()
}

fn names() -> Vec<String> {
    pages(&definition())
        .map(|command| command.get_name().to_owned())
        .collect()
}

/// The entries of a page as a reader sees them: a name and the text after it.
fn entries(page: &str) -> Vec<(String, String)> {
    let entries = page.split(".TP\n").skip(1).map(|entry| {
        let (name, text) = entry.split_once('\n').unwrap();
        let text = text.lines().next().unwrap_or_default();
        (plain(name), plain(text))
    });
    entries.collect()
}

fn plain(text: &str) -> String {
    let text = text.replace("\\fB", "").replace("\\fR", "");
    text.replace("\\-", "-")
        .replace("\\e", "\\")
        .replace("\\(aq", "'")
}

#[test]
fn the_page_of_each_command_has_the_sentence_of_each_option() {
    let definition = definition();
    for command in pages(&definition).filter(|command| command.get_name() != "config") {
        let name = command.get_name();
        let entries = entries(&page_of(Some(name)));
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let spec = help::spec(arg).trim_start().to_owned();
            let found = entries.iter().find(|(name, _)| *name == spec);
            let (_, text) = found.unwrap_or_else(|| panic!("{name}: {spec} is missing"));
            let help = arg.get_help().unwrap().to_string();
            // The long help of -h names the other form.
            assert!(
                text.starts_with(&help) || spec == "-h, --help",
                "{spec}: {text}"
            );
        }
    }
}

#[test]
fn no_page_has_an_empty_description_or_section() {
    for name in [None]
        .into_iter()
        .chain(names().iter().map(|name| Some(&name[..])))
    {
        let page = page_of(name);
        for (entry, text) in entries(&page) {
            let is_told = !text.is_empty() && !text.starts_with('.');
            assert!(is_told, "{name:?}: {entry} is not described");
        }
        let lines: Vec<&str> = page.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0].starts_with(".SH")) {
            assert!(
                !pair[1].starts_with(".SH") && !pair[1].is_empty(),
                "{name:?}: {pair:?}"
            );
        }
    }
}

#[test]
fn a_page_has_the_title_of_its_program_and_the_sections_of_manual_pages() {
    let version = env!("CARGO_PKG_VERSION");
    for (name, title) in [(None, "THRONG"), (Some("run"), "THRONG\\-RUN")] {
        let page = page_of(name);
        let expected = format!(".TH {title} 1 \"{DATE}\" \"throng {version}\" \"User Commands\"");
        assert_eq!(page.lines().next(), Some(&expected[..]));
    }
    let page = page_of(Some("run"));
    let sections = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "VALUES",
        "PLACEHOLDERS",
        "SHELL",
        "JSONL",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "SEE ALSO",
    ];
    let found: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".SH "))
        .collect();
    assert_eq!(found, sections);
    for heading in ["Input", "Placeholders", "Control", "Output", "Limits"] {
        assert!(page.contains(&format!("\n.SS {heading}\n")), "{heading}");
    }
}

#[test]
fn the_date_is_that_of_the_changelog() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../CHANGELOG.md");
    let changelog = std::fs::read_to_string(path).unwrap();
    let heading = format!("## {} ({DATE})", env!("CARGO_PKG_VERSION"));
    assert!(
        changelog.lines().any(|line| line == heading),
        "there is no {heading:?}"
    );
}

#[test]
fn pages_refer_only_to_existing_pages() {
    let names = names();
    for name in [None]
        .into_iter()
        .chain(names.iter().map(|name| Some(&name[..])))
    {
        let page = plain(&page_of(name));
        for (i, _) in page.match_indices("throng-") {
            let rest = &page[i + "throng-".len()..];
            if let Some((other, _)) = rest.split_once("(1)")
                && other.bytes().all(|byte| byte.is_ascii_lowercase())
            {
                assert!(
                    names.iter().any(|name| name == other),
                    "{name:?}: throng-{other}(1)"
                );
            }
        }
    }
    let definition = definition();
    for name in ["guardian", "help", "nothing"] {
        let error = render(&definition, Some(name)).unwrap_err();
        assert_eq!(error.to_string(), format!("there is no command \"{name}\""));
    }
}

#[test]
fn texts_contain_no_roff_requests_or_escapes() {
    let mut page = Page(String::new());
    page.lines(".a -b \\n 'c'\n'd");
    assert_eq!(page.0, ".nf\n\\&.a \\-b \\en \\(aqc\\(aq\n\\&\\(aqd\n.fi\n");
}

#[test]
fn the_completions_of_each_shell_name_all_options() {
    let definition = definition();
    let run = definition.find_subcommand("run").unwrap();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
        let script = String::from_utf8(complete(shell, &definition)).unwrap();
        for arg in run.get_arguments().filter(|arg| !arg.is_hide_set()) {
            // fish writes `-l jobs`.
            let option = arg.get_long().unwrap_or("v");
            assert!(script.contains(option), "{shell}: {option}");
        }
    }
    assert!(Shell::value_variants().len() >= 4);
}
