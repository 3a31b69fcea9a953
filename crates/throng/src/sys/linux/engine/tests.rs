//! One injected fault at a time: each row of the table of errors as the engine handles it. In the
//! mechanism `threads` reads are on threads of their own, where no fault can be placed.

use std::cell::RefCell;
use std::fs;
use std::sync::Arc;

use super::starts::LONGEST_START;
use super::*;
use crate::model::error::ErrorKind;
use crate::model::status::Status;
use crate::slots::Slots;
use crate::sys::HostOptions;
use crate::sys::faults::{Fault, order};
use crate::sys::linux::slow_tests::lease;
use crate::sys::options::linux::Cgroups;

/// What an engine has announced of one process.
#[derive(Debug, Default)]
struct Heard {
    bytes: [Vec<u8>; 2],
    ends: Vec<(Stream, String)>,
    exits: Vec<Status>,
    loaded: usize,
    stops: Vec<i32>,
}

/// Runs a test on a thread of its own, for each mechanism that reads on the shard's thread: an
/// engine blocks the signals of its thread for good.
fn for_each_engine(test: impl Fn(Engine) + Send + Sync + 'static) {
    let test = Arc::new(test);
    for mechanism in [Mechanism::Epoll, Mechanism::IoUring] {
        if probe(mechanism).is_err() {
            continue;
        }
        let test = test.clone();
        let body = move || {
            let host =
                Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
            test(Engine::new(mechanism, host).unwrap());
        };
        thread::spawn(body).join().unwrap();
    }
}

thread_local! {
    static SLOTS: RefCell<Slots<()>> = RefCell::new(Slots::new());
}

/// An id for a process beside others.
fn kept_id() -> Id {
    SLOTS.with_borrow_mut(|slots| slots.insert(()))
}

/// An id that no other process of this thread has had.
fn id() -> Id {
    SLOTS.with_borrow_mut(|slots| {
        let id = slots.insert(());
        slots.remove(id);
        id
    })
}

fn sh(script: &str) -> Command {
    Command::from_argv(["sh", "-c", script])
}

/// Starts a process and collects events until it has finished.
fn run(engine: &mut Engine, command: &Command) -> Result<Heard, StartError> {
    let id = id();
    engine.start(id, command)?;
    let mut heard = Heard::default();
    while heard.ends.len() < 2 || heard.exits.is_empty() {
        engine.wait(Some(Duration::from_secs(20))).unwrap();
        while let Some((_, event)) = engine.next() {
            match event {
                Event::Output(stream, bytes) => heard.bytes[stream.index()].extend(bytes),
                Event::End(stream, end) => heard.ends.push((stream, format!("{end:?}"))),
                Event::Exited(exit) => heard.exits.push(exit.status),
                Event::NotStarted(error) => {
                    engine.forget(id);
                    return Err(error);
                }
                Event::Loaded => heard.loaded += 1,
                Event::Stopped(signal) => heard.stops.push(signal),
                Event::HoldersNamed(_) | Event::Cleared(_) => {}
            }
        }
    }
    engine.forget(id);
    Ok(heard)
}

#[track_caller]
fn assert_whole(heard: &Heard, out: &str) {
    assert!(heard.bytes[0] == out.as_bytes(), "{heard:?}");
    assert_eq!(heard.exits, [Status::Exited(0)], "once");
    assert!(heard.ends.iter().all(|(_, end)| end == "Eof"), "{heard:?}");
}

fn open_fds() -> usize {
    fs::read_dir("/proc/thread-self/fd").unwrap().count()
}

#[test]
fn a_temporary_shortage_is_reported_as_temporary_at_every_step() {
    for_each_engine(|mut engine| {
        run(&mut engine, &sh("")).unwrap();
        for (point, code) in [
            (Point::Pipe, libc::EMFILE),
            (Point::Pipe, libc::ENFILE),
            (Point::Attach, libc::ENOMEM),
            (Point::Attach, libc::ENOSPC),
            (Point::Start, libc::EAGAIN),
            (Point::Start, libc::ENOMEM),
        ] {
            order(point, 0, Fault::Code(code as u32));
            let Err(StartError::Exhausted(error)) = engine.start(id(), &sh("")).map(drop) else {
                panic!("{point:?} with {code} is no want");
            };
            assert_eq!(error.kind(), ErrorKind::Exhausted);
            assert_whole(&run(&mut engine, &sh("echo a")).unwrap(), "a\n");
        }
    });
}

#[test]
fn reading_continues_when_pipes_of_the_next_process_cannot_be_created() {
    for_each_engine(|mut engine| {
        let first = kept_id();
        engine.start(first, &sh("sleep 0.2; echo a")).unwrap();
        order(Point::Attach, 0, Fault::Code(libc::ENOMEM as u32));
        assert!(engine.start(id(), &sh("echo b")).is_err());
        until(&mut engine, first, |event| match event {
            Event::Output(_, b"a\n") => Some(()),
            _ => None,
        });
        engine.forget(first);
    });
}

#[test]
fn a_busy_program_and_a_refusal_are_distinguished_from_a_shortage() {
    for_each_engine(|mut engine| {
        order(Point::Exec, 0, Fault::Code(libc::ETXTBSY as u32));
        let busy = engine.start(id(), &sh(""));
        assert!(matches!(busy, Err(StartError::Busy(_))), "{busy:?}");
        for code in [libc::EPERM, libc::EIO, libc::ELOOP] {
            order(Point::Exec, 0, Fault::Code(code as u32));
            let refused = engine.start(id(), &sh(""));
            assert!(
                matches!(refused, Err(StartError::Refused(_))),
                "{refused:?}"
            );
        }
    });
}

#[test]
fn a_process_refused_its_control_group_is_reported_as_not_contained() {
    let body = || {
        let options = HostOptions {
            cgroups: Cgroups::Command,
            ..HostOptions::default()
        };
        // The tests of the launcher check the refusal.
        let host = match SystemContext::new(&options, Arc::default()) {
            Ok(host) => Arc::new(host),
            Err(error) => return eprintln!("{error}"),
        };
        let mut engine = Engine::new(Mechanism::Epoll, host).unwrap();
        for is_refused in [true, false] {
            if is_refused {
                order(Point::Start, 0, Fault::Code(libc::EBUSY as u32));
            }
            let id = id();
            let started = engine.start(id, &sh("exec >&- 2>&-; sleep 60")).unwrap();
            assert_eq!(started.is_contained, !is_refused);
            engine.forget(id);
        }
    };
    thread::spawn(body).join().unwrap();
}

#[test]
fn reads_that_are_interrupted_or_short_lose_nothing_and_keep_their_order() {
    for_each_engine(|mut engine| {
        order(Point::Start, 0, Fault::Delay(10));
        order(Point::Read, 20, Fault::Delay(10));
        let text: String = (0..20_000).map(|n| format!("{n}\n")).collect();
        for n in 0..30 {
            let fault = match n % 3 {
                0 => Fault::Code(libc::EINTR as u32),
                1 => Fault::Code(libc::EAGAIN as u32),
                _ => Fault::Short(1 + n),
            };
            order(Point::Read, n / 2, fault);
            order(Point::Wait, n, Fault::Code(libc::EINTR as u32));
            order(Point::Wait, n + 1, Fault::Shuffle(n as u64));
        }
        assert_whole(&run(&mut engine, &sh("seq 0 19999")).unwrap(), &text);
    });
}

#[test]
fn a_read_that_fails_ends_its_stream_and_no_other() {
    let body = || {
        let host = Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
        let mut engine = Engine::new(Mechanism::Epoll, host).unwrap();
        order(Point::Read, 0, Fault::Code(libc::EIO as u32));
        let heard = run(
            &mut engine,
            &sh("echo first; exec >&-; sleep 0.1; echo b >&2"),
        )
        .unwrap();
        assert_eq!(heard.bytes, [Vec::new(), b"b\n".to_vec()]);
        let (stream, end) = &heard.ends[0];
        assert!(
            *stream == Stream::Stdout && end.starts_with("Failed("),
            "{heard:?}"
        );
        assert_eq!(heard.ends[1].1, "Eof");
    };
    thread::spawn(body).join().unwrap();
}

#[test]
fn a_program_that_does_not_load_is_given_up_at_its_timeout() {
    for_each_engine(|mut engine| {
        let dir = std::env::temp_dir().join(format!("throng-lease-{:?}", thread::current().id()));
        fs::copy("/bin/true", &dir).unwrap();
        let leased = lease(&dir);
        let command = Command::new(&dir);
        let slow = kept_id();
        engine.start(slow, &command).unwrap();
        assert_eq!(engine.starting, [slow]);
        // Others are started, read and reported meanwhile.
        assert_whole(&run(&mut engine, &sh("echo a")).unwrap(), "a\n");
        engine.put_start_back(slow, LONGEST_START);
        let error = until(&mut engine, slow, |event| match event {
            Event::NotStarted(StartError::Refused(error)) => Some(error),
            _ => None,
        });
        let message = error.to_string();
        assert!(message.contains("it was not loaded in 30"), "{message}");
        engine.forget(slow);
        // While all are suspended the clock does not run.
        let slow = kept_id();
        engine.start(slow, &command).unwrap();
        engine.suspend(&[], Box::new(|| {}));
        engine.put_start_back(slow, LONGEST_START);
        engine.wait(Some(Duration::from_millis(20))).unwrap();
        let start = engine.children.get_mut(slow).unwrap().start.as_ref();
        assert!(start.unwrap().given_up_at.is_none());
        engine.resume(&[]);
        // A process that is killed and does not end is given up as well, and its memory kept.
        engine.let_start_be_unkillable(slow);
        until(&mut engine, slow, |event| match event {
            Event::NotStarted(StartError::Refused(_)) => Some(()),
            _ => None,
        });
        engine.forget(slow);
        assert_eq!(engine.stragglers.len(), 1);
        // A process that is ended before it is loaded counts as ended, and no more.
        let slow = kept_id();
        engine.start(slow, &command).unwrap();
        engine.signal(slow, Signal::Term);
        let status = until(&mut engine, slow, |event| match event {
            Event::Exited(exit) => Some(exit.status),
            _ => None,
        });
        assert_eq!(status.signal(), Some(libc::SIGKILL));
        engine.forget(slow);
        // A program that loads slowly, but does load.
        let slow = kept_id();
        engine.start(slow, &command).unwrap();
        drop(leased);
        until(&mut engine, slow, |event| {
            matches!(event, Event::Loaded | Event::Exited(_)).then_some(())
        });
        engine.forget(slow);
        while !engine.stragglers.is_empty() {
            engine.wait(Some(Duration::from_millis(1))).unwrap();
        }
        assert_whole(&run(&mut engine, &command).unwrap(), "");
        fs::remove_file(dir).unwrap();
    });
}

/// Waits until a process has this to report.
fn until<T>(engine: &mut Engine, id: Id, mut wanted: impl FnMut(Event<'_>) -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "it never comes");
        engine.wait(Some(Duration::from_millis(100))).unwrap();
        while let Some((of, event)) = engine.next() {
            if of == id
                && let Some(found) = wanted(event)
            {
                return found;
            }
        }
    }
}

#[test]
fn an_endless_inspection_of_a_process_blocks_no_shard_and_is_started_once() {
    for_each_engine(|mut engine| {
        // Younger than the first and not in its tree, so that its environment is searched for the
        // cookie.
        let (first, second) = (kept_id(), kept_id());
        let deaf = sh("trap '' TERM; echo deaf; sleep 600");
        engine.start(first, &deaf).unwrap();
        until(&mut engine, first, |event| {
            matches!(event, Event::Output(..)).then_some(())
        });
        // The ticks in which /proc counts are of 10 ms.
        thread::sleep(Duration::from_millis(20));
        let mut hung = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        crate::sys::linux::tree::hang::order(hung.id());
        engine.signal(first, Signal::Term);
        // A shard goes on in the meantime.
        assert_whole(&run(&mut engine, &sh("echo a")).unwrap(), "a\n");
        let clear = |engine: &mut Engine, id| {
            engine.signal(id, Signal::Kill);
            engine.clear(id);
            until(engine, id, |event| match event {
                Event::Cleared(survivors) => Some(survivors),
                _ => None,
            })
        };
        assert_eq!(clear(&mut engine, first), []);
        engine.forget(first);
        engine.start(second, &sh("sleep 600")).unwrap();
        let begun = Instant::now();
        assert_eq!(clear(&mut engine, second), []);
        let patience = Duration::from_millis(2500);
        assert!(begun.elapsed() < patience, "it is left alone by now");
        engine.forget(second);
        crate::sys::linux::tree::hang::end(hung.id());
        hung.kill().unwrap();
        hung.wait().unwrap();
    });
}

#[test]
fn stopped_processes_continue_if_the_thread_that_stopped_them_is_lost() {
    for_each_engine(|mut engine| {
        let id = kept_id();
        engine
            .start(id, &sh("setsid sleep 600 & echo $!; wait"))
            .unwrap();
        let pid: u32 = until(&mut engine, id, |event| match event {
            Event::Output(_, bytes) => std::str::from_utf8(bytes).ok()?.trim().parse().ok(),
            _ => None,
        });
        thread::sleep(Duration::from_millis(20));
        let mut hung = std::process::Command::new("sleep");
        let mut hung = hung.arg("600").spawn().unwrap();
        crate::sys::linux::tree::hang::order(hung.id());
        engine.suspend(&[id], Box::new(|| {}));
        let is_stopped = |engine: &mut Engine| engine.killer.stat(pid).unwrap().is_stopped;
        while !is_stopped(&mut engine) {
            thread::sleep(Duration::from_millis(1));
        }
        engine.resume(&[id]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while is_stopped(&mut engine) {
            assert!(Instant::now() < deadline, "it never goes on");
            engine.wait(Some(Duration::from_millis(50))).unwrap();
            while engine.next().is_some() {}
        }
        engine.signal(id, Signal::Kill);
        engine.forget(id);
        crate::sys::linux::tree::hang::end(hung.id());
        hung.kill().unwrap();
        hung.wait().unwrap();
    });
}

#[test]
fn an_exit_is_noticed_without_a_descriptor_to_watch() {
    for_each_engine(|mut engine| {
        // For some time, or for ever.
        for (code, times) in [(libc::EMFILE, 5), (libc::ENOSYS, 500), (libc::EPERM, 500)] {
            for n in 0..times {
                order(Point::Watch, n, Fault::Code(code as u32));
                order(Point::Look, n, Fault::Code(libc::EINTR as u32));
            }
            for script in ["exec >&- 2>&-; sleep 0.1", "sleep 0.1"] {
                assert_whole(&run(&mut engine, &sh(script)).unwrap(), "");
            }
        }
    });
}

#[test]
fn a_program_that_has_just_been_loaded_is_asked_to_end() {
    for_each_engine(|mut engine| {
        let dir = tempfile::tempdir().unwrap();
        let (program, file) = (dir.path().join("shell"), dir.path().join("ready"));
        fs::copy("/bin/sh", &program).unwrap();
        let leased = lease(&program);
        let script = "trap 'exit 7' TERM; : > $0; sleep 600 & wait";
        let mut command = Command::new(&program);
        command.args(["-c", script]).arg(&file);
        let slow = kept_id();
        engine.start(slow, &command).unwrap();
        assert_eq!(engine.starting, [slow]);
        drop(leased);
        while !file.exists() {
            thread::sleep(Duration::from_millis(1));
        }
        engine.signal(slow, Signal::Term);
        let status = until(&mut engine, slow, |event| match event {
            Event::Exited(exit) => Some(exit.status),
            _ => None,
        });
        assert_eq!(status, Status::Exited(7));
        engine.forget(slow);
    });
}

#[test]
fn a_process_that_leaves_the_group_during_signalling_is_signalled_as_well() {
    for_each_engine(|mut engine| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("leave");
        let script = "(until [ -e $0 ]; do sleep 0.01; done; exec env -i setsid sleep 600) & \
             echo $!; trap : TERM; while :; do wait; done";
        let mut command = sh(script);
        command.arg(&file);
        let id = kept_id();
        engine.start(id, &command).unwrap();
        let pid: u32 = until(&mut engine, id, |event| match event {
            Event::Output(_, bytes) => std::str::from_utf8(bytes).ok()?.trim().parse().ok(),
            _ => None,
        });
        let stat = |engine: &mut Engine| engine.killer.stat(pid);
        let group = stat(&mut engine).unwrap().group;
        let child = engine.children.get_mut(id).unwrap();
        let seen = engine.killer.signal_family(
            child.root(),
            rustix::process::Signal::TERM,
            &mut child.killed,
        );
        assert!(seen.is_empty(), "its group is to have the signal");
        fs::write(&file, "").unwrap();
        while stat(&mut engine).is_some_and(|stat| stat.group == group) {
            thread::sleep(Duration::from_millis(1));
        }
        let child = engine.children.get_mut(id).unwrap();
        engine
            .killer
            .signal_rest(child.root(), rustix::process::Signal::TERM, seen);
        let deadline = Instant::now() + Duration::from_secs(60);
        while stat(&mut engine).is_some_and(|stat| !stat.is_over) {
            assert!(Instant::now() < deadline, "it does not hear of it");
            thread::sleep(Duration::from_millis(1));
        }
        engine.signal(id, Signal::Kill);
        engine.forget(id);
    });
}

/// Whether a process runs whose command line contains this.
fn runs(mark: &str) -> bool {
    let dirs = fs::read_dir("/proc").unwrap().flatten();
    let lines = dirs.filter_map(|dir| fs::read(dir.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .any(|line| line.contains(mark) && line.starts_with("sleep"))
}

#[test]
fn a_dropped_engine_leaves_no_escaped_process_even_right_after_a_search() {
    for_each_engine(|mut engine| {
        // A duration that no other process sleeps.
        let mark = format!("60.{}", std::process::id());
        let other = kept_id();
        let script = format!("(setsid sleep {mark} > /dev/null 2>&1 &) ; sleep 600");
        engine.start(id(), &sh(&script)).unwrap();
        engine.start(other, &sh("sleep 600")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !runs(&mark) {
            assert!(Instant::now() < deadline, "it never runs");
        }
        engine.signal(other, Signal::Hup);
        engine.wait(Some(Duration::ZERO)).unwrap();
        drop(engine);
        assert!(!runs(&mark));
    });
}

#[test]
fn starts_that_fail_leave_no_descriptor_open() {
    for_each_engine(|mut engine| {
        run(&mut engine, &sh("")).unwrap();
        let points = [Point::Pipe, Point::Attach, Point::Start, Point::Exec];
        // Other tests open and close descriptors meanwhile: the least of many counts is ours.
        let least = || (0..50).map(|_| open_fds()).min();
        let before = least();
        for point in points.into_iter().cycle().take(200) {
            order(point, 0, Fault::Code(libc::ENOMEM as u32));
            engine.start(id(), &sh("")).unwrap_err();
            engine.wait(Some(Duration::ZERO)).unwrap();
            while engine.next().is_some() {}
        }
        assert!(
            least() < before.map(|before| before + 50),
            "two hundred starts"
        );
    });
}
