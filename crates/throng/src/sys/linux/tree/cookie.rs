//! The cookie in the environment of every process that we start, `_THRONG_MARK=RUN.JOB`. By it
//! processes are found that have left the group and the family of that process.
//!
//! What a process starts inherits its environment, so the cookie goes wherever its descendants go,
//! unless one of them clears its environment. A throng that was itself started by a throng puts its
//! own cookie behind the one it has been given, with a `/` between: both find their own.
//!
//! Writing it costs a start nothing but a number: the list of the environment has a pointer to a
//! buffer of the launcher's, and nothing is copied.

use std::ffi::{CStr, c_char};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable. Its value means something to throng alone.
pub(crate) const VARIABLE: &str = "_THRONG_MARK";

/// What we have been given is handed on up to this length. No program nests deeper on purpose.
const GIVEN_MAX: usize = 1024;

/// A variable longer than this is no cookie: the given name and our cookie behind it are far
/// shorter.
const COOKIE_MAX: usize = 4096;

/// The cookies of all processes of one `Throng`.
#[derive(Debug)]
pub(crate) struct Cookies {
    /// `_THRONG_MARK=` and what is before the number.
    head: Vec<u8>,
    run: RunId,
    next: AtomicU64,
}

/// One `Throng`, distinguished from all others on whatever machine: 64 random bits as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunId(String);

/// One process that we have started and all that it starts: its number in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct JobId(u64);

impl RunId {
    pub(crate) fn random() -> std::io::Result<RunId> {
        let mut bytes = [0; 8];
        let mut filled = 0;
        while filled < bytes.len() {
            let flags = rustix::rand::GetRandomFlags::empty();
            filled += rustix::rand::getrandom(&mut bytes[filled..], flags)?;
        }
        Ok(RunId(format!("{:016x}", u64::from_ne_bytes(bytes))))
    }

    /// The id that was given as a word.
    pub(crate) fn parse(word: &str) -> Option<RunId> {
        let is_one = word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| RunId(word.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Looks for the cookie of a process of this run in an environment that comes piece by piece.
    pub(crate) fn search(&self) -> Search<'_> {
        Search {
            run: self,
            begun: Vec::new(),
        }
    }

    /// The process whose cookie this variable is, if it belongs to this run.
    fn job_in(&self, variable: &[u8]) -> Option<JobId> {
        if variable.len() > COOKIE_MAX {
            return None;
        }
        let value = variable
            .strip_prefix(VARIABLE.as_bytes())?
            .strip_prefix(b"=")?;
        value.split(|byte| *byte == b'/').find_map(|cookie| {
            let number = cookie.strip_prefix(self.0.as_bytes())?.strip_prefix(b".")?;
            std::str::from_utf8(number).ok()?.parse().ok().map(JobId)
        })
    }
}

/// A look through the variables of one environment, all of them: the process that is looked at
/// decides which there are, in which order, and how often the same.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    run: &'a RunId,
    /// The part that has arrived of an unfinished variable, and no more than [`begin`] keeps.
    ///
    /// [`begin`]: Search::begin
    begun: Vec<u8>,
}

impl Search<'_> {
    /// Takes the next bytes of the environment; none at its end. `Some` when the cookie has been
    /// found.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Option<JobId> {
        if piece.is_empty() {
            return self.run.job_in(&std::mem::take(&mut self.begun));
        }
        let mut rest = piece;
        while let Ok(variable) = CStr::from_bytes_until_nul(rest) {
            let variable = variable.to_bytes();
            rest = &rest[variable.len() + 1..];
            let found = if self.begun.is_empty() {
                self.run.job_in(variable)
            } else {
                self.begin(variable);
                let found = self.run.job_in(&self.begun);
                self.begun.clear();
                found
            };
            if found.is_some() {
                return found;
            }
        }
        self.begin(rest);
        None
    }

    /// Keeps the beginning of a variable. Of a variable longer than any cookie, enough is kept to
    /// see that it is too long.
    fn begin(&mut self, bytes: &[u8]) {
        let room = COOKIE_MAX + 1 - self.begun.len();
        self.begun
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl Cookies {
    /// Cookies for a new run, behind the cookie that this program has itself been given.
    pub(crate) fn new(given: Option<&[u8]>) -> std::io::Result<Cookies> {
        let run = RunId::random()?;
        let mut head = format!("{VARIABLE}=").into_bytes();
        if let Some(given) = given.filter(|given| !given.is_empty() && given.len() <= GIVEN_MAX) {
            head.extend_from_slice(given);
            head.push(b'/');
        }
        head.extend_from_slice(run.as_str().as_bytes());
        head.push(b'.');
        Ok(Cookies {
            head,
            run,
            next: AtomicU64::new(0),
        })
    }

    pub(crate) fn run(&self) -> &RunId {
        &self.run
    }

    /// A number that no other process of this run has.
    pub(crate) fn next(&self) -> JobId {
        JobId(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A place for the cookie of one process after the other.
#[derive(Debug)]
pub(crate) struct CookieBuffer {
    /// Never grows, so that it stays where it is.
    bytes: Box<[u8]>,
    head: usize,
}

impl CookieBuffer {
    const DIGITS_MAX: usize = 20;

    pub(crate) fn new(cookies: &Cookies) -> CookieBuffer {
        let head = cookies.head.len();
        let mut bytes = vec![0; head + Self::DIGITS_MAX + 1].into_boxed_slice();
        bytes[..head].copy_from_slice(&cookies.head);
        CookieBuffer { bytes, head }
    }

    /// Where the variable is, now and after every [`set`](CookieBuffer::set).
    pub(crate) fn pointer(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }

    /// Makes it the cookie of this process.
    pub(crate) fn set(&mut self, job: JobId) {
        let mut place = &mut self.bytes[self.head..];
        // There is room for every number and for the NUL behind it.
        let _ = write!(place, "{}\0", job.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn text(buffer: &CookieBuffer) -> String {
        let bytes = CStr::from_bytes_until_nul(&buffer.bytes).unwrap();
        bytes.to_str().unwrap().to_owned()
    }

    #[test]
    fn each_process_has_a_different_cookie_at_the_same_position() {
        let cookies = Cookies::new(None).unwrap();
        let mut buffer = CookieBuffer::new(&cookies);
        let place = buffer.pointer();
        for number in [0, 10, 7, u64::MAX, 3] {
            buffer.set(JobId(number));
            assert_eq!(
                text(&buffer),
                format!("{VARIABLE}={}.{number}", cookies.run.0)
            );
            assert_eq!(buffer.pointer(), place);
        }
        assert_ne!(cookies.next(), cookies.next());
    }

    /// What is found in an environment, however it is cut into pieces.
    fn find_in(run: &RunId, environment: &[u8]) -> Option<JobId> {
        let found = |size: usize| {
            let mut search = run.search();
            let mut pieces = environment.chunks(size).chain([&[][..]]);
            pieces.find_map(|piece| search.push(piece))
        };
        let whole = found(environment.len().max(1));
        for size in 1..=environment.len().min(64) {
            assert_eq!(found(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn a_cookie_is_found_among_variables_and_after_inherited_cookies() {
        let outer = Cookies::new(None).unwrap();
        let given = format!("{}.12", outer.run.0);
        let inner = Cookies::new(Some(given.as_bytes())).unwrap();
        let mut buffer = CookieBuffer::new(&inner);
        buffer.set(JobId(34));
        let environment = format!("A=1\0{}\0B=2\0", text(&buffer));
        let environment = environment.as_bytes();
        assert_eq!(find_in(&outer.run, environment), Some(JobId(12)));
        assert_eq!(find_in(&inner.run, environment), Some(JobId(34)));
        let other = RunId::random().unwrap();
        assert_eq!(find_in(&other, environment), None);
    }

    #[test]
    fn a_cookie_is_found_whatever_other_variables_there_are() {
        let run = RunId::parse("0123456789abcdef").unwrap();
        let cookie = "_THRONG_MARK=0123456789abcdef.7";
        let long = format!("_THRONG_MARK={}.1", "x".repeat(2 * COOKIE_MAX));
        let others = [
            "_THRONG_MARKS=4",
            "_THRONG_MARKLOG=log",
            "_THRONG_MARK",
            "_THRONG_MARK=",
            "_THRONG_MARK=fedcba9876543210.1",
            "_THRONG_MARK_2=0123456789abcdef.8",
            "=_THRONG_MARK=0123456789abcdef.9",
            "",
            long.as_str(),
        ];
        for other in others {
            for variables in [
                vec![other, cookie],
                vec![cookie, other],
                vec![other, other, cookie],
            ] {
                for end in ["\0", ""] {
                    let environment = variables.join("\0") + end;
                    let found = find_in(&run, environment.as_bytes());
                    assert_eq!(found, Some(JobId(7)), "{environment:?}");
                }
            }
        }
        let all = [&others[..], &[cookie]].concat().join("\0");
        assert_eq!(find_in(&run, all.as_bytes()), Some(JobId(7)));
    }

    #[test]
    fn a_variable_that_resembles_a_cookie_is_not_one() {
        let run = RunId::parse("0123456789abcdef").unwrap();
        let long = "0123456789abcdef.1/".repeat(COOKIE_MAX);
        for environment in [
            "X__THRONG_MARK=0123456789abcdef.1",
            "_THRONG_MARKS=0123456789abcdef.1",
            "_THRONG_MARK=0123456789abcdef",
            "_THRONG_MARK=0123456789abcdef.",
            "_THRONG_MARK=0123456789abcdef.1x",
            "_THRONG_MARK=00123456789abcdef.1",
            &format!("_THRONG_MARK={long}"),
            "",
        ] {
            assert_eq!(find_in(&run, environment.as_bytes()), None, "{environment}");
        }
        assert_eq!(RunId::parse("0123456789abcde"), None);
        assert_eq!(RunId::parse("0123456789abcdeg"), None);
    }
}
