//! What programs of tests have said: how many passed, and what the others complained about.

/// Read line by line from the stdout of `cargo test`.
#[derive(Debug, Default)]
pub(crate) struct Tested {
    pub(crate) passed: u64,
    failed: Vec<Failed>,
    /// Programs that began, less those that came to their end.
    unfinished: i64,
    /// Whether the lines are what the last of `failed` has printed.
    quoting: bool,
}

#[derive(Debug)]
struct Failed {
    name: String,
    said: String,
}

impl Tested {
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.quoting = false;
            self.unfinished -= 1;
            self.passed += passed_in(counts);
        } else if is_beginning(line) {
            self.unfinished += 1;
        } else if line == "failures:" {
            self.quoting = false;
        } else if let Some(name) = name_in(line) {
            self.quoting = true;
            self.fail(name);
        } else if self.quoting
            && let Some(last) = self.failed.last_mut()
        {
            last.said.push_str(line);
            last.said.push('\n');
        }
    }

    fn fail(&mut self, name: &str) {
        self.failed.push(Failed {
            name: name.to_owned(),
            said: String::new(),
        });
    }

    /// The names of those that failed, when each says why in one of these words, and every program
    /// came to its end.
    pub(crate) fn all_failed_for(&self, words: &[&str]) -> Option<Vec<&str>> {
        let says = |failed: &Failed| words.iter().any(|word| failed.said.contains(word));
        let all = self.unfinished == 0 && !self.failed.is_empty() && self.failed.iter().all(says);
        all.then(|| self.failed.iter().map(|failed| &*failed.name).collect())
    }
}

/// `running 3 tests`
fn is_beginning(line: &str) -> bool {
    let count = line.strip_prefix("running ").and_then(|rest| {
        rest.strip_suffix(" tests")
            .or_else(|| rest.strip_suffix(" test"))
    });
    count.is_some_and(|count| count.parse::<u64>().is_ok())
}

/// `---- name stdout ----`
fn name_in(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// `ok. 5 passed; 0 failed; ..`
fn passed_in(counts: &str) -> u64 {
    let counts = counts.split_once(". ").map(|(_, counts)| counts);
    let passed = counts.and_then(|counts| counts.split_once(" passed"));
    passed
        .and_then(|(count, _)| count.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(said: &str) -> Tested {
        let mut tested = Tested::default();
        said.lines().for_each(|line| tested.read(line));
        tested
    }

    const ONE_PROGRAM: &str = "
running 3 tests
test good ... ok
test first ... FAILED
test second ... FAILED

failures:

---- first stdout ----

it says: status 7

---- second stdout ----
thread 'second' panicked: status 8

failures:
    first
    second

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out
";

    #[test]
    fn results_are_counted() {
        let said = "test result: ok. 12 passed; 0 failed; 0 ignored; finished in 0.1s";
        assert_eq!(tested(said).passed, 12);
        assert_eq!(tested(&[ONE_PROGRAM, said].concat()).passed, 13);
        assert_eq!(tested("running 3 tests").passed, 0);
    }

    #[test]
    fn all_have_to_have_failed_for_that_reason() {
        let tested = tested(ONE_PROGRAM);
        let names = ["first", "second"].as_slice();
        let words = ["status 7", "status 8"];
        assert_eq!(tested.all_failed_for(&words).as_deref(), Some(names));
        assert_eq!(
            tested.all_failed_for(&["panicked", "7"]).as_deref(),
            Some(names)
        );
        assert_eq!(tested.all_failed_for(&["status 8"]), None);
        // Among those that failed, but not said of any.
        assert_eq!(tested.all_failed_for(&["second"]), None);
    }

    #[test]
    fn a_program_that_did_not_end_is_no_such_reason() {
        let tested = tested(&["running 1 test", ONE_PROGRAM].concat());
        assert_eq!(tested.all_failed_for(&["status"]), None);
    }

    #[test]
    fn where_none_failed_there_is_nothing_to_do_again() {
        let tested = tested("running 1 test\ntest result: ok. 1 passed; 0 failed");
        assert_eq!(tested.all_failed_for(&["passed", ""]), None);
    }
}
