//! Precedence of settings, and what is refused.

use std::fs;

use super::*;

/// A command line of a few options of each kind.
fn command() -> Command {
    let valued = |name: &'static str| Arg::new(name).long(name).action(clap::ArgAction::Set);
    let flag = |name: &'static str| Arg::new(name).long(name).action(clap::ArgAction::SetTrue);
    Command::new("throng")
        .args_override_self(true)
        .arg(valued("jobs").value_parser(clap::value_parser!(u8)))
        .arg(valued("wait-time").visible_alias("patience"))
        .arg(flag("tag"))
        .arg(flag("null").conflicts_with("csv"))
        .arg(flag("csv"))
        .arg(Arg::new("replace").short('I').action(clap::ArgAction::Set))
        .arg(
            valued("color")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("always"),
        )
        .arg(
            Arg::new("list")
                .long("list")
                .action(clap::ArgAction::Append),
        )
}

struct Fixture {
    dir: tempfile::TempDir,
    sources: Sources,
}

impl Fixture {
    fn new(text: &str, variables: &[(&str, &str)]) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("throng.toml");
        fs::write(&path, text).unwrap();
        let variables = variables.iter();
        let sources = Sources {
            file: Some(Source::Named(path)),
            variables: variables.map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        };
        Fixture { dir, sources }
    }

    /// The words that are put before those of the command line when it has `written` options.
    fn words(&self, profile: Option<&str>, written: &[&str]) -> anyhow::Result<String> {
        let command = command();
        let said = gather(&command, &self.sources, profile.map(String::from))?;
        said.iter()
            .try_for_each(|setting| check(&command, setting))?;
        let kept = effective(&command, said, &|id| written.contains(&id));
        let words: Vec<OsString> = kept.into_iter().flat_map(|setting| setting.words).collect();
        Ok(words.join(OsStr::new(" ")).into_string().unwrap())
    }

    fn error(&self, profile: Option<&str>) -> String {
        let error = format!("{:#}", self.words(profile, &[]).unwrap_err());
        error.replace(
            &format!("{}{}", self.dir.path().display(), std::path::MAIN_SEPARATOR),
            "",
        )
    }
}

fn words(text: &str) -> String {
    Fixture::new(text, &[]).words(None, &[]).unwrap()
}

#[test]
fn values_of_all_kinds_become_words() {
    assert_eq!(words("jobs = 8\ntag = true"), "--jobs=8 --tag");
    assert_eq!(words("wait-time = \"5 m\""), "--wait-time=5 m");
    assert_eq!(words("wait_time = 2.5"), "--wait-time=2.5");
    assert_eq!(words("patience = 1"), "--wait-time=1");
    assert_eq!(words("list = [\"a\", 2]"), "--list=a --list=2");
    assert_eq!(words("list = \"-x\""), "--list=-x");
    assert_eq!(words("I = \"%\""), "-I%");
    assert_eq!(words("color = true"), "--color");
    assert_eq!(words("color = \"auto\"\ntag = false"), "--color=auto");
    assert_eq!(words(""), "");
}

#[test]
fn sources_nearer_to_the_command_line_take_precedence() {
    let text = "jobs = 1\nwait-time = 1\nlist = [\"u\"]\n[profile.p]\njobs = 2\n\
                [profile.q]\ntag = true";
    let fixture = Fixture::new(text, &[]);
    let words = |profile, written: &[&str]| fixture.words(profile, written).unwrap();
    assert_eq!(words(None, &[]), "--jobs=1 --list=u --wait-time=1");
    assert_eq!(words(Some("p"), &[]), "--list=u --wait-time=1 --jobs=2");
    assert_eq!(words(Some("q"), &["jobs", "list"]), "--wait-time=1 --tag");
    let fixture = Fixture::new(text, &[("THRONG_JOBS", "5"), ("THRONG_PROFILE", "p")]);
    let words = |profile, written: &[&str]| fixture.words(profile, written).unwrap();
    assert_eq!(words(None, &[]), "--list=u --wait-time=1 --jobs=5");
    assert_eq!(words(Some("q"), &["jobs"]), "--list=u --wait-time=1 --tag");
}

#[test]
fn a_setting_that_conflicts_with_a_higher_source_is_ignored() {
    let fixture = Fixture::new("null = true\n[profile.p]\ncsv = true", &[]);
    assert_eq!(fixture.words(None, &[]).unwrap(), "--null");
    assert_eq!(fixture.words(Some("p"), &[]).unwrap(), "--csv");
    assert_eq!(fixture.words(None, &["csv"]).unwrap(), "");
}

#[test]
fn a_variable_sets_only_harmless_options() {
    let definition = crate::cli::definition();
    let run = definition.find_subcommand("run").unwrap();
    for arg in options(run) {
        let name = variable_name(arg);
        let sources = Sources {
            file: None,
            variables: vec![(name.clone().into(), "1".into())],
        };
        let set = gather(run, &sources, None).unwrap();
        let is_set = BY_VARIABLE.contains(&&key(arg)[..]);
        assert_eq!(set.len(), usize::from(is_set), "{name}");
        // An option that sets nothing is reported, unless it means something else.
        let is_known = is_set || OTHER_VARIABLES.contains(&&key(arg)[..]);
        let told = sources.ignored(run);
        assert_eq!(told, if is_known { vec![] } else { vec![name] });
    }
    for key in BY_VARIABLE {
        let mut all = options(run).map(super::key);
        assert!(all.any(|name| name == key), "{key} is an option");
    }
}

#[test]
fn invalid_settings_are_reported_with_file_and_key() {
    for (text, expected) in [
        ("jbos = 1", "throng.toml: there is no option --jbos"),
        (
            "profile = 1",
            "throng.toml: profile: tables [profile.NAME] are expected",
        ),
        (
            "tag = \"x\"",
            "throng.toml: tag = \"x\": true or false is expected",
        ),
        (
            "jobs = true",
            "throng.toml: jobs = true: text or a number is expected",
        ),
        (
            "jobs = [1]",
            "throng.toml: jobs = [1]: text or a number is expected",
        ),
        ("jobs = \"many\"", "throng.toml: --jobs \"many\": "),
        (
            "tag = 1979-05-27",
            "throng.toml: tag = 1979-05-27: true or false is expected",
        ),
        (
            "[profile.x]\njobs = 999",
            "throng.toml [profile.x]: --jobs \"999\": ",
        ),
        (
            "[profile.x]\nno = 1",
            "throng.toml [profile.x]: there is no option --no",
        ),
        ("tag = true\njobs = = 1", "throng.toml, line 2: "),
        (
            "profile-x = 1",
            "throng.toml: there is no option --profile-x",
        ),
    ] {
        let profile = text.contains("[profile.x]").then_some("x");
        let error = Fixture::new(text, &[]).error(profile);
        assert!(error.starts_with(expected), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let error = Fixture::new("[profile.x]\nno = 1", &[]).error(None);
    assert!(
        error.contains("[profile.x]"),
        "also when it does not count: {error}"
    );
}

#[test]
fn invalid_variables_and_profiles_are_reported() {
    let error = |variables: &[(&str, &str)]| Fixture::new("", variables).error(None);
    assert!(error(&[("THRONG_JOBS", "x")]).starts_with("THRONG_JOBS \"x\": a number"));
    let error = error(&[("THRONG_PROFILE", "x")]);
    assert_eq!(
        error,
        "THRONG_PROFILE \"x\": there is no such profile in throng.toml"
    );
    let error = Fixture::new("", &[]).error(Some("y"));
    assert_eq!(
        error,
        "--profile \"y\": there is no such profile in throng.toml"
    );
    let none = Sources::default();
    let error = gather(&command(), &none, Some("y".into())).unwrap_err();
    assert!(
        error.to_string().contains("there is no throng.toml"),
        "{error}"
    );
}

#[test]
fn settings_come_before_the_words_of_the_command_line() {
    let setting = Setting {
        id: "jobs".into(),
        words: vec!["--jobs=1".into()],
        origin: "x".into(),
    };
    let words = ["throng", "run", "--jobs", "2", "echo"].map(OsString::from);
    let settings = Settings {
        settings: vec![setting],
        file: None,
    };
    let all = insert(words.to_vec(), &settings);
    assert_eq!(all, ["throng", "run", "--jobs=1", "--jobs", "2", "echo"]);
}

#[test]
fn every_option_of_run_has_a_name_of_its_own() {
    let definition = crate::cli::definition();
    let run = definition.find_subcommand("run").unwrap();
    let mut keys: Vec<String> = options(run).map(key).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert!(all > 30 && keys.len() == all, "{keys:?}");
}
