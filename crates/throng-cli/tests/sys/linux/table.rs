//! The documentation contains the program's own table of GNU parallel's options, and describes each
//! option.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::program::stdout;

#[test]
fn the_options_document_is_up_to_date() {
    let output = Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(["help", "parallel", "--markdown"])
        .output()
        .unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/parallel.md");
    let document = std::fs::read_to_string(path).unwrap();
    assert!(
        document == stdout(&output),
        "docs/parallel.md is made by: throng help parallel --markdown > docs/parallel.md"
    );
}

#[test]
fn each_option_is_in_the_documentation() {
    let page = Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(["man", "run"])
        .output()
        .unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut text = String::new();
    for entry in std::fs::read_dir(docs).unwrap() {
        let path = entry.unwrap().path();
        // That document is generated from a table and explains nothing.
        if path.file_name().is_some_and(|name| name != "parallel.md") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let words: BTreeSet<&str> = text.split(|c| !is_part(c)).collect();
    let page = stdout(&page).replace("\\-", "-");
    let items = page.lines().filter_map(|line| line.strip_prefix("\\fB-"));
    let missing: Vec<String> = items
        .map(|item| format!("-{}", item.trim_end_matches("\\fR")))
        .filter(|item| item != "-h, --help")
        .filter(|item| {
            let names = item
                .split(", ")
                .map(|name| name.split(['[', '=', ' ']).next().unwrap());
            !names.clone().any(|name| words.contains(name))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "no page in docs/ mentions {missing:?}; docs/control.md or another should"
    );
}
