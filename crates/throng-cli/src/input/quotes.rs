//! Sees to it that the quotes of a CSV are whole. The reader of the library takes anything for a
//! table, so a quote that is not closed would make one value of the rest of the file.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::items::RECORD_BYTES_MAX;
use crate::size::with_commas;
use crate::work;

/// Passes bytes on, and fails at the first quote that is out of place (RFC 4180, section 2).
#[derive(Debug)]
pub(crate) struct QuoteCheck<R> {
    input: R,
    delimiter: u8,
    state: State,
    /// From 1.
    line: u64,
    /// Where the last quotation began.
    opened_at: u64,
    /// How long the record is by now.
    record_bytes: usize,
    record_bytes_max: usize,
    /// Gets the line that each record begins in: the library counts from the end of the last one,
    /// and takes no notice of empty lines in between.
    starts: Sender<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote that may be the last or the first of two.
    QuoteInQuoted,
}

impl<R: Read> QuoteCheck<R> {
    /// The input, and the lines that its records begin in.
    pub(crate) fn new(input: R, delimiter: u8) -> (QuoteCheck<R>, Receiver<u64>) {
        let (starts, receiver) = channel();
        let check = QuoteCheck {
            input,
            delimiter,
            state: State::FieldStart,
            line: 1,
            opened_at: 0,
            record_bytes: 0,
            record_bytes_max: RECORD_BYTES_MAX,
            starts,
        };
        (check, receiver)
    }

    fn take(&mut self, byte: u8) -> Result<(), String> {
        let is_line_end = matches!(byte, b'\n' | b'\r');
        if self.record_bytes == 0 && !is_line_end {
            // The caller may not need it.
            let _ = self.starts.send(self.line);
        }
        let ends_field = byte == self.delimiter || is_line_end;
        self.state = match self.state {
            State::FieldStart if byte == b'"' => {
                self.opened_at = self.line;
                State::Quoted
            }
            State::FieldStart | State::Plain | State::QuoteInQuoted if ends_field => {
                State::FieldStart
            }
            State::FieldStart => State::Plain,
            State::Plain if byte == b'"' => {
                return Err("a quote in a field that does not begin with one".into());
            }
            State::Plain => State::Plain,
            State::Quoted if byte == b'"' => State::QuoteInQuoted,
            State::QuoteInQuoted if byte == b'"' => State::Quoted,
            State::Quoted => State::Quoted,
            State::QuoteInQuoted => {
                return Err("a quote is closed in the middle of a field".into());
            }
        };
        self.line += u64::from(byte == b'\n');
        self.record_bytes = match self.state {
            State::FieldStart if is_line_end => 0,
            _ => self.record_bytes + 1,
        };
        if self.record_bytes > self.record_bytes_max {
            let most = with_commas(self.record_bytes_max as u64);
            let quoted = match self.state {
                State::Quoted => format!(" in a quotation that began in line {}", self.opened_at),
                _ => String::new(),
            };
            return Err(format!(
                "a record has more than {most} bytes, the most that is read{quoted}"
            ));
        }
        Ok(())
    }
}

impl<R: Read> Read for QuoteCheck<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        work::count(count);
        for &byte in &buffer[..count] {
            self.take(byte)
                .map_err(|what| io::Error::other(format!("line {}: {what}", self.line)))?;
        }
        if count == 0 && !buffer.is_empty() && self.state == State::Quoted {
            let at = self.opened_at;
            return Err(io::Error::other(format!(
                "line {at}: a quote is not closed"
            )));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) -> Result<(), String> {
        let (mut check, _) = QuoteCheck::new(text.as_bytes(), b',');
        io::copy(&mut check, &mut io::sink())
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn check_of(text: &str) -> bool {
        check(text).is_ok()
    }

    #[test]
    fn an_unterminated_record_is_refused_above_the_byte_limit() {
        const MOST: usize = 1000;
        let copied = |text: &[u8]| {
            let (mut check, _) = QuoteCheck::new(text, b',');
            assert_eq!(check.record_bytes_max, RECORD_BYTES_MAX);
            check.record_bytes_max = MOST;
            io::copy(&mut check, &mut io::sink()).map_err(|error| error.to_string())
        };
        let long = [b"a\n", &[b'x'; MOST][..]].concat();
        assert_eq!(copied(&long), Ok(long.len() as u64));
        let expected = "line 2: a record has more than 1,000 bytes, the most that is read";
        assert_eq!(copied(&[&long[..], b"x"].concat()), Err(expected.into()));
        let quoted = [b"a\n\"", &[b'\n'; MOST][..]].concat();
        let error = copied(&quoted).unwrap_err();
        assert!(
            error.ends_with("in a quotation that began in line 2"),
            "{error}"
        );
        let many = b"a\nb\r\n\n".repeat(MOST);
        assert_eq!(copied(&many), Ok(many.len() as u64));
    }

    #[test]
    fn balanced_quotes_pass_and_others_are_reported_with_their_line() {
        for text in ["", "a,b\n", "\"a\nb\",\"\"\"c\"\"\"\r\n", "\"\""] {
            assert_eq!(check(text), Ok(()), "{text:?}");
        }
        for (text, message) in [
            ("a\nb,\"c\nd", "line 2: a quote is not closed"),
            (
                "a\nb\"c\"\n",
                "line 2: a quote in a field that does not begin with one",
            ),
            (
                "\"a\"b\n",
                "line 1: a quote is closed in the middle of a field",
            ),
        ] {
            assert_eq!(check(text), Err(message.into()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn all_output_of_a_csv_writer_passes(
            rows in prop::collection::vec(prop::collection::vec("[a,\"\n\r é]{0,5}", 1..4), 0..5),
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(check(&text), Ok(()));
        }

        #[test]
        fn each_csv_record_has_a_line_number(
            text in "[ab,\\n\\r]{0,20}(\"[a,\\n]{0,3}\"[,\\n])*",
        ) {
            let (check, starts) = QuoteCheck::new(text.as_bytes(), b',');
            let reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(check);
            let records = reader.into_byte_records().take_while(Result::is_ok).count();
            let starts: Vec<u64> = starts.try_iter().collect();
            prop_assert!(starts.len() >= records, "{:?} {}", starts, records);
            if check_of(&text) {
                prop_assert_eq!(starts.len(), records);
            }
        }
    }
}
