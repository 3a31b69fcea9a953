//! Options that contradict each other, or that need another which was not given: found here, before
//! anything is opened. What is wrong with one option alone is found where it is read. The exception
//! are two options of which the command line's replaces the settings file's: the parser has to know
//! those (`conflicts_with`), so it refuses them as well.

use anyhow::{bail, ensure};

use super::Run;
use super::output::{Again, Mode};
use super::pipe::Block;

impl Run {
    /// Refuses contradictions, on a machine with so many cores.
    pub(crate) fn check(&self, cores: usize) -> anyhow::Result<()> {
        self.check_input()?;
        match self.pipe.is_on() {
            true => self.check_data()?,
            false => self.check_no_data()?,
        }
        self.check_control(cores)?;
        self.check_output()
    }

    fn check_input(&self) -> anyhow::Result<()> {
        let input = &self.input;
        ensure!(input.shuf || input.seed.is_none(), "--seed needs --shuf");
        let counts = [input.max_args, input.max_replace_args, input.max_lines];
        ensure!(
            !input.exit || counts.iter().any(Option::is_some),
            "--exit needs -n, -N or -L"
        );
        Ok(())
    }

    /// Without `--pipe`.
    fn check_no_data(&self) -> anyhow::Result<()> {
        let pipe = &self.pipe;
        for (name, is_there) in [
            ("--block", pipe.block.is_some()),
            ("--recstart", pipe.recstart.is_some()),
            ("--recend", pipe.recend.is_some()),
            ("--regexp", pipe.regexp),
            ("--remove-rec-sep", pipe.remove_rec_sep),
        ] {
            ensure!(!is_there, "{name} needs --pipe");
        }
        let input = &self.input;
        ensure!(
            input.max_lines.is_none() || input.max_replace_args.is_none(),
            "--max-lines can be combined with --max-replace-args only with --pipe"
        );
        Ok(())
    }

    /// With `--pipe`: data comes on stdin, and values make no sense.
    fn check_data(&self) -> anyhow::Result<()> {
        let (input, pipe) = (&self.input, &self.pipe);
        for (name, is_there) in [
            ("--null", input.null),
            ("--delimiter", input.delimiter.is_some()),
            ("--colsep", input.colsep.is_some()),
            ("--csv", input.csv),
            ("--link", input.link.is_some()),
            ("--max-args", input.max_args.is_some()),
            ("--context-replace", input.context_replace),
            ("-m", input.multiple),
            ("--xargs", input.xargs),
            ("--max-chars", input.max_chars.is_some()),
            ("--trim", input.trim.is_some()),
            ("--eof", input.eof.is_some()),
            ("--shuf", input.shuf),
        ] {
            ensure!(
                !is_there,
                "{name} cannot be combined with --pipe: commands get data on stdin, and no values"
            );
        }
        let counts = input.max_replace_args.is_some() || input.max_lines.is_some();
        ensure!(
            !(pipe.pipe_part && counts),
            "--pipe-part reads from the middle of files and cannot count: no -N, no -L"
        );
        if let Some(Block::PerJob(number)) = pipe.block
            && !pipe.pipe_part
        {
            bail!("--block -{number}: a number of blocks for each job needs --pipe-part");
        }
        ensure!(
            input.max_replace_args != Some(0),
            "--max-replace-args 0: with --pipe a number from 1 up is expected"
        );
        Ok(())
    }

    fn check_control(&self, cores: usize) -> anyhow::Result<()> {
        let control = &self.control;
        let runs_again = control.retries.is_some_and(|attempts| attempts != 1);
        if self.pipe.round_robin && (runs_again || control.memfree.is_some()) {
            let option = if runs_again { "--retries" } else { "--memfree" };
            bail!(
                "{option} cannot be combined with --round-robin: what a command has read is gone"
            );
        }
        let is_tty = self.output.tty;
        ensure!(
            !(is_tty && control.has_jobs && control.jobs.resolve(cores) > 1),
            "--jobs above 1 cannot be combined with --tty: one command at a time has the terminal"
        );
        ensure!(
            !is_tty || control.jobs.file().is_none(),
            "--jobs FILE cannot be combined with --tty: one command at a time has the terminal"
        );
        Ok(())
    }

    fn check_output(&self) -> anyhow::Result<()> {
        let output = &self.output;
        let (mode, again) = (output.mode(), output.again());
        ensure!(
            !(output.keep_order && mode == Mode::Live),
            "--keep-order cannot be combined with --output live, which prints output at once"
        );
        ensure!(
            !(output.echo && output.keep_order && mode == Mode::Line),
            "-v cannot be combined with --keep-order and --output line"
        );
        ensure!(
            !output.has_tag() || matches!(mode, Mode::Group | Mode::Line),
            "--tag needs lines to put the tag before: --output group or line"
        );
        ensure!(
            output.results_files.is_none() || output.results.is_some(),
            "--results-files needs --results"
        );
        if let Some(again @ (Again::UnrunAndFailed | Again::Failed)) = again
            && output.joblog.is_none()
        {
            bail!("{} needs --joblog, which has what failed", again.option());
        }
        if let (Some(name), Some(Again::Failed)) = (&output.results, again) {
            bail!(
                "--results {} needs the values of commands, and a job log has none: use \
                 --resume-failed in place of --retry-failed",
                name.display()
            );
        }
        Ok(())
    }
}
