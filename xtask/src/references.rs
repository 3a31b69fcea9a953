//! What texts refer to exists: files of Rust named in documents and comments, and the links of
//! documents to files and headings of this repository. Part of `tidy`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::sources;

/// Says which references lead nowhere.
pub(crate) fn complaints() -> anyhow::Result<Vec<String>> {
    let mut sources = Vec::new();
    for dir in ["crates", "xtask"] {
        sources::collect(Path::new(dir), &mut sources)?;
    }
    let mut wrong = Vec::new();
    for source in &sources {
        let text = read(source)?;
        let comments = text.lines().enumerate().filter_map(|(i, line)| {
            let comment = line.trim_start().strip_prefix("//")?;
            Some((i, comment))
        });
        wrong.extend(missing_files(source, comments, &sources));
    }
    for document in documents()? {
        let text = read(&document)?;
        wrong.extend(missing_files(&document, text.lines().enumerate(), &sources));
        wrong.extend(broken_links(&document, &text));
    }
    Ok(wrong)
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn documents() -> anyhow::Result<Vec<PathBuf>> {
    let mut documents = Vec::new();
    for dir in [".", "docs"] {
        for entry in fs::read_dir(dir).with_context(|| format!("cannot list {dir}"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    documents.sort();
    Ok(documents)
}

/// Names in backticks that end in `.rs` and are no end of the path of a source.
fn missing_files<'a>(
    file: &Path,
    lines: impl Iterator<Item = (usize, &'a str)>,
    sources: &[PathBuf],
) -> Vec<String> {
    let exists = |name: &str| sources.iter().any(|source| source.ends_with(name));
    let mut wrong = Vec::new();
    for (i, line) in lines {
        for name in line.split('`').skip(1).step_by(2) {
            let is_path =
                name.ends_with(".rs") && !name.starts_with('.') && !name.contains(['*', ' ']);
            if is_path && !exists(name) {
                wrong.push(format!(
                    "{}:{}: there is no `{name}`",
                    file.display(),
                    i + 1
                ));
            }
        }
    }
    wrong
}

/// Links `](target)` to a file that is not there, or to a heading that it does not have.
fn broken_links(document: &Path, text: &str) -> Vec<String> {
    let dir = document.parent().unwrap_or(Path::new("."));
    let mut wrong = Vec::new();
    for (i, line) in text.lines().enumerate() {
        for link in line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
        {
            let (target, anchor) = link.0.split_once('#').unwrap_or((link.0, ""));
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let path = match target.is_empty() {
                true => document.to_owned(),
                false => dir.join(target),
            };
            let has_anchor = || match fs::read_to_string(&path) {
                Ok(text) => anchor.is_empty() || anchors(&text).contains(anchor),
                Err(_) => anchor.is_empty(),
            };
            if !path.exists() || !has_anchor() {
                let shown = document.display();
                wrong.push(format!(
                    "{shown}:{}: the link to {} is broken",
                    i + 1,
                    link.0
                ));
            }
        }
    }
    wrong
}

/// The anchors that GitHub gives to headings: in lower case, words joined by hyphens, without
/// punctuation.
fn anchors(text: &str) -> HashSet<String> {
    let headings = text.lines().filter_map(|line| {
        let heading = line.trim_start_matches('#');
        heading.strip_prefix(' ').filter(|_| line.starts_with('#'))
    });
    let anchor = |heading: &str| {
        let lower = heading.trim().to_lowercase();
        let kept = lower
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let sources = [PathBuf::from("crates/a/src/start/launch.rs")];
        let text = "see `launch.rs`, `start/launch.rs`, `art/launch.rs` and `*.rs`";
        let wrong = missing_files(Path::new("x.md"), [(6, text)].into_iter(), &sources);
        assert_eq!(wrong, ["x.md:7: there is no `art/launch.rs`"]);
    }

    #[test]
    fn a_link_to_a_heading_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let document = dir.path().join("a.md");
        fs::write(dir.path().join("b.md"), "# One, and `two`\n").unwrap();
        let broken = |text| broken_links(&document, text).len();
        fs::write(&document, "## Here\n").unwrap();
        assert_eq!(
            broken("[x](b.md) [y](b.md#one-and-two) [z](#here) [w](https://x.y/#z)"),
            0
        );
        assert_eq!(broken("[x](c.md) [y](b.md#one) [z](#there)"), 3);
    }
}
