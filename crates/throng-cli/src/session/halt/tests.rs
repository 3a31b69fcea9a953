//! The grammar, when it halts, and the exit status.

use super::*;

/// Feeds successes and failures, with the exit status of each failure; returns after how many of
/// them the run halts, and how.
fn run(halt: &str, outcomes: &[u8], total: u64) -> (Option<usize>, u8) {
    let mut watch = HaltWatch::new(halt.parse().unwrap(), Some(total));
    let mut halted = None;
    for (n, status) in outcomes.iter().enumerate() {
        let order = watch.count(*status == 0, *status);
        if order.is_some() {
            assert_eq!(halted, None, "it is ordered once");
            halted = Some(n + 1);
        }
    }
    let until = halted.unwrap_or(outcomes.len());
    let failed = outcomes[..until].iter().filter(|status| **status != 0);
    let failed = failed.count() as u64;
    let exit = watch.exit(failed);
    (halted, exit.unwrap_or(Exit::Commands { failed }).code())
}

#[test]
fn the_halt_grammar_is_that_of_gnu_parallel() {
    let halt = |text: &str| text.parse::<Halt>();
    let when = |when, why, threshold| Ok(Halt::When(when, why, threshold));
    let one = Threshold::Commands(1);
    assert_eq!(
        [halt("never"), halt("0")],
        [Ok(Halt::Never), Ok(Halt::Never)]
    );
    assert_eq!(halt("now,fail=1"), when(When::Now, Why::Fail, one));
    assert_eq!(
        halt("soon,done=30%"),
        when(When::Soon, Why::Done, Threshold::Percent(30))
    );
    assert_eq!(
        halt("soon,success=3"),
        when(When::Soon, Why::Success, Threshold::Commands(3))
    );
    assert_eq!(halt("1"), halt("soon,fail=1"));
    assert_eq!(halt("2"), halt("now,fail=1"));
    assert_eq!(halt("-1"), halt("soon,success=1"));
    assert_eq!(halt("-2"), halt("now,success=1"));
    assert_eq!(halt("7%"), halt("soon,fail=7%"));
    for nonsense in [
        "",
        "now",
        "soon,",
        "now,fail",
        "now,fail=",
        "now,fail=0",
        "now,fail=-1",
        "later,fail=1",
        "now,fall=1",
        "now,fail=0%",
        "now,fail=101%",
        "3",
        "101%",
        "never,fail=1",
        "now,fail=1,",
    ] {
        assert!(halt(nonsense).is_err(), "{nonsense}");
    }
}

#[test]
fn a_run_halts_when_the_given_number_failed_succeeded_or_ended() {
    assert_eq!(run("now,fail=1", &[0, 7, 3], 3), (Some(2), 7));
    assert_eq!(run("soon,fail=2", &[1, 0, 9, 1], 4), (Some(3), 2));
    assert_eq!(run("soon,success=1", &[5, 5, 0], 3), (Some(3), 0));
    assert_eq!(run("now,done=1", &[4], 3), (Some(1), 4));
    assert_eq!(run("now,done=3", &[0, 2, 0, 0], 4), (Some(3), 1));
    assert_eq!(run("now,fail=2", &[0, 2, 0, 0], 4), (None, 1));
    assert_eq!(run("never", &[1, 1], 2), (None, 2));
}

#[test]
fn percentages_and_exit_status_refer_to_all_commands() {
    assert_eq!(run("now,fail=50%", &[1, 0, 1, 1], 4), (Some(3), 50));
    assert_eq!(run("soon,success=25%", &[1, 0], 4), (Some(2), 0));
    assert_eq!(run("soon,done=100%", &[0, 1, 0], 3), (Some(3), 34));
    assert_eq!(run("soon,fail=90%", &[0, 1, 0], 3), (None, 34));
    assert_eq!(run("soon,fail=90%", &[0, 0, 0], 3), (None, 0));
}

#[test]
fn without_a_total_a_percentage_is_never_reached() {
    let mut watch = HaltWatch::new("now,fail=1%".parse().unwrap(), None);
    assert_eq!(watch.count(false, 1), None);
}
