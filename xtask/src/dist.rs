//! The archives that users get: `cargo xtask dist`.
//!
//! One for the system that this runs on and, on Linux, one for Windows: the stripped program, its
//! manual pages, completions for shells, README, CHANGELOG and licences. The program itself prints
//! its manual pages and completions, so the one for this system supplies both archives.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use zip::write::SimpleFileOptions;

use crate::run::{cargo, run};
use crate::windows::{self, Cross, GNU};

const DIR: &str = "target/dist-archives";
const PROFILE: [&str; 4] = ["--profile", "dist", "--locked", "--package"];
const TEXTS: [&str; 5] = [
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];
const SHELLS: [(&str, &str); 5] = [
    ("bash", "throng.bash"),
    ("elvish", "throng.elv"),
    ("fish", "throng.fish"),
    ("powershell", "_throng.ps1"),
    ("zsh", "_throng"),
];

/// Makes the archives, and prints the path and size of each and of the programs in them.
pub(crate) fn make() -> anyhow::Result<()> {
    let dir = Path::new(DIR);
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot empty {DIR}"))?;
    }
    fs::create_dir_all(dir)?;
    run(cargo().arg("build").args(PROFILE).arg("throng-cli"))?;
    let file_name = format!("throng{}", env::consts::EXE_SUFFIX);
    let program = Path::new("target/dist").join(file_name);
    let shared = dir.join("shared");
    supply(&program, &shared)?;
    let here = format!("{}-{}", env::consts::ARCH, env::consts::OS);
    pack(&program, &shared, &here, cfg!(windows))?;
    if !cfg!(windows) {
        match Cross::find() {
            Ok(cross) => {
                let program = build_for_windows(cross)?;
                pack(&program, &shared, "x86_64-windows", true)?;
            }
            Err(error) => eprintln!("xtask: NO ARCHIVE FOR WINDOWS: {error:#}"),
        }
    }
    fs::remove_dir_all(&shared)?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() {
            println!("{:9} {}", fs::metadata(&path)?.len(), path.display());
        }
    }
    Ok(())
}

fn build_for_windows(cross: Cross) -> anyhow::Result<PathBuf> {
    let mut build = cross.command("build", GNU);
    run(build.args(PROFILE).arg("throng-cli"))?;
    Ok(Path::new(windows::TARGET_DIR)
        .join(GNU)
        .join("dist/throng.exe"))
}

/// What is the same in each archive: manual pages, completions and texts.
fn supply(program: &Path, dir: &Path) -> anyhow::Result<()> {
    let man = dir.join("man");
    let completions = dir.join("completions");
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    fs::write(man.join("throng.1"), printed(program, &["man"])?)?;
    for command in [
        "run",
        "config",
        "doctor",
        "man",
        "completions",
        "mechanisms",
    ] {
        let page = printed(program, &["man", command])?;
        fs::write(man.join(format!("throng-{command}.1")), page)?;
    }
    for (shell, name) in SHELLS {
        let script = printed(program, &["completions", shell])?;
        fs::write(completions.join(name), script)?;
    }
    for name in TEXTS {
        fs::copy(name, dir.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(())
}

fn printed(program: &Path, args: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(program).args(args).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() || output.stdout.is_empty() {
        bail!("`{} {}` printed nothing", program.display(), args.join(" "));
    }
    Ok(output.stdout)
}

/// One archive: a zip where Windows is to open it, else a tar.
fn pack(program: &Path, shared: &Path, target: &str, is_zip: bool) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("throng-{version}-{target}");
    let staged = Path::new(DIR).join(&name);
    copy_all(shared, &staged)?;
    let file_name = program.file_name().context("a program has a name")?;
    fs::copy(program, staged.join(file_name))?;
    println!("{:9} {}", fs::metadata(program)?.len(), program.display());
    if is_zip {
        zip(&staged, &name)?;
    } else {
        // Without the names of whoever makes it.
        run(Command::new("tar")
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .args(["-C", DIR, "-czf"])
            .arg(staged.with_file_name(format!("{name}.tar.gz")))
            .arg(&name))?;
    }
    fs::remove_dir_all(&staged)?;
    Ok(())
}

fn zip(staged: &Path, name: &str) -> anyhow::Result<()> {
    let path = staged.with_file_name(format!("{name}.zip"));
    let mut archive = zip::ZipWriter::new(fs::File::create(&path)?);
    for file in files_in(staged)? {
        let inner = file.strip_prefix(staged)?;
        // Zip has slashes everywhere.
        let inner: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
        archive.start_file(
            format!("{name}/{}", inner.join("/")),
            SimpleFileOptions::default(),
        )?;
        archive.write_all(&fs::read(&file)?)?;
    }
    archive.finish()?;
    Ok(())
}

fn files_in(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(files_in(&path)?),
            false => files.push(path),
        }
    }
    files.sort();
    Ok(files)
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    for file in files_in(from)? {
        let target = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(target.parent().context("a file is in a folder")?)?;
        fs::copy(&file, &target)?;
    }
    Ok(())
}
