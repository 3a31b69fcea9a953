//! `-j`: how many commands run at a time, in the grammar of GNU parallel.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// As it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Jobs {
    Count(Count),
    /// The content of the file when it was first read. It is read again while the run goes on.
    File(PathBuf, Count),
}

/// A number that may depend on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Number(usize),
    PercentOfCores(usize),
    /// So many more than there are cores.
    More(usize),
    /// So many fewer, and at least one.
    Fewer(usize),
}

impl Jobs {
    /// How many that is; 0 stands for as many as the system allows.
    pub(crate) fn resolve(&self, cores: usize) -> usize {
        let (Jobs::Count(count) | Jobs::File(_, count)) = self;
        count.jobs(cores)
    }

    /// Whether as many were asked for as the system allows.
    pub(crate) fn is_all_that_fit(&self) -> bool {
        let (Jobs::Count(count) | Jobs::File(_, count)) = self;
        *count == Count::Number(0)
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Jobs::Count(_) => None,
            Jobs::File(path, _) => Some(path),
        }
    }
}

impl Count {
    /// As a number of commands: at least one, and for 0 as many as there can be.
    pub(crate) fn jobs(self, cores: usize) -> usize {
        match self {
            Count::Number(0) => usize::MAX,
            Count::Number(n) => n,
            Count::PercentOfCores(percent) => cores.saturating_mul(percent) / 100,
            Count::More(more) => cores.saturating_add(more),
            Count::Fewer(fewer) => cores.saturating_sub(fewer),
        }
        .max(1)
    }

    /// As a load of the machine, where 0 is next to nothing.
    pub(crate) fn load(self, cores: usize) -> f64 {
        match self {
            Count::Number(0) => 0.01,
            Count::PercentOfCores(percent) => cores as f64 * percent as f64 / 100.0,
            _ => self.jobs(cores) as f64,
        }
    }
}

pub(crate) const EXPECTED: &str =
    "a number, 0 for as many as fit, N% of the cores, or +N or -N from them";

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Count, String> {
        let expected = || format!("{EXPECTED}, is expected");
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).ok_or_else(expected)
        };
        if let Some(digits) = text.strip_suffix('%') {
            return match number(digits)? {
                0 => Err(expected()),
                percent => Ok(Count::PercentOfCores(percent)),
            };
        }
        match text.as_bytes().first() {
            Some(b'+') => number(&text[1..]).map(Count::More),
            Some(b'-') => number(&text[1..]).map(Count::Fewer),
            _ => number(text).map(Count::Number),
        }
    }
}

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Jobs, String> {
        if let Ok(count) = text.parse() {
            return Ok(Jobs::Count(count));
        }
        if text.is_empty() || !Path::new(text).is_file() {
            return Err(format!(
                "{EXPECTED}, or a file with one of these, is expected"
            ));
        }
        let path = PathBuf::from(text);
        let count = read(&path)?;
        Ok(Jobs::File(path, count))
    }
}

/// So much of such a file is read, in bytes.
const READ_MAX: u64 = 4096;
/// So much of it is shown, in characters.
const SHOWN_MAX: usize = 8;

/// The number in such a file.
pub(crate) fn read(path: &Path) -> Result<Count, String> {
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(READ_MAX).read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(text.trim_ascii());
    let told = |error| {
        // Any file may be named, so next to nothing of it is shown.
        let mut chars = said.chars();
        let begin: String = chars.by_ref().take(SHOWN_MAX).collect();
        let more = if chars.next().is_some() { "..." } else { "" };
        format!(
            "the file contains {}: {error}",
            crate::text::quoted(format!("{begin}{more}").as_bytes())
        )
    };
    said.parse().map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_percentages_and_offsets_from_the_core_count_are_parsed() {
        let of_four = |text: &str| text.parse::<Jobs>().map(|jobs| jobs.resolve(4));
        assert_eq!(of_four("8"), Ok(8));
        assert_eq!(of_four("0"), Ok(usize::MAX));
        assert_eq!(of_four("150%"), Ok(6));
        assert_eq!(of_four("1%"), Ok(1));
        assert_eq!([of_four("+3"), of_four("+0")], [Ok(7), Ok(4)]);
        assert_eq!([of_four("-1"), of_four("-9")], [Ok(3), Ok(1)]);
        let load = |text: &str| text.parse::<Count>().map(|count| count.load(4));
        assert_eq!(
            [load("0"), load("50%"), load("-1")],
            [Ok(0.01), Ok(2.0), Ok(3.0)]
        );
    }

    #[test]
    fn invalid_job_counts_are_refused() {
        let huge = "99999999999999999999999";
        for nonsense in ["", "%", "0%", "--1", "+", "1.5", "many", "+2%", "/", huge] {
            assert!(nonsense.parse::<Jobs>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_jobs_file_contains_the_number_and_is_named_if_it_does_not() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let write = |file: &mut tempfile::NamedTempFile, text: &str| {
            std::fs::write(file.path(), text).unwrap();
        };
        write(&mut file, " +2\n");
        let jobs: Jobs = path.parse().unwrap();
        assert_eq!((jobs.resolve(4), jobs.file()), (6, Some(file.path())));
        write(&mut file, "lots\n");
        let error = path.parse::<Jobs>().unwrap_err();
        assert!(
            error.starts_with("the file contains \"lots\": a number"),
            "{error}"
        );
        write(&mut file, &format!("root:$6$secret\n{}", "x".repeat(99999)));
        let error = path.parse::<Jobs>().unwrap_err();
        assert!(
            error.starts_with("the file contains \"root:$6$...\": "),
            "{error}"
        );
    }
}
