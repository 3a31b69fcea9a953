//! Runs random scripted processes, under faults injected below the platform layer, and compares
//! everything known of each with its script: bytes lost, duplicated or out of order, wrong
//! verdicts, wrong exit codes; and after each round what this program has left: descriptors or
//! handles, threads, children, processes, memory. A watchdog ends whatever does not end. Some
//! rounds are made harder than that (hardship.rs), each in a process of its own (apart.rs).
//!
//! ```text
//!  seed ──► round: mechanism, jobs, rate of faults ──► cases (case.rs) ──► throng ──► check.rs
//!             └── afterwards: nothing is left (traces.rs)
//! ```
//!
//! The seed is printed; with `--seed` a run repeats the same rounds, cases and faults. Which thread
//! meets which fault when is up to the scheduler, so a failure of a seed may take some repetitions
//! to occur again.

#![forbid(unsafe_code)]

mod apart;
mod case;
mod check;
mod hardship;
mod random;
mod round;
mod sys;
mod traces;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use throng::Mechanism;

use self::round::Round;
use self::traces::Traces;

/// Anything that takes longer than this hangs.
const HANG: Duration = Duration::from_secs(120);

struct Args {
    count: u64,
    seed: u64,
    mechanism: Option<Mechanism>,
    /// Only this round; used when a round runs in a process of its own.
    only: Option<u64>,
}

fn main() -> ExitCode {
    let args = parse(std::env::args().skip(1));
    if let Some(number) = args.only {
        return run_only(&args, number);
    }
    eprintln!("soak: --count {} --seed {}", args.count, args.seed);
    let watchdog = Watchdog::start(args.seed);
    match soak(&args, &watchdog) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("soak: --seed {}: {wrong}", args.seed);
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Args {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut args = Args {
        count: 10_000,
        seed: now.map_or(0, |now| now.as_nanos() as u64),
        mechanism: None,
        only: None,
    };
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        let number = || value.parse().expect("a number");
        match word.as_str() {
            "--count" => args.count = number(),
            "--seed" => args.seed = number(),
            "--only" => args.only = Some(number()),
            "--mechanism" => args.mechanism = Some(value.parse().expect("a mechanism")),
            word => panic!("\"{word}\" is not --count, --seed, --only or --mechanism"),
        }
    }
    args
}

/// Runs one round; prints how many processes it had, and how many faults.
fn run_only(args: &Args, number: u64) -> ExitCode {
    let watchdog = Watchdog::start(args.seed);
    let mechanism = args.mechanism.expect("the mechanism of the round");
    let round = Round::new(args.seed, number, mechanism, args.count);
    watchdog.see(&format!("round {number}: {round:?}"));
    match round.run(|| watchdog.beat()) {
        Ok(counts) => {
            println!("{} {}", counts.processes, counts.faults);
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!(
                "soak: --seed {}: round {number}, {round:?}: {wrong}",
                args.seed
            );
            ExitCode::FAILURE
        }
    }
}

fn soak(args: &Args, watchdog: &Watchdog) -> Result<(), String> {
    let begun = Instant::now();
    let mut mechanisms = Mechanism::available();
    mechanisms.retain(|mechanism| args.mechanism.is_none_or(|only| only == *mechanism));
    let mut traces: Option<Traces> = None;
    let (mut done, mut struck, mut hard) = (0, 0, 0);
    for number in 0.. {
        if done >= args.count {
            break;
        }
        let mechanism = mechanisms[number as usize % mechanisms.len()];
        let at_most = args.count - done;
        let round = Round::new(args.seed, number, mechanism, at_most);
        watchdog.see(&format!("round {number}: {round:?}"));
        let outcome = if round.hardship.is_any() {
            hard += 1;
            let numbers = [args.seed, number, at_most];
            apart::run(&round, mechanism, numbers, || watchdog.beat())
        } else {
            round.run(|| watchdog.beat())
        };
        let counts = outcome.map_err(|wrong| format!("round {number}, {round:?}: {wrong}"))?;
        done += counts.processes;
        struck += counts.faults;
        let now = Traces::take();
        match &traces {
            // What is created on first use should not count.
            None if number as usize + 1 < 2 * mechanisms.len() => {}
            None => traces = Some(now),
            Some(before) => before
                .compare(&now)
                .map_err(|wrong| format!("after round {number}, {round:?}: {wrong}"))?,
        }
        if number % 10 == 9 {
            eprintln!(
                "soak: {done} processes, {struck} faults, {:?}",
                Traces::take()
            );
        }
    }
    let took = begun.elapsed().as_secs();
    let names: Vec<_> = mechanisms
        .iter()
        .map(|mechanism| mechanism.name())
        .collect();
    println!(
        "{done} processes as their scripts say, {struck} faults, {hard} hard rounds, \
         {} in {took} s; {:?}",
        names.join(", "),
        Traces::take()
    );
    Ok(())
}

/// Ends the program when nothing has progressed for a long time.
struct Watchdog {
    beats: Arc<AtomicU64>,
    doing: Arc<Mutex<String>>,
}

impl Watchdog {
    fn start(seed: u64) -> Watchdog {
        let beats = Arc::new(AtomicU64::new(0));
        let doing = Arc::new(Mutex::new(String::new()));
        let (seen, what) = (beats.clone(), doing.clone());
        thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            loop {
                thread::sleep(Duration::from_secs(1));
                let now = seen.load(Ordering::Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if since.elapsed() > HANG {
                    let what = what.lock().unwrap_or_else(PoisonError::into_inner);
                    eprintln!("soak: --seed {seed}: hangs in {what}");
                    std::process::exit(2);
                }
            }
        });
        Watchdog { beats, doing }
    }

    fn see(&self, what: &str) {
        let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        what.clone_into(&mut doing);
        self.beat();
    }

    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }
}
