//! `throng run`: from the words of the command line to an exit status.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, bail};
use throng::{Command, ErrorKind, Outcome, Throng};

use crate::args::{Mode, Run};
use crate::exit::Exit;
use crate::input::{self, Record, Records, Source};
use crate::interrupt::Interrupts;
use crate::output::{InOrder, Printer, Sink, Window};
use crate::progress::Progress;
use crate::template::{Fill, Template};
use crate::{shell, sys, text};

pub(crate) fn run(args: Run) -> anyhow::Result<Exit> {
    refuse_contradictions(&args)?;
    let (words, sources) = input::split_words(args.words.clone(), args.arg_files.clone())?;
    if sources.contains(&Source::Stdin) && std::io::stdin().is_terminal() {
        text::complain(format_args!(
            "values are read from the terminal; Ctrl-D ends them"
        ));
    }
    let recipe = Recipe::new(&args, &words, sources.len())?;
    let records = Records::open(sources)?;
    if args.dry_run {
        return dry_run(&recipe, records);
    }
    Session::start(&args, recipe, records)?.finish()
}

fn refuse_contradictions(args: &Run) -> anyhow::Result<()> {
    let as_it_comes = matches!(args.output, Mode::Line | Mode::Live);
    if args.keep_order && as_it_comes {
        bail!("--keep-order needs --output group or jsonl: output cannot be in order and at once");
    }
    if args.tag && !matches!(args.output, Mode::Group | Mode::Line) {
        bail!("--tag needs lines to put the tag before: --output group or line");
    }
    Ok(())
}

/// How a command is made of a record.
#[derive(Clone, Debug)]
struct Recipe {
    /// None when each record is a command line itself.
    template: Option<Template>,
    shell: bool,
    tag: bool,
    keeps_output: bool,
    timeout: Option<std::time::Duration>,
}

impl Recipe {
    fn new(args: &Run, words: &[std::ffi::OsString], sources: usize) -> anyhow::Result<Recipe> {
        let template = match words {
            [] => None,
            words => Some(Template::parse(words, sources)?),
        };
        Ok(Recipe {
            template,
            shell: args.shell,
            tag: args.tag,
            keeps_output: Printer::keeps_output(args.output),
            timeout: args.timeout,
        })
    }

    /// The command; none when the record is a blank or commented-out line.
    fn command(self: &Arc<Recipe>, record: Record, seq: u64) -> anyhow::Result<Option<Command>> {
        let Some(command) = self.command_in_slot(&record, seq, 0)? else {
            return Ok(None);
        };
        let uses_slot = self.template.as_ref().is_some_and(Template::uses_slot);
        let mut command = command;
        if uses_slot {
            let recipe = self.clone();
            command.on_start(move |command, slot| {
                // With a template there is nothing that could fail or be blank.
                if let Ok(Some(in_slot)) = recipe.command_in_slot(&record, seq, slot) {
                    *command = in_slot;
                }
            });
        }
        Ok(Some(command))
    }

    fn command_in_slot(
        &self,
        record: &Record,
        seq: u64,
        slot: usize,
    ) -> anyhow::Result<Option<Command>> {
        let mut command = match &self.template {
            Some(template) => {
                let fill = Fill {
                    values: record,
                    seq,
                    slot,
                };
                if self.shell {
                    Command::shell(template.script(&fill))
                } else {
                    Command::from_argv(template.argv(&fill))
                }
            }
            None => {
                let line = record.join(&b' ');
                let argv = shell::split(&line).map_err(|why| {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    anyhow::anyhow!("cannot read the command line \"{line}\": {why}")
                });
                match argv {
                    _ if self.shell && line.iter().all(u8::is_ascii_whitespace) => return Ok(None),
                    _ if self.shell => Command::shell(sys::os_string(line)),
                    Ok(argv) if argv.is_empty() => return Ok(None),
                    argv => Command::from_argv(argv?),
                }
            }
        };
        if self.tag {
            command.label(sys::os_string(record.join(&b' ')));
        }
        if let Some(timeout) = self.timeout {
            command.timeout(timeout);
        }
        command.keep_output(self.keeps_output);
        Ok(Some(command))
    }
}

fn dry_run(recipe: &Recipe, records: Records) -> anyhow::Result<Exit> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut seq, mut failed) = (0, 0);
    for record in records {
        match recipe.command_in_slot(&record?, seq + 1, 1) {
            Ok(None) => {}
            Ok(Some(command)) => {
                seq += 1;
                let words = std::iter::once(command.get_program()).chain(command.get_args());
                let mut line = shell::join(words.map(|word| word.as_encoded_bytes()));
                line.push(b'\n');
                out.write_all(&line).context("cannot write to stdout")?;
            }
            Err(error) => {
                failed += 1;
                text::complain(format_args!("{error:#}"));
            }
        }
    }
    out.flush().context("cannot write to stdout")?;
    Ok(Exit::Commands { failed })
}

/// What the feeding thread leaves for the end.
#[derive(Debug, Default)]
struct Feeding {
    bad_lines: AtomicU64,
    error: Mutex<Option<anyhow::Error>>,
}

/// A run under way.
struct Session {
    throng: Arc<Throng>,
    run: throng::Run,
    interrupts: Interrupts,
    sink: Arc<Sink>,
    progress: Progress,
    printer: Printer,
    order: Option<InOrder>,
    window: Arc<Window>,
    feeding: Arc<Feeding>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    succeeded: u64,
    failed: u64,
    not_started: u64,
}

impl Session {
    fn start(args: &Run, recipe: Recipe, records: Records) -> anyhow::Result<Session> {
        let progress = Progress::new(args.progress, records.total);
        let sink = Sink::new(progress.clone()).context("cannot use stdout")?;
        let sink = Arc::new(sink);
        let printer = Printer::new(args.output, sink.clone());
        let throng = Arc::new(build(args, &printer)?);
        let weak = Arc::downgrade(&throng);
        let window = Arc::new(Window::default());
        let released = window.clone();
        sink.on_failure(move || {
            released.close();
            if let Some(throng) = weak.upgrade() {
                throng.cancel();
            }
        });
        let interrupts = Interrupts::watch(&throng)?;
        let feeding = Arc::new(Feeding::default());
        let order = args.keep_order.then(InOrder::default);
        let commands = Commands {
            records,
            recipe: Arc::new(recipe),
            seq: 0,
            feeding: feeding.clone(),
            window: order.is_some().then(|| window.clone()),
            progress: progress.clone(),
        };
        let run = throng.run(commands);
        let counts = Counts::default();
        Ok(Session {
            throng,
            run,
            interrupts,
            sink,
            progress,
            printer,
            order,
            window,
            feeding,
            counts,
        })
    }

    fn finish(mut self) -> anyhow::Result<Exit> {
        while let Some(outcome) = self.run.next() {
            self.take(outcome);
            if !self.run.is_ready() {
                self.sink.flush();
            }
        }
        self.print_rest();
        self.sink.flush();
        self.progress.clear();
        self.window.close();
        debug_assert_eq!(self.throng.live(), 0, "every command has had its outcome");
        self.exit()
    }

    fn take(&mut self, outcome: Outcome) {
        let cancelled = outcome
            .start_error()
            .is_some_and(|e| e.kind() == ErrorKind::Cancelled);
        match (outcome.success(), cancelled) {
            (true, _) => self.counts.succeeded += 1,
            (false, true) => self.counts.not_started += 1,
            (false, false) => self.counts.failed += 1,
        }
        self.progress.finished_one(self.counts.failed);
        match &mut self.order {
            None if cancelled => {}
            None => self.printer.outcome(&outcome),
            Some(order) => {
                order.push(outcome, &self.window);
                while let Some(next) = order.pop(&self.window) {
                    print_started(&self.printer, &next);
                }
            }
        }
    }

    /// After a run that was cut short some commands never came; the others keep their order.
    fn print_rest(&mut self) {
        if let Some(order) = self.order.take() {
            order
                .into_rest()
                .for_each(|outcome| print_started(&self.printer, &outcome));
        }
    }

    fn exit(self) -> anyhow::Result<Exit> {
        if let Some(error) = self.sink.take_failure() {
            return Err(anyhow::Error::from(error).context("cannot write to stdout"));
        }
        let Counts {
            succeeded,
            failed,
            not_started,
        } = self.counts;
        if let Some(exit) = self.interrupts.exit() {
            text::complain(format_args!(
                "interrupted: {succeeded} succeeded, {failed} failed or were ended, \
                 {not_started} not started"
            ));
            return Ok(exit);
        }
        let error = self
            .feeding
            .error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(error) = error {
            return Err(error);
        }
        let bad_lines = self.feeding.bad_lines.load(Ordering::Relaxed);
        Ok(Exit::Commands {
            failed: failed + bad_lines,
        })
    }
}

fn print_started(printer: &Printer, outcome: &Outcome) {
    if outcome
        .start_error()
        .is_none_or(|error| error.kind() != ErrorKind::Cancelled)
    {
        printer.outcome(outcome);
    }
}

fn build(args: &Run, printer: &Printer) -> anyhow::Result<Throng> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut builder = Throng::builder()
        .jobs(args.jobs.resolve(cores))
        .kill_sequence(args.termseq.clone());
    if let Some(mechanism) = args.mechanism {
        builder = builder.mechanism(mechanism);
    }
    if let Some(shards) = args.shards {
        builder = builder.shards(shards);
    }
    if let Some(grace) = args.grace {
        builder = builder.grace(grace);
    }
    if let Some(callback) = printer.callback() {
        builder = builder.on_output(callback);
    }
    let throng = builder.build()?;
    if let Some(limit) = throng.jobs_limit()
        && args.jobs != crate::jobs::Jobs::AllThatFit
    {
        text::complain(format_args!(
            "{} at a time, because of {limit}",
            throng.jobs()
        ));
    }
    Ok(throng)
}

/// The commands of a run, made as they are asked for, on the run's own thread.
struct Commands {
    records: Records,
    recipe: Arc<Recipe>,
    seq: u64,
    feeding: Arc<Feeding>,
    /// Where outcomes have to be in order.
    window: Option<Arc<Window>>,
    progress: Progress,
}

impl Iterator for Commands {
    type Item = Command;

    fn next(&mut self) -> Option<Command> {
        if let Some(window) = &self.window {
            window.take();
        }
        loop {
            let record = match self.records.next() {
                Some(Ok(record)) => record,
                Some(Err(error)) => {
                    let mut place = self
                        .feeding
                        .error
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    *place = Some(error);
                    return None;
                }
                None => {
                    self.progress.set_total(self.seq);
                    return None;
                }
            };
            match self.recipe.command(record, self.seq + 1) {
                Ok(None) => {}
                Ok(Some(command)) => {
                    self.seq += 1;
                    return Some(command);
                }
                Err(error) => {
                    self.feeding.bad_lines.fetch_add(1, Ordering::Relaxed);
                    self.progress
                        .aside(|| text::complain(format_args!("{error:#}")));
                }
            }
        }
    }
}
