use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::windows::io::AsRawHandle;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::System::Threading::WaitForSingleObject;

use super::super::driver::Reads;
use super::*;
use crate::model::error::ErrorKind;
use crate::model::status::Status;
use crate::slots::Slots;
use crate::sys::api::Exit;
use crate::sys::faults::{Fault, Point, order};
use crate::sys::{HostOptions, MECHANISMS};

/// Injects a failure on this thread, after this many calls of this kind that succeed.
fn fail(point: Point, calls_before: usize, code: u32) {
    order(point, calls_before, Fault::Code(code));
}

/// Set for a process that is this program, run again to write something.
const SCRIPT: &str = "THRONG_UNIT_TEST_CHILD";

/// The output of the process: bytes that depend on their position.
fn saying(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 251) as u8).collect()
}

/// Not a test, but the process that the tests start.
#[test]
fn a_process_for_the_other_tests() {
    let Ok(script) = std::env::var(SCRIPT) else {
        return;
    };
    match script.split_once(':').expect("a step and a number") {
        ("say", count) => {
            let mut out = std::io::stdout();
            out.write_all(&saying(count.parse().unwrap())).unwrap();
            out.flush().unwrap();
            std::process::exit(7);
        }
        (_, ms) => std::thread::sleep(Duration::from_millis(ms.parse().unwrap())),
    }
}

fn process(script: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", "sys::windows::engine::tests"]);
    command.args(["sys::windows::engine::tests::a_process_for_the_other_tests"]);
    command.env(SCRIPT, script);
    command
}

fn engine(mechanism: Mechanism, options: &HostOptions) -> Engine {
    Engine::new(
        mechanism,
        Arc::new(SystemContext::new(options, Arc::default()).unwrap()),
    )
    .unwrap()
}

fn overlapped() -> impl Iterator<Item = Mechanism> {
    let all = MECHANISMS.iter().copied();
    all.filter(|mechanism| *mechanism != Mechanism::Threads)
}

/// What was announced of a process.
#[derive(Debug, Default)]
struct Heard {
    bytes: [Vec<u8>; 2],
    ends: HashMap<&'static str, String>,
    exit: Option<Exit>,
}

impl Heard {
    fn is_whole(&self) -> bool {
        self.ends.len() == 2 && self.exit.is_some()
    }
}

/// Runs the engine until everything is known of this process.
fn hear(engine: &mut Engine, id: Id) -> Heard {
    let mut heard = Heard::default();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !heard.is_whole() {
        assert!(Instant::now() < deadline, "hangs: {heard:?}");
        engine.wait(Some(Duration::from_secs(1))).unwrap();
        while let Some((of, event)) = engine.next() {
            assert_eq!(of, id);
            match event {
                Event::Output(stream, bytes) => {
                    assert!(!bytes.is_empty());
                    heard.bytes[stream.index()].extend_from_slice(bytes);
                }
                Event::End(stream, end) => {
                    let name = if stream == Stream::Stdout {
                        "out"
                    } else {
                        "err"
                    };
                    let before = heard.ends.insert(name, format!("{end:?}"));
                    assert_eq!(before, None, "a stream ends once");
                }
                Event::Exited(exit) => assert!(heard.exit.replace(exit).is_none()),
                other => panic!("nobody has asked for this: {other:?}"),
            }
        }
    }
    heard
}

/// Starts one that writes this much, with injected failures, and checks that all of it arrives.
fn all_comes(mechanism: Mechanism, count: usize, order: impl FnOnce()) -> u32 {
    let mut engine = engine(mechanism, &HostOptions::default());
    let id = Slots::new().insert(());
    order();
    engine.start(id, &process(&format!("say:{count}"))).unwrap();
    let heard = hear(&mut engine, id);
    let all = saying(count);
    let out = &heard.bytes[0];
    assert!(
        out.windows(count).any(|window| window == all),
        "{mechanism}: {} bytes, ends {:?}",
        out.len(),
        heard.ends
    );
    assert_eq!(heard.ends["out"], "Eof", "{mechanism}");
    assert_eq!(heard.exit.unwrap().status, Status::Exited(7), "{mechanism}");
    engine.forget(id)
}

#[test]
fn a_read_refused_for_lack_of_resources_is_retried() {
    for mechanism in overlapped() {
        let codes = [1784, 8, 14, 1816, 1450, 1451, 1452, 1453, 1454, 1455];
        let retries = all_comes(mechanism, 100_000, || {
            for (nth, code) in codes.into_iter().enumerate() {
                fail(Point::Read, nth / 2, code);
            }
        });
        assert_eq!(retries as usize, codes.len(), "{mechanism}");
    }
}

#[test]
fn a_read_of_zero_bytes_is_not_the_end() {
    for mechanism in overlapped() {
        let retries = all_comes(mechanism, 1000, || {
            (0..6).for_each(|nth| fail(Point::Read, nth, 0));
        });
        assert_eq!(retries, 0, "{mechanism}");
    }
}

#[test]
fn a_read_cancelled_by_other_code_is_submitted_again() {
    for mechanism in overlapped() {
        all_comes(mechanism, 1000, || {
            // One of each stream.
            fail(Point::Read, 0, 995);
            fail(Point::Read, 0, 995);
        });
    }
}

#[test]
fn a_part_of_a_message_is_followed_by_the_rest() {
    for mechanism in overlapped() {
        all_comes(mechanism, 1000, || fail(Point::Read, 0, 234));
    }
}

#[test]
fn an_invalid_handle_fails_only_its_stream() {
    for mechanism in overlapped() {
        let mut engine = engine(mechanism, &HostOptions::default());
        let id = Slots::new().insert(());
        fail(Point::Read, 1, 6); // The second read is the first of stderr.
        engine.start(id, &process("say:1000")).unwrap();
        let heard = hear(&mut engine, id);
        assert!(heard.ends["err"].contains("code: 6"), "{:?}", heard.ends);
        assert_eq!(heard.ends["out"], "Eof");
        assert!(heard.bytes[0].windows(1000).any(|w| w == saying(1000)));
        engine.forget(id);
    }
}

#[test]
fn meaningless_packets_and_signals_are_ignored() {
    for mechanism in [Mechanism::CompletionPort, Mechanism::Events] {
        let mut engine = engine(mechanism, &HostOptions::default());
        let id = Slots::new().insert(());
        engine.start(id, &process("say:5000")).unwrap();
        for _ in 0..3 {
            match &engine.driver.reads {
                Reads::Port(port) => port.post_foreign_packet(),
                Reads::Events(events) => events.signal_for_nothing(id, Stream::Stdout),
                _ => unreachable!("only these two"),
            }
        }
        let heard = hear(&mut engine, id);
        assert!(heard.bytes[0].windows(5000).any(|w| w == saying(5000)));
        engine.forget(id);
    }
}

#[test]
fn a_failed_start_reports_whether_to_retry() {
    type Expected = fn(&StartError) -> bool;
    let cases: [(u32, Expected); 10] = [
        (32, |error| matches!(error, StartError::Busy(_))),
        (33, |error| matches!(error, StartError::Busy(_))),
        (8, |error| matches!(error, StartError::Exhausted(_))),
        (1455, |error| matches!(error, StartError::Exhausted(_))),
        (1816, |error| matches!(error, StartError::Exhausted(_))),
        (740, |error| {
            is_refused(error, ErrorKind::NotExecutable, "as administrator")
        }),
        (225, |error| {
            is_refused(error, ErrorKind::NotExecutable, "virus scanner")
        }),
        (193, |error| is_refused(error, ErrorKind::BadFormat, "")),
        (206, |error| {
            is_refused(error, ErrorKind::ArgumentsTooLong, "")
        }),
        (0, |error| {
            is_refused(error, ErrorKind::System, "gave no reason")
        }),
    ];
    let mut engine = engine(Mechanism::CompletionPort, &HostOptions::default());
    for (code, is_expected) in cases {
        let id = Slots::new().insert(());
        fail(Point::Start, 0, code);
        let error = engine.start(id, &process("say:1")).unwrap_err();
        assert!(is_expected(&error), "{code}: {error:?}");
    }
    // Nothing of this is left: the next one starts, and is the only one.
    let id = Slots::new().insert(());
    engine.start(id, &process("say:10")).unwrap();
    assert!(hear(&mut engine, id).is_whole());
    engine.forget(id);
}

fn is_refused(error: &StartError, kind: ErrorKind, text: &str) -> bool {
    matches!(error, StartError::Refused(error)
        if error.kind() == kind && error.to_string().contains(text))
}

#[test]
fn a_program_that_is_busy_twice_starts_at_the_third_attempt() {
    let mut engine = engine(Mechanism::CompletionPort, &HostOptions::default());
    let id = Slots::new().insert(());
    fail(Point::Start, 0, 32);
    fail(Point::Start, 0, 32);
    for _ in 0..2 {
        let error = engine.start(id, &process("say:10")).unwrap_err();
        assert!(matches!(error, StartError::Busy(_)), "{error:?}");
    }
    engine.start(id, &process("say:10")).unwrap();
    assert_eq!(
        hear(&mut engine, id).exit.unwrap().status,
        Status::Exited(7)
    );
    engine.forget(id);
}

#[test]
fn a_callback_that_waits_alertably_loses_nothing_and_is_not_reentered() {
    let mut engine = engine(Mechanism::Apc, &HostOptions::default());
    let id = Slots::new().insert(());
    engine.start(id, &process("say:300000")).unwrap();
    let (mut out, mut ends) = (Vec::new(), 0);
    while ends < 2 {
        engine.wait(Some(Duration::from_secs(30))).unwrap();
        while let Some((_, event)) = engine.next() {
            let before = out.len();
            match event {
                Event::Output(Stream::Stdout, bytes) => {
                    out.extend_from_slice(bytes);
                    // As a user's callback might do: reads that finish meanwhile have their
                    // functions called in here.
                    let (len, first) = (bytes.len(), bytes[0]);
                    // SAFETY: it sleeps and runs the APCs of this thread, which allow that.
                    unsafe { windows_sys::Win32::System::Threading::SleepEx(2, 1) };
                    assert_eq!((out.len() - before, out[before]), (len, first));
                }
                Event::End(..) => ends += 1,
                _ => {}
            }
        }
    }
    assert!(out.windows(300_000).any(|window| window == saying(300_000)));
    engine.forget(id);
}

#[test]
fn a_failure_specific_to_wine_is_transient() {
    let mut engine = engine(Mechanism::ThreadPool, &HostOptions::default());
    let id = Slots::new().insert(());
    fail(Point::Start, 0, 1359);
    let error = engine.start(id, &process("say:1")).unwrap_err();
    let is_busy = matches!(error, StartError::Busy(_));
    assert_eq!(is_busy, super::super::wine::is_wine(), "{error:?}");
}

#[test]
fn a_process_started_without_a_job_is_assigned_to_one() {
    let mut engine = engine(Mechanism::CompletionPort, &HostOptions::default());
    for (code, assigned, is_contained) in [(5, None, true), (87, None, true), (5, Some(5), false)] {
        let id = Slots::new().insert(());
        engine.launcher.forget_what_was_refused();
        fail(Point::JobList, 0, code);
        if let Some(code) = assigned {
            fail(Point::AssignJob, 0, code);
        }
        let started = engine.start(id, &process("say:10")).unwrap();
        assert_eq!(started.is_contained, is_contained);
        let heard = hear(&mut engine, id);
        assert_eq!(heard.exit.unwrap().status, Status::Exited(7));
        engine.forget(id);
    }
}

#[test]
fn a_process_that_cannot_be_assigned_to_its_job_does_not_run() {
    let mut engine = engine(Mechanism::Apc, &HostOptions::default());
    let id = Slots::new().insert(());
    fail(Point::JobList, 0, 5);
    fail(Point::AssignJob, 0, 6);
    let error = engine.start(id, &process("sleep:600000")).unwrap_err();
    assert!(is_refused(&error, ErrorKind::System, ""), "{error:?}");
}

#[test]
fn where_unnamed_pipes_are_refused_named_ones_are_used() {
    for mechanism in overlapped() {
        let host = Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
        let mut engine = Engine::new(mechanism, host.clone()).unwrap();
        let id = Slots::new().insert(());
        assert!(!host.names_pipes());
        fail(Point::UnnamedPipe, 0, 50);
        engine.start(id, &process("say:70000")).unwrap();
        assert!(host.names_pipes());
        let heard = hear(&mut engine, id);
        assert!(heard.bytes[0].windows(70000).any(|w| w == saying(70000)));
        engine.forget(id);
    }
}

#[test]
fn a_pipe_that_is_temporarily_unavailable_is_waited_for() {
    let mut engine = engine(Mechanism::Events, &HostOptions::default());
    let id = Slots::new().insert(());
    fail(Point::UnnamedPipe, 1, 1450);
    let error = engine.start(id, &process("say:1")).unwrap_err();
    assert!(matches!(error, StartError::Exhausted(_)), "{error:?}");
}

#[test]
fn a_shortage_of_one_commands_stdin_is_distinguished_from_a_general_one() {
    let mut engine = engine(Mechanism::Events, &HostOptions::default());
    let id = Slots::new().insert(());
    let mut command = process("say:1");
    command.stdin(b"hello".to_vec());
    for code in [8, 1455] {
        fail(Point::HoldStdin, 0, code);
        let error = engine.start(id, &command).unwrap_err();
        assert!(matches!(error, StartError::Hampered(_)), "{error:?}");
    }
    fail(Point::Start, 0, 1455);
    let error = engine.start(id, &command).unwrap_err();
    assert!(matches!(error, StartError::Exhausted(_)), "{error:?}");
}

#[test]
fn a_given_up_process_that_has_ended_is_reported_once_as_ended() {
    let mut engine = engine(Mechanism::Events, &HostOptions::default());
    let mut ids = Slots::new();
    let (ended, running) = (ids.insert(()), ids.insert(()));
    engine.start(ended, &process("say:1")).unwrap();
    engine.start(running, &process("sleep:60000")).unwrap();
    let handle = engine.children.get_mut(ended).unwrap().process.clone();
    // SAFETY: the handle is open as long as it is used here.
    let seen = unsafe { WaitForSingleObject(handle.as_raw_handle(), 60_000) };
    assert_eq!(seen, WAIT_OBJECT_0);
    let exit = engine.give_up(ended).expect("it has ended");
    assert_eq!(exit.status, Status::Exited(7));
    assert!(engine.give_up(running).is_none(), "it has not ended");
    let deadline = Instant::now() + Duration::from_millis(300);
    while Instant::now() < deadline {
        engine.wait(Some(MOMENT)).unwrap();
        while let Some((_, event)) = engine.next() {
            assert!(!matches!(event, Event::Exited(_)), "{event:?}");
        }
    }
    engine.forget(ended);
    engine.forget(running);
}

#[test]
fn a_dropped_engine_ends_its_processes_and_waits_for_its_reads() {
    for mechanism in MECHANISMS.iter().copied() {
        let mut engine = engine(mechanism, &HostOptions::default());
        let mut ids = Slots::new();
        let processes: Vec<_> = (0..3)
            .map(|_| {
                let id = ids.insert(());
                engine.start(id, &process("sleep:600000")).unwrap();
                engine.children.get_mut(id).unwrap().process.clone()
            })
            .collect();
        let begun = Instant::now();
        drop(engine);
        assert!(
            begun.elapsed() < LAST_WAIT,
            "{mechanism}: reads did not end"
        );
        for process in processes {
            let exit = super::super::tree::of_ended(&process, None);
            assert_eq!(exit.status, Status::Exited(1), "{mechanism}");
        }
    }
    // A read that the kernel had not finished would have written to freed memory by now.
    super::super::quarantine::check();
}

#[test]
fn a_thread_waits_for_twenty_one_processes_and_another_for_the_next() {
    let host = Arc::new(SystemContext::new(&HostOptions::default(), Arc::default()).unwrap());
    let mut driver = Driver::new(Mechanism::Events, host.clone()).unwrap();
    let mut ids = Slots::new();
    let mut groups_at = Vec::new();
    let mut attach = |driver: &mut Driver| {
        let pair = || Arc::new(host.pair(true).unwrap().ours);
        let id = ids.insert(());
        driver.attach(id, &[pair(), pair()]).unwrap();
        let Reads::Events(events) = &driver.reads else {
            unreachable!("it was asked for")
        };
        groups_at.push(events.group_count());
        id
    };
    let first: Vec<Id> = (0..64).map(|_| attach(&mut driver)).collect();
    driver.forget(first[3]);
    attach(&mut driver);
    assert_eq!(groups_at[20], 1);
    assert_eq!(groups_at[21], 2);
    assert_eq!(groups_at[62], 3);
    assert_eq!(groups_at[63], 4);
    assert_eq!(groups_at[64], 4, "a place that is free is taken again");
}

#[test]
fn a_program_found_in_the_path_is_searched_for_again_if_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("throng-unit-test-program.exe");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut launcher = Launcher::new(Arc::new(
        SystemContext::new(&HostOptions::default(), Arc::default()).unwrap(),
    ));
    let name = OsString::from("throng-unit-test-program");
    launcher.remember(&name, &dir.path().join("gone.exe"));
    let pair = || launcher_pair(&launcher);
    let (out, err) = (pair(), pair());
    let error = launcher
        .start(&Command::new(&name), [out, err])
        .unwrap_err();
    assert!(
        is_refused(&error, ErrorKind::NotFound, "gone.exe"),
        "{error:?}"
    );
    let (out, err) = (launcher_pair(&launcher), launcher_pair(&launcher));
    let error = launcher
        .start(&Command::new(&name), [out, err])
        .unwrap_err();
    assert!(!format!("{error:?}").contains("gone.exe"), "{error:?}");
}

fn launcher_pair(launcher: &Launcher) -> std::os::windows::io::OwnedHandle {
    launcher.host().pair(true).unwrap().theirs
}

mod guardian;
