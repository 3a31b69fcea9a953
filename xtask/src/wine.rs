//! Runs tests that were built for Windows, under Wine: in a prefix of their own, which goes away
//! with them, and with a server that is theirs alone.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::run::run;
use crate::setup::is_in_path;
use crate::windows::{self, Cross, GNU, PACKAGES, TARGET_DIR};
use crate::{soak, suite};

/// Debian's script `wine` complains on stdout that there is no 32-bit half; this does not.
const DEBIAN_WINE: &str = "/usr/lib/wine/wine64";

/// Where Wine keeps its own DLLs.
const DLL_DIRS: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows",
    "/usr/lib/wine/x86_64-windows",
    "/usr/lib64/wine/x86_64-windows",
    "/opt/wine-stable/lib64/wine/x86_64-windows",
];

/// The Wine of this machine.
pub(crate) fn find() -> Option<PathBuf> {
    if Path::new(DEBIAN_WINE).exists() {
        return Some(DEBIAN_WINE.into());
    }
    let known = ["wine64", "wine"];
    known
        .into_iter()
        .find(|name| is_in_path(name))
        .map(PathBuf::from)
}

fn server() -> PathBuf {
    let debian = Path::new("/usr/lib/wine/wineserver64");
    if debian.exists() {
        debian.into()
    } else {
        "wineserver".into()
    }
}

/// Puts what Wine lacks into the directories that programs are in.
pub(crate) fn supply_dlls(dirs: &[&Path]) -> anyhow::Result<()> {
    let name = "bcryptprimitives.dll";
    if DLL_DIRS
        .iter()
        .any(|dir| Path::new(dir).join(name).exists())
    {
        return Ok(());
    }
    for dir in dirs {
        let dll = dir.join(name);
        if dll.exists() {
            continue;
        }
        run(Command::new("x86_64-w64-mingw32-gcc")
            .args(["-shared", "-O2", "-s", "-o"])
            .arg(&dll)
            .arg("xtask/wine/bcryptprimitives.c")
            .arg("-ladvapi32"))?;
    }
    Ok(())
}

/// Builds and runs the tests.
pub(crate) fn test(args: &[String]) -> anyhow::Result<()> {
    let wine = find().context("Wine is not installed; `cargo xtask setup` does that")?;
    let cross = Cross::find()?;
    // The tests of the program run the scripted child of another package.
    let mut build = cross.command("build", GNU);
    build.args(PACKAGES).args(["--locked", "--bins"]);
    run(&mut build)?;
    let programs = Path::new(TARGET_DIR).join(GNU).join("debug");
    std::fs::create_dir_all(programs.join("deps"))?;
    supply_dlls(&[&programs, &programs.join("deps")])?;
    let prefix = Prefix::new(&wine)?;
    let runner = format!("{} wine", std::env::current_exe()?.display());
    suite::under_wine(
        cross,
        &|test| {
            prefix.enter(test);
            test.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", &runner);
        },
        args,
    )
}

/// Runs a program of tests, and once more if a test fails since Wine's loader did: a process then
/// ends with STATUS_DLL_INIT_FAILED before anything of its program has run, for no reason of ours
/// (docs/windows.md).
pub(crate) fn run_test(words: &[String]) -> anyhow::Result<()> {
    const LOADER_FAILED: [&str; 3] = ["3221225794", "-1073741502", "0xC0000142"];
    let wine = find().context("Wine is not installed; `cargo xtask setup` does that")?;
    for is_last in [false, true] {
        // Into files: what a test has left behind does not keep us waiting.
        let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut test = Command::new(&wine);
        test.args(words)
            .stdout(out.try_clone()?)
            .stderr(err.try_clone()?);
        let status = test.status().context("cannot run Wine")?;
        let (out, err) = (text_of(&mut out)?, text_of(&mut err)?);
        print!("{out}");
        eprint!("{err}");
        if status.success() {
            return Ok(());
        }
        let has_loader_failed = |text: &str| LOADER_FAILED.iter().any(|code| text.contains(code));
        if is_last || !(has_loader_failed(&out) || has_loader_failed(&err)) {
            bail!("{status}");
        }
        eprintln!("xtask: Wine could not load a program; once more");
    }
    Ok(())
}

fn text_of(file: &mut File) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Builds the bench and runs it.
pub(crate) fn bench(args: &[String]) -> anyhow::Result<()> {
    let wine = find().context("Wine is not installed; `cargo xtask setup` does that")?;
    windows::build("throng-tests", "child.exe")?;
    let program = windows::build("throng-bench", "throng-bench.exe")?;
    let prefix = Prefix::new(&wine)?;
    let mut bench = Command::new(&wine);
    prefix.enter(&mut bench);
    run(bench.arg(program).args(args))
}

/// Builds the soak and runs it. Under Wine processes are so dear that nothing is gained by a faster
/// program.
pub(crate) fn soak(args: &[&str]) -> anyhow::Result<()> {
    let wine = find().context("Wine is not installed; `cargo xtask setup` does that")?;
    let mut build = Cross::find()?.command("build", GNU);
    build.arg("--locked").args(soak::PACKAGE);
    run(&mut build)?;
    let dir = Path::new(TARGET_DIR).join(GNU).join("debug");
    supply_dlls(&[&dir])?;
    let prefix = Prefix::new(&wine)?;
    let mut soak = Command::new(&wine);
    prefix.enter(&mut soak);
    run(soak.arg(dir.join("soak.exe")).args(args))
}

/// A Wine prefix of our own, with its server.
#[derive(Debug)]
struct Prefix {
    dir: TempDir,
}

impl Prefix {
    fn new(wine: &Path) -> anyhow::Result<Prefix> {
        let dir = TempDir::with_prefix("throng-wine-").context("cannot make a directory")?;
        let prefix = Prefix { dir };
        let mut server = Command::new(server());
        prefix.enter(&mut server);
        // It stays when the last program has ended, and is ended when we drop the prefix.
        run(server.arg("--persistent"))?;
        let mut boot = Command::new(wine);
        prefix.enter(&mut boot);
        boot.args(["wineboot", "--init"]);
        boot.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        run(&mut boot).context("cannot make a Wine prefix")?;
        if !prefix.dir.path().join("drive_c/windows").exists() {
            bail!("Wine has made no prefix in {}", prefix.dir.path().display());
        }
        Ok(prefix)
    }

    /// Has a command, and what it starts, use this prefix and show nothing. Of Wine's own messages
    /// only those that say why a process could not be loaded are let through.
    fn enter(&self, command: &mut Command) {
        command
            .env("WINEPREFIX", self.dir.path())
            .env("WINEDEBUG", "-all,err+module,err+virtual")
            // No dialogs about components, and no debugger for a child that crashes on purpose.
            .env("WINEDLLOVERRIDES", "mscoree=d;mshtml=d;winedbg.exe=d")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        for argument in ["--kill", "--wait"] {
            let mut server = Command::new(server());
            self.enter(&mut server);
            // If it is gone already that is what we want.
            let _ = server.arg(argument).stderr(Stdio::null()).status();
        }
    }
}
