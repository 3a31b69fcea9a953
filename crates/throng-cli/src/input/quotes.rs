//! Sees to it that the quotes of a CSV are whole. The reader of the library takes anything for a
//! table, so a quote that is not closed would make one value of the rest of the file.

use std::io::{self, Read};

/// Passes bytes on, and fails at the first quote that is out of place (RFC 4180, section 2).
#[derive(Debug)]
pub(super) struct QuoteCheck<R> {
    input: R,
    delimiter: u8,
    state: State,
    /// From 1.
    line: u64,
    /// Where the last quotation began.
    opened_at: u64,
    /// How many bytes of a mark for the encoding may still come.
    mark: &'static [u8],
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
    pub(super) fn new(input: R, delimiter: u8) -> QuoteCheck<R> {
        QuoteCheck {
            input,
            delimiter,
            state: State::FieldStart,
            line: 1,
            opened_at: 0,
            mark: "\u{feff}".as_bytes(),
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), &'static str> {
        let ends_field = byte == self.delimiter || matches!(byte, b'\n' | b'\r');
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
                return Err("a quote in a field that does not begin with one");
            }
            State::Plain => State::Plain,
            State::Quoted if byte == b'"' => State::QuoteInQuoted,
            State::QuoteInQuoted if byte == b'"' => State::Quoted,
            State::Quoted => State::Quoted,
            State::QuoteInQuoted => return Err("a quote is closed in the middle of a field"),
        };
        self.line += u64::from(byte == b'\n');
        Ok(())
    }
}

impl<R: Read> Read for QuoteCheck<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        for &byte in &buffer[..count] {
            if let [first, rest @ ..] = self.mark {
                if byte == *first {
                    self.mark = rest;
                    continue;
                }
                self.mark = &[];
            }
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
        let mut check = QuoteCheck::new(text.as_bytes(), b',');
        io::copy(&mut check, &mut io::sink())
            .map(drop)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn whole_quotes_pass_and_others_are_named_with_their_line() {
        for text in [
            "",
            "a,b\n",
            "\"a\nb\",\"\"\"c\"\"\"\r\n",
            "\u{feff}\"a\"\n",
            "\"\"",
        ] {
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
        fn whatever_a_writer_of_csv_has_written_passes(
            rows in prop::collection::vec(prop::collection::vec("[a,\"\n\r é]{0,5}", 1..4), 0..5),
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(check(&text), Ok(()));
        }
    }
}
