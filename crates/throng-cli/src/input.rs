//! Where values come from: lists on the command line, files, stdin. Read lazily, so that an
//! endless source starts at once.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A source of values, as it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    List(Vec<OsString>),
    File(PathBuf),
    Stdin,
}

/// One value from each source.
pub(crate) type Record = Vec<Vec<u8>>;

/// Separates the command from the sources: `COMMAND ::: a b :::: file`.
pub(crate) fn split_words(
    words: Vec<OsString>,
    arg_files: Vec<PathBuf>,
) -> anyhow::Result<(Vec<OsString>, Vec<Source>)> {
    let mut command = Vec::new();
    let mut sources: Vec<Source> = arg_files.into_iter().map(Source::file).collect();
    let mut words = VecDeque::from(words);
    while let Some(word) = words.pop_front() {
        let is_separator = |word: &OsString| word == ":::" || word == "::::";
        if word == ":::+" || word == "::::+" {
            bail!("{} is not supported; there is ::: and ::::", word.display());
        }
        if !is_separator(&word) {
            command.push(word);
            continue;
        }
        let end = words
            .iter()
            .position(|word| is_separator(word) || word == ":::+");
        let values: Vec<_> = words.drain(..end.unwrap_or(words.len())).collect();
        if word == ":::" {
            sources.push(Source::List(values));
        } else if values.is_empty() {
            bail!(":::: wants the name of a file");
        } else {
            sources.extend(values.into_iter().map(|name| Source::file(name.into())));
        }
    }
    if sources.is_empty() {
        sources.push(Source::Stdin);
    }
    if sources
        .iter()
        .filter(|source| **source == Source::Stdin)
        .count()
        > 1
    {
        bail!("stdin can be a source of values only once");
    }
    Ok((command, sources))
}

impl Source {
    fn file(path: PathBuf) -> Source {
        if path == Path::new("-") {
            Source::Stdin
        } else {
            Source::File(path)
        }
    }

    fn len(&self) -> Option<u64> {
        match self {
            Source::List(values) => Some(values.len() as u64),
            Source::File(_) | Source::Stdin => None,
        }
    }

    fn open(self) -> anyhow::Result<Values> {
        match self {
            Source::List(values) => {
                let bytes = |value: OsString| Ok(value.into_encoded_bytes());
                Ok(Box::new(values.into_iter().map(bytes)))
            }
            Source::File(path) => {
                let file = File::open(&path)
                    .with_context(|| format!("cannot read values from {}", path.display()))?;
                Ok(Box::new(lines(file, path.display().to_string())))
            }
            Source::Stdin => Ok(Box::new(lines(io::stdin(), "stdin".into()))),
        }
    }
}

type Values = Box<dyn Iterator<Item = anyhow::Result<Vec<u8>>> + Send>;

/// All combinations of the values of all sources, the last varying fastest. The first source is
/// read as needed; the others are read in full first.
pub(crate) struct Records {
    first: Values,
    others: Vec<Vec<Vec<u8>>>,
    /// The current value of the first source, and which combination of the others is next.
    current: Option<(Vec<u8>, usize)>,
    /// How many records there are, where that is known without reading.
    pub(crate) total: Option<u64>,
}

impl Records {
    pub(crate) fn open(sources: Vec<Source>) -> anyhow::Result<Records> {
        let total = sources.iter().map(Source::len).product();
        let mut sources = sources.into_iter();
        let first = sources
            .next()
            .context("there is no source of values")?
            .open()?;
        let others: Vec<Vec<Vec<u8>>> = sources
            .map(|source| source.open()?.collect())
            .collect::<anyhow::Result<_>>()?;
        Ok(Records {
            first,
            others,
            current: None,
            total,
        })
    }

    fn combination(&self, mut number: usize) -> Vec<Vec<u8>> {
        let mut values: Vec<_> = self
            .others
            .iter()
            .rev()
            .map(|other| {
                let value = other[number % other.len()].clone();
                number /= other.len();
                value
            })
            .collect();
        values.reverse();
        values
    }
}

impl Iterator for Records {
    type Item = anyhow::Result<Record>;

    fn next(&mut self) -> Option<anyhow::Result<Record>> {
        let combinations: usize = self.others.iter().map(Vec::len).product();
        if combinations == 0 {
            return None;
        }
        let (value, number) = match self.current.take() {
            Some(current) => current,
            None => match self.first.next()? {
                Ok(value) => (value, 0),
                Err(error) => return Some(Err(error)),
            },
        };
        let mut record = vec![value];
        record.append(&mut self.combination(number));
        if number + 1 < combinations {
            self.current = Some((record[0].clone(), number + 1));
        }
        Some(Ok(record))
    }
}

/// Lines without their ends: LF or CRLF. The last may have none.
fn lines(
    input: impl io::Read + Send,
    name: String,
) -> impl Iterator<Item = anyhow::Result<Vec<u8>>> + Send {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => {
                let context = format!("cannot read values from {name}");
                return Some(Err(anyhow::Error::from(error).context(context)));
            }
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        Some(Ok(line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn records(line: &str) -> Vec<String> {
        let (_, sources) = split_words(words(line), Vec::new()).unwrap();
        let records = Records::open(sources).unwrap();
        let total = records.total;
        let all: Vec<_> = records
            .map(|record| String::from_utf8(record.unwrap().join(&b' ')).unwrap())
            .collect();
        assert_eq!(total, Some(all.len() as u64));
        all
    }

    #[test]
    fn the_command_ends_at_the_first_separator() {
        let (command, sources) = split_words(words("gcc -c ::: a b :::: f -"), Vec::new()).unwrap();
        assert_eq!(command, ["gcc", "-c"]);
        let list = Source::List(vec!["a".into(), "b".into()]);
        assert_eq!(sources, [list, Source::File("f".into()), Source::Stdin]);
        assert_eq!(
            split_words(words("cat"), Vec::new()).unwrap().1,
            [Source::Stdin]
        );
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (line, message) in [
            ("x :::+ a", ":::+ is not supported"),
            ("x ::: a :::+ b", ":::+ is not supported"),
            ("x ::::", "wants the name of a file"),
            ("x :::: - -", "only once"),
        ] {
            let error = split_words(words(line), Vec::new())
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{line}: {error}");
        }
    }

    #[test]
    fn sources_are_combined_with_the_last_varying_fastest() {
        assert_eq!(records("x ::: a b ::: 1 2"), ["a 1", "a 2", "b 1", "b 2"]);
        assert_eq!(records("x ::: a b"), ["a", "b"]);
        assert_eq!(records("x ::: a b :::"), [""; 0]);
        assert_eq!(records("x :::"), [""; 0]);
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_the_last_with_nothing() {
        let input: &[u8] = b"a\nb\r\n\nc\rd\n\xff";
        let all: Vec<_> = lines(input, "x".into()).map(Result::unwrap).collect();
        let expected: [&[u8]; 5] = [b"a", b"b", b"", b"c\rd", b"\xff"];
        assert_eq!(all, expected);
    }
}
