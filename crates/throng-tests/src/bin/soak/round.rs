//! One throng, several hundred cases at once, and faults; then nothing may be left.

use std::env::consts::EXE_SUFFIX;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use throng::{KillSequence, Mechanism, Signal, Throng, faults};
use throng_tests::{Tag, repeat};

use crate::case::{Case, Treatment};
use crate::check::check;
use crate::hardship::Hardship;
use crate::random::Random;
use crate::sys;

/// How many handles wait at once, each in a thread of its own.
const WAITERS: usize = 8;

#[derive(Debug)]
pub(crate) struct Round {
    mechanism: Mechanism,
    jobs: usize,
    shards: usize,
    /// One call in this many meets a fault; none does if it is 0.
    one_in: u32,
    cases: usize,
    seed: u64,
    number: u64,
    pub(crate) hardship: Hardship,
}

/// What has been done.
pub(crate) struct Counts {
    pub(crate) processes: u64,
    pub(crate) faults: u64,
}

impl Round {
    pub(crate) fn new(seed: u64, number: u64, mechanism: Mechanism, at_most: u64) -> Round {
        let mut random = Random::new(seed, number);
        let most = repeat(3000) as u64;
        Round {
            mechanism,
            jobs: random.one_of(&[2, 8, 32, 128]),
            shards: random.one_of(&[1, 2, 4]),
            one_in: random.one_of(&[0, 6, 30, 100]),
            cases: (most / 4 + random.below(most)).min(at_most) as usize,
            seed,
            number,
            hardship: sys::hardship(&mut random, mechanism),
        }
    }

    /// Runs all cases; `beat` is called whenever one is finished.
    pub(crate) fn run(&self, beat: impl Fn() + Sync) -> Result<Counts, String> {
        let mut random = Random::new(self.seed, !self.number);
        let tag = Tag::new();
        let child = std::env::current_exe().map_err(|error| error.to_string())?;
        let child = child.with_file_name(format!("child{EXE_SUFFIX}"));
        let child = child.to_str().ok_or("the path of the child is no text")?;
        let tag_word = tag.to_string();
        let cases = (0..self.cases).map(|_| Case::random(&mut random, &tag_word));
        let cases: Vec<Case> = cases.collect();
        let endured = sys::begin(self.hardship);
        let throng = Throng::builder()
            .mechanism(self.mechanism)
            .jobs(self.jobs)
            .shards(self.shards)
            .memory(random.one_of(&[1 << 20, 1 << 30]))
            .kill_sequence(KillSequence::new(Signal::Term, Duration::from_millis(30)))
            .build();
        let throng = throng.map_err(|error| error.to_string())?;
        faults::begin(self.seed ^ self.number, self.one_in);
        let result = run_all(&throng, &cases, child, self.hardship, &beat);
        drop(throng);
        faults::end();
        drop(endured);
        result?;
        await_gone(&tag)?;
        Ok(Counts {
            processes: cases.len() as u64,
            faults: faults::injected(),
        })
    }
}

fn run_all(
    throng: &Throng,
    cases: &[Case],
    child: &str,
    hardship: Hardship,
    beat: &(impl Fn() + Sync),
) -> Result<(), String> {
    let (in_run, by_handle): (Vec<&Case>, Vec<&Case>) = cases
        .iter()
        .partition(|case| case.treatment == Treatment::Run);
    let by_handle = Mutex::new(by_handle);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| scope.spawn(|| treat_all(throng, &by_handle, child, hardship, beat)))
            .collect();
        let commands: Vec<_> = in_run.iter().map(|case| case.command(child)).collect();
        let mut heard = vec![false; in_run.len()];
        let mut result = Ok(());
        for outcome in throng.run(commands) {
            beat();
            let place = outcome.seq() as usize;
            if std::mem::replace(&mut heard[place], true) {
                result = Err(format!("the outcome of {:?} comes twice", in_run[place]));
            }
            result = result.and(check(in_run[place], &outcome, hardship));
        }
        if let Some(place) = heard.iter().position(|heard| !heard) {
            result = result.and(Err(format!("no outcome of {:?}", in_run[place])));
        }
        for waiter in waiters {
            result = result.and(waiter.join().unwrap_or(Err("a waiter panicked".into())));
        }
        result
    })
}

fn treat_all(
    throng: &Throng,
    cases: &Mutex<Vec<&Case>>,
    child: &str,
    hardship: Hardship,
    beat: &impl Fn(),
) -> Result<(), String> {
    loop {
        let next = cases.lock().map_err(|_| "a waiter panicked")?.pop();
        let Some(case) = next else {
            return Ok(());
        };
        let process = throng.spawn(&case.command(child));
        let pause = |us| thread::sleep(Duration::from_micros(us));
        match case.treatment {
            Treatment::Run | Treatment::Wait => {}
            Treatment::Cancel(after_us) => {
                pause(after_us);
                process.cancel();
            }
            Treatment::Kill(after_us) => {
                pause(after_us);
                process.kill();
            }
            Treatment::Drop(after_us) => {
                pause(after_us);
                drop(process);
                continue;
            }
        }
        let outcome = process
            .wait()
            .map_err(|error| format!("{error}: {case:?}"))?;
        beat();
        check(case, &outcome, hardship)?;
    }
}

/// What is left behind on purpose ends soon by itself; nothing else is left at all.
fn await_gone(tag: &Tag) -> Result<(), String> {
    for _ in 0..100 {
        if tag.pids().is_empty() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(format!("processes are left: {:?}", tag.pids()))
}
