//! Command lines for `cmd.exe`: the text that is written, how a model of its rules reads it, and
//! how a real one does.

use std::fs;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::process::CommandExt;
use std::process::Command;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::commandline::command_line;
use super::*;
use crate::sys::base::windows::system_directory;

const CMD: &str = r"C:\Windows\System32\cmd.exe";
const BEFORE: &str = r#""C:\Windows\System32\cmd.exe" /e:ON /v:OFF /d /c ""#;

fn os(strings: &[&str]) -> Vec<OsString> {
    strings.iter().map(OsString::from).collect()
}

/// The text between the outer quotation marks of `/c`.
fn inner(script: &str, args: &[&str]) -> Result<String, LineError> {
    let line = batch_command_line(Path::new(CMD), Path::new(script), &os(args))?;
    let line = String::from_utf16(&line).unwrap();
    let inner = line.strip_prefix(BEFORE).unwrap();
    Ok(inner.strip_suffix("\"\0").unwrap().to_owned())
}

fn is_refused(script: &str, args: &[&str]) -> bool {
    matches!(inner(script, args), Err(LineError::Unsafe { .. }))
}

#[test]
fn batch_files_are_recognised_in_every_disguise() {
    for name in [
        r"C:\x.bat",
        r"C:\x.cmd",
        r"C:\X.BaT",
        "C:/d/x.CMD",
        "x.bat",
        "C:x.bat",
        ".bat",
        r"C:\x.bat.",
        r"C:\x.bat ",
        r"C:\x.bat .. ",
        r"C:\x.bat. . .",
        r"C:\x.bat\",
        r"C:\x.bat/.",
        r"C:\x.bat\y\..",
        r"C:\x.bat\.\",
        r"C:\x.exe\..\x.bat",
        r"\\?\C:\x.bat",
        r"\\?\C:\x.bat.",
        r"\\server\share\x.cmd",
        r"C:\x.bat::$DATA",
        r"C:\x.bat .::$DATA",
        r"C:\x.txt:y.bat",
        r"C:\x.txt:y.bat:$DATA",
        r"C:\x.exe .bat",
    ] {
        assert!(is_batch(Path::new(name)), "{name:?}");
    }
    for name in [
        r"C:\x.exe",
        r"C:\x",
        "",
        ".",
        r"C:\",
        r"C:\x.bat.exe",
        r"C:\x.batch",
        r"C:\xbat",
        r"C:\d.bat\x.exe",
        r"C:\d.cmd/x",
        "cmd",
        r"C:\Windows\System32\cmd.exe",
        r"C:\x.bat\..\y",
        r"C:\.cmd.exe",
        r"C:\x.cmı",
    ] {
        assert!(!is_batch(Path::new(name)), "{name:?}");
    }
}

#[test]
fn arguments_are_quoted_so_that_cmd_passes_them_unchanged() {
    for (arg, written) in [
        ("plain", "plain"),
        ("/q:a-b_c+1.0", "/q:a-b_c+1.0"),
        (r"C:\a\b", r"C:\a\b"),
        ("", r#""""#),
        ("a b", r#""a b""#),
        ("a\tb", "\"a\tb\""),
        (r"a\", r#""a\\""#),
        (r"a b\\", r#""a b\\\\""#),
        (r"a\ b", r#""a\ b""#),
        ("a=b", r#""a=b""#),
        ("a,b;c", r#""a,b;c""#),
        ("a&b", r#""a&b""#),
        ("a|b<c>d^e(f)!g!", r#""a|b<c>d^e(f)!g!""#),
        (r#"a"b"#, r#""a""b""#),
        (r#"a\"b"#, r#""a\\""b""#),
        (r#"""#, r#""""""#),
        ("é", r#""é""#),
        ("\u{FF02}&calc", "\"\u{FF02}&calc\""),
        // "BatBadBut", and related cases.
        (r#""&calc"#, r#""""&calc""#),
        (r#"\"&calc"#, r#""\\""&calc""#),
        (r#"" & calc & ""#, r#"""" & calc & """"#),
        ("%PATH%", r#""%%cd:~,%PATH%%cd:~,%""#),
        (
            "%CMDCMDLINE:~-1%&calc",
            r#""%%cd:~,%CMDCMDLINE:~-1%%cd:~,%&calc""#,
        ),
        ("%%", r#""%%cd:~,%%%cd:~,%""#),
        ("100%", r#""100%%cd:~,%""#),
    ] {
        let expected = format!(r#""C:\x.bat" {written}"#);
        assert_eq!(inner(r"C:\x.bat", &[arg]).unwrap(), expected, "{arg:?}");
    }
}

#[test]
fn arguments_that_cannot_be_passed_are_refused() {
    for arg in [
        "a\nb", "a\rb", "a\r\nb", "\n&calc", "a\u{1A}b", "\u{7}", "\u{7F}", "\u{85}",
    ] {
        assert!(is_refused(r"C:\x.bat", &["a", arg]), "{arg:?}");
    }
    for script in [
        r#"C:\a"b.bat"#,
        r#"C:\x.bat" & calc & "y.bat"#,
        r"C:\x.bat\",
        "x.bat",
        r"d\x.bat",
        "C:x.bat",
        r"\x.bat",
        "C:\\a\nb.bat",
        r"\\?\C:\x.bat.",
        r"\\?\UNC\server\share\x.bat",
    ] {
        assert!(is_refused(script, &[]), "{script:?}");
    }
    let nul = |what: &str| Err(LineError::Nul(what.into()));
    assert_eq!(inner(r"C:\x.bat", &["a\0b"]), nul("argument 1"));
    assert_eq!(inner("C:\\a\0b.bat", &[]), nul("the program's name"));
}

#[test]
fn the_path_of_a_script_is_quoted_like_an_argument() {
    for (script, written) in [
        (r"C:\a b & c\x.bat", r#""C:\a b & c\x.bat""#),
        (r"C:\%PATH%\x.bat", r#""C:\%%cd:~,%PATH%%cd:~,%\x.bat""#),
        (r"\\?\C:\d\x.bat", r#""C:\d\x.bat""#),
        (r"\\server\share\x.bat", r#""\\server\share\x.bat""#),
    ] {
        assert_eq!(inner(script, &[]).unwrap(), written, "{script:?}");
    }
}

#[test]
fn a_line_longer_than_cmd_accepts_is_refused() {
    let rest = BEFORE.len() + r#""C:\x.bat" ""#.len() + 1;
    let longest = "x".repeat(UNITS_MAX - rest);
    assert!(inner(r"C:\x.bat", &[&longest]).is_ok());
    let longer = format!("{longest}x");
    let too_long = LineError::TooLong {
        units: UNITS_MAX + 1,
        units_max: UNITS_MAX,
    };
    assert_eq!(inner(r"C:\x.bat", &[&longer]), Err(too_long));
}

/// What `cmd.exe` makes of the text between the outer quotation marks, by the rules relied on:
/// expands variables, of which it may have to expand only ours, then splits at spaces outside
/// quotation marks. Panics at anything that would be more than text.
fn split(text: &[u16]) -> Vec<Vec<u16>> {
    let mut expanded = Vec::new();
    let mut rest = text;
    while let Some((&unit, after)) = rest.split_first() {
        let end = after.iter().position(|unit| *unit == PERCENT);
        rest = match end {
            Some(end) if unit == PERCENT && end > 0 => {
                assert_eq!(String::from_utf16_lossy(&after[..end]), "cd:~,");
                &after[end + 1..]
            }
            _ => {
                expanded.push(unit);
                after
            }
        };
    }
    let mut is_quoted = false;
    let mut words = vec![Vec::new()];
    for unit in expanded {
        is_quoted ^= unit == QUOTE;
        if !is_quoted && unit == SPACE {
            words.push(Vec::new());
            continue;
        }
        let is_plain = u8::try_from(unit).is_ok_and(|byte| {
            byte.is_ascii_alphanumeric() || PLAIN.contains(&byte) || byte == b'"'
        });
        assert!(is_quoted || is_plain, "{unit:#x} is on its own");
        words.last_mut().unwrap().push(unit);
    }
    assert!(!is_quoted, "a quotation that does not end");
    words
}

/// Reads one word as Microsoft's C runtime does since 2008: two quotation marks inside a quotation
/// are one.
fn read(word: &[u16]) -> Vec<u16> {
    let mut units = word.iter().copied().peekable();
    let mut read = Vec::new();
    let mut is_quoted = false;
    let mut pending = 0;
    while let Some(unit) = units.next() {
        if unit == BACKSLASH {
            pending += 1;
            continue;
        }
        let is_mark = unit == QUOTE;
        assert!(!is_mark || pending % 2 == 0, "a mark has become a letter");
        let count = std::mem::take(&mut pending);
        read.extend(repeat_n(BACKSLASH, if is_mark { count / 2 } else { count }));
        if !is_mark {
            read.push(unit);
        } else if is_quoted && units.next_if_eq(&QUOTE).is_some() {
            read.push(QUOTE);
        } else {
            is_quoted = !is_quoted;
        }
    }
    read.extend(repeat_n(BACKSLASH, pending));
    read
}

fn argument() -> impl Strategy<Value = Vec<u16>> {
    let telling: Vec<u16> = "\"\"\\\\%%&|<>^()!=,; \tcd:~-1a".encode_utf16().collect();
    let unit = prop_oneof![
        6 => proptest::sample::select(telling),
        1 => (0x20_u16..).prop_filter("refused", |unit| !super::is_refused(unit)),
    ];
    proptest::collection::vec(unit, 0..16)
}

proptest! {
    #[test]
    fn every_argument_is_only_text(args in proptest::collection::vec(argument(), 0..5)) {
        let given: Vec<_> = args.iter().map(|arg| OsString::from_wide(arg)).collect();
        let line = batch_command_line(Path::new(CMD), Path::new(r"C:\x.bat"), &given).unwrap();
        let words = split(&line[BEFORE.len()..line.len() - 2]);
        let read: Vec<_> = words[1..].iter().map(|word| read(word)).collect();
        prop_assert_eq!(read, args);
    }
}

/// A directory with two scripts: one that ignores its arguments, one that shows them.
fn scripts() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let show = "@echo off\r\necho [%1]\r\necho [%2]\r\n";
    fs::write(dir.path().join("ignore it.cmd"), "@echo ran\r\n").unwrap();
    fs::write(dir.path().join("show it.cmd"), show).unwrap();
    dir
}

/// What a real `cmd.exe` in this directory prints when it is given this command line.
fn run(dir: &TempDir, line: &[u16]) -> String {
    let line = String::from_utf16(line.strip_suffix(&[0]).unwrap()).unwrap();
    let (name, tail) = line[1..].split_once('"').unwrap();
    let mut command = Command::new(name);
    command.raw_arg(tail).current_dir(dir.path());
    let output = command.env("THRONG_MARK", "\"").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Anything but the scripts.
fn has_more_files(dir: &TempDir) -> bool {
    fs::read_dir(dir.path()).unwrap().count() > 2
}

/// Each creates a file where it is taken for code, or is text that should not change.
const PAYLOADS: &[&str] = &[
    "plain",
    "a b",
    r#""&echo>pwned"#,
    r#"" & echo>pwned & ""#,
    r#"a" "&echo>pwned"#,
    r#"\"&echo>pwned"#,
    "&echo>pwned",
    "|echo>pwned",
    ">pwned",
    "^\"&echo>pwned",
    "^&echo>pwned",
    "!THRONG_MARK!&echo>pwned",
    r"a b\",
    "%THRONG_MARK%&echo>pwned",
    "%CMDCMDLINE:~-1%&echo>pwned",
    "%CMDCMDLINE:~-1%&echo>pwned&%CMDCMDLINE:~-1%",
    "50%",
];

#[test]
fn a_real_cmd_executes_no_part_of_its_arguments() {
    let dir = scripts();
    let cmd = system_directory().join("cmd.exe");
    let script = dir.path().join("ignore it.cmd");
    for payload in PAYLOADS {
        let line = batch_command_line(&cmd, &script, &os(&[payload, "last"])).unwrap();
        assert_eq!(run(&dir, &line).trim_end(), "ran", "{payload:?}");
        assert!(!has_more_files(&dir), "{payload:?} was executed");
    }
    // By the rules for other programs it is executed, so this test can tell.
    let tail = format!(r#"""{}" "\"&echo>pwned&rem """#, script.display());
    let args = os(&["/d", "/c"]);
    let line = command_line(cmd.as_os_str(), &args, Some(OsStr::new(&tail)));
    run(&dir, &line.unwrap());
    assert!(has_more_files(&dir));
}

/// Only for payloads without a `%`: Wine's `cmd.exe` expands variables in `%1` once more after it
/// has substituted the argument. That of Windows does not.
#[test]
fn a_script_sees_its_arguments_whole() {
    let dir = scripts();
    let cmd = system_directory().join("cmd.exe");
    let script = dir.path().join("show it.cmd");
    for payload in PAYLOADS.iter().filter(|payload| !payload.contains('%')) {
        let line = batch_command_line(&cmd, &script, &os(&[payload, "last"])).unwrap();
        let mut quoted = Vec::new();
        push_argument(&mut quoted, &payload.encode_utf16().collect::<Vec<_>>());
        let quoted = String::from_utf16(&quoted).unwrap();
        assert_eq!(
            run(&dir, &line),
            format!("[{quoted}]\r\n[last]\r\n"),
            "{payload:?}"
        );
    }
    assert!(!has_more_files(&dir));
}
