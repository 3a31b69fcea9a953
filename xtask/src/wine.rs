//! Runs tests that were built for Windows, under Wine: in a prefix of their own, which goes away
//! with them, and with a server that is theirs alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::run::{run, run_tests, try_tests};
use crate::setup::is_in_path;
use crate::soak;
use crate::windows::{self, Cross, GNU, PACKAGES, TARGET_DIR};

/// Debian's script `wine` complains on stdout that there is no 32-bit half; this does not.
const DEBIAN_WINE: &str = "/usr/lib/wine/wine64";

/// How a test says that a child ended with STATUS_DLL_INIT_FAILED. Wine's loader gives a process
/// that code when a DLL's `DllMain` fails, before anything of the program has run, and was seen to
/// do so for no reason of ours (docs/windows.md).
const LOADER_FAILED: [&str; 3] = ["3221225794", "-1073741502", "0xC0000142"];

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

/// Builds and runs the tests; gives how many passed.
pub(crate) fn test(args: &[String]) -> anyhow::Result<u64> {
    let wine = find().context("Wine is not installed; `cargo xtask setup` does that")?;
    let cross = Cross::find()?;
    // The tests of the program run the scripted child of another package.
    let mut build = cross.command("build", GNU);
    build.args(PACKAGES).args(["--locked", "--bins"]);
    run(&mut build)?;
    let targets = ["--locked", "--lib", "--bins", "--tests"];
    let mut build = cross.command("test", GNU);
    build.args(PACKAGES).args(targets).arg("--no-run");
    run(&mut build)?;
    let programs = Path::new(TARGET_DIR).join(GNU).join("debug");
    supply_dlls(&[&programs, &programs.join("deps")])?;

    let prefix = Prefix::new(&wine)?;
    let tests = || {
        let mut test = cross.command("test", GNU);
        test.args(PACKAGES).args(targets);
        // All failures, not those of the first program alone.
        test.arg("--no-fail-fast");
        prefix.enter(&mut test);
        windows::one_at_a_time(&mut test);
        test.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", &wine);
        test
    };
    let (tested, result) = try_tests(tests().args(args))?;
    let (Err(failure), Some(names)) = (&result, tested.all_failed_for(&LOADER_FAILED)) else {
        return result.map(|()| tested.passed);
    };
    let count = names.len();
    eprintln!("xtask: {failure}");
    eprintln!("xtask: Wine could not load a program in {count} of them, which are run once more");
    let again = run_tests(tests().args(["--", "--exact"]).args(&names))?;
    Ok(tested.passed + again)
}

/// Builds the bench and runs it.
pub(crate) fn bench(args: &[String]) -> anyhow::Result<()> {
    let wine = find().context("Wine is not installed; `cargo xtask setup` does that")?;
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
