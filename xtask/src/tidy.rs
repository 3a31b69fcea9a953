//! The rules of this repository that a program can check. A test runs it as well.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::sources::collect;
use crate::{layers, references};

const LINES_MAX: usize = 600;
const COLUMNS_MAX: usize = 100;
const BANNED_NAMES: [&str; 5] = ["imp.rs", "util.rs", "common.rs", "helpers.rs", "misc.rs"];

/// Checks all source files; says everything that is wrong, then fails.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut files = Vec::new();
    for dir in ["crates", "xtask"] {
        collect(Path::new(dir), &mut files)?;
    }
    let mut wrong = Vec::new();
    for file in &files {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        wrong.extend(complaints(file, &text));
    }
    wrong.extend(references::complaints()?);
    wrong.extend(manifest_complaint()?);
    wrong.extend(layers::complaints(&fs::read_to_string("ARCHITECTURE.md")?)?);
    for complaint in &wrong {
        eprintln!("tidy: {complaint}");
    }
    if !wrong.is_empty() {
        bail!("{} things to tidy up", wrong.len());
    }
    Ok(())
}

fn complaints(file: &Path, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut complain = |line: usize, what: &str| {
        wrong.push(format!("{}:{line}: {what}", file.display()));
    };
    let below_the_seam = file.components().any(|part| part.as_os_str() == "sys");
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if BANNED_NAMES.contains(&name) {
        complain(1, "a name that says nothing");
    }
    if text.lines().count() > LINES_MAX {
        complain(LINES_MAX, "longer than one sitting");
    }
    let is_test_of_module = name == "tests.rs";
    if !text.starts_with("//!") && !is_test_of_module {
        complain(1, "does not say what it is for: no `//!` at the top");
    }
    for (i, line) in text.lines().enumerate() {
        if line.chars().count() > COLUMNS_MAX {
            complain(i + 1, "wider than a page");
        }
        if below_the_seam || file.starts_with("xtask") {
            continue;
        }
        let code = line.split("//").next().unwrap_or_default();
        if [
            "cfg(unix",
            "cfg(windows",
            "cfg(target_os",
            "cfg(any(unix",
            "cfg(any(windows",
            "cfg(any(target_os",
            "cfg(not(unix",
            "cfg(not(windows",
            "cfg(not(target_os",
            "cfg!(unix",
            "cfg!(windows",
            "cfg!(target_os",
        ]
        .iter()
        .any(|cfg| code.contains(cfg))
        {
            complain(i + 1, "asks for the operating system above `sys/`");
        }
        if code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl") {
            complain(i + 1, "unsafe above `sys/`");
        }
    }
    wrong
}

/// The changelog knows the version that the manifest has, and README's first command works.
fn manifest_complaint() -> anyhow::Result<Option<String>> {
    let manifest = fs::read_to_string("Cargo.toml").context("cannot read Cargo.toml")?;
    let changelog = fs::read_to_string("CHANGELOG.md").context("cannot read CHANGELOG.md")?;
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = "))
        .context("Cargo.toml has no version")?
        .trim_matches('"');
    if !manifest.contains("default-members = [\"crates/throng-cli\"]") {
        return Ok(Some(
            "Cargo.toml: `cargo run` does not run the program".into(),
        ));
    }
    let known = changelog.contains(&format!("## {version}"));
    Ok((!known).then(|| format!("CHANGELOG.md: nothing about version {version}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        crate::steps::go_to_root().unwrap();
        check().unwrap();
    }

    #[test]
    fn untidy_files_are_found() {
        let above = Path::new("crates/throng/src/x.rs");
        let below = Path::new("crates/throng/src/sys/linux/x.rs");
        let count = |file: &Path, text: &str| complaints(file, text).len();
        assert_eq!(count(above, "//! x\n#[cfg(unix)]\n"), 1);
        assert_eq!(count(above, "//! x\n#[cfg(not(windows))]\n"), 1);
        assert_eq!(count(above, "//! x\nlet x = cfg!(windows);\n"), 1);
        assert_eq!(count(above, "//! x\nunsafe { x() }\n"), 1);
        assert_eq!(count(below, "//! x\nunsafe { x() }\n#[cfg(unix)]\n"), 0);
        assert_eq!(count(above, "fn x() {}\n"), 1);
        assert_eq!(count(Path::new("crates/a/util.rs"), "//! x\n"), 1);
        assert_eq!(count(above, &format!("//! x\n{}\n", "x".repeat(101))), 1);
        assert_eq!(count(above, &format!("//! x\n{}", "\n".repeat(600))), 1);
    }
}
