//! Programs in directories made for each test. Nothing is started.

use std::fs;

use tempfile::TempDir;

use super::*;

/// Directories with empty files and directories in them: a name that ends with a `\` is a
/// directory.
fn tree(names: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in names {
        let path = root.path().join(name);
        if name.ends_with('\\') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }
    root
}

/// Looks a name up along these directories of a tree; the result is relative to its root.
fn along(tree: &TempDir, dirs: &[&str], program: &str) -> Result<String, Lookup> {
    let dirs = dirs.iter().map(|dir| tree.path().join(dir));
    let path = env::join_paths(dirs).unwrap();
    let found = find(OsStr::new(program), Some(&path), None)?;
    assert!(found.is_absolute(), "{found:?}");
    Ok(within(tree, &found))
}

fn from_dir(tree: &TempDir, dir: &str, program: &str) -> Result<String, Lookup> {
    let dir = tree.path().join(dir);
    find(OsStr::new(program), None, Some(&dir)).map(|found| within(tree, &found))
}

fn within(tree: &TempDir, found: &Path) -> String {
    let inside = found.strip_prefix(tree.path());
    inside.unwrap_or(found).to_str().unwrap().to_owned()
}

#[test]
fn the_first_directory_of_the_path_wins() {
    let tree = tree(&[r"a\x\", r"b\x.exe", r"c\x.exe", r"c\y.exe"]);
    assert_eq!(along(&tree, &["a", "b", "c"], "x").unwrap(), r"b\x.exe");
    assert_eq!(along(&tree, &["a", "c", "b"], "x").unwrap(), r"c\x.exe");
    assert_eq!(along(&tree, &["a", "b", "c"], "y.exe").unwrap(), r"c\y.exe");
    assert_eq!(along(&tree, &["a"], "x"), Err(Lookup::NotInPath));
}

#[test]
fn extensions_are_tried_in_their_order() {
    let tree = tree(&[
        r"a\x.com",
        r"a\x.exe",
        r"a\y.com",
        r"a\v1.2.exe",
        r"a\n",
        r"a\n.exe",
        r"a\t.txt",
        r"a\b.bat",
        r"z\b.exe",
        r"a\c.cmd",
        r"a\d.bat",
        r"a\d.cmd",
    ]);
    for (name, found) in [
        ("x", r"a\x.exe"),
        ("y", r"a\y.com"),
        ("x.com", r"a\x.com"),
        ("X.EXE", r"a\X.EXE"),
        ("v1.2", r"a\v1.2.exe"),
        ("n", r"a\n.exe"),
        ("n.", r"a\n"),
        ("t.txt", r"a\t.txt"),
        // A batch file counts only if there is no image in any directory.
        ("b", r"z\b.exe"),
        ("c", r"a\c.cmd"),
        ("d", r"a\d.bat"),
        ("d.cmd", r"a\d.cmd"),
    ] {
        assert_eq!(
            along(&tree, &["a", "z"], name).as_deref(),
            Ok(found),
            "{name}"
        );
    }
    for name in ["x.", "x.bat", "b.exe.exe", "t", ".", "..", " "] {
        assert_eq!(along(&tree, &["a"], name), Err(Lookup::NotInPath), "{name}");
    }
}

#[test]
fn entries_that_depend_on_the_current_directory_are_skipped() {
    let here = env::current_dir().unwrap();
    let tree = TempDir::new_in(&here).unwrap();
    fs::write(tree.path().join("zz.exe"), "").unwrap();
    let relative = tree.path().file_name().unwrap().to_str().unwrap();
    let drive = here.to_str().unwrap()[..2].to_owned();
    let rooted = tree.path().to_str().unwrap()[2..].to_owned();
    for path in [
        relative.to_owned(),
        format!("{drive}{relative}"),
        rooted,
        format!(r".\{relative}"),
    ] {
        let full = format!(";;{path};{path}");
        let found = find(OsStr::new("zz"), Some(OsStr::new(&full)), None);
        assert_eq!(found, Err(Lookup::NotInPath), "{full}");
    }
    let absolute = tree.path().as_os_str();
    assert!(find(OsStr::new("zz"), Some(absolute), None).is_ok());
}

#[test]
fn an_entry_in_quotation_marks_may_contain_a_semicolon() {
    let tree = tree(&[r"a;b\x.exe"]);
    let path = format!(r#"C:\nowhere;"{}\a;b";"#, tree.path().display());
    let found = find(OsStr::new("x"), Some(OsStr::new(&path)), None).unwrap();
    assert_eq!(within(&tree, &found), r"a;b\x.exe");
}

#[test]
fn the_directories_of_the_system_come_last() {
    let system = system_directory();
    assert!(system.is_absolute());
    for path in [None, Some(OsStr::new(""))] {
        assert_eq!(
            find(OsStr::new("cmd"), path, None),
            Ok(system.join("cmd.exe"))
        );
    }
    // Wine has one in both directories.
    let explorer = find(OsStr::new("explorer.exe"), None, None).unwrap();
    assert!(
        explorer.starts_with(system.parent().unwrap()),
        "{explorer:?}"
    );
    let tree = tree(&[r"a\cmd.exe"]);
    assert_eq!(along(&tree, &["a"], "cmd").unwrap(), r"a\cmd.exe");
}

#[test]
fn a_name_with_a_directory_is_a_path_relative_to_the_working_directory() {
    let tree = tree(&[
        r"a\b\x.exe",
        r"a\y.exe",
        r"a\dir\",
        r"a\n",
        r"a\n.cmd",
        r"a\m",
        r"a\v1.2.exe",
    ]);
    for (name, found) in [
        (r"b\x", r"a\b\x.exe"),
        ("b/x.exe", r"a\b\x.exe"),
        (r".\y", r"a\y.exe"),
        (r"b\..\y.exe", r"a\y.exe"),
        (r"b\..\..\a\y.exe", r"a\y.exe"),
        (r".\y.exe .. ", r"a\y.exe"),
        (r".\v1.2", r"a\v1.2.exe"),
        (r".\n", r"a\n.cmd"),
        (r".\n.", r"a\n"),
        (r".\m", r"a\m"),
    ] {
        assert_eq!(from_dir(&tree, "a", name).as_deref(), Ok(found), "{name}");
    }
    let missing = Lookup::NotFound(tree.path().join(r"a\no.exe"));
    assert_eq!(from_dir(&tree, "a", r".\no.exe"), Err(missing));
    let directory = Lookup::IsDirectory(tree.path().join(r"a\dir"));
    assert_eq!(from_dir(&tree, "a", r".\dir"), Err(directory));
    assert!(matches!(
        from_dir(&tree, "a", r"dir\"),
        Err(Lookup::IsDirectory(_))
    ));
    assert!(matches!(
        from_dir(&tree, "a", r"y.exe\"),
        Err(Lookup::NotFound(_))
    ));
    assert!(matches!(
        from_dir(&tree, r"a\b", r".."),
        Err(Lookup::NotInPath)
    ));
}

#[test]
fn absolute_paths_and_drives_are_paths() {
    let tree = tree(&[r"a\x.exe"]);
    let full = tree.path().join(r"a\x");
    let found = find(full.as_os_str(), None, Some(Path::new(r"C:\elsewhere"))).unwrap();
    assert_eq!(within(&tree, &found), r"a\x.exe");
    let drive = &tree.path().to_str().unwrap()[..2];
    let on_drive = format!("{drive}x.exe");
    assert_eq!(from_dir(&tree, "a", &on_drive).unwrap(), r"a\x.exe");
    let rooted = &full.to_str().unwrap()[2..];
    assert_eq!(from_dir(&tree, "a", rooted).unwrap(), r"a\x.exe");
    let here = env::current_dir().unwrap();
    let relative = find(OsStr::new(r"no\such"), None, None);
    assert_eq!(relative, Err(Lookup::NotFound(here.join(r"no\such"))));
}

#[test]
fn a_bare_name_is_searched_for() {
    for bare in ["x", "x.exe", ".", "..", "x y"] {
        assert!(is_bare(OsStr::new(bare)), "{bare}");
    }
    for path in [
        r"a\x",
        "a/x",
        r".\x",
        "C:x",
        r"C:\x",
        r"\x",
        r"\\server\share\x",
        r"x\",
    ] {
        assert!(!is_bare(OsStr::new(path)), "{path}");
    }
    assert_eq!(find(OsStr::new(""), None, None), Err(Lookup::Empty));
    assert_eq!(find(OsStr::new("a\0b"), None, None), Err(Lookup::Nul));
}
