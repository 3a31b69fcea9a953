//! How large each crate is, and how its files hang together: `cargo xtask count [DIRECTORY]`.
//!
//! Lines outside tests are those of `src` without `tests.rs`, `*_tests.rs`, files in folders named
//! `tests`, and modules behind `#[cfg(test)]`. It can be given another checkout, so that two
//! versions are counted by the same rule.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::layers::Imports;
use crate::sources;

const LONGEST: usize = 3;

pub(crate) fn print(root: &Path) -> anyhow::Result<()> {
    let mut sources = vec![root.join("xtask/src")];
    let crates = root.join("crates");
    let entries =
        fs::read_dir(&crates).with_context(|| format!("cannot list {}", crates.display()))?;
    for entry in entries {
        sources.push(entry?.path().join("src"));
    }
    sources.sort();
    let mut total = 0;
    for dir in sources {
        let lines = count_crate(&dir)?;
        let shown = dir.strip_prefix(root).unwrap_or(&dir).display();
        total += lines.iter().map(|(count, _)| count).sum::<usize>();
        print_crate(&shown.to_string(), lines);
        for circle in Imports::read(&dir)?.circle_names() {
            println!("    circle of {}: {}", circle.len(), circle.join(" "));
        }
    }
    println!("{total:6} lines outside tests");
    Ok(())
}

fn print_crate(name: &str, mut files: Vec<(usize, PathBuf)>) {
    files.sort();
    let lines: usize = files.iter().map(|(count, _)| count).sum();
    let median = files.get(files.len() / 2).map_or(0, |(count, _)| *count);
    let count = files.len();
    println!("{lines:6} {name}: {count} files, median {median}");
    for (count, file) in files.iter().rev().take(LONGEST) {
        println!("    {count:6} {}", file.display());
    }
}

/// The lines outside tests of each file that has any.
fn count_crate(dir: &Path) -> anyhow::Result<Vec<(usize, PathBuf)>> {
    let mut files = Vec::new();
    sources::collect(dir, &mut files)?;
    let mut counted = Vec::new();
    for file in files {
        let inner = file.strip_prefix(dir)?.to_owned();
        let is_test = |part: &OsStr| {
            let part = part.to_string_lossy();
            part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs")
        };
        if inner.iter().any(is_test) {
            continue;
        }
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        counted.push((outside_tests(&text), inner));
    }
    Ok(counted)
}

fn outside_tests(text: &str) -> usize {
    let mut count = 0;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let opens = |next: &str| next.starts_with("mod ") && next.ends_with('{');
        if line == "#[cfg(test)]" && lines.peek().is_some_and(|next| opens(next)) {
            // What rustfmt has formatted ends at the first brace without an indent.
            lines.by_ref().find(|line| *line == "}");
        } else {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_tests_is_not_counted() {
        let text =
            "//! x\nfn x() {}\n#[cfg(test)]\nmod tests {\n    fn y() {\n    }\n}\nfn z() {}\n";
        assert_eq!(outside_tests(text), 3);
        assert_eq!(outside_tests("#[cfg(test)]\nmod tests;\n"), 2);
    }
}
