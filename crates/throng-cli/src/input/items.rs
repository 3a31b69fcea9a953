//! The items of a source: its lines, or what a delimiter ends. Does not look into them.

use std::io::{self, BufRead, BufReader, Read};

use anyhow::anyhow;

use super::Value;
use crate::sys;

pub(super) type Items = Box<dyn Iterator<Item = anyhow::Result<Value>> + Send>;

const BUFFER_BYTES: usize = 64 * 1024;

/// What ends an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// LF or CRLF.
    Line,
    /// These bytes, at least one.
    Bytes(Vec<u8>),
}

/// The items of a file or of stdin. The last need not be ended.
pub(super) fn items(input: impl Read + Send + 'static, name: String, ends: &Delimiter) -> Items {
    let input = BufReader::with_capacity(BUFFER_BYTES, input);
    match ends {
        Delimiter::Line => Box::new(lines(input, name)),
        Delimiter::Bytes(bytes) => Box::new(delimited(input, name, bytes.clone())),
    }
}

fn lines(
    mut input: impl BufRead + Send,
    name: String,
) -> impl Iterator<Item = anyhow::Result<Value>> + Send {
    let mut is_first = true;
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => return Some(Err(cannot_read(&name, error))),
        }
        if std::mem::take(&mut is_first) {
            line = match sys::first_line(line) {
                Ok(line) => line,
                Err(why) => return Some(Err(anyhow!("cannot read values from {name}: {why}"))),
            };
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

fn delimited(
    mut input: impl BufRead + Send,
    name: String,
    ends: Vec<u8>,
) -> impl Iterator<Item = anyhow::Result<Value>> + Send {
    let last = ends.last().copied().unwrap_or_default();
    std::iter::from_fn(move || {
        let mut item = Vec::new();
        loop {
            match input.read_until(last, &mut item) {
                Ok(0) => return (!item.is_empty()).then_some(Ok(item)),
                Ok(_) if item.ends_with(&ends) => {
                    item.truncate(item.len() - ends.len());
                    return Some(Ok(item));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(cannot_read(&name, error))),
            }
        }
    })
}

pub(super) fn cannot_read(name: &str, error: io::Error) -> anyhow::Error {
    anyhow::Error::from(error).context(format!("cannot read values from {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &'static [u8], ends: Delimiter) -> Vec<Value> {
        let items = items(input, "x".into(), &ends);
        items.map(Result::unwrap).collect()
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_the_last_with_nothing() {
        let expected: [&[u8]; 5] = [b"a", b"b", b"", b"c\rd", b"\xff"];
        assert_eq!(all(b"a\nb\r\n\nc\rd\n\xff", Delimiter::Line), expected);
    }

    #[test]
    fn a_delimiter_ends_items_and_may_be_long() {
        let by = |bytes: &[u8]| Delimiter::Bytes(bytes.to_vec());
        let expected: [&[u8]; 3] = [b"a\nb", b"", b"c\n"];
        assert_eq!(all(b"a\nb\0\0c\n", by(b"\0")), expected);
        let expected: [&[u8]; 3] = [b"a-b", b"c", b"-d"];
        assert_eq!(all(b"a-b--c---d--", by(b"--")), expected);
        assert_eq!(all(b"", by(b",")), [b""; 0]);
    }
}
