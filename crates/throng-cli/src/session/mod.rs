//! `throng run`: from the words of the command line to an exit status.

mod counts;
mod dry_run;
mod halt;
mod interrupt;
mod judge;
mod monitor;
mod pool;
mod retries;
mod shortage;
mod source;
mod suspend;
mod throttle;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use throng::{Next, Outcome, Throng};

use self::counts::Counts;
use self::halt::HaltWatch;
use self::judge::Judge;
use self::monitor::Monitor;
use self::retries::Retries;
use self::source::{CommandSource, SourceErrors};
use crate::commands::builder::CommandBuilder;
use crate::commands::records::Records;
use crate::commands::sources::Input;
use crate::exit::Exit;
use crate::fate;
use crate::options::Run;
use crate::options::output::Again;
use crate::output::{Delivery, InOrder, Outbox, Printer};
use crate::records::{Plan, Resume};
use crate::session::interrupt::Interrupts;
use crate::session::shortage::Shortage;
use crate::sys::Tty;
use crate::terminal::{self, Progress, Terminal};
use crate::text;

pub(crate) fn run(args: Run) -> anyhow::Result<Exit> {
    args.check(pool::cores())?;
    // Before there are threads.
    let is_shown = args.output.tty && !args.control.dry_run;
    let tty = is_shown.then(Tty::open).transpose()?;
    let jobs = pool::jobs_wanted(&args);
    let input = match args.output.again() {
        Some(Again::Failed) => Input::none(),
        _ => Input::open(&args)?,
    };
    let builder = CommandBuilder::new(&args, &input, jobs)?.with_tty(tty.clone());
    let builder = Arc::new(builder);
    let mut plan = Plan::new(&args, &input.columns())?;
    let mut resume = plan.resume(!builder.uses_slot() && !args.output.trust_joblog)?;
    let is_data = input.is_data();
    let mut records = input.records(&builder, jobs)?;
    if let (Some(Again::Failed), Some(resume)) = (args.output.again(), &mut resume) {
        records = Records::of_lines(resume.failed()?);
    }
    if args.output.counts_first() && !is_data {
        records = records.counted()?;
    }
    if args.control.dry_run {
        return dry_run::print(
            &builder,
            records,
            resume.as_ref(),
            &mut plan.job_info_builder()?,
        );
    }
    Session::start(&args, builder, records, plan, resume, tty)?.finish()
}

/// Values that no command could be made of count as failed commands.
fn judge_bad_values(errors: &SourceErrors, judge: &Judge, throng: &Arc<Throng>) {
    let (judge, throng) = (judge.clone(), Arc::downgrade(throng));
    errors.on_bad_value(
        move |bad| match (judge.judge_bad_value(bad), throng.upgrade()) {
            (Next::StartNoMore, Some(throng)) => throng.start_no_more(),
            (Next::Cancel, Some(throng)) => throng.cancel(),
            _ => {}
        },
    );
}

/// A run under way.
struct Session {
    throng: Arc<Throng>,
    run: throng::Run,
    /// The terminal, where commands have it.
    tty: Option<Tty>,
    interrupts: Interrupts,
    monitor: Monitor,
    judge: Judge,
    /// The outcomes of commands that are to be run again, by their `seq`: if there is no further
    /// attempt, they are the last ones.
    attempts: HashMap<u64, Outcome>,
    terminal: &'static Terminal,
    progress: Progress,
    outbox: Arc<Outbox>,
    delivery: Delivery,
    errors: Arc<SourceErrors>,
    counts: Counts,
}

impl Session {
    fn start(
        args: &Run,
        builder: Arc<CommandBuilder>,
        records: Records,
        plan: Plan,
        resume: Option<Resume>,
        tty: Option<Tty>,
    ) -> anyhow::Result<Session> {
        let total = records.total;
        let (view, interval) = (args.output.view(), args.output.progress_interval);
        let progress = Progress::new(view, interval, total, args.has_shell());
        let terminal = Terminal::open().context("cannot use stdout")?;
        let printer = Printer::new(args, terminal).context("cannot write while commands run")?;
        let outbox = printer.outbox().clone();
        if let Some(on_start) = printer.on_start() {
            // A command that has the terminal writes to it directly.
            let writing = tty.is_some().then(|| outbox.clone());
            builder.on_start(move |command| {
                on_start(command);
                writing.iter().for_each(|outbox| outbox.catch_up());
            });
        }

        let info_builder = plan.job_info_builder()?;
        let needs_program = args.control.halt.is_none() && builder.has_one_program();
        let mut commands =
            CommandSource::new(records, builder, resume, info_builder, progress.clone());
        commands.look_ahead()?;
        let recorder = plan.open()?;
        let shortage = Shortage::default();
        let memory = args.limits.memory() - InOrder::memory_of(args);
        let throng = Arc::new(pool::build(
            args,
            memory,
            &printer,
            &shortage,
            tty.as_ref(),
        )?);
        let weak = Arc::downgrade(&throng);
        terminal.on_failure(move || {
            if let Some(throng) = weak.upgrade() {
                throng.cancel();
            }
        });
        outbox.attach(&throng);
        let interrupts = Interrupts::watch(&throng, terminal, shortage.clone())?;
        suspend::watch(&throng, tty.as_ref())?;
        let monitor = Monitor::start(&args.control, pool::cores(), &throng, shortage)?;
        let retries = Retries {
            attempts: args.control.retries,
            backoff: args.control.backoff,
        };
        let halt = HaltWatch::new(args.control.halt.unwrap_or_default(), total);
        let judge = Judge::new(retries, halt, monitor.watch(), needs_program);
        let errors = commands.errors();
        judge_bad_values(&errors, &judge, &throng);
        let before_another_attempt = printer.before_another_attempt();
        let delivery = Delivery::new(printer, recorder, commands.infos(), throng.clone());
        progress
            .follow(&throng)
            .context("cannot watch the run for --progress")?;
        let judges = judge.clone();
        let run = throng.run_judged(commands, move |outcome| {
            let next = judges.judge(outcome);
            if matches!(next, Next::RunAgain(_)) {
                before_another_attempt(outcome);
            }
            next
        });
        Ok(Session {
            throng,
            run,
            tty,
            interrupts,
            monitor,
            judge,
            attempts: HashMap::new(),
            terminal,
            progress,
            outbox,
            delivery,
            errors,
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
        self.monitor = Monitor::default();
        if self.tty.as_ref().is_some_and(Tty::pass_on_interrupt) {
            self.interrupts.wait_for_one();
        }
        self.outbox.catch_up();
        self.progress.clear();
        if let Some(reason) = self.judge.take_reason(None) {
            self.terminal.write_message(&text::message_line(&reason));
        }
        self.delivery.finish();
        if self.throng.is_cancelled() {
            // A daemon that a command has left behind must not outlive a run that was cancelled.
            for survivor in self.throng.kill_leftovers()? {
                terminal::warn(format_args!("{survivor} was killed but is still running"));
            }
        }
        debug_assert_eq!(self.throng.live(), 0, "every command has had its outcome");
        self.exit()
    }

    fn take(&mut self, outcome: Outcome) {
        let seq = outcome.seq();
        if !outcome.is_final() {
            self.attempts.insert(seq, outcome);
            return;
        }
        self.outbox.catch_up();
        let (outcome, fate) = fate::decide(outcome, self.attempts.remove(&seq));
        self.counts.add(&outcome, fate);
        self.progress.ended(&outcome, fate);
        self.delivery.take(&outcome, fate);
        if let Some(reason) = self.judge.take_reason(Some(seq)) {
            self.terminal.write_message(&text::message_line(&reason));
        }
    }

    fn exit(mut self) -> anyhow::Result<Exit> {
        if let Some(error) = self.terminal.take_failure() {
            return Err(anyhow::Error::from(error).context("cannot write to stdout"));
        }
        if let Some(error) = self.delivery.take_failure() {
            return Err(error);
        }
        self.counts.warn_of_uncontained();
        if let Some(exit) = self.interrupts.exit() {
            self.counts.report_interrupted();
            return Ok(exit);
        }
        if let Some(error) = self.errors.take_error() {
            return Err(error);
        }
        // Each command was named when it ended.
        if self.counts.has_lost() || self.terminal.has_lost() {
            return Ok(Exit::Failed);
        }
        let failed = self.counts.failed + self.errors.bad_values();
        let decided = self.judge.exit(failed);
        Ok(decided.unwrap_or(Exit::Commands { failed }))
    }
}
