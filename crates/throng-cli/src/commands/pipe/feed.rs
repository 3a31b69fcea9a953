//! `--round-robin`: as many commands as run at a time; each block goes to one that has read its
//! last one. For each command a thread writes to its pipe, so there are `-j` threads, however many
//! blocks there are. (On Windows such a pipe cannot be written without waiting, and a wait for one
//! command must not delay the others.)

use std::io::{self, PipeWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use throng::{Stdin, StdinPipe};

use super::blocks::Blocks;
use super::{Bytes, Sent};

/// Blocks, which threads take when they are ready.
#[derive(Clone)]
struct BlockQueue(Arc<Mutex<State>>);

struct State {
    blocks: Blocks,
    is_over: bool,
    error: Option<anyhow::Error>,
}

impl BlockQueue {
    /// The next block. After a failure there is none.
    fn take(&self) -> Option<Bytes> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_over {
            return None;
        }
        match state.blocks.next() {
            Some(Ok(block)) => Some(block),
            Some(Err(error)) => {
                state.error = Some(error);
                state.is_over = true;
                None
            }
            None => {
                state.is_over = true;
                None
            }
        }
    }

    fn take_error(&self) -> Option<anyhow::Error> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.error.take()
    }
}

/// The stdin of each of the commands. A command comes only when there is a block for it.
pub(super) fn round_robin(
    blocks: Blocks,
    jobs: usize,
) -> impl Iterator<Item = anyhow::Result<(Stdin, Sent)>> + Send {
    let queue = BlockQueue(Arc::new(Mutex::new(State {
        blocks,
        is_over: false,
        error: None,
    })));
    let mut feeders: Vec<JoinHandle<()>> = Vec::new();
    std::iter::from_fn(move || {
        if feeders.len() < jobs
            && let Some(first) = queue.take()
        {
            return Some(start(&queue, first, &mut feeders));
        }
        // A later error of reading comes after the commands.
        for feeder in feeders.drain(..) {
            drop(feeder.join());
        }
        queue.take_error().map(Err)
    })
}

fn start(
    queue: &BlockQueue,
    first: Bytes,
    feeders: &mut Vec<JoinHandle<()>>,
) -> anyhow::Result<(Stdin, Sent)> {
    let (reader, writer) = io::pipe()?;
    let (queue, sent) = (queue.clone(), Sent::default());
    let count = sent.clone();
    let feeder = thread::Builder::new()
        .name("feeder".into())
        .spawn(move || feed(&queue, first, writer, &count))?;
    feeders.push(feeder);
    Ok((Stdin::Pipe(StdinPipe::new(reader)), sent))
}

/// Writes blocks until there are none, or the command has ended. What it has not read by then is
/// lost, as with any pipe.
fn feed(queue: &BlockQueue, first: Bytes, mut writer: PipeWriter, sent: &AtomicU64) {
    let mut next = Some(first);
    while let Some(block) = next {
        if writer.write_all(&block).is_err() {
            return;
        }
        // Before the command can see the end of its stdin.
        sent.fetch_add(block.len() as u64, Ordering::Relaxed);
        next = queue.take();
    }
}
