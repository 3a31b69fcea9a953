//! The items of a source: its lines, or what a delimiter ends. Everything that is read as text
//! comes through here: a byte order mark is taken off, UTF-16 is refused, and no item takes more
//! memory than [`RECORD_BYTES_MAX`] asks for. Does not look into items.

use std::io::{self, BufRead, BufReader, Read};

use anyhow::bail;
use memchr::memchr;
use memchr::memmem::Finder;

use crate::size::with_commas;
use crate::values::Value;
use crate::work;

/// An item, and its number from 1.
pub(crate) type Item = (Value, u64);

pub(crate) type Items = Box<dyn Iterator<Item = anyhow::Result<Item>> + Send>;

const BUFFER_BYTES: usize = 64 * 1024;

/// The longest item, and the longest record of a CSV. It is far beyond what a command can be given,
/// because a part of it may be all that the command gets.
pub(crate) const RECORD_BYTES_MAX: usize = 16 << 20;

/// What ends an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// LF or CRLF.
    Line,
    /// These bytes, at least one.
    Bytes(Vec<u8>),
}

impl Delimiter {
    /// What an item is called in a message.
    pub(crate) fn unit(&self) -> &'static str {
        match self {
            Delimiter::Line => "line",
            Delimiter::Bytes(_) => "value",
        }
    }
}

/// The items of a file or of stdin. The last need not be ended. Where a delimiter is given the
/// source is bytes, of which nothing is taken off; otherwise it is [text](Unmarked).
pub(crate) fn items(input: impl Read + Send + 'static, name: String, ends: &Delimiter) -> Items {
    let input: Box<dyn Read + Send> = match ends {
        Delimiter::Line => Box::new(Unmarked::new(input)),
        Delimiter::Bytes(_) => Box::new(input),
    };
    let mut cutter = Cutter {
        input: BufReader::with_capacity(BUFFER_BYTES, input),
        finder: match ends {
            Delimiter::Line => Finder::new(b"\n").into_owned(),
            Delimiter::Bytes(bytes) => Finder::new(bytes).into_owned(),
        },
    };
    let ends = ends.clone();
    let (mut number, mut has_failed) = (0, false);
    Box::new(std::iter::from_fn(move || {
        if has_failed {
            return None;
        }
        number += 1;
        let item = cutter.next(&ends, number).map_err(|error| {
            has_failed = true;
            error.context(format!("cannot read values from {name}"))
        });
        Some(item.transpose()?.map(|item| (item, number)))
    }))
}

/// Cuts a stream at what ends items.
struct Cutter {
    input: BufReader<Box<dyn Read + Send>>,
    finder: Finder<'static>,
}

impl Cutter {
    fn next(&mut self, ends: &Delimiter, number: u64) -> anyhow::Result<Option<Value>> {
        let mut item = Vec::new();
        loop {
            if self.take_more(&mut item)? {
                if *ends == Delimiter::Line {
                    item.pop_if(|last| *last == b'\r');
                }
                return Ok(Some(item));
            }
            if self.input.buffer().is_empty() {
                return Ok((!item.is_empty()).then_some(item));
            }
            if item.len() > RECORD_BYTES_MAX {
                bail!(too_long(&item, ends, number));
            }
            let length = self.input.buffer().len();
            self.input.consume(length);
        }
    }

    /// Adds what has been read, up to the end of the item if that is there; returns whether it is.
    /// If not, the buffer is left as it is, and empty at the end of the source.
    fn take_more(&mut self, item: &mut Vec<u8>) -> io::Result<bool> {
        let read = loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let ends = self.finder.needle().len();
        // One that began with what was read before.
        let before = item.len().min(ends - 1);
        let begun = item.len() - before;
        let after = read.len().min(ends - 1);
        if before > 0 && after > 0 {
            let both = [&item[begun..], &read[..after]].concat();
            work::count(both.len());
            if let Some(at) = self.finder.find(&both) {
                item.truncate(begun + at);
                self.input.consume(at + ends - before);
                return Ok(true);
            }
        }
        match self.finder.find(read) {
            Some(at) => {
                work::count(at + ends);
                item.extend_from_slice(&read[..at]);
                self.input.consume(at + ends);
                Ok(true)
            }
            None => {
                work::count(read.len());
                item.extend_from_slice(read);
                Ok(false)
            }
        }
    }
}

fn too_long(item: &[u8], ends: &Delimiter, number: u64) -> String {
    let unit = ends.unit();
    let most = with_commas(RECORD_BYTES_MAX as u64);
    let remedy = match memchr(0, item) {
        Some(_) if *ends == Delimiter::Line => {
            "it contains a NUL: -0 reads values that end with one, and"
        }
        _ => "",
    };
    format!(
        "{unit} {number} has more than {most} bytes, the most that is read as one value; \
         {remedy}{}--pipe gives data to commands on stdin",
        if remedy.is_empty() { "" } else { " " }
    )
}

/// Text without the mark with which editors mark UTF-8 (U+FEFF). UTF-16, which
/// begins with that mark as well, is refused: PowerShell 5 writes it with `>`, and each of its
/// lines would make one wrong value.
pub(crate) struct Unmarked<R> {
    input: R,
    /// What has been read to see whether there is a mark; none before the first read.
    head: Option<io::Cursor<Vec<u8>>>,
}

/// Enough to see a mark, and a NUL after one.
const HEAD_BYTES: usize = 4;

impl<R: Read> Unmarked<R> {
    pub(crate) fn new(input: R) -> Unmarked<R> {
        Unmarked { input, head: None }
    }

    fn read_head(&mut self) -> io::Result<Vec<u8>> {
        const UTF_8: &[u8] = "\u{feff}".as_bytes();
        const UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
        let mut head = vec![0; HEAD_BYTES];
        let mut filled = 0;
        while filled < HEAD_BYTES {
            let read = match self.input.read(&mut head[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            filled += read;
            let begun = &head[..filled.min(2)];
            let may_be_marked = [UTF_8, UTF_16[0], UTF_16[1]]
                .iter()
                .any(|mark| mark.starts_with(begun));
            // A terminal gives a line at a time: no more is waited for than there has to be.
            if read == 0 || !may_be_marked {
                break;
            }
        }
        head.truncate(filled);
        if UTF_16.iter().any(|mark| head.starts_with(mark)) && head.contains(&0) {
            return Err(io::Error::other("it is UTF-16, and has to be UTF-8"));
        }
        if head.starts_with(UTF_8) {
            head.drain(..UTF_8.len());
        }
        Ok(head)
    }
}

impl<R: Read> Read for Unmarked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.head.is_none() {
            self.head = Some(io::Cursor::new(self.read_head()?));
        }
        if let Some(head) = &mut self.head {
            let count = head.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
        }
        self.input.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Yields a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    fn try_all(input: impl Read + Send + 'static, ends: &Delimiter) -> anyhow::Result<Vec<Value>> {
        let items = items(input, "x".into(), ends);
        let numbered = items.collect::<anyhow::Result<Vec<Item>>>()?;
        let numbers: Vec<u64> = numbered.iter().map(|(_, number)| *number).collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64));
        Ok(numbered.into_iter().map(|(item, _)| item).collect())
    }

    fn all(input: &'static [u8], ends: Delimiter) -> Vec<Value> {
        let whole = try_all(input, &ends).unwrap();
        for bytes in 1..4 {
            assert_eq!(try_all(Slow(input, bytes), &ends).unwrap(), whole);
        }
        whole
    }

    fn by(bytes: &[u8]) -> Delimiter {
        Delimiter::Bytes(bytes.to_vec())
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_the_last_may_be_unterminated() {
        let expected: [&[u8]; 5] = [b"a", b"b", b"", b"c\rd", b"\xff"];
        assert_eq!(all(b"a\nb\r\n\nc\rd\n\xff", Delimiter::Line), expected);
    }

    #[test]
    fn a_delimiter_ends_items_and_may_be_long() {
        let expected: [&[u8]; 3] = [b"a\nb", b"", b"c\n"];
        assert_eq!(all(b"a\nb\0\0c\n", by(b"\0")), expected);
        let expected: [&[u8]; 3] = [b"a-b", b"c", b"-d"];
        assert_eq!(all(b"a-b--c---d--", by(b"--")), expected);
        assert_eq!(all(b"", by(b",")), [b""; 0]);
        let expected: [&[u8]; 2] = [b"a\r", b"b"];
        assert_eq!(all(b"a\r\nb", by(b"\n")), expected);
    }

    #[test]
    fn a_utf_8_byte_order_mark_is_skipped_and_utf_16_is_refused() {
        let first: [&[u8]; 2] = [b"a", b"\xef\xbb\xbfb"];
        assert_eq!(
            all(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", Delimiter::Line),
            first
        );
        for text in [&b"\xef\xbb"[..], b"\xff\xfe\n", b"\xef", b"\xfe"] {
            assert_eq!(all(text, Delimiter::Line)[0], text.trim_ascii_end());
        }
        assert_eq!(all(b"\xef\xbb\xbf", Delimiter::Line), [b""; 0]);
        for text in [&b"\xff\xfea\0\n\0"[..], b"\xfe\xff\0a\0\n"] {
            let error = try_all(text, &Delimiter::Line).unwrap_err();
            let expected = "cannot read values from x: it is UTF-16, and has to be UTF-8";
            assert_eq!(format!("{error:#}"), expected);
        }
        // Bytes are taken as they are.
        assert_eq!(all(b"\xef\xbb\xbfa\0", by(b"\0")), [b"\xef\xbb\xbfa"]);
        assert_eq!(all(b"\xff\xfea\0", by(b"\0")), [b"\xff\xfea"]);
    }

    #[test]
    fn an_unterminated_item_is_refused_above_the_byte_limit() {
        for (byte, ends, hint) in [
            (b'x', Delimiter::Line, "; --pipe gives data"),
            (0, Delimiter::Line, "; it contains a NUL: -0 reads"),
            (0, by(b"\n"), "; --pipe gives data"),
        ] {
            let endless = b"a\n".chain(io::repeat(byte));
            let unit = ends.unit();
            let error = format!("{:#}", try_all(endless, &ends).unwrap_err());
            let expected =
                format!("cannot read values from x: {unit} 2 has more than 16,777,216 b");
            assert!(error.starts_with(&expected), "{error}");
            assert!(error.contains(hint), "{error}");
        }
        let most = io::repeat(b'x').take(RECORD_BYTES_MAX as u64);
        let all = try_all(most.chain(&b"\ny"[..]), &Delimiter::Line).unwrap();
        assert_eq!((all[0].len(), &all[1][..]), (RECORD_BYTES_MAX, &b"y"[..]));
    }

    #[test]
    fn work_is_linear_in_the_input() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"x\n", b"\n"),
            (b"x", b"\n"),
            (b"aaaaaaa", b"baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            (b"ab", b"abababababababababababababababac"),
        ];
        for (text, ends) in cases {
            let work = |times: usize| {
                let input = Slow(text.repeat(times).leak(), 1000);
                work::of(|| try_all(input, &by(ends)).unwrap())
            };
            let (once, twice) = (work(50_000), work(100_000));
            assert!(twice < once * 21 / 10, "{once} {twice} {text:?}");
        }
    }

    proptest! {
        #[test]
        fn items_and_their_terminators_make_up_the_source(
            text in "[ab\n]{0,40}",
            ends in "[ab\n]{1,4}",
            bytes in 1_usize..9,
        ) {
            let text: &'static str = text.leak();
            let items = try_all(Slow(text.as_bytes(), bytes), &by(ends.as_bytes())).unwrap();
            let mut expected: Vec<&str> = text.split(&ends).collect();
            expected.pop_if(|last| last.is_empty());
            let expected: Vec<&[u8]> = expected.into_iter().map(str::as_bytes).collect();
            prop_assert_eq!(items, expected);
        }
    }
}
