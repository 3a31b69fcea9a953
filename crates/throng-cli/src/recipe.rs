//! Makes commands: of a record and the words of the command line, or of a line that is a command
//! itself. Starts nothing.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail};
use throng::Command;

use crate::args::{Limits, Run, Timeout, Variable};
use crate::input::{Input, Length, Record, Value};
use crate::reads::Reads;
use crate::sys::{self, SystemArgs, Tty};
use crate::template::{Fill, Language, Packing, Pattern, Template};
use crate::text;

/// Variables of commands: the number of the command, as `{#}`, and that of its slot, as `{%}`. The
/// first of each is GNU parallel's.
const NUMBER_VARS: [&str; 2] = ["PARALLEL_SEQ", "THRONG_SEQ"];
const SLOT_VARS: [&str; 2] = ["PARALLEL_JOBSLOT", "THRONG_SLOT"];

/// What the lines of a command's output are tagged with.
#[derive(Clone, Debug)]
enum Tag {
    None,
    Values,
    Pattern(Pattern),
}

/// Called with each command when it starts, on the thread that starts it.
struct Started(Box<dyn Fn(&Command) + Send + Sync>);

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

impl Tag {
    fn new(args: &Run, language: &Language, input: &Input) -> anyhow::Result<Tag> {
        Ok(match &args.output.tagstring {
            _ if !args.output.has_tag() => Tag::None,
            None => Tag::Values,
            Some(text) => Tag::Pattern(
                Pattern::parse(text, language, &input.columns())
                    .with_context(|| format!("--tagstring \"{}\"", text.display()))?,
            ),
        })
    }

    fn uses_slot(&self) -> bool {
        matches!(self, Tag::Pattern(tag) if tag.uses_slot())
    }
}

/// The directory of `--wd`.
fn directory(args: &Run, language: &Language, input: &Input) -> anyhow::Result<Option<Pattern>> {
    let Some(dir) = &args.control.wd else {
        return Ok(None);
    };
    if dir.is_empty() || dir == "..." {
        bail!(
            "--wd \"{}\": the name of a directory is expected, such as work/{{#}}",
            dir.display()
        );
    }
    Pattern::parse(dir, language, &input.columns())
        .map(Some)
        .with_context(|| format!("--wd \"{}\"", dir.display()))
}

/// How a command is made of a record.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// None when each record is a command line itself.
    template: Option<Template>,
    shell: bool,
    /// Whether the words of the command are quoted into a script.
    quote: bool,
    packing: Packing,
    /// How many commands there are; 0 before anybody has counted.
    total: AtomicU64,
    jobs: usize,
    tag: Tag,
    reads: Reads,
    keeps_output: bool,
    timeout: Option<Duration>,
    limits: Limits,
    dir: Option<Pattern>,
    /// Whether such a directory is made where it is not there.
    makes_dir: bool,
    env: Vec<Variable>,
    /// Whether the commands are to be counted before any is started.
    counts_all: bool,
    system: SystemArgs,
    /// The terminal that commands have, if any.
    tty: Option<Tty>,
    started: OnceLock<Started>,
}

impl Recipe {
    /// The recipe for these values, for so many commands at a time.
    pub(crate) fn new(args: &Run, input: &Input, jobs: usize) -> anyhow::Result<Recipe> {
        let shell = args.places.shell;
        args.system.check(shell)?;
        let language = Language::new(&args.places)?;
        let packing = input.packing();
        let reads = Reads::new(args, &language, input)?;
        let template = if input.words.is_empty() {
            if input.is_data() {
                bail!("--pipe wants a command that reads the data");
            }
            if packing != Packing::default() {
                bail!("there is no command to put several values into");
            }
            None
        } else {
            let appends = input.appends() && !reads.takes_values();
            let template = Template::parse(&input.words, &language, &input.columns(), appends)?;
            Some(if shell && !args.places.quote {
                template.split_at_blanks()
            } else {
                template
            })
        };
        Ok(Recipe {
            template,
            shell,
            quote: args.places.quote,
            packing,
            total: AtomicU64::new(0),
            jobs,
            tag: Tag::new(args, &language, input)?,
            reads,
            keeps_output: args.output.keeps_output(),
            limits: args.limits.clone(),
            timeout: args.control.timeout.and_then(Timeout::fixed),
            dir: directory(args, &language, input)?,
            makes_dir: !args.control.dry_run,
            env: args.control.env.clone(),
            counts_all: args.control.halt.needs_total(),
            system: args.system.clone(),
            tty: None,
            started: OnceLock::new(),
        })
    }

    /// Gives commands the terminal.
    pub(crate) fn with_tty(self, tty: Option<Tty>) -> Recipe {
        Recipe { tty, ..self }
    }

    /// Calls this with each command when it starts, as it is in its slot. Said once.
    pub(crate) fn on_start(&self, started: impl Fn(&Command) + Send + Sync + 'static) {
        let is_first = self.started.set(Started(Box::new(started))).is_ok();
        debug_assert!(is_first, "one listener is enough");
    }

    /// The command; none when the record is a blank or commented-out line.
    pub(crate) fn command(
        self: &Arc<Recipe>,
        record: Record,
        seq: u64,
    ) -> anyhow::Result<Option<Command>> {
        let Some(mut command) = self.command_in_slot(&record, seq, 0)? else {
            return Ok(None);
        };
        let uses_slot = self.uses_slot() || self.tag.uses_slot() || self.reads.uses_slot();
        if uses_slot || self.started.get().is_some() {
            let recipe = self.clone();
            command.on_start(move |command, slot| {
                // What could fail or be blank has done so with slot 0.
                if uses_slot && let Ok(Some(in_slot)) = recipe.command_in_slot(&record, seq, slot) {
                    *command = in_slot;
                }
                if let Some(Started(started)) = recipe.started.get() {
                    started(command);
                }
            });
        }
        Ok(Some(command))
    }

    /// Whether the command itself differs by slot.
    pub(crate) fn uses_slot(&self) -> bool {
        let places = self.dir.as_ref().is_some_and(Pattern::uses_slot);
        places || self.template.as_ref().is_some_and(Template::uses_slot)
    }

    /// The command as it is in this slot.
    pub(crate) fn command_in_slot(
        &self,
        record: &Record,
        seq: u64,
        slot: usize,
    ) -> anyhow::Result<Option<Command>> {
        let fill = self.fill(record, seq, slot);
        let command = match &self.template {
            Some(template) => Some(if self.shell {
                sys::shell(template.script(&fill, self.quote)?)?
            } else {
                Command::from_argv(template.argv(&fill)?)
            }),
            None => self.command_of_line(record.values.join(&b' '))?,
        };
        let Some(mut command) = command else {
            return Ok(None);
        };
        match &self.tag {
            Tag::None => {}
            Tag::Values => drop(command.label(sys::os_string(record.values.join(&b' '))?)),
            Tag::Pattern(tag) => drop(command.label(tag.os_string(&fill)?)),
        }
        match &record.stdin {
            Some(stdin) => drop(command.stdin(stdin.clone())),
            None => drop(command.stdin(self.reads.stdin(&fill)?)),
        }
        if let Some(timeout) = self.timeout {
            command.timeout(timeout);
        }
        if let Some(dir) = &self.dir {
            let dir = PathBuf::from(dir.os_string(&fill)?);
            // Where the slot is not known yet, neither is the directory.
            if self.makes_dir && (slot > 0 || !self.uses_slot()) {
                fs::create_dir_all(&dir)
                    .with_context(|| format!("--wd cannot make {}", dir.display()))?;
            }
            command.current_dir(dir);
        }
        let number = seq.to_string();
        for name in NUMBER_VARS {
            command.env(name, &number);
        }
        for name in SLOT_VARS {
            command.env_slot(name);
        }
        for Variable { name, value } in &self.env {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.keep_output(self.keeps_output);
        self.limits.set_command(&mut command);
        self.system.set_command(&mut command);
        if let Some(tty) = &self.tty {
            tty.set_command(&mut command);
        }
        Ok(Some(command))
    }

    /// What goes into the places of a word for this record.
    pub(crate) fn fill<'r>(&self, record: &'r Record, seq: u64, slot: usize) -> Fill<'r> {
        Fill {
            values: &record.values,
            width: record.width,
            packing: self.packing,
            seq,
            slot,
            total: self.total.load(Ordering::Relaxed),
            jobs: self.jobs,
        }
    }

    fn command_of_line(&self, line: Vec<u8>) -> anyhow::Result<Option<Command>> {
        if self.shell {
            let is_blank = line.iter().all(u8::is_ascii_whitespace);
            return if is_blank {
                Ok(None)
            } else {
                sys::shell(line).map(Some)
            };
        }
        let argv = sys::split(&line)
            .with_context(|| format!("cannot read the command line {}", text::quoted(&line)))?;
        Ok((!argv.is_empty()).then(|| Command::from_argv(argv)))
    }
}

/// What whoever puts values together has to know of the command.
impl Recipe {
    /// Whether these values are to make a command at all.
    pub(crate) fn takes(&self, values: &[Value]) -> bool {
        self.template
            .as_ref()
            .is_none_or(|template| template.takes(values))
    }

    pub(crate) fn is_choosy(&self) -> bool {
        self.template.as_ref().is_some_and(Template::is_choosy)
    }

    pub(crate) fn needs_total(&self) -> bool {
        self.counts_all || self.template.as_ref().is_some_and(Template::needs_total)
    }

    pub(crate) fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn uses_shell(&self) -> bool {
        self.shell
    }

    pub(crate) fn names_a_column(&self) -> bool {
        self.template.as_ref().is_some_and(Template::names_a_column)
    }

    /// How long the command with these values is.
    pub(crate) fn length(&self, record: &Record, seq: u64) -> anyhow::Result<Length> {
        let Some(template) = &self.template else {
            return Ok(Length::default());
        };
        let fill = self.fill(record, seq, self.jobs);
        if self.shell {
            let script = template.script(&fill, self.quote)?;
            let units = sys::word_length(&script);
            return Ok(Length { units, words: 1 });
        }
        let argv: Vec<OsString> = template.argv(&fill)?;
        let units = argv
            .iter()
            .map(|word| sys::word_length(word.as_encoded_bytes()));
        Ok(Length {
            units: units.sum(),
            words: argv.len(),
        })
    }

    /// How many blanks come with each value but the first.
    pub(crate) fn joins(&self) -> usize {
        match &self.template {
            Some(template) if self.shell => template.words_with_values().max(1),
            Some(template) if !self.packing.repeats => template.glued_places(),
            _ => 0,
        }
    }

    /// Whether all values can end up in one argument.
    pub(crate) fn joins_in_a_word(&self) -> bool {
        self.shell || self.joins() > 0
    }
}
