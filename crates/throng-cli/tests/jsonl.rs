//! Whatever commands print and however they are named, JSON lines reproduce it.

use crate::program::{child, json_bytes, output_with_stdin, stderr};
use proptest::prelude::*;
use throng_tests::repeat;

fn objects(words: &[&str], stdin: &[u8]) -> Vec<serde_json::Value> {
    let words = [&["-k", "--output", "jsonl"], words].concat();
    let output = output_with_stdin(&words, stdin);
    assert_eq!(stderr(&output), "");
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3000),
        "(\\PC|[\n\"\\\\\u{7f}\u{0}\u{2028}é😀]){0,1000}".prop_map(String::into_bytes),
    ]
}

proptest! {
    // Each case runs the program.
    #![proptest_config(ProptestConfig::with_cases(repeat(24).max(4) as u32))]

    #[test]
    fn bytes_of_stdout_survive_json(data in bytes(), spills: bool) {
        let memory = if spills { "1" } else { "1M" };
        let pipe = ["--pipe", "--block", "700", "--recend", ""];
        let words = [&["--memory", memory], &pipe[..], &[child(), "cat"]].concat();
        let objects = objects(&words, &data);
        let said: Vec<u8> = objects
            .iter()
            .flat_map(|object| json_bytes(object, "stdout"))
            .collect();
        prop_assert_eq!(said, data);
    }

    #[test]
    fn arguments_survive_json(values in prop::collection::vec("[^\u{0}\r]{0,30}", 1..6)) {
        let stdin: String = values.iter().map(|value| format!("{value}\0")).collect();
        let objects = objects(&["-0", child(), "args", "{}"], stdin.as_bytes());
        let said: Vec<String> = objects
            .iter()
            .map(|object| object["argv"][2].as_str().unwrap().to_owned())
            .collect();
        prop_assert_eq!(said, values);
    }
}
