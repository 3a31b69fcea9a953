//! Memory: spilled output comes back unchanged, and memory use stays small however much output
//! there is and however slowly it is read.

use std::io::Read;
use std::process::{Child, Stdio};

use proptest::prelude::*;
use throng_tests::{Source, eventually, fill};

use crate::program::{child, finish, json, json_bytes, run, stderr, without_settings};

#[test]
fn spilled_text_is_text_in_json_wherever_its_characters_are_split() {
    // Three bytes per character, and a file that is read in pieces of other lengths.
    let text = "\u{20ac}\"\n".repeat(200_000);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let object = &json(&["--memory", "0", "cat", ":::", path])[0];
    assert!(object["stdout"].as_str() == Some(&text));
}

#[test]
fn a_full_disk_is_reported_in_one_line_and_kept_output_is_printed() {
    let throng = env!("CARGO_BIN_EXE_throng");
    let child = child();
    // 512 KiB, as if the disk were full after that.
    let script = format!("ulimit -f 1024; exec {throng} run --memory 0 {child} ::: out:3000000");
    let mut shell = std::process::Command::new("sh");
    without_settings(&mut shell);
    let output = shell.args(["-c", &script]).output().unwrap();
    let said = stderr(&output);
    assert!(
        said.contains("cannot keep stdout of") && said.contains("File too large"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(output.status.code(), Some(255));
    let mut expected = vec![0; 1024 * 512];
    fill(Source::Out, 0, &mut expected);
    assert!(output.stdout == expected, "{} bytes", output.stdout.len());
}

#[test]
fn output_larger_than_the_address_space_is_printed() {
    let throng = env!("CARGO_BIN_EXE_throng");
    // The default memory limit allows many times as much.
    const LEN: u64 = 210_000_000;
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(LEN).unwrap();
    let path = file.path().to_str().unwrap();
    for mode in ["--output=group", "-k"] {
        let script = format!("ulimit -v 200000; exec {throng} run {mode} cat ::: {path}");
        let mut shell = std::process::Command::new("sh");
        without_settings(&mut shell);
        let shell = shell.args(["-c", &script]).stdin(Stdio::null());
        let mut started = shell.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = started.stdout.take().unwrap();
        let count = std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
        assert_eq!(count, LEN, "{mode}");
        assert_eq!(started.wait().unwrap().code(), Some(0), "{mode}");
    }
}

#[test]
fn an_unterminated_line_is_refused_in_bounded_memory() {
    let throng = env!("CARGO_BIN_EXE_throng");
    for (fill, hint) in [
        ("cat", "contains a NUL"),
        ("tr '\\0' x", "; --pipe gives data"),
    ] {
        let script =
            format!("ulimit -v 200000; head -c 1500000000 /dev/zero | {fill} | {throng} run echo");
        let mut shell = std::process::Command::new("sh");
        without_settings(&mut shell);
        let output = shell.args(["-c", &script]).output().unwrap();
        assert_eq!(output.status.code(), Some(255));
        let said = stderr(&output);
        let begun = "throng: cannot read values from stdin: line 1 has more than 16,777,216 bytes";
        assert!(said.starts_with(begun) && said.contains(hint), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// A figure of a process by its name in /proc, in KiB.
fn status_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let value = line.unwrap().trim_start_matches(':').trim();
    value.trim_end_matches(" kB").parse().unwrap()
}

/// Starts this with a reader that does not read, until nothing progresses any more.
fn stopped(args: &[&str], values: usize) -> Child {
    let step = format!("out:{}", 8 << 20);
    let values = vec![step.as_str(); values];
    let args = [&["-j2", "--memory", "8M"], args, &[child(), ":::"], &values].concat();
    let started = run(&args).spawn().unwrap();
    let pid = started.id();
    let mut last = (0, 0);
    let mut same = 0;
    eventually("nothing moves any more", || {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        let count = |name: &str| -> u64 {
            let line = io.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().parse().unwrap()
        };
        let now = (count("rchar:"), count("wchar:"));
        same = if now == last { same + 1 } else { 0 };
        last = now;
        std::thread::sleep(std::time::Duration::from_millis(20));
        same > 15
    });
    started
}

fn number_of(bytes: &[u8], byte: u8) -> usize {
    bytes.iter().filter(|other| **other == byte).count()
}

#[test]
fn a_blocked_reader_stalls_the_run_in_bounded_memory_and_loses_nothing() {
    let mut expected = vec![0; 8 << 20];
    fill(Source::Out, 0, &mut expected);
    let modes: [&[&str]; 5] = [
        &["--output", "line"],
        &["--output", "group"],
        &["--output", "group", "-k"],
        &["--output", "live", "-j1"],
        &["--output", "jsonl"],
    ];
    for mode in modes {
        // An unoptimized program is slow at splitting lines.
        let count = if mode[1] == "line" { 3 } else { 12 };
        let mut started = stopped(mode, count);
        let hwm = status_kib(started.id(), "VmHWM");
        assert!(hwm < 48 << 10, "{mode:?}: {hwm} KiB");
        let mut stdout = started.stdout.take().unwrap();
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).unwrap();
        assert!(finish(started).status.success());
        match mode[1] {
            "jsonl" => assert_eq!(number_of(&bytes, b'\n'), count),
            // Lines of several commands may alternate.
            "line" => {
                for byte in [0, b'\n', 99, 255] {
                    let each = number_of(&expected, byte);
                    assert_eq!(number_of(&bytes, byte), count * each);
                }
                assert_eq!(bytes.len(), count * expected.len());
            }
            _ => {
                assert_eq!(bytes.len(), count * expected.len());
                assert!(bytes.chunks(expected.len()).all(|chunk| chunk == expected));
            }
        }
    }
}

/// Other programs leave streams that they share with us in this state.
#[test]
fn a_nonblocking_stdout_or_stderr_is_waited_for() {
    for (step, mode) in [("out", "--group"), ("out", "--lb"), ("err", "-u")] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let mut throng = run(&[mode, child(), ":::", &format!("{step}:3000000")]);
        match step {
            "out" => throng.stdout(writer),
            _ => throng.stderr(writer),
        };
        let mut running = throng.spawn().unwrap();
        drop(throng);
        eventually("the pipe is nearly full", || {
            rustix::io::ioctl_fionread(&reader).unwrap() > 60_000
        });
        std::thread::sleep(std::time::Duration::from_millis(100));
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut all).unwrap();
        assert!(running.wait().unwrap().success(), "{step} {mode}");
        assert_eq!(all.len(), 3_000_000, "{step} {mode}");
    }
}

#[test]
fn behind_a_slow_first_command_output_waits_on_disk_and_not_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let first = format!("wait-file:{}", go.display());
    let steps: Vec<String> = std::iter::once(first)
        .chain((0..12).map(|_| format!("out:{}", 8 << 20)))
        .collect();
    let args = ["-j2", "-k", "--memory", "8M", child(), ":::"];
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let mut started = run(&[&args, &steps[..]].concat()).spawn().unwrap();
    let pid = started.id();
    eventually("what came after the first has been read", || {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        let line = io.lines().find_map(|line| line.strip_prefix("rchar:"));
        line.unwrap().trim().parse::<u64>().unwrap() >= 12 * (8 << 20)
    });
    let hwm = status_kib(pid, "VmHWM");
    assert!(hwm < 48 << 10, "{hwm} KiB");
    std::fs::write(&go, "").unwrap();
    let mut bytes = Vec::new();
    started
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert!(finish(started).status.success());
    assert_eq!(bytes.len(), 12 * (8 << 20));
}

/// The more commands of this kind there are, the more memory an allocator retains and the more room
/// two budgets have.
#[test]
fn many_verbose_commands_stay_within_the_memory_limit_in_order_or_not() {
    const COUNT: usize = 40;
    const LEN: usize = 6 << 20;
    let mut expected = vec![0; LEN];
    fill(Source::Out, 0, &mut expected);
    for order in ["--output=group", "-k"] {
        let dir = tempfile::tempdir().unwrap();
        let go = dir.path().join("go");
        // While the last one waits, all others have been printed, and memory use can be measured.
        let last = format!("wait-file:{}", go.display());
        let step = format!("out:{LEN}");
        let steps = [&[&*step; COUNT][..], &[&*last]].concat();
        let args = [order, "-j16", "--memory", "32M", child(), ":::"];
        let mut started = run(&[&args, &steps[..]].concat()).spawn().unwrap();
        let mut stdout = started.stdout.take().unwrap();
        let mut bytes = vec![0; LEN];
        for _ in 0..COUNT {
            stdout.read_exact(&mut bytes).unwrap();
            assert!(bytes == expected, "{order}");
        }
        let hwm = status_kib(started.id(), "VmHWM");
        // An unoptimized program takes 13 MiB by itself.
        assert!(hwm < (32 + 20) << 10, "{order}: {hwm} KiB");
        std::fs::write(&go, "").unwrap();
        assert_eq!(stdout.read(&mut bytes).unwrap(), 0);
        assert!(finish(started).status.success());
    }
}

/// Bytes that a JSON writer may get wrong: what has to be escaped, characters of all lengths,
/// truncated characters and invalid bytes; often more than one read returns.
fn awkward_bytes() -> impl Strategy<Value = Vec<u8>> {
    let letter = prop_oneof![
        8 => prop::sample::select(vec![
            &b"a"[..], b"\"", b"\\", b"\n", b"\0", b"\x1b", b"\x7f", "\u{e9}".as_bytes(),
            "\u{20ac}".as_bytes(), "\u{2028}".as_bytes(), "\u{1d11e}".as_bytes(),
        ]),
        1 => prop::sample::select(vec![&b"\xff"[..], b"\xe2\x82", b"\xf0\x9d\x84", b"\x80", b"a"]),
    ];
    let text = prop_oneof![
        prop::collection::vec(letter.clone(), 0..6),
        prop::collection::vec(letter, 0..200)
    ];
    (
        text,
        prop::sample::select(vec![1usize, 1, 3, 5_000, 100_003]),
    )
        .prop_map(|(letters, times)| letters.concat().repeat(times))
        .prop_map(|mut bytes| {
            bytes.truncate(1 << 20);
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn json_reproduces_any_output(
        outputs in prop::collection::vec(awkward_bytes(), 1..16), spills in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<String> = (0..outputs.len())
            .map(|n| dir.path().join(n.to_string()).to_str().unwrap().to_owned())
            .collect();
        for (path, bytes) in paths.iter().zip(&outputs) {
            std::fs::write(path, bytes).unwrap();
        }
        let memory = if spills { "0" } else { "1G" };
        let words = ["--memory", memory, "cat", ":::"].into_iter();
        let words: Vec<&str> = words.chain(paths.iter().map(String::as_str)).collect();
        let objects = json(&words);
        prop_assert_eq!(objects.len(), outputs.len());
        for (object, bytes) in objects.iter().zip(&outputs) {
            prop_assert_eq!(object["stdout"].is_string(), str::from_utf8(bytes).is_ok());
            prop_assert!(json_bytes(object, "stdout") == *bytes);
        }
    }
}
