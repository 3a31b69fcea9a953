//! Makes commands: of a record and the words of the command line, or of a line that is a command
//! itself.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use throng::Command;

use crate::commands::record::Length;
use crate::commands::record::Record;
use crate::commands::sources::Input;
use crate::commands::stdin::StdinSpec;
use crate::commands::tag::Tag;
use crate::options::Run;
use crate::options::control::Timeout;
use crate::options::halt::Halt;
use crate::options::limits::Limits;
use crate::options::output::Again;
use crate::script;
use crate::shell::Shell;
use crate::sys::{self, SystemArgs, Tty};
use crate::template::{Packing, Pattern, PlaceholderSyntax, Substitutions, Template};
use crate::values::{Columns, Value};
use crate::{links, size, text};

/// Environment variables of commands: the number of the command, as `{#}`, and that of its slot, as
/// `{%}`. The first of each is that of GNU parallel.
const NUMBER_VARS: [&str; 2] = ["PARALLEL_SEQ", "THRONG_SEQ"];
const SLOT_VARS: [&str; 2] = ["PARALLEL_JOBSLOT", "THRONG_SLOT"];

/// Called with each command when it starts, on the thread that starts it.
struct Started(Box<dyn Fn(&Command) + Send + Sync>);

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// The directory of `--wd`.
fn directory(
    args: &Run,
    language: &PlaceholderSyntax,
    input: &Input,
) -> anyhow::Result<Option<Pattern>> {
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

/// The directory for these values. A value that is the whole path may name any directory that
/// exists; otherwise no value leads out of the directory before its placeholder.
fn below(dir: &Pattern, fill: &Substitutions<'_>) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(dir.os_string(fill)?);
    let is_a_value = dir.begins_with_place() && path.is_dir();
    if dir.has_placeholders() && !is_a_value {
        dir.path_below(fill).context("--wd")?;
        let fixed = sys::os_string(dir.fixed_directory().to_vec())?;
        links::refuse_links_out(Path::new(&fixed), &path).context("--wd")?;
    }
    Ok(path)
}

/// Whether the path of `--results` contains the number of all commands. Errors in it are reported
/// where it is used.
fn results_need_total(args: &Run, language: &PlaceholderSyntax, input: &Input) -> bool {
    let name = args.output.results.as_ref();
    let pattern = name.map(|name| Pattern::parse(name, language, &input.columns()));
    pattern.is_some_and(|pattern| pattern.is_ok_and(|pattern| pattern.needs_total()))
}

/// The variables of `--env NAME=VALUE`. Commands inherit those without a value anyway.
fn variables(
    args: &Run,
    language: &PlaceholderSyntax,
    input: &Input,
) -> anyhow::Result<Vec<(OsString, Pattern)>> {
    let mut variables = Vec::new();
    for variable in &args.control.env {
        let Some(value) = &variable.value else {
            continue;
        };
        let name = variable.name.clone();
        let pattern = Pattern::parse(value, language, &input.columns())
            .with_context(|| format!("--env \"{}={}\"", name.display(), value.display()))?;
        let is_code = script::is_code_variable(name.as_encoded_bytes());
        anyhow::ensure!(
            !is_code || !pattern.has_values() || args.placeholders.allow_code,
            "--env \"{}={}\": programs read this variable as code, or load code from where it \
             says, so a value could run anything: give the value to another variable \
             (--allow-code insists)",
            name.display(),
            value.display()
        );
        variables.push((name, pattern));
    }
    Ok(variables)
}

/// How a command is made of a record.
#[derive(Debug)]
pub(crate) struct CommandBuilder {
    /// None if each record is a command line itself.
    template: Option<Template>,
    shell: Option<Shell>,
    /// Whether the words of the command are quoted into a script.
    quote: bool,
    /// Whether the records are quoted lines from the log of an earlier run.
    are_logged: bool,
    packing: Packing,
    /// How many commands there are; 0 before they are counted.
    total: AtomicU64,
    jobs: usize,
    tag: Tag,
    stdin: StdinSpec,
    keeps_output: bool,
    timeout: Option<Duration>,
    limits: Limits,
    dir: Option<Pattern>,
    /// Whether that directory is made if it does not exist.
    makes_dir: bool,
    env: Vec<(OsString, Pattern)>,
    columns: Columns,
    /// How long an argument may be.
    word_max: usize,
    /// Whether the commands are to be counted before any is started.
    counts_all: bool,
    system: SystemArgs,
    /// The terminal that commands have, if any.
    tty: Option<Tty>,
    started: OnceLock<Started>,
}

impl CommandBuilder {
    /// `jobs` is how many commands run at a time.
    pub(crate) fn new(args: &Run, input: &Input, jobs: usize) -> anyhow::Result<CommandBuilder> {
        let shell = Shell::of(args)?;
        args.system.check(shell.is_some())?;
        let language = PlaceholderSyntax::new(&args.placeholders)?;
        let packing = input.packing();
        let stdin = StdinSpec::new(args, &language, input)?;
        let template = if input.words.is_empty() {
            if input.is_data() {
                bail!("--pipe needs a command that reads the data");
            }
            if packing != Packing::default() {
                bail!("there is no command to put several values into");
            }
            None
        } else {
            let appends = input.appends() && !stdin.takes_values();
            let template = Template::parse(&input.words, &language, &input.columns(), appends)?;
            Some(checked(template, args, input, shell.as_ref())?)
        };
        Ok(CommandBuilder {
            word_max: sys::limits(shell.is_some()).word,
            template,
            shell,
            quote: args.placeholders.quote,
            are_logged: args.output.again() == Some(Again::Failed),
            packing,
            total: AtomicU64::new(0),
            jobs,
            tag: Tag::new(args, &language, input)?,
            stdin,
            keeps_output: args.output.keeps_output(),
            limits: args.limits.clone(),
            timeout: args.control.timeout.and_then(Timeout::fixed),
            dir: directory(args, &language, input)?,
            makes_dir: !args.control.dry_run,
            env: variables(args, &language, input)?,
            columns: input.columns(),
            counts_all: args.control.halt.is_some_and(Halt::needs_total)
                || results_need_total(args, &language, input),
            system: args.system.clone(),
            tty: None,
            started: OnceLock::new(),
        })
    }

    /// Commands get this terminal.
    pub(crate) fn with_tty(self, tty: Option<Tty>) -> CommandBuilder {
        CommandBuilder { tty, ..self }
    }

    /// Calls back with each command when it starts in its slot. Can be called once.
    pub(crate) fn on_start(&self, started: impl Fn(&Command) + Send + Sync + 'static) {
        let is_first = self.started.set(Started(Box::new(started))).is_ok();
        debug_assert!(is_first, "one listener is enough");
    }

    /// The command; none if the record is a blank line or a comment.
    pub(crate) fn command(
        self: &Arc<CommandBuilder>,
        record: Record,
        seq: u64,
    ) -> anyhow::Result<Option<Command>> {
        let Some(mut command) = self.command_in_slot(&record, seq, 0)? else {
            return Ok(None);
        };
        let uses_slot = self.uses_slot()
            || self.tag.uses_slot()
            || self.stdin.uses_slot()
            || self.env.iter().any(|(_, value)| value.uses_slot());
        if uses_slot || self.started.get().is_some() {
            let builder = self.clone();
            command.on_start(move |command, slot| {
                // Errors and blank lines have shown with slot 0.
                if uses_slot && let Ok(Some(in_slot)) = builder.command_in_slot(&record, seq, slot)
                {
                    *command = in_slot;
                }
                if let Some(Started(started)) = builder.started.get() {
                    started(command);
                }
            });
        }
        Ok(Some(command))
    }

    /// Whether all commands run the same program, from the same directories.
    pub(crate) fn has_one_program(&self) -> bool {
        let is_elsewhere = self.dir.as_ref().is_some_and(Pattern::has_placeholders);
        let has_path = self.env.iter().any(|(name, _)| name == "PATH");
        let template = self.template.as_ref();
        let is_fixed = self.shell.is_some() || template.is_some_and(Template::has_one_program);
        is_fixed && !is_elsewhere && !has_path
    }

    /// Whether the command itself differs by slot.
    pub(crate) fn uses_slot(&self) -> bool {
        let places = self.dir.as_ref().is_some_and(Pattern::uses_slot);
        places || self.template.as_ref().is_some_and(Template::uses_slot)
    }

    /// The command in this slot. An error contains where its values were read.
    pub(crate) fn command_in_slot(
        &self,
        record: &Record,
        seq: u64,
        slot: usize,
    ) -> anyhow::Result<Option<Command>> {
        self.made_of(record, seq, slot)
            .map_err(|error| record.at.name(error))
    }

    fn made_of(&self, record: &Record, seq: u64, slot: usize) -> anyhow::Result<Option<Command>> {
        let fill = self.fill(record, seq, slot);
        let command = match &self.template {
            Some(template) => Some(match &self.shell {
                Some(shell) => shell.command(self.script(template, &fill)?)?,
                None => Command::from_argv(template.argv(&fill)?),
            }),
            None => self.command_of_line(record.values.join(&b' '))?,
        };
        let Some(mut command) = command else {
            return Ok(None);
        };
        // A command that is too long in a slot with more digits fails when it is started.
        if slot == 0 {
            self.check_length(&command)?;
        }
        match &self.tag {
            Tag::None => {}
            Tag::Values => {
                let mut tag = Vec::new();
                text::push_harmless(&mut tag, &record.values.join(&b' '));
                command.label(sys::os_string(tag)?);
            }
            Tag::Pattern(tag) => drop(command.label(tag.shown(&fill)?)),
        }
        match &record.stdin {
            Some(stdin) => drop(command.stdin(stdin.clone())),
            None => drop(command.stdin(self.stdin.stdin(&fill)?)),
        }
        if let Some(timeout) = self.timeout {
            command.timeout(timeout);
        }
        if let Some(dir) = &self.dir {
            let dir = below(dir, &fill)?;
            // As long as the slot is unknown, so is the directory.
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
        for (name, value) in &self.env {
            let value = value.os_string(&fill)?;
            let length = name.len() + value.len() + 2;
            ensure!(
                length <= self.word_max,
                "--env {}: {} is too long for a variable: it has {} bytes with the name, and the \
                 limit of this system is {}",
                name.display(),
                text::quoted_name(value),
                size::with_commas(length as u64 - 1),
                size::with_commas(self.word_max as u64 - 1)
            );
            command.env(name, value);
        }
        command.keep_output(self.keeps_output);
        self.limits.set_command(&mut command);
        self.system.set_command(&mut command);
        if let Some(tty) = &self.tty {
            tty.set_command(&mut command);
        }
        Ok(Some(command))
    }

    /// Refuses a command with an argument that is too long for the system.
    fn check_length(&self, command: &Command) -> anyhow::Result<()> {
        let too_long = |word: &[u8], length: usize| {
            let what = if self.shell.is_some() {
                "a script"
            } else {
                "an argument"
            };
            anyhow::anyhow!(
                "{} is too long for {what}: it has {} characters, and the limit of this system is \
                 {}; --pipe and --stdin give data to commands on stdin",
                text::quoted(word),
                size::with_commas(length as u64 - 1),
                size::with_commas(self.word_max as u64 - 1)
            )
        };
        if self.shell.is_some() {
            let script = sys::script(command);
            let length = sys::script_length(&script);
            ensure!(length <= self.word_max, too_long(&script, length));
            return Ok(());
        }
        for word in sys::argv(command) {
            let word = word.as_encoded_bytes();
            // A word gets at most twice as long by quoting.
            if word.len() < self.word_max / 2 - 2 {
                continue;
            }
            let length = sys::word_length(word);
            ensure!(length <= self.word_max, too_long(word, length));
        }
        Ok(())
    }

    /// What placeholders stand for with this record.
    pub(crate) fn fill<'r>(
        &'r self,
        record: &'r Record,
        seq: u64,
        slot: usize,
    ) -> Substitutions<'r> {
        self.fill_with(&record.values, record.width, seq, slot)
    }

    fn fill_with<'r>(
        &'r self,
        values: &'r [Value],
        width: usize,
        seq: u64,
        slot: usize,
    ) -> Substitutions<'r> {
        Substitutions {
            values,
            width,
            columns: Some(&self.columns),
            packing: self.packing,
            seq,
            slot,
            total: self.total.load(Ordering::Relaxed),
            jobs: self.jobs,
        }
    }

    fn script(&self, template: &Template, fill: &Substitutions<'_>) -> anyhow::Result<Vec<u8>> {
        if self.quote {
            template.quoted_script(fill)
        } else {
            template.script(fill)
        }
    }

    fn command_of_line(&self, line: Vec<u8>) -> anyhow::Result<Option<Command>> {
        if let Some(shell) = &self.shell {
            return if text::is_blank(&line) {
                Ok(None)
            } else {
                shell.command(line).map(Some)
            };
        }
        if !self.are_logged
            && let Some(syntax) = sys::shell_syntax(&line)
        {
            return Err(NeedsShell { line, syntax }.into());
        }
        let argv = sys::split(&line)
            .with_context(|| format!("cannot read the command line {}", text::quoted(&line)))?;
        Ok((!argv.is_empty()).then(|| Command::from_argv(argv)))
    }
}

/// A command line with syntax that only a shell would act on. It was meant for a shell, and so are
/// probably those after it: the run stops.
#[derive(Debug)]
pub(crate) struct NeedsShell {
    line: Vec<u8>,
    syntax: String,
}

impl fmt::Display for NeedsShell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: \"{}\" is for a shell, and no shell reads this line: use --shell, or put it in \
             quotes where it is text",
            text::quoted(&self.line),
            text::on_one_line(self.syntax.as_bytes())
        )
    }
}

impl std::error::Error for NeedsShell {}

/// The template, after checks that values stay values and that it is no script in one word.
fn checked(
    template: Template,
    args: &Run,
    input: &Input,
    shell: Option<&Shell>,
) -> anyhow::Result<Template> {
    let rules = shell.map(|shell| shell.rules(args.placeholders.allow_code));
    match rules {
        Some(rules) if !args.placeholders.quote => return template.for_shell(rules),
        Some(_) => {}
        None => refuse_script(&input.words[0], &template)?,
    }
    if !args.placeholders.allow_code {
        template.refuse_code(rules)?;
    }
    Ok(template)
}

/// Refuses a program that is a command line in one word: `throng run 'echo {}'`.
fn refuse_script(program: &OsStr, template: &Template) -> anyhow::Result<()> {
    let outline = template.program();
    let is_syntax = |byte: &u8| byte.is_ascii_whitespace() || b"|&;<>()`$\"'".contains(byte);
    let Some(at) = outline.iter().position(is_syntax) else {
        return Ok(());
    };
    let is_one = if outline.contains(&0) {
        // A path may contain spaces, and where it leads is not known yet.
        let before = &outline[..at];
        let is_path = before.iter().any(|byte| matches!(byte, b'/' | b'\\'));
        outline[at] == b' ' && is_path && !sys::is_program(&sys::os_string(before.to_vec())?)
    } else {
        sys::is_program(program)
    };
    if is_one {
        return Ok(());
    }
    bail!(
        "there is no program {}: without --shell the first word alone is the program; write the \
         words apart, as in throng run echo {{}}, or use --shell",
        text::quoted_name(program)
    )
}

/// What batching needs to know of the command.
impl CommandBuilder {
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
        let patterns = [self.tag.pattern(), self.dir.as_ref(), self.stdin.pattern()];
        let variables = self.env.iter().map(|(_, value)| value);
        self.counts_all
            || self.template.as_ref().is_some_and(Template::needs_total)
            || patterns
                .into_iter()
                .flatten()
                .chain(variables)
                .any(Pattern::needs_total)
    }

    pub(crate) fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn uses_shell(&self) -> bool {
        self.shell.is_some()
    }

    /// How long the command of this number is with these values, of which so many are one
    /// combination.
    pub(crate) fn length(
        &self,
        values: &[Value],
        width: usize,
        seq: u64,
    ) -> anyhow::Result<Length> {
        let fill = self.fill_with(values, width, seq, self.jobs);
        let argv: Vec<OsString> = match &self.template {
            Some(template) if self.shell.is_none() => template.argv(&fill)?,
            Some(template) => {
                let script = self.script(template, &fill)?;
                return Ok(Length::of([sys::script_length(&script)]));
            }
            None if self.shell.is_some() => {
                return Ok(Length::of([sys::script_length(&values.join(&b' '))]));
            }
            // No command is made of a line that cannot be read.
            None => sys::split(&values.join(&b' ')).unwrap_or_default(),
        };
        let lengths = argv
            .iter()
            .map(|word| sys::word_length(word.as_encoded_bytes()));
        Ok(Length::of(lengths))
    }
}
