//! What all modes of the probe share, and what most of them need.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use throng::{Builder, Command, Mechanism, Outcome, Throng};
use throng_tests::{Source, check_pattern, script};

pub(crate) struct Setting {
    child: String,
    mechanism: Mechanism,
    pub(crate) args: Vec<String>,
}

impl Setting {
    /// The mode, and its arguments.
    pub(crate) fn from_args() -> (String, Setting) {
        let mut args = env::args().skip(1);
        let child = args.next().expect("the path of the child");
        let mechanism = args.next().expect("a mechanism");
        let mechanism = mechanism.parse().expect("a mechanism");
        let mode = args.next().expect("a mode");
        let setting = Setting {
            child,
            mechanism,
            args: args.collect(),
        };
        (mode, setting)
    }

    pub(crate) fn builder(&self) -> Builder {
        Throng::builder().mechanism(self.mechanism)
    }

    pub(crate) fn throng(&self, jobs: usize) -> Throng {
        let built = self.builder().jobs(jobs).build();
        built.expect("a throng can be built")
    }

    pub(crate) fn child(&self, steps: &str) -> Command {
        script(&self.child, steps)
    }

    pub(crate) fn number(&self, index: usize) -> usize {
        self.args[index].parse().expect("a number")
    }

    /// A throng with this limit, and a counter of the bytes that its callback has received.
    pub(crate) fn listening(&self, jobs: usize) -> (Throng, Arc<AtomicUsize>) {
        self.listening_with(self.builder().jobs(jobs))
    }

    pub(crate) fn listening_with(&self, builder: Builder) -> (Throng, Arc<AtomicUsize>) {
        let heard = Arc::new(AtomicUsize::new(0));
        let ears = heard.clone();
        let builder = builder.on_output(move |output| {
            ears.fetch_add(output.bytes.len(), Ordering::Relaxed);
        });
        (builder.build().expect("a throng can be built"), heard)
    }
}

pub(crate) fn is_whole(outcome: &Outcome, out: usize, err: usize) -> bool {
    outcome.success()
        && outcome.is_complete()
        && check_pattern(Source::Out, outcome.stdout(), out).is_ok()
        && check_pattern(Source::Err, outcome.stderr(), err).is_ok()
}
