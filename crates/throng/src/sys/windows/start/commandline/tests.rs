//! What is written is read back by a reader of Microsoft's rules that shares no code with the
//! writer.

use std::os::windows::ffi::OsStringExt;

use proptest::prelude::*;

use super::*;

fn os(strings: &[&str]) -> Vec<OsString> {
    strings.iter().map(OsString::from).collect()
}

fn line(program: &str, args: &[&str], tail: Option<&str>) -> Result<String, LineError> {
    let line = command_line(OsStr::new(program), &os(args), tail.map(OsStr::new))?;
    let (nul, text) = line.split_last().unwrap();
    assert_eq!(*nul, 0);
    assert!(!text.contains(&0));
    Ok(String::from_utf16(text).unwrap())
}

/// Reads according to MSDN "Parsing C command-line arguments", one unit after the other: counts
/// backslashes, and decides what they mean when it sees what follows.
fn read(line: &[u16]) -> Vec<Vec<u16>> {
    let mut units = line
        .iter()
        .copied()
        .take_while(|unit| *unit != 0)
        .peekable();
    let mut name = Vec::new();
    let mut is_quoted = false;
    while let Some(unit) = units.next_if(|unit| is_quoted || !matches!(unit, 0x20 | 0x09)) {
        if unit == 0x22 {
            is_quoted = !is_quoted;
        } else {
            name.push(unit);
        }
    }
    let mut all = vec![name];
    loop {
        while units.next_if(|unit| matches!(unit, 0x20 | 0x09)).is_some() {}
        if units.peek().is_none() {
            return all;
        }
        let mut arg = Vec::new();
        let mut is_quoted = false;
        let mut pending = 0;
        while let Some(unit) = units.next_if(|unit| is_quoted || !matches!(unit, 0x20 | 0x09)) {
            match unit {
                0x5C => pending += 1,
                0x22 => {
                    arg.extend(vec![0x5C; pending / 2]);
                    if pending % 2 == 1 {
                        arg.push(0x22);
                    } else {
                        let is_doubled = is_quoted && units.peek() == Some(&0x22);
                        assert!(!is_doubled, "the readers disagree on this");
                        is_quoted = !is_quoted;
                    }
                    pending = 0;
                }
                _ => {
                    arg.extend(vec![0x5C; std::mem::take(&mut pending)]);
                    arg.push(unit);
                }
            }
        }
        assert!(!is_quoted, "a quotation that does not end");
        arg.extend(vec![0x5C; pending]);
        all.push(arg);
    }
}

#[test]
fn arguments_are_quoted_only_where_necessary() {
    for (arg, written) in [
        ("plain", "plain"),
        ("", r#""""#),
        ("a b", r#""a b""#),
        ("a\tb", "\"a\tb\""),
        ("a\nb", "\"a\nb\""),
        (r#"a"b"#, r#""a\"b""#),
        (r#"a\"b"#, r#""a\\\"b""#),
        (r#"a\\"b"#, r#""a\\\\\"b""#),
        (r#"""#, r#""\"""#),
        (r"a\", r"a\"),
        (r"a b\", r#""a b\\""#),
        (r"a\ b", r#""a\ b""#),
        (r"\\server\share", r"\\server\share"),
        ("%PATH% & ^!'", r#""%PATH% & ^!'""#),
        ("ünïcödé-\u{1F980}", "ünïcödé-\u{1F980}"),
    ] {
        let expected = format!(r#""p.exe" {written}"#);
        assert_eq!(line("p.exe", &[arg], None).unwrap(), expected, "{arg:?}");
    }
}

#[test]
fn the_name_of_the_program_is_always_quoted_and_its_backslashes_are_left_alone() {
    assert_eq!(line(r"C:\a b\", &["x"], None).unwrap(), r#""C:\a b\" x"#);
    assert_eq!(line("a", &[], None).unwrap(), r#""a""#);
    assert_eq!(line("a\"b", &[], None), Err(LineError::Quote));
}

#[test]
fn the_raw_tail_follows_unchanged() {
    let tail = Some(r#"/c "a  b" \"#);
    assert_eq!(
        line("p", &["x y"], tail).unwrap(),
        r#""p" "x y" /c "a  b" \"#
    );
    assert_eq!(line("p", &[], Some("")).unwrap(), r#""p" "#);
}

#[test]
fn a_nul_is_refused_wherever_it_is() {
    let nul = |what: &str| Err(LineError::Nul(what.into()));
    assert_eq!(line("a\0b", &[], None), nul("the program's name"));
    assert_eq!(line("a", &["b", "\0"], None), nul("argument 2"));
    assert_eq!(
        line("a", &[], Some("b\0")),
        nul("the raw text after its arguments")
    );
}

#[test]
fn the_longest_line_is_accepted_and_one_unit_more_is_refused() {
    // Around the argument: a name of one letter in quotation marks, a space, the NUL.
    let longest = "x".repeat(UNITS_MAX - 5);
    let written = command_line(OsStr::new("p"), &os(&[&longest]), None).unwrap();
    assert_eq!(written.len(), UNITS_MAX);
    let longer = format!("{longest}x");
    let too_long = LineError::TooLong {
        units: UNITS_MAX + 1,
        units_max: UNITS_MAX,
    };
    assert_eq!(line("p", &[&longer], None), Err(too_long));
    // Units of UTF-16 count: two for each of these.
    let pairs = "\u{1F980}".repeat(UNITS_MAX / 2);
    assert!(line("p", &[&pairs], None).is_err());
}

#[test]
fn unpaired_surrogates_pass_through() {
    let args = [OsString::from_wide(&[0xD800, 0x20, 0xDC00, 0xDC00])];
    let line = command_line(OsStr::new("p"), &args, None).unwrap();
    assert_eq!(read(&line)[1], [0xD800, 0x20, 0xDC00, 0xDC00]);
}

/// Mostly the characters that the rules are about, and sometimes anything but NUL.
fn argument() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![
        4 => proptest::sample::select(&[0x22_u16, 0x5C, 0x20, 0x09, 0x61][..]),
        1 => 1_u16..,
    ];
    proptest::collection::vec(unit, 0..12)
}

proptest! {
    #[test]
    fn written_text_is_read_back(args in proptest::collection::vec(argument(), 0..6)) {
        let given: Vec<_> = args.iter().map(|arg| OsString::from_wide(arg)).collect();
        let line = command_line(OsStr::new(r"C:\a b\p.exe"), &given, None).unwrap();
        let read = read(&line);
        let name: Vec<u16> = r"C:\a b\p.exe".encode_utf16().collect();
        prop_assert_eq!(&read[0], &name);
        prop_assert_eq!(&read[1..], &args[..]);
    }
}
