//! Arguments are UTF-16, and files of them come in several encodings.

use std::ffi::OsString;
use std::io::Write;
use std::os::windows::ffi::OsStringExt;

use crate::program::{child, json, output, output_with_stdin, run, said, stderr, stdout};

fn file_with(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn an_argument_that_is_not_unicode_arrives_unchanged() {
    let file = file_with(b"a\xed\xa0\x80b\n\xed\xbf\xbf\n\xf0\x9f\x98\x80\n");
    let path = file.path().to_str().unwrap();
    let from_file = output(&["-k", "-a", path, child(), "args"]);
    let expected: [&[u8]; 3] = [b"a\xed\xa0\x80b", b"\xed\xbf\xbf", "😀".as_bytes()];
    assert_eq!(said(&from_file.stdout), expected);

    let value = OsString::from_wide(&[u16::from(b'x'), 0xdc00]);
    let listed = run(&[child(), "args", "<{}>", ":::"]).arg(&value).output();
    assert_eq!(said(&listed.unwrap().stdout), [b"<x\xed\xb0\x80>"]);
}

#[test]
fn invalid_unicode_is_base64_in_json() {
    let file = file_with(b"\xed\xa0\x80\n");
    let object = &json(&["-a", file.path().to_str().unwrap(), child(), "args"])[0];
    assert_eq!(object["argv"][2], serde_json::json!({"base64": "7aCA"}));
    assert_eq!(object["exit_code"], 0);
}

#[test]
fn bytes_that_are_not_text_are_reported_and_stop_nothing() {
    let output = output_with_stdin(&["-k", child(), "args"], b"1\nx\xffy\n2\n");
    assert_eq!(said(&output.stdout), [b"1", b"2"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "throng: stdin line 2: \"x\\xffy\" cannot be an argument: it is not UTF-8\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn values_of_all_kinds_arrive_unchanged() {
    let values = [
        "", " ", "a b", "\"", "\\", "a\\", "a b\\", "\\\"", "a\tb", "%PATH%", "é😀", "'", "^&|<>",
        "/x", "-y", "*",
    ];
    let output = output(&[&["-k", child(), "args", "{}", ":::"], &values[..]].concat());
    assert_eq!(
        said(&output.stdout),
        values.map(|value| value.as_bytes().to_vec())
    );
}

#[test]
fn a_utf_8_byte_order_mark_is_not_a_value_and_utf_16_is_refused() {
    let marked = output_with_stdin(&["-k", child(), "args"], b"\xef\xbb\xbfa\r\nb\r\n");
    assert_eq!(said(&marked.stdout), [b"a", b"b"]);
    let wide = output_with_stdin(&[child(), "args"], b"\xff\xfea\0\r\0\n\0");
    assert_eq!(wide.status.code(), Some(255));
    let expected = "throng: cannot read values from stdin: it is UTF-16, and has to be UTF-8\n";
    assert_eq!((stdout(&wide), stderr(&wide)), ("", expected));
}

#[test]
fn a_command_line_from_input_may_have_backslashes_and_quotation_marks() {
    let child = child().replace('/', "\\");
    let lines = format!("\"{child}\" args C:\\x\\y \"a \\\"b\\\" c\\\\\" ''\n");
    let output = output_with_stdin(&[], lines.as_bytes());
    let expected: [&[u8]; 3] = [b"C:\\x\\y", b"a \"b\" c\\", b"''"];
    assert_eq!(said(&output.stdout), expected);
}

#[test]
fn windows_paths_are_split_by_windows_rules() {
    let words = ["{/}", "{//}", "{/.}", "{.}"];
    let args = [
        &["-k", child(), "args"],
        &words[..],
        &[":::", r"C:\a b\c.d", "C:x.y", "e/f.g"],
    ];
    let expected = [
        "c.d",
        r"C:\a b",
        "c",
        r"C:\a b\c", //
        "x.y",
        "C:",
        "x",
        "C:x", //
        "f.g",
        "e",
        "f",
        "e/f",
    ];
    assert_eq!(
        said(&output(&args.concat()).stdout),
        expected.map(|word| word.as_bytes().to_vec())
    );
}

#[test]
fn as_many_values_as_the_system_accepts_go_into_a_command() {
    let values: Vec<String> = (0..9000).map(|n| format!("value {n} \"é\"")).collect();
    let text = values.join("\n");
    for way in [&["-X"][..], &["--xargs"]] {
        let args = [way, &["-k", "-j2", "--output", "jsonl", child(), "args"]].concat();
        let output = output_with_stdin(&args, text.as_bytes());
        assert!(output.status.success(), "{}", stderr(&output));
        let lines = stdout(&output).lines();
        let objects: Vec<serde_json::Value> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(objects.len() > 4 && objects.len() < 40, "{}", objects.len());
        let bytes = objects
            .iter()
            .map(|object| crate::program::json_bytes(object, "stdout"));
        let found: Vec<Vec<u8>> = bytes.flat_map(|bytes| said(&bytes)).collect();
        assert!(
            found
                == values
                    .iter()
                    .map(|v| v.clone().into_bytes())
                    .collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_command_line_may_be_full_to_the_last_unit() {
    // Values of one character leave at most one unit unused, however long the path of the program
    // is.
    let letters = "x\n".repeat(20_000);
    let args = ["--xargs", "-k", "-j2", "--output", "jsonl", child(), "args"];
    let output = output_with_stdin(&args, letters.as_bytes());
    assert!(output.status.success(), "{}", stdout(&output));
    assert_eq!(stdout(&output).lines().count(), 2);
}
