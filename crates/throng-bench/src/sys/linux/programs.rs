//! The programs that contestants start, and the floor, all compiled from C when the bench starts.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::child::{Child, GATE};

const CHILD: &str = include_str!("../../../fixtures/child.c");
const LINE: &str = include_str!("../../../fixtures/line.c");
const FLOOR: &str = include_str!("../../../fixtures/floor.c");

/// Without a C library, and without what needs one.
const BARE: &[&str] = &[
    "-O2",
    "-static",
    "-nostdlib",
    "-fno-stack-protector",
    "-fno-pie",
    "-no-pie",
];
/// With one. Static, so that loading costs next to nothing and what is measured is the starting.
const FULL: &[&str] = &["-O2", "-static", "-pthread"];

#[derive(Debug)]
pub(crate) struct Programs {
    /// The process that contestants start by the thousand.
    line: PathBuf,
    /// The process that they start where it has to do more.
    child: PathBuf,
    floor: PathBuf,
}

impl Programs {
    /// Compiles them into this directory.
    pub(crate) fn make(dir: &Path) -> Result<Programs> {
        Ok(Programs {
            line: compile(dir, "line", LINE, BARE)?,
            child: compile(dir, "child", CHILD, FULL)?,
            floor: compile(dir, "floor", FLOOR, FULL)?,
        })
    }

    /// What runs a process of this kind, before its number.
    pub(crate) fn argv(&self, child: Child) -> Vec<OsString> {
        let with = |words: &[&str]| {
            let words = words.iter().map(OsString::from);
            [self.child.clone().into()]
                .into_iter()
                .chain(words)
                .collect()
        };
        match child {
            Child::Lines => vec![self.line.clone().into()],
            Child::True => vec!["/bin/true".into()],
            Child::Live => with(&["live", GATE]),
            Child::Writer { bytes } => with(&["writer", GATE, &bytes.to_string()]),
            Child::Bulk { bytes } => with(&["bulk", &bytes.to_string()]),
        }
    }

    pub(crate) fn floor(&self) -> Option<&Path> {
        Some(&self.floor)
    }
}

fn compile(dir: &Path, name: &str, text: &str, flags: &[&str]) -> Result<PathBuf> {
    let (source, program) = (dir.join(name).with_extension("c"), dir.join(name));
    fs::write(&source, text).with_context(|| format!("write {}", source.display()))?;
    let mut command = Command::new("cc");
    command.args(flags).arg("-o").args([&program, &source]);
    let output = match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("no C compiler: the floor and the child are C, and `cc` is not on PATH")
        }
        output => output.context("run `cc`")?,
    };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let why = text.lines().last().unwrap_or("no reason given");
        bail!("`cc -static` cannot compile {name}.c (is there a static libc?): {why}");
    }
    Ok(program)
}
