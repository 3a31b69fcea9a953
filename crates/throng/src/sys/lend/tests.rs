//! A lent block comes back whole, once, whatever the kernel does: with a simulated kernel, so that
//! Miri and AddressSanitizer see every access to the block.

mod kernel;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use self::kernel::{ABORTED, Announced, Kernel, REFUSED, Status};
use super::{Answer, Block, Lent, lend, take_back};

/// Runs with different orders of events. Miri is a thousand times slower.
const SEEDS: u64 = if cfg!(miri) { 2 } else { 100 };

/// The lengths of the files; for some a first buffer is too short.
const LENS: [usize; FILES] = [0, 1, 5_000, 9_000, 20_000];

const FILES: usize = 5;

/// A read of a file. The token shows whether its block still lives.
struct Read {
    file: usize,
    _token: Arc<()>,
}

type Op = Box<Block<Status, Read>>;

/// How the owner learns of the end of a read: the three ways of the mechanisms of Windows.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// By its address, as with completion ports.
    Packet,
    /// A thread of the kernel takes it back and passes it on, as with the thread pool and APCs.
    Callback,
    /// Only a notice that something has to be checked, as with events.
    Event,
}

const WAYS: [Way; 3] = [Way::Packet, Way::Callback, Way::Event];

enum Notice {
    Address(Announced),
    Block(Op),
    File(usize),
}

/// Reads files, one read at a time for each.
struct Owner {
    kernel: Kernel,
    notices: Receiver<Notice>,
    /// The operations that the kernel has, by file.
    away: [Option<*mut Status>; FILES],
    /// Reads that have not been submitted yet.
    to_submit: VecDeque<Op>,
    got: [Vec<u8>; FILES],
    token: Arc<()>,
}

fn announcer(way: Way, notices: Sender<Notice>) -> impl Fn(Announced) + Send + Clone {
    move |announced| {
        let notice = match way {
            Way::Packet => Notice::Address(announced),
            // SAFETY: the read was lent below, is finished, and is taken back here only.
            Way::Callback => Notice::Block(unsafe { take_back(announced.control) }),
            Way::Event => Notice::File(announced.file),
        };
        // The receiver is gone if the kernel ends after its owner.
        let _ = notices.send(notice);
    }
}

/// The contents of a file: copied, because Miri is slow at computing each byte.
fn contents(file: usize) -> Vec<u8> {
    let pattern: Vec<u8> = (0..251).map(|at: u8| at ^ file as u8).collect();
    let mut bytes = pattern.repeat(LENS[file] / pattern.len() + 1);
    bytes.truncate(LENS[file]);
    bytes
}

impl Owner {
    /// Opens all files and prepares a read for each.
    fn new(seed: u64, way: Way, is_closed: bool) -> Owner {
        let (sender, notices) = mpsc::channel();
        let kernel = Kernel::new(seed, announcer(way, sender));
        let token = Arc::new(());
        let read = |file| {
            kernel.open(file, contents(file), is_closed);
            let _token = token.clone();
            Block::new(Read { file, _token })
        };
        Owner {
            to_submit: (0..FILES).map(read).collect(),
            kernel,
            notices,
            away: [None; FILES],
            got: Default::default(),
            token,
        }
    }

    /// Submits all prepared reads; reads that finish at once prepare more of them.
    fn submit(&mut self) {
        while let Some(mut op) = self.to_submit.pop_front() {
            let file = op.mine.file;
            *op.control_mut() = Status::default();
            match lend(op, |raw| self.kernel.read(file, raw)) {
                Lent::Away(control) => self.away[file] = Some(control),
                Lent::Done(op) => self.finish(op),
                Lent::Refused(op, code) => {
                    assert_eq!(code, REFUSED);
                    self.to_submit.push_back(op);
                }
            }
        }
    }

    /// Takes back the next finished read.
    fn next(&mut self) -> Op {
        let (file, op) = match self.notices.recv().unwrap() {
            Notice::Block(op) => (op.mine.file, op),
            // SAFETY: it was lent above, it is finished, and this is its only notice.
            Notice::Address(Announced { file, control }) => (file, unsafe { take_back(control) }),
            Notice::File(file) => {
                let control = self.away[file].expect("it was lent");
                // SAFETY: as above; its entry is cleared below.
                (file, unsafe { take_back(control) })
            }
        };
        self.away[file] = None;
        op
    }

    /// Keeps what was read, and reads on unless that was the end.
    fn finish(&mut self, mut op: Op) {
        let &Status { result, bytes } = op.control();
        op.keep(bytes);
        self.got[op.mine.file].extend_from_slice(op.output());
        if bytes > 0 && result != ABORTED {
            op.limit(u64::MAX);
            self.to_submit.push_back(op);
        }
    }

    fn is_any_away(&self) -> bool {
        self.away.iter().any(Option::is_some)
    }

    fn blocks_alive(&self) -> usize {
        Arc::strong_count(&self.token) - 1
    }
}

/// All ways, with many orders each.
fn each(test: impl Fn(u64, Way)) {
    for way in WAYS {
        (0..SEEDS).for_each(|seed| test(seed, way));
    }
}

#[test]
fn every_byte_arrives_once_and_in_order_and_every_block_is_freed() {
    each(|seed, way| {
        let mut owner = Owner::new(seed, way, true);
        owner.submit();
        while owner.is_any_away() {
            let op = owner.next();
            owner.finish(op);
            owner.submit();
        }
        for file in 0..FILES {
            assert_eq!(owner.got[file], contents(file), "{seed} {way:?} {file}");
        }
        assert_eq!(owner.blocks_alive(), 0, "{seed} {way:?}");
    });
}

#[test]
fn a_cancelled_operation_is_kept_until_the_kernel_has_finished() {
    each(|seed, way| {
        let mut owner = Owner::new(seed, way, false);
        owner.submit();
        // As long as it is less than all, there is more to come.
        let enough = (seed * 997) as usize % LENS.iter().sum::<usize>();
        while owner.got.iter().map(Vec::len).sum::<usize>() < enough {
            let op = owner.next();
            owner.finish(op);
            owner.submit();
        }
        owner.kernel.cancel();
        while owner.is_any_away() {
            let op = owner.next();
            owner.finish(op);
        }
        // A read that had bytes when it was cancelled, or had finished before, has more to come.
        for file in 0..FILES {
            let given = owner.kernel.given(file);
            assert_eq!(owner.got[file], contents(file)[..given], "{seed} {way:?}");
        }
        owner.to_submit.clear();
        assert_eq!(owner.blocks_alive(), 0, "{seed} {way:?}");
    });
}

#[test]
fn a_block_the_kernel_does_not_return_is_never_freed() {
    each(|seed, way| {
        let mut owner = Owner::new(seed, way, true);
        owner.kernel.set_stuck(true);
        owner.submit();
        let away = owner.away.iter().flatten().count();
        let Owner {
            kernel,
            notices,
            away: addresses,
            to_submit,
            got,
            token,
        } = owner;
        drop(to_submit);
        assert_eq!(Arc::strong_count(&token) - 1, away, "{seed} {way:?}");

        // It writes to blocks that their owner has given up.
        kernel.cancel();
        kernel.set_stuck(false);
        drop(kernel);
        let late: Vec<Notice> = notices.into_iter().collect();
        assert_eq!(late.len(), away, "{seed} {way:?}");
        for notice in late {
            let mut op: Op = match notice {
                Notice::Block(op) => op,
                // SAFETY: it was lent, and is taken back here only.
                Notice::Address(announced) => unsafe { take_back(announced.control) },
                // SAFETY: as above.
                Notice::File(file) => unsafe { take_back(addresses[file].unwrap()) },
            };
            op.keep(op.control().bytes);
            let file = op.mine.file;
            let expected = &contents(file)[got[file].len()..];
            assert!(expected.starts_with(op.output()), "{seed} {way:?}");
        }
        assert_eq!(Arc::strong_count(&token), 1, "{seed} {way:?}");
    });
}

/// How much the next operation with this block may take.
fn room(block: &mut Option<Op>) -> usize {
    let mut room = 0;
    let lent = lend(block.take().unwrap(), |raw| {
        room = raw.len;
        Answer::Done
    });
    if let Lent::Done(back) = lent {
        *block = Some(back);
    }
    room
}

#[test]
fn a_full_block_grows_and_requests_no_more_than_allowed() {
    let _token = Arc::new(());
    let mut block = Some(Block::new(Read { file: 0, _token }));
    let first = room(&mut block);
    for (kept, limit, expected) in [
        (first - 1, u64::MAX, first),
        (first, u64::MAX, 16 * first),
        (0, 100, 100),
        // A read into an empty buffer would tell nothing.
        (0, 0, 1),
    ] {
        let op = block.as_mut().unwrap();
        op.keep(kept);
        op.limit(limit);
        assert_eq!(room(&mut block), expected);
    }
}
