//! `throng man` and `throng completions`: made of the definition of the command line when they are
//! asked for, so that they are never of another version.

use std::io::Write;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The page of this command, and not that of throng itself
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell that is to read them
    shell: Shell,
}

pub(crate) fn page(args: &Man, definition: &Command) -> anyhow::Result<Exit> {
    print(&render(definition, args.command.as_deref())?)
}

/// The page in the language of man(7).
fn render(definition: &Command, name: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let command = match name {
        None => definition.clone(),
        Some(name) => {
            let commands = definition.get_subcommands();
            let mut shown = commands.filter(|command| !command.is_hide_set());
            let command = shown.find(|command| command.get_name() == name);
            let command = command.with_context(|| format!("there is no command \"{name}\""))?;
            command.clone()
        }
    };
    let command = command.version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

pub(crate) fn completions(args: &Completions, definition: &Command) -> anyhow::Result<Exit> {
    print(&complete(args.shell, definition))
}

fn complete(shell: Shell, definition: &Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition.clone(), "throng", &mut script);
    script
}

fn print(bytes: &[u8]) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(bytes).and_then(|()| out.flush());
    printed.context("cannot write to stdout")?;
    Ok(Exit::Commands { failed: 0 })
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn options(command: &Command) -> Vec<String> {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let names = shown.filter_map(|arg| arg.get_long().map(String::from));
        names.collect()
    }

    #[test]
    fn the_page_of_each_command_names_all_its_options() {
        let definition = crate::args::definition();
        for command in definition.get_subcommands().filter(|c| !c.is_hide_set()) {
            let page = render(&definition, Some(command.get_name())).unwrap();
            let page = String::from_utf8(page).unwrap().replace("\\-", "-");
            for option in options(command) {
                let option = format!("--{option}");
                assert!(page.contains(&option), "{}: {option}", command.get_name());
            }
        }
        assert!(render(&definition, None).is_ok());
        let error = render(&definition, Some("nothing")).unwrap_err();
        assert_eq!(error.to_string(), "there is no command \"nothing\"");
        assert!(
            render(&definition, Some("keeper")).is_err(),
            "it is not for users"
        );
    }

    #[test]
    fn the_completions_of_each_shell_name_all_options() {
        let definition = crate::args::definition();
        let run = definition.find_subcommand("run").unwrap();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let script = String::from_utf8(complete(shell, &definition)).unwrap();
            for option in options(run) {
                // fish says `-l jobs`.
                assert!(script.contains(&option), "{shell}: {option}");
            }
        }
        assert!(Shell::value_variants().len() >= 4);
    }
}
