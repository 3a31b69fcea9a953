//! The way of outcomes out of the program: [`Delivery`] puts them in order (`order.rs`), has the
//! printer write them in the mode that was chosen, and has them recorded.

mod chunked_writer;
mod line_prefix;
mod lines;
mod order;
mod outbox;
mod printer;
mod spool;
mod start_errors;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use throng::{Outcome, Throng};

use crate::fate::Fate;
use crate::records::{JobInfo, JobInfos, Recorder, To};
use crate::terminal::Terminal;

pub(crate) use self::order::InOrder;
pub(crate) use self::outbox::Outbox;
pub(crate) use self::printer::Printer;

#[derive(Debug)]
pub(crate) struct Delivery {
    outlets: Outlets,
    printer: Printer,
    infos: Arc<JobInfos>,
    order: Option<Arc<Mutex<InOrder>>>,
    throng: Arc<Throng>,
    is_given_up: bool,
}

impl Delivery {
    pub(crate) fn new(
        printer: Printer,
        recorder: Recorder,
        infos: Arc<JobInfos>,
        throng: Arc<Throng>,
    ) -> Delivery {
        let outlets = Outlets {
            terminal: printer.terminal(),
            recorder,
            failure: None,
        };
        Delivery {
            outlets,
            order: printer.order().cloned(),
            printer,
            infos,
            throng,
            is_given_up: false,
        }
    }

    /// The last outcome of a command.
    pub(crate) fn take(&mut self, outcome: &Outcome, fate: Fate) {
        let info = self.infos.take(outcome, fate);
        if let Err(error) = self.outlets.recorder.ended(outcome, &info) {
            self.outlets.fail(error);
        }
        for (to, header) in self.outlets.recorder.take_headers(&info) {
            self.outlets.put(to, &header);
        }
        match self.order.clone() {
            None => self.print(outcome, &info, Outlets::put),
            Some(order) => {
                let in_order = self.put_in_order(&mut lock(&order), outcome, &info);
                self.check_order(in_order, &order);
            }
        }
        self.give_up_if_failed();
    }

    fn put_in_order(
        &mut self,
        order: &mut InOrder,
        outcome: &Outcome,
        info: &JobInfo,
    ) -> io::Result<()> {
        let place = outcome.seq();
        order.take_failure()?;
        if order.is_turn_of(place) {
            self.print(outcome, info, Outlets::put);
            order.turn();
        } else {
            let mut held = Ok(());
            self.print(outcome, info, |_, to, bytes| {
                if held.is_ok() {
                    held = order.hold(place, to, bytes);
                }
            });
            held?;
            order.seal(place)?;
        }
        order.give_out(&mut |to, bytes| self.outlets.put(to, bytes))
    }

    /// Passes each piece of what is written about a command to `put`.
    fn print(
        &mut self,
        outcome: &Outcome,
        info: &JobInfo,
        mut put: impl FnMut(&mut Outlets, To, &[u8]),
    ) {
        let Delivery {
            outlets, printer, ..
        } = self;
        if info.fate != Fate::NotStarted {
            printer.outcome(outcome, info, &mut |to, bytes| put(outlets, to, bytes));
        }
        match outlets.recorder.lines(outcome, info) {
            Ok(lines) => lines.iter().for_each(|(to, line)| put(outlets, *to, line)),
            Err(error) => outlets.fail(error),
        }
    }

    /// Output first: a command that is in the job log is not run again.
    pub(crate) fn flush(&mut self) {
        self.outlets.terminal.flush();
        if let Err(error) = self.outlets.recorder.flush() {
            self.outlets.fail(error);
        }
        self.give_up_if_failed();
    }

    /// The run is over. If it was cut short, outcomes are missing; the others keep their order.
    pub(crate) fn finish(&mut self) {
        if let Some(order) = self.order.take() {
            let outlets = &mut self.outlets;
            let rest = lock(&order).give_out_rest(&mut |to, bytes| outlets.put(to, bytes));
            self.check_order(rest, &order);
        }
        for line in self.printer.repeated() {
            self.outlets.terminal.write_message(&line);
        }
        self.flush();
        if let Some(summary) = self.outlets.recorder.summary() {
            self.outlets.terminal.write_message(&summary);
        }
    }

    /// Why something could not be written, if so.
    pub(crate) fn take_failure(&mut self) -> Option<anyhow::Error> {
        let failure = self.outlets.failure.take();
        failure.or_else(|| self.outlets.recorder.take_failure())
    }

    fn check_order(&mut self, result: io::Result<()>, order: &Mutex<InOrder>) {
        let Err(error) = result else { return };
        let error = anyhow::Error::from(error).context(format!(
            "--keep-order: what waits for an earlier command cannot be kept in {} (--tmpdir)",
            lock(order).directory().display()
        ));
        self.outlets.fail(error);
    }

    /// Ends the run if output or records cannot be written.
    fn give_up_if_failed(&mut self) {
        if self.outlets.failure.is_some() && !self.is_given_up {
            self.is_given_up = true;
            self.throng.cancel();
        }
    }
}

fn lock(order: &Mutex<InOrder>) -> MutexGuard<'_, InOrder> {
    order.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes each piece where it goes.
#[derive(Debug)]
struct Outlets {
    terminal: &'static Terminal,
    recorder: Recorder,
    failure: Option<anyhow::Error>,
}

impl Outlets {
    fn put(&mut self, to: To, bytes: &[u8]) {
        match self.recorder.write(to, bytes) {
            Ok(None) => {}
            Ok(Some(stream)) => self.terminal.write(stream, bytes),
            Err(error) => self.fail(error),
        }
    }

    /// The first failure is the one that is reported.
    fn fail(&mut self, error: anyhow::Error) {
        self.failure.get_or_insert(error);
    }
}
