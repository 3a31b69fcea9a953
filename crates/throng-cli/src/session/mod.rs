//! `throng run`: from the words of the command line to an exit status.

mod attempts;
mod brake;
mod counts;
mod dry_run;
mod feeding;
mod governor;
mod halt;
mod median;
mod pool;
mod retries;

use std::sync::Arc;

use anyhow::{Context, bail};
use throng::{Outcome, Throng};

use self::attempts::Attempts;
pub(crate) use self::brake::Rate;
use self::counts::Counts;
use self::feeding::{Commands, Feeding};
use self::governor::Governor;
pub(crate) use self::halt::Halt;
use self::halt::{HaltWatch, Order, When};
pub(crate) use self::retries::Backoff;
use self::retries::Retries;
use crate::args::{Again, Mode, Run};
use crate::exit::Exit;
use crate::input::{Input, Records};
use crate::interrupt::Interrupts;
use crate::output::{Delivery, InOrder, Plan, Printer, Resume, Sink, is_cancelled, verbose_line};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::{suspend, text};

pub(crate) fn run(args: Run) -> anyhow::Result<Exit> {
    refuse_contradictions(&args)?;
    let jobs = pool::jobs_wanted(&args);
    let input = match args.output.again() {
        Some(Again::Failed) => Input::none(),
        _ => Input::open(&args)?,
    };
    let recipe = Arc::new(Recipe::new(&args, &input, jobs)?);
    let mut plan = Plan::new(&args, &input.columns())?;
    let mut resume = plan.resume(!recipe.uses_slot() && !args.output.trust_joblog);
    let is_data = input.is_data();
    let mut records = input.records(&recipe, jobs)?;
    if let (Some(Again::Failed), Some(resume)) = (args.output.again(), &mut resume) {
        records = Records::of_lines(resume.failed()?);
    }
    if args.output.counts_first() && !is_data {
        records = records.counted()?;
    }
    if args.control.dry_run {
        return dry_run::print(&recipe, records, resume.as_ref(), &plan.scribe());
    }
    Session::start(&args, recipe, records, plan, resume)?.finish()
}

fn refuse_contradictions(args: &Run) -> anyhow::Result<()> {
    let mode = args.output.mode();
    if args.output.keep_order && mode == Mode::Live {
        bail!("--keep-order cannot be had with --output live: it cannot be in order and at once");
    }
    let runs_again = args.control.retries.is_some_and(|attempts| attempts != 1);
    if args.pipe.round_robin && (runs_again || args.control.memfree.is_some()) {
        let option = if runs_again { "--retries" } else { "--memfree" };
        bail!("{option} cannot be had with --round-robin: what a command has read is gone");
    }
    if args.output.echo && args.output.keep_order && mode == Mode::Line {
        bail!("-v cannot be had with --keep-order and --output line");
    }
    if args.output.has_tag() && !matches!(mode, Mode::Group | Mode::Line) {
        bail!("--tag needs lines to put the tag before: --output group or line");
    }
    Ok(())
}

/// Has commands shown when they start: on stdout, if the printer wants that, and on stderr, as
/// scripts or not.
fn announce(recipe: &Recipe, printer: &Printer, verbose: Option<bool>) {
    let (echo, sink) = (printer.starter(), printer.sink().clone());
    if echo.is_none() && verbose.is_none() {
        return;
    }
    recipe.on_start(move |command| {
        if let Some(shell) = verbose {
            sink.say(&verbose_line(command, shell));
        }
        echo.iter().for_each(|echo| echo(command));
    });
}

/// A run under way.
struct Session {
    throng: Arc<Throng>,
    run: throng::Run,
    interrupts: Interrupts,
    governor: Governor,
    attempts: Attempts,
    halt: HaltWatch,
    /// How many commands there are, where somebody has counted.
    total: Option<u64>,
    sink: Arc<Sink>,
    progress: Progress,
    delivery: Delivery,
    feeding: Arc<Feeding>,
    counts: Counts,
}

impl Session {
    fn start(
        args: &Run,
        recipe: Arc<Recipe>,
        records: Records,
        plan: Plan,
        resume: Option<Resume>,
    ) -> anyhow::Result<Session> {
        let total = records.total;
        let progress = Progress::new(args.output.view(), total, args.has_shell());
        let sink = Sink::new().context("cannot use stdout")?;
        let sink = Arc::new(sink);
        let output = &args.output;
        let (mode, colors) = (output.mode(), output.colors());
        let shell = args.has_shell();
        let echo = output.echo.then_some(shell);
        let memory = args.limits.memory();
        let wait_max = output.keep_order.then(|| InOrder::part_of(memory));
        let order = wait_max.map(|bytes| InOrder::new(bytes, args.limits.tmpdir()));
        let printer = Printer::new(mode, colors, order, echo, sink.clone());
        announce(&recipe, &printer, output.verbose.then_some(shell));

        let scribe = plan.scribe();
        let mut commands = Commands::new(records, recipe, resume, scribe, progress.clone());
        commands.look_ahead()?;
        let recorder = plan.open()?;
        let throng = Arc::new(pool::build(args, memory - wait_max.unwrap_or(0), &printer)?);
        let weak = Arc::downgrade(&throng);
        sink.on_failure(move || {
            if let Some(throng) = weak.upgrade() {
                throng.cancel();
            }
        });
        let interrupts = Interrupts::watch(&throng)?;
        suspend::watch(&throng)?;
        let governor = Governor::start(&args.control, pool::cores(), &throng)?;
        let retries = Retries {
            attempts: args.control.retries,
            backoff: args.control.backoff,
        };
        let feeding = commands.feeding();
        let delivery = Delivery::new(printer, recorder, commands.notes(), throng.clone());
        progress
            .follow(&throng)
            .context("cannot watch the run for --progress")?;
        let run = throng.run(commands);
        Ok(Session {
            throng,
            run,
            interrupts,
            governor,
            attempts: Attempts::new(retries),
            halt: HaltWatch::new(args.control.halt),
            total,
            sink,
            progress,
            delivery,
            feeding,
            counts: Counts::default(),
        })
    }

    fn finish(mut self) -> anyhow::Result<Exit> {
        while let Some(outcome) = self.run.next() {
            self.take(outcome);
            if !self.run.is_ready() {
                self.delivery.flush();
            }
        }
        self.governor = Governor::default();
        self.progress.clear();
        self.delivery.finish();
        if self.throng.is_cancelled() {
            // A daemon that a command has left behind was not meant to outlive this end.
            for survivor in self.throng.sweep()? {
                text::complain(format_args!("{survivor} was killed and goes on"));
            }
        }
        debug_assert_eq!(self.throng.live(), 0, "every command has had its outcome");
        self.exit()
    }

    fn take(&mut self, outcome: Outcome) {
        let Some(outcome) = self.run_again(outcome) else {
            return;
        };
        let order = if is_cancelled(&outcome) {
            None
        } else {
            self.halt.add(&outcome, self.total)
        };
        self.counts.add(&outcome);
        self.progress.ended(&outcome);
        self.delivery.take(&outcome);
        if let Some(order) = order {
            self.obey(&order);
        }
    }

    /// Has the command run again, if that is to be. Otherwise gives what is final of it.
    fn run_again(&mut self, outcome: Outcome) -> Option<Outcome> {
        let evicted = self.governor.is_on() && self.governor.ended(&outcome);
        let seq = outcome.seq();
        if self.throng.starts_no_more() {
            let is_cancelled = is_cancelled(&outcome);
            let before = self.attempts.give_up(seq).filter(|_| is_cancelled);
            return before.or(Some(outcome));
        }
        let Some(again) = self.attempts.decide(&outcome, evicted) else {
            return Some(outcome);
        };
        let kept = self.attempts.keep(outcome, again);
        self.delivery.again(kept);
        let is_again = self.run.again(kept, again.wait);
        debug_assert!(is_again, "it is an outcome of this run");
        None
    }

    fn obey(&self, order: &Order) {
        let (what, end): (_, fn(&Throng)) = match order.when {
            When::Now => ("what runs is ended", Throng::cancel),
            When::Soon => ("no more are started", Throng::start_no_more),
        };
        let line = text::complaint(&format!("{}; {what}", order.reason));
        self.sink.say(line.as_bytes());
        end(&self.throng);
    }

    fn exit(mut self) -> anyhow::Result<Exit> {
        if let Some(error) = self.sink.take_failure() {
            return Err(anyhow::Error::from(error).context("cannot write to stdout"));
        }
        if let Some(error) = self.delivery.take_failure() {
            return Err(error);
        }
        self.counts.warn_of_uncontained();
        if let Some(exit) = self.interrupts.exit() {
            self.counts.say_interrupted();
            return Ok(exit);
        }
        if let Some(error) = self.feeding.take_error() {
            return Err(error);
        }
        // Each was named when it ended; what could not be said at all was lost on stderr.
        if self.counts.has_lost() || self.sink.has_lost() {
            return Ok(Exit::Failed);
        }
        if let Some(exit) = self.halt.exit(self.total) {
            return Ok(exit);
        }
        Ok(Exit::Commands {
            failed: self.counts.failed + self.feeding.bad_lines(),
        })
    }
}
