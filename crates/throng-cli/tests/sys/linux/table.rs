//! The table of GNU parallel's options in the documentation is the one that the program has.

use std::path::Path;
use std::process::Command;

use crate::program::stdout;

#[test]
fn the_document_of_options_is_current() {
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
