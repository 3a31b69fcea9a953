//! The job of a whole throng around the jobs of its processes, and what happens if it is refused.

use super::*;

fn kept(mechanism: Mechanism) -> Engine {
    let options = HostOptions {
        guardian: true,
        ..HostOptions::default()
    };
    engine(mechanism, &options)
}

/// The ids of the processes in the guardian's job.
fn all_kept(engine: &Engine) -> Vec<u32> {
    engine.host.guardian().unwrap().job().pids().unwrap()
}

fn end(engine: &mut Engine, id: Id) {
    engine.signal(id, Signal::Kill);
    assert!(hear(engine, id).is_whole());
    engine.forget(id);
}

#[test]
fn a_process_is_in_the_job_of_its_throng_and_in_its_own() {
    let mut engine = kept(Mechanism::CompletionPort);
    let mut slots = Slots::new();
    for refused in [None, Some(5), Some(87)] {
        engine.launcher.forget_what_was_refused();
        if let Some(code) = refused {
            fail(Point::JobList, 0, code);
        }
        let (id, other) = (slots.insert(()), slots.insert(()));
        let started = engine.start(id, &process("sleep:600000")).unwrap();
        let other_started = engine.start(other, &process("sleep:600000")).unwrap();
        assert!(started.is_contained, "{refused:?}");
        assert!(all_kept(&engine).contains(&started.pid), "{refused:?}");
        let all = all_kept(&engine);
        assert!(all.contains(&other_started.pid), "{refused:?}");
        // Each has its own: the other is not ended with it.
        engine.signal(id, Signal::Kill);
        let mut exited = None;
        while exited.is_none() {
            engine.wait(Some(Duration::from_secs(1))).unwrap();
            while let Some((of, event)) = engine.next() {
                if let Event::Exited(_) = event {
                    exited = Some(of);
                }
            }
        }
        assert_eq!(exited, Some(id), "{refused:?}");
        assert!(all_kept(&engine).contains(&other_started.pid));
        engine.forget(id);
        end(&mut engine, other);
    }
}

#[test]
fn a_process_that_is_refused_the_job_of_its_throng_has_its_own() {
    let mut engine = kept(Mechanism::CompletionPort);
    let id = Slots::new().insert(());
    fail(Point::JobList, 0, 5);
    fail(Point::AssignJob, 0, 5);
    let started = engine.start(id, &process("sleep:600000")).unwrap();
    assert!(started.is_contained);
    assert_eq!(all_kept(&engine), [0; 0]);
    end(&mut engine, id);
}

#[test]
fn a_process_that_cannot_be_assigned_to_the_job_of_its_throng_does_not_run() {
    let mut engine = kept(Mechanism::CompletionPort);
    let id = Slots::new().insert(());
    fail(Point::JobList, 0, 5);
    fail(Point::AssignJob, 0, 6);
    let error = engine.start(id, &process("sleep:600000")).unwrap_err();
    assert!(is_refused(&error, ErrorKind::System, ""), "{error:?}");
    assert_eq!(all_kept(&engine), [0; 0]);
}
