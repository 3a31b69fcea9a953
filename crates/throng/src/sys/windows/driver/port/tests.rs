use std::fs::File;
use std::io::Write;

use super::*;
use crate::model::stream::Stream;
use crate::slots::Slots;
use crate::sys::windows::driver::op::{self, CompletionTarget, Op};
use crate::sys::windows::pipe::{Pair, named_pair};

fn next_read(port: &mut Port) -> Finished {
    loop {
        if let Some(DriverEvent::Read(finished)) = port.next() {
            return finished;
        }
        port.wait(Some(Duration::from_secs(30))).unwrap();
    }
}

fn attached(port: &Port, skips: bool) -> (Box<Op>, File) {
    let Pair { mut ours, theirs } = named_pair(4096).unwrap();
    if skips {
        ours.skip_packets();
        assert!(ours.skips_packets());
    }
    port.attach(&ours).unwrap();
    let id = Slots::new().insert(());
    let op = op::read(id, Stream::Stdout, Arc::new(ours), CompletionTarget::Port);
    (op, File::from(theirs))
}

#[test]
fn a_read_that_finishes_at_once_is_announced_once() {
    for skips in [false, true] {
        let mut port = Port::new().unwrap();
        let (op, mut theirs) = attached(&port, skips);
        theirs.write_all(b"early").unwrap();
        let mut finished = match port.submit(op) {
            Submitted::Done(finished) => {
                assert!(skips, "nobody has asked for that");
                finished
            }
            Submitted::InFlight(_) => {
                assert!(!skips, "success was to be taken at once");
                next_read(&mut port)
            }
            Submitted::Failed(finished) => panic!("{finished:?}"),
        };
        assert_eq!((finished.bytes, finished.code), (5, 0));
        finished.op.keep(5);
        assert_eq!(finished.op.output(), b"early");
        port.wait(Some(Duration::from_millis(20))).unwrap();
        assert!(port.next().is_none());
    }
}

#[test]
fn a_pending_read_is_announced_by_a_packet() {
    for skips in [false, true] {
        let mut port = Port::new().unwrap();
        let (op, mut theirs) = attached(&port, skips);
        assert!(matches!(port.submit(op), Submitted::InFlight(_)));
        theirs.write_all(b"late").unwrap();
        let mut finished = next_read(&mut port);
        finished.op.keep(finished.bytes);
        assert_eq!(finished.op.output(), b"late");
        drop(theirs);
        let end = match port.submit(finished.op) {
            Submitted::InFlight(_) => next_read(&mut port),
            Submitted::Failed(finished) | Submitted::Done(finished) => finished,
        };
        assert_eq!((end.bytes, end.code), (0, 109));
    }
}

#[test]
fn a_cancelled_read_is_returned() {
    let mut port = Port::new().unwrap();
    let Pair { ours, theirs } = named_pair(4096).unwrap();
    port.attach(&ours).unwrap();
    let ours = Arc::new(ours);
    ours.cancel_reads(); // There is nothing to cancel, and nothing comes of it.
    let id = Slots::new().insert(());
    let op = op::read(id, Stream::Stderr, ours.clone(), CompletionTarget::Port);
    assert!(matches!(port.submit(op), Submitted::InFlight(_)));
    ours.cancel_reads();
    ours.cancel_reads();
    let finished = next_read(&mut port);
    assert_eq!((finished.bytes, finished.code), (0, 995));
    drop(theirs);
}

#[test]
fn wakeups_arrive_once_and_are_not_lost() {
    let mut port = Port::new().unwrap();
    let packets = port.packets().clone();
    for _ in 0..3 {
        packets.wake();
        packets.wake();
        port.wait(Some(Duration::from_secs(30))).unwrap();
    }
    assert!(port.next().is_none());
}
