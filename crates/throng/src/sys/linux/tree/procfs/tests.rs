//! What /proc contains, and files that imitate it.

use std::fs::{self, File};
use std::process::Command;

use super::*;

#[test]
fn proc_entries_of_this_process_are_correct() {
    let mut procfs = Procfs::open().unwrap();
    let own = std::process::id();
    assert!(procfs.pids().contains(&own));
    let stat = procfs.stat(own).unwrap();
    let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    assert_eq!(stat.parent, parent as u32);
    assert!(procfs.is_live(stat.key));
    let argv: Vec<_> = std::env::args_os().collect();
    assert_eq!(procfs.command_line(own), argv);
    let started = procfs.started_at(stat.key).unwrap();
    assert!(started <= SystemTime::now(), "{started:?}");
    let other = ProcessKey {
        started: stat.key.started + 1,
        ..stat.key
    };
    assert!(!procfs.is_live(other), "it is another with the same id");
}

#[test]
fn a_program_may_have_any_name() {
    let text = b"7 (a) Z (b) 1 2) S 3 5 6 0 -1 4 9 9 9 9 9 9 9 9 20 0 1 0 4242 1 1";
    let stat = parse_stat(7, text).unwrap();
    assert_eq!((stat.parent, stat.group, stat.session), (3, 5, 6));
    assert!(!stat.is_over);
    assert_eq!(
        stat.key,
        ProcessKey {
            pid: 7,
            started: 4242
        }
    );
    assert_eq!(parse_stat(7, b"7 (a"), None);
    assert_eq!(parse_stat(7, b"7 (a) S 1 2"), None);
}

/// A directory with these files, in place of /proc.
fn fake(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Procfs) {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let procfs = Procfs::at(dir.path()).unwrap();
    (dir, procfs)
}

/// Makes a file a terabyte long, with holes.
fn lengthen(dir: &tempfile::TempDir, path: &str) {
    let file = File::options().write(true).open(dir.path().join(path));
    file.unwrap().set_len(1 << 40).unwrap();
}

#[test]
fn a_cookie_is_found_wherever_it_is_in_an_environment() {
    let run = RunId::parse("0123456789abcdef").unwrap();
    let cookie = format!("_THRONG_MARK={}.77", run.as_str());
    // Around the boundaries between two reads.
    for begin in (BUFFER - 40..BUFFER + 3).chain(3 * BUFFER - 2..3 * BUFFER + 2) {
        let mut environment = b"A=".to_vec();
        environment.resize(begin - 1, b'x');
        let environment = [&environment[..], b"\0", cookie.as_bytes(), b"\0B=1\0"].concat();
        let (_dir, mut procfs) = fake(&[("7/environ", &environment)]);
        assert!(procfs.job(7, &run).is_some(), "at {begin}");
    }
    let (_dir, mut procfs) = fake(&[("7/environ", cookie.as_bytes())]);
    assert!(procfs.job(7, &run).is_some(), "no NUL at the end");
    assert_eq!(procfs.job(7, &RunId::random().unwrap()), None);
    assert_eq!(procfs.job(8, &run), None);
}

#[test]
fn only_a_young_process_without_an_environment_may_be_loading() {
    let (_dir, mut procfs) = fake(&[("7/environ", b""), ("8/environ", b"A=1\0")]);
    let key = |pid, started| ProcessKey { pid, started };
    // One that will be started is young for as long as this test takes.
    assert!(procfs.may_be_loading(key(7, u64::MAX)));
    assert!(!procfs.may_be_loading(key(7, 0)), "it is old");
    assert!(!procfs.may_be_loading(key(8, u64::MAX)), "it has one");
    assert!(!procfs.may_be_loading(key(9, u64::MAX)), "it is gone");
}

#[test]
fn nothing_is_read_without_a_limit() {
    let run = RunId::parse("0123456789abcdef").unwrap();
    let stat = b"7 (a) S 3 5 6 0 -1 4 9 9 9 9 9 9 9 9 20 0 1 0 4242 1 1";
    let files: [(&str, &[u8]); 8] = [
        ("7/environ", b"A=1\0B=2\0"),
        ("7/cmdline", b"cat\0x\0"),
        ("7/stat", stat),
        ("7/cgroup", b"0::/a\n"),
        ("7/task/7/children", b"8 9 10 "),
        ("loadavg", b"0 0 0 1/2 3"),
        ("sys/kernel/pid_max", b"32768"),
        ("self/status", b"ProcessKey:\ta\n"),
    ];
    let (dir, mut procfs) = fake(&files);
    for (path, _) in files {
        lengthen(&dir, path);
    }
    let mut read = |most: usize, look: &mut dyn FnMut(&mut Procfs)| {
        procfs.total = 0;
        look(&mut procfs);
        assert!(
            (1..=most).contains(&procfs.total),
            "{} > {most}",
            procfs.total
        );
        assert_eq!(procfs.buffer.len(), BUFFER, "the buffer does not grow");
    };
    read(ENVIRON_MAX, &mut |procfs| {
        assert_eq!(procfs.job(7, &run), None)
    });
    read(COMMAND_LINE_MAX, &mut |procfs| {
        assert_eq!(procfs.command_line(7)[..2], ["cat", "x"]);
    });
    read(SHORT_MAX, &mut |procfs| assert!(procfs.stat(7).is_some()));
    read(CONTROL_GROUP_MAX, &mut |procfs| {
        assert!(procfs.control_group(7).starts_with(b"0::/a\n"));
    });
    read(CHILDREN_MAX, &mut |procfs| {
        assert_eq!(procfs.children(7), [8, 9, 10])
    });
    read(SHORT_MAX, &mut |procfs| assert_eq!(procfs.last_pid(), 0));
    read(SHORT_MAX, &mut |procfs| assert_eq!(procfs.pid_max(), 0));
    read(BUFFER, &mut |procfs| {
        let _ = procfs.read("self/status", usize::MAX);
    });
}

#[test]
fn a_list_of_children_is_read_across_buffer_boundaries_and_no_number_is_split() {
    let pids: Vec<u32> = (1_000_000..1_000_000 + 50_000).collect();
    let list: String = pids.iter().map(|pid| format!("{pid} ")).collect();
    assert!(list.len() > 2 * BUFFER);
    let (_dir, mut procfs) = fake(&[("7/task/7/children", list.as_bytes())]);
    assert_eq!(procfs.children(7), pids);
    let many = "1234567 ".repeat(CHILDREN_MAX / 8 + 9);
    let (_dir, mut procfs) = fake(&[("7/task/7/children", &many.as_bytes()[3..])]);
    let children = procfs.children(7);
    assert_eq!(children.len(), CHILDREN_MAX / 8);
    assert!(children[1..].iter().all(|pid| *pid == 1_234_567));
}

#[test]
fn a_proc_in_which_we_have_another_id_is_not_ours() {
    let own = std::process::id();
    let (dir, mut procfs) = fake(&[("self.d/status", b"ProcessKey:\ta\nNSpid:\t7\n")]);
    let link = dir.path().join("self");
    assert!(!procfs.is_of(7), "no link");
    let mut is_of = |target: &str, status: &str, pid| {
        let _ = fs::remove_file(&link);
        let _ = fs::create_dir(dir.path().join(target));
        fs::write(dir.path().join(target).join("status"), status).unwrap();
        std::os::unix::fs::symlink(target, &link).unwrap();
        procfs.is_of(pid)
    };
    assert!(is_of("7", "ProcessKey:\ta\nNSpid:\t7\n", 7));
    assert!(
        is_of("7", "ProcessKey:\ta\n", 7),
        "a kernel that does not tell"
    );
    assert!(!is_of("8", "NSpid:\t8\t7\n", 7));
    assert!(!is_of("7", "NSpid:\t7\t7\n", 7), "the same by chance");
    assert!(Procfs::open().unwrap().is_of(own));
}

#[test]
fn a_process_started_since_is_among_the_new_ids_once() {
    let mut procfs = Procfs::open().unwrap();
    let mut new_pids = NewPids::from_now_on(&mut procfs);
    let before = procfs.last_pid();
    let mut child = Command::new("true").spawn().unwrap();
    let ids: Vec<u32> = new_pids.ids(&mut procfs).collect();
    // Unless ids have just started over, or thousands were assigned.
    let is_later = (before..before + NEW_MAX / 2).contains(&child.id());
    assert!(ids.contains(&child.id()) || !is_later, "{ids:?}");
    assert!(ids.is_sorted_by(|one, next| one > next));
    assert!(!new_pids.ids(&mut procfs).any(|id| id == child.id()));
    child.wait().unwrap();
    new_pids.last = u32::MAX;
    assert_eq!(new_pids.ids(&mut procfs).count(), 0);
    new_pids.last = 0;
    assert!(new_pids.ids(&mut procfs).count() <= NEW_MAX as usize + 1);
}

/// Set when the test below is run again, to check whether `open` takes the /proc that is there.
const INSIDE: &str = "THRONG_TEST_FOREIGN_PROC";

#[test]
fn a_foreign_proc_is_rejected() {
    if std::env::var_os(INSIDE).is_some() {
        return assert!(Procfs::open().is_err());
    }
    let program = std::env::current_exe().unwrap();
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::a_foreign_proc_is_rejected");
    let mut command = Command::new("unshare");
    // A user namespace of its own if the tests are not run by root.
    command.args(["--user", "--map-root-user", "--pid", "--fork"]);
    let unshared = |command: &mut Command| {
        let status = command.arg("true").status();
        status.is_ok_and(|status| status.success())
    };
    if !unshared(&mut command) {
        return eprintln!("no process namespace can be made here");
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--pid", "--fork"]);
    command
        .arg(program)
        .args([&name, "--exact"])
        .env(INSIDE, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
