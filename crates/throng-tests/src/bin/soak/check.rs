//! Compares an outcome with the script of its process.

use throng::{Cause, ErrorKind, Outcome, Signal, Status, Stream, Verdict};
use throng_tests::{Source, check_pattern, describe, is_end_by};

use crate::case::{Case, End, Said, Treatment};
use crate::hardship::Hardship;

/// What is wrong with an outcome, if anything is.
pub(crate) fn check(case: &Case, outcome: &Outcome, hardship: Hardship) -> Result<(), String> {
    let wrong = find_wrong(case, outcome, hardship);
    wrong.map_err(|wrong| format!("{wrong}\n{case:?}\n{}", describe(outcome)))
}

fn find_wrong(case: &Case, outcome: &Outcome, hardship: Hardship) -> Result<(), String> {
    if !outcome.survivors().is_empty() {
        return Err("somebody survived".into());
    }
    if let Some(error) = outcome.start_error() {
        let right = match (case.end, case.treatment) {
            (End::NoProgram, _) => error.kind() == ErrorKind::NotFound,
            // Bytes for stdin need a file as well.
            _ if hardship.has_full_disk && error.kind() == ErrorKind::Stdin => {
                matches!(case.out, Said::Echo(_))
            }
            (_, Treatment::Cancel(_) | Treatment::Kill(_)) => error.kind() == ErrorKind::Cancelled,
            _ => false,
        };
        let is_empty = Stream::ALL
            .iter()
            .all(|stream| outcome.capture().len(*stream) == 0);
        return if right && is_empty {
            Ok(())
        } else {
            Err("it should have started".into())
        };
    }
    check_end(case, outcome, hardship)?;
    check_bytes(case, outcome, hardship)?;
    Stream::ALL
        .iter()
        .try_for_each(|stream| check_verdict(case, outcome, *stream, hardship))
}

fn check_end(case: &Case, outcome: &Outcome, hardship: Hardship) -> Result<(), String> {
    let status = outcome.status().ok_or("no status")?;
    let is_taken = hardship.is_reaped && status == Status::Unknown;
    let by_itself = match case.end {
        End::Exit(_) | End::Dies if is_taken => true,
        End::Exit(code) => status.code() == Some(code),
        End::Dies => is_end_by(Signal::Kill, status),
        End::Never | End::NoProgram => false,
    };
    let signals = [Signal::Term, Signal::Kill];
    let ended = is_taken || signals.into_iter().any(|signal| is_end_by(signal, status));
    let right = match outcome.ended_by() {
        None => by_itself,
        Some(Cause::Timeout) => case.is_timed() && ended,
        // It may have ended by itself while it was being asked to.
        Some(_) => {
            let is_asked = matches!(case.treatment, Treatment::Cancel(_) | Treatment::Kill(_));
            is_asked && (ended || by_itself)
        }
    };
    if right {
        Ok(())
    } else {
        Err(format!("ended in another way: {status}"))
    }
}

fn check_bytes(case: &Case, outcome: &Outcome, hardship: Hardship) -> Result<(), String> {
    for (stream, source) in [(Stream::Stdout, Source::Out), (Stream::Stderr, Source::Err)] {
        let bytes = outcome.capture().stream(stream);
        let has_failed = matches!(outcome.verdict(stream), Verdict::Failed(_));
        let said = match (stream, &case.out) {
            // An error in a file shows in the verdict.
            (Stream::Stdout, Said::Echo(echo)) if has_failed && echo.starts_with(bytes) => continue,
            (Stream::Stdout, Said::Echo(echo)) => {
                if bytes != echo {
                    return Err(format!("{stream} is not what it was given"));
                }
                continue;
            }
            (Stream::Stdout, Said::Pattern(len)) => *len,
            (Stream::Stderr, _) => case.err,
        };
        if case.is_robbed && stream == Stream::Stdout {
            if bytes.len() > said {
                return Err(format!("{stream}: {} bytes, robbed of some", bytes.len()));
            }
            continue;
        }
        let kept = case
            .keep_at_most
            .map_or(said, |most| said.min(most as usize));
        let was_ended = outcome.ended_by().is_some();
        let expected = if was_ended || (has_failed && hardship.has_full_disk) {
            bytes.len().min(kept)
        } else {
            kept
        };
        check_pattern(source, bytes, expected)?;
        let dropped = outcome.capture().dropped_bytes(stream);
        if !was_ended && dropped != (said - expected) as u64 {
            return Err(format!("{stream}: {dropped} bytes dropped"));
        }
    }
    Ok(())
}

fn check_verdict(
    case: &Case,
    outcome: &Outcome,
    stream: Stream,
    hardship: Hardship,
) -> Result<(), String> {
    let was_ended = outcome.ended_by().is_some();
    let is_capped = outcome.capture().dropped_bytes(stream) > 0;
    let verdict = outcome.verdict(stream);
    let right = match verdict {
        // A stream may have been closed before its process was ended.
        Verdict::Complete => !is_capped,
        Verdict::Capped { .. } => is_capped,
        Verdict::Held { .. } => case.may_be_held && !was_ended,
        Verdict::Cut => was_ended,
        Verdict::Failed(error) => hardship.has_full_disk && error.kind() == ErrorKind::Storage,
        _ => false,
    };
    if right {
        Ok(())
    } else {
        Err(format!("{stream} cannot be {verdict}"))
    }
}
