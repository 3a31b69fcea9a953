use clap::Parser;
use proptest::prelude::*;

use super::*;
use crate::commands::builder::CommandBuilder;
use crate::commands::sources::Input as Sources;

/// Reads a command line as the program does, up to the point where something would be started.
fn read(words: &[String]) -> Result<(), String> {
    let program = ["throng".to_owned(), "run".to_owned()];
    let words = program.iter().chain(words).map(OsString::from).collect();
    let words = optional::join_values(words, &definition());
    let cli = Cli::try_parse_from(words).map_err(|error| errors::one_line(&error))?;
    let Sub::Run(args) = cli.command else {
        panic!("run is a command");
    };
    let read = || -> anyhow::Result<()> {
        let input = Sources::open(&args)?;
        let builder = std::sync::Arc::new(CommandBuilder::new(&args, &input, 2)?);
        for (seq, record) in (1..).zip(input.records(&builder, 2)?) {
            builder.command(record?, seq)?;
        }
        Ok(())
    };
    read().map_err(|error| format!("{error:#}"))
}

/// Options with values that are valid, nearly valid or invalid.
fn option() -> impl Strategy<Value = String> {
    let flags = "-(0|X|m|x|r|q|k)|--(csv|link|link=recycle|xargs|shuf|plus|shell|exit|regexp)";
    let numbers = "--(max-args|max-replace-args|max-lines|max-chars|seed)=(-?[0-9]{1,3}[kKx]?|)";
    let texts = "--(delimiter|colsep|header|eof|trim|rpl|stdin|tagstring)=\
                 [a-c:,;{}/\\\\$(*n0. ]{0,6}";
    prop_oneof![
        flags,
        numbers,
        texts,
        "-I[{},a]{0,3}",
        "--[a-z]{1,9}(=.?)?",
        "-[A-Za-z]"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_command_line_is_read_or_refused_in_one_line(
        options in prop::collection::vec(option(), 0..5),
        command in prop::collection::vec("[a-c{}.#%0-9/ -]{1,6}", 0..3),
        values in prop::collection::vec(":::\\+?|[a-c,\"\n -]{0,5}", 0..6),
    ) {
        let mut words = options;
        words.extend(command);
        words.push(":::".into());
        words.extend(values);
        if let Err(line) = read(&words) {
            prop_assert!(!line.is_empty() && !line.contains('\n'), "{words:?}: {line:?}");
        }
    }
}

#[test]
fn help_and_version_are_not_errors() {
    for word in ["--help", "-h"] {
        let error = Cli::try_parse_from(["throng", "run", word]).unwrap_err();
        assert!(!error.use_stderr(), "{word}");
    }
}

#[test]
fn an_unknown_option_is_reported_in_one_line() {
    let line = read(&["-C".into(), ":::".into(), "-\n".into()]).unwrap_err();
    assert!(line.starts_with("there is no option"), "{line}");
    assert!(!line.contains('\n'), "{line:?}");
}
