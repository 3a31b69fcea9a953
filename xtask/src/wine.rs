//! Runs tests that were built for Windows, under Wine: in prefixes of their own, which go away with
//! them, and with servers that serve nothing else.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::run::{is_in_path, own_path, run};
use crate::stuck_exits::Watchdog;
use crate::suite;
use crate::windows::{Cross, GNU, TARGET_DIR};

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

fn installed() -> anyhow::Result<PathBuf> {
    find().context("Wine is not installed; `cargo xtask setup` installs it")
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

/// Builds and runs the tests: several at once, each in a process and a prefix of its own.
pub(crate) fn test(args: &[String]) -> anyhow::Result<()> {
    let wine = installed()?;
    let cross = Cross::find()?;
    let programs = Path::new(TARGET_DIR).join(GNU).join("debug");
    std::fs::create_dir_all(programs.join("deps"))?;
    supply_dlls(&[&programs, &programs.join("deps")])?;
    suite::build_for_windows(cross)?;
    let prefixes = Prefixes::new(wine)?;
    let runner = format!("{} wine", own_path()?.display());
    suite::under_wine(
        cross,
        &|test| {
            test.env(PREFIXES, prefixes.dir.path())
                .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", &runner);
        },
        args,
    )
}

/// Runs a program of tests in the prefix of nextest's slot, and once more if a test fails because
/// Wine's loader did: a process then ends with STATUS_DLL_INIT_FAILED before any code of its
/// program has run (docs/windows.md).
pub(crate) fn run_test(words: &[String]) -> anyhow::Result<()> {
    const LOADER_FAILED: [&str; 3] = ["3221225794", "-1073741502", "0xC0000142"];
    let wine = installed()?;
    let prefixes = std::env::var_os(PREFIXES).context("this is for `cargo xtask test`")?;
    let prefix = prefix_of_slot(Path::new(&prefixes))?;
    for is_last in [false, true] {
        // Into files: what a test has left behind does not keep us waiting.
        let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut test = Command::new(&wine);
        enter(&mut test, &prefix);
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

/// Builds a program of this package, and what it needs beside it to run under Wine. Gives its path.
pub(crate) fn build(package: &str, program: &str) -> anyhow::Result<PathBuf> {
    let mut cargo = Cross::find()?.command("build", GNU);
    cargo.args(["--release", "--locked", "--package", package]);
    run(&mut cargo)?;
    let dir = Path::new(TARGET_DIR).join(GNU).join("release");
    supply_dlls(&[&dir])?;
    let program = dir.join(program);
    program
        .canonicalize()
        .with_context(|| format!("cannot find {}", program.display()))
}

/// Builds the bench and runs it.
pub(crate) fn bench(args: &[String]) -> anyhow::Result<()> {
    let wine = installed()?;
    build("throng-tests", "child.exe")?;
    let program = build("throng-bench", "throng-bench.exe")?;
    let prefixes = Prefixes::new(wine.clone())?;
    let mut bench = Command::new(&wine);
    enter(&mut bench, &prefixes.first());
    run(bench.arg(program).args(args))
}

/// Builds the soak and runs it. Under Wine processes are so dear that nothing is gained by a faster
/// program.
pub(crate) fn soak(package: &[&str], args: &[&str]) -> anyhow::Result<()> {
    let wine = installed()?;
    let mut build = Cross::find()?.command("build", GNU);
    build.arg("--locked").args(package);
    run(&mut build)?;
    let dir = Path::new(TARGET_DIR).join(GNU).join("debug");
    supply_dlls(&[&dir])?;
    let prefixes = Prefixes::new(wine.clone())?;
    let mut soak = Command::new(&wine);
    enter(&mut soak, &prefixes.first());
    run(soak.arg(dir.join("soak.exe")).args(args))
}

/// Where the prefixes are, for `run_test`.
const PREFIXES: &str = "THRONG_WINE_PREFIXES";

/// The name of the prefix that others are copied from.
const FIRST: &str = "first";

/// Wine prefixes of our own, each with its server: a server has one thread, through which all
/// processes of its prefix are started. They go away with this value.
#[derive(Debug)]
struct Prefixes {
    dir: TempDir,
    _watchdog: Watchdog,
}

impl Prefixes {
    fn new(wine: PathBuf) -> anyhow::Result<Prefixes> {
        let dir = TempDir::with_prefix("throng-wine-").context("cannot make a directory")?;
        let _watchdog = Watchdog::start(dir.path());
        let prefixes = Prefixes { dir, _watchdog };
        let first = prefixes.first();
        std::fs::create_dir(&first)?;
        let mut boot = Command::new(wine);
        enter(&mut boot, &first);
        boot.args(["wineboot", "--init"]);
        boot.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        run(&mut boot).context("cannot make a Wine prefix")?;
        if !first.join("drive_c/windows").exists() {
            bail!("Wine has made no prefix in {}", first.display());
        }
        // The server writes the registry when it ends, so that a copy has all of it.
        end_server(&first);
        start_server(&first)?;
        Ok(prefixes)
    }

    fn first(&self) -> PathBuf {
        self.dir.path().join(FIRST)
    }
}

impl Drop for Prefixes {
    fn drop(&mut self) {
        for entry in self.dir.path().read_dir().into_iter().flatten().flatten() {
            end_server(&entry.path());
        }
    }
}

/// The prefix of the slot in which nextest runs this test, made if this is the first test in it;
/// without a slot, the first.
fn prefix_of_slot(prefixes: &Path) -> anyhow::Result<PathBuf> {
    let first = prefixes.join(FIRST);
    let Ok(slot) = std::env::var("NEXTEST_TEST_GLOBAL_SLOT") else {
        return Ok(first);
    };
    let prefix = prefixes.join(format!("slot-{slot}"));
    if !prefix.exists() {
        // Links: nobody writes into the files of a prefix, the registry is replaced as a whole.
        let copy = Command::new("cp")
            .arg("--archive")
            .arg("--link")
            .args([&first, &prefix])
            .status();
        if !copy.context("cannot run cp")?.success() {
            bail!("cannot copy a Wine prefix to {}", prefix.display());
        }
        start_server(&prefix)?;
    }
    Ok(prefix)
}

/// Starts a server that stays when the last program has ended.
fn start_server(prefix: &Path) -> anyhow::Result<()> {
    let mut start = Command::new(server());
    enter(&mut start, prefix);
    start.stdin(Stdio::null()).stdout(Stdio::null());
    // For a minute, should we be killed and nobody end it.
    let status = start.arg("--persistent=60").status();
    if !status.context("cannot start Wine's server")?.success() {
        bail!("Wine's server does not start in {}", prefix.display());
    }
    Ok(())
}

/// Ends a server, and waits for that.
fn end_server(prefix: &Path) {
    for argument in ["--kill", "--wait"] {
        let mut end = Command::new(server());
        enter(&mut end, prefix);
        // If it is gone already that is what we want.
        let _ = end.arg(argument).stderr(Stdio::null()).status();
    }
}

/// Has a command, and what it starts, use this prefix and show nothing. Of Wine's own messages only
/// those that say why a process could not be loaded are let through.
fn enter(command: &mut Command, prefix: &Path) {
    command
        .env("WINEPREFIX", prefix)
        .env("WINEDEBUG", "-all,err+module,err+virtual")
        // No dialogs about components, and no debugger for a child that crashes on purpose.
        .env("WINEDLLOVERRIDES", "mscoree=d;mshtml=d;winedbg.exe=d")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY");
}
