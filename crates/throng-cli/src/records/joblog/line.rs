//! Lines of a job log. The first nine columns are GNU parallel's, and are read by what reads its
//! logs; ours come after them. Knows no file.
//!
//! A command can contain tabs, and GNU parallel leaves them as they are: so do we, and find the
//! columns after the command from the end of the line. A line feed becomes a NUL, as there. No
//! command that has run contains a NUL, so what is read back is what was run; see [`logged`].

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use throng::{ErrorKind, Outcome, Status, Stdin, Stream};

use crate::records::job_info::JobInfo;
use crate::shell::Shell;
use crate::sys;

pub(crate) const BEFORE: &str =
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand";
pub(crate) const AFTER: &str = "UserTime\tSystemTime\tMaxRss\tStartLatency\t\
    StdoutVerdict\tStderrVerdict\tTimedOut\tAttempt\tShell";
const COLUMNS_BEFORE: usize = 8;
const COLUMNS_AFTER: usize = 9;

/// The columns that a log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Those of GNU parallel only, which began the log.
    Parallel,
    /// Those, followed by ours.
    Throng,
}

impl Columns {
    pub(in crate::records) fn header(self) -> String {
        match self {
            Columns::Parallel => format!("{BEFORE}\n"),
            Columns::Throng => format!("{BEFORE}\t{AFTER}\n"),
        }
    }

    /// Which of them begins like this.
    pub(super) fn of_header(line: &[u8]) -> Option<Columns> {
        [Columns::Throng, Columns::Parallel]
            .into_iter()
            .find(|columns| columns.header().as_bytes() == line)
    }
}

/// The command as the log has it: a line that `throng run` reads back, or a script for the shell.
/// None if it would be read back as another command. That is checked each time, because what is in
/// a log can be run: a NUL, which no command contains that was run, would come back as a line feed.
pub(crate) fn logged(command: &throng::Command, shell: bool) -> Option<Vec<u8>> {
    let line = shown(command, shell);
    let is_read_back = !line.contains(&0)
        && (shell || sys::split(&line).is_ok_and(|words| words == sys::argv(command)));
    is_read_back.then_some(line)
}

/// The command as the user wrote it, whatever is in it.
pub(crate) fn shown(command: &throng::Command, shell: bool) -> Vec<u8> {
    if shell {
        sys::script(command)
    } else {
        sys::command_line(command)
    }
}

/// Appends the line of this outcome; nothing if its command could not be read back. Such a command
/// was not started, and a run that resumes this one tries it again.
pub(crate) fn write(
    out: &mut Vec<u8>,
    outcome: &Outcome,
    info: &JobInfo,
    columns: Columns,
    shell: Option<&Shell>,
) {
    let Some(command) = logged(outcome.command(), shell.is_some()) else {
        return;
    };
    write_before(out, outcome, info);
    out.push(b'\t');
    push_command(out, &command);
    if columns == Columns::Throng {
        out.push(b'\t');
        write_after(out, outcome, shell);
    }
    out.push(b'\n');
}

/// Appends the columns before the command, with tabs between them. Writing to memory does not fail.
pub(crate) fn write_before(out: &mut Vec<u8>, outcome: &Outcome, info: &JobInfo) {
    let (exit_value, signal) = ending(outcome);
    let _ = write!(
        out,
        "{}\t:\t{:.3}\t{:10.3}\t{}\t{}\t{exit_value}\t{signal}",
        info.number,
        since_1970(outcome.started_at()).as_secs_f64(),
        outcome.wall().as_secs_f64(),
        sent_bytes(outcome, info),
        outcome.capture().received_bytes(Stream::Stdout),
    );
}

/// Appends the columns after the command, with tabs between them.
pub(crate) fn write_after(out: &mut Vec<u8>, outcome: &Outcome, shell: Option<&Shell>) {
    let usage = outcome.usage();
    let (user, system) = (usage.user.as_secs_f64(), usage.system.as_secs_f64());
    let _ = write!(out, "{user:.6}\t{system:.6}\t");
    let _ = match usage.max_rss_bytes {
        Some(bytes) => write!(out, "{bytes}"),
        None => write!(out, "-"),
    };
    let _ = write!(
        out,
        "\t{:.6}\t{}\t{}\t{}\t{}\t",
        outcome.start_latency().as_secs_f64(),
        outcome.verdict(Stream::Stdout).name(),
        outcome.verdict(Stream::Stderr).name(),
        u8::from(outcome.timed_out()),
        outcome.attempt(),
    );
    out.extend(Shell::column(shell));
}

fn push_command(out: &mut Vec<u8>, command: &[u8]) {
    let byte = |byte: &u8| if *byte == b'\n' { b'\0' } else { *byte };
    out.extend(command.iter().map(byte));
}

/// How many bytes the command was given on stdin, as with `--pipe`.
fn sent_bytes(outcome: &Outcome, info: &JobInfo) -> u64 {
    match (&info.sent, outcome.command().get_stdin()) {
        (Some(sent), _) => sent.load(Ordering::Relaxed),
        (None, Stdin::Bytes(bytes)) => bytes.len() as u64,
        _ => 0,
    }
}

/// Exit value and signal, as GNU parallel logs them: -1 for a command that ran out of time, and for
/// one that could not be started the exit status of a shell. Both are 0 for a command that
/// succeeded, and for no other.
fn ending(outcome: &Outcome) -> (i64, i32) {
    match outcome.status() {
        _ if outcome.timed_out() => (-1, outcome.status().and_then(Status::signal).unwrap_or(15)),
        Some(status) if status.success() && !outcome.success() => (-1, 0),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => (code.into(), 0),
            (None, Some(signal)) => (0, signal),
            (None, None) => (-1, 0),
        },
        None => match outcome.start_error().map(throng::Error::kind) {
            Some(ErrorKind::NotFound) => (127, 0),
            _ => (126, 0),
        },
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A line about a command that has been run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) succeeded: bool,
    pub(super) command: Vec<u8>,
    /// The column for the [shell](Shell::column); empty in a log of GNU parallel.
    pub(super) shell: Vec<u8>,
}

/// Parses a line, without its end; none if it is not a line of a log.
pub(super) fn parse(line: &[u8], columns: Columns) -> Option<Entry> {
    let mut fields = line.splitn(COLUMNS_BEFORE + 1, |byte| *byte == b'\t');
    let mut before = [&b""[..]; COLUMNS_BEFORE];
    for field in &mut before {
        *field = fields.next()?;
    }
    let mut command = fields.next()?;
    let mut shell = Vec::new();
    if columns == Columns::Throng {
        let mut after = command.rsplitn(COLUMNS_AFTER + 1, |byte| *byte == b'\t');
        shell = after.next()?.to_vec();
        command = after.nth(COLUMNS_AFTER - 1)?;
    }
    let [
        number,
        _,
        start,
        runtime,
        sent,
        received,
        exit_value,
        signal,
    ] = before;
    for figure in [start, runtime, sent, received] {
        let _: f64 = str::from_utf8(figure).ok()?.trim().parse().ok()?;
    }
    let byte = |byte: &u8| if *byte == b'\0' { b'\n' } else { *byte };
    Some(Entry {
        number: parsed(number).filter(|number| *number > 0)?,
        succeeded: (parsed::<i64>(exit_value)?, parsed::<i64>(signal)?) == (0, 0),
        command: command.iter().map(byte).collect(),
        shell,
    })
}

fn parsed<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line_of(number: u64, command: &[u8], columns: Columns) -> Vec<u8> {
        let mut line = format!("{number}\t:\t1.000\t     2.000\t0\t5\t0\t0\t").into_bytes();
        push_command(&mut line, command);
        if columns == Columns::Throng {
            line.extend_from_slice(b"\t0.1\t0.2\t-\t0.3\tcomplete\theld\t0\t1\t0");
        }
        line
    }

    /// What a resumed run would execute for this command; `None` if the command is not logged.
    fn through_the_log(command: &throng::Command, shell: bool, columns: Columns) -> Option<Entry> {
        let line = line_of(7, &logged(command, shell)?, columns);
        assert!(!line.contains(&b'\n'));
        Some(parse(&line, columns).expect("it is a line of a log"))
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let hostile = prop_oneof![
            Just(b'\n'),
            Just(b'\t'),
            Just(b'\''),
            Just(b'"'),
            Just(b'\\')
        ];
        prop::collection::vec(prop_oneof![hostile, any::<u8>()], 0..20)
    }

    proptest! {
        #[test]
        fn a_command_is_read_back_as_it_was_or_not_logged(
            words in prop::collection::vec(bytes(), 1..5),
            ours: bool,
        ) {
            let columns = if ours { Columns::Throng } else { Columns::Parallel };
            let argv: Result<Vec<_>, _> = words.iter().cloned().map(sys::os_string).collect();
            let Ok(argv) = argv else { return Ok(()) };
            let command = throng::Command::from_argv(argv.clone());
            match through_the_log(&command, false, columns) {
                Some(entry) => prop_assert_eq!(sys::split(&entry.command).unwrap(), argv),
                // Neither can be started. On Windows a file name cannot contain a quotation mark.
                None => prop_assert!(words.concat().contains(&0) || words[0].contains(&b'"')),
            }
        }

        #[test]
        fn a_script_is_read_back_as_it_was_or_not_logged(script in bytes(), ours: bool) {
            let columns = if ours { Columns::Throng } else { Columns::Parallel };
            let Ok(command) = sys::shell(None, script.clone()) else { return Ok(()) };
            match through_the_log(&command, true, columns) {
                Some(entry) => {
                    prop_assert_eq!(&entry.command, &sys::script(&command));
                    let again = sys::shell(None, entry.command).unwrap();
                    prop_assert_eq!(sys::argv(&again), sys::argv(&command));
                }
                None => prop_assert!(script.contains(&0)),
            }
        }

        #[test]
        fn a_command_of_any_bytes_stays_on_one_line_and_is_read_back(
            command in prop::collection::vec(
                prop_oneof![Just(b'\t'), Just(b'\n'), Just(b'\r'), 1u8..], 0..40),
            ours: bool,
        ) {
            let columns = if ours { Columns::Throng } else { Columns::Parallel };
            let line = line_of(7, &command, columns);
            prop_assert!(!line.contains(&b'\n'));
            let entry = parse(&line, columns).unwrap();
            prop_assert_eq!((entry.number, entry.succeeded), (7, true));
            prop_assert_eq!(entry.shell, if ours { &b"0"[..] } else { b"" });
            prop_assert_eq!(entry.command, command);
        }

        #[test]
        fn any_line_is_read_or_refused(
            line in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let _ = parse(&line, Columns::Throng);
            let _ = parse(&line, Columns::Parallel);
        }
    }

    #[test]
    fn a_line_of_gnu_parallel_is_read() {
        let line = b"3\t:\t1795647438.563\t     0.015\t0\t2\t1\t0\techo 1; exit 1";
        let entry = parse(line, Columns::Parallel).unwrap();
        assert_eq!((entry.number, entry.succeeded), (3, false));
        assert_eq!(entry.command, b"echo 1; exit 1");
        let timed_out = b"1\t:\t1795647705.983\t     1.052\t0\t0\t-1\t15\tsleep 5";
        assert!(!parse(timed_out, Columns::Parallel).unwrap().succeeded);
    }

    #[test]
    fn an_invalid_log_line_is_refused() {
        for line in [
            &b""[..],
            b"3\t:\t1.0\t0.0\t0\t2\t1",
            b"0\t:\t1.0\t0.0\t0\t2\t1\t0\tx",
            b"x\t:\t1.0\t0.0\t0\t2\t1\t0\tx",
            b"3\t:\tnoon\t0.0\t0\t2\t1\t0\tx",
            b"3\t:\t1.0\t0.0\t0\t2\tfine\t0\tx",
        ] {
            assert_eq!(parse(line, Columns::Parallel), None);
        }
        // A line without throng's columns is invalid in a log that has them.
        assert_eq!(
            parse(&line_of(1, b"x", Columns::Parallel), Columns::Throng),
            None
        );
    }
}
