//! A captured stream as a string of JSON, which is never in memory as a whole.

use std::fmt;
use std::io;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use throng::{Capture, Stream};

use crate::records::chunks;

/// A stream as a string of JSON.
pub(crate) struct Quoted<'a> {
    capture: &'a Capture,
    stream: Stream,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Base64,
}

impl<'a> Quoted<'a> {
    /// As text if all of it is UTF-8, in base64 otherwise.
    pub(crate) fn new(capture: &'a Capture, stream: Stream) -> Quoted<'a> {
        let mut quoted = Quoted {
            capture,
            stream,
            form: Form::Text,
        };
        if quoted.each_text(|_| Ok(())).is_err() {
            quoted.form = Form::Base64;
        }
        quoted
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Calls back with chunks of text. A character may be cut in two by the chunks that are read.
    fn each_text(&self, mut text: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut cut = Vec::new();
        chunks::for_each(self.capture, self.stream, |bytes| {
            if cut.is_empty() {
                let rest = complete_text(bytes, &mut text)?;
                cut.extend_from_slice(rest);
            } else {
                cut.extend_from_slice(bytes);
                let joined = std::mem::take(&mut cut);
                cut.extend_from_slice(complete_text(&joined, &mut text)?);
            }
            Ok(())
        })?;
        if cut.is_empty() {
            Ok(())
        } else {
            Err(invalid())
        }
    }

    fn each_base64(
        &self,
        mut text: impl FnMut(&dyn fmt::Display) -> io::Result<()>,
    ) -> io::Result<()> {
        chunks::for_each(self.capture, self.stream, |bytes| {
            text(&Base64Display::new(bytes, &STANDARD))
        })
    }
}

/// Calls back with the text that these bytes begin with; returns the incomplete character that they
/// may end with.
fn complete_text<'a>(
    bytes: &'a [u8],
    text: &mut impl FnMut(&str) -> io::Result<()>,
) -> io::Result<&'a [u8]> {
    match str::from_utf8(bytes) {
        Ok(all) => text(all).map(|()| &bytes[..0]),
        Err(error) if error.error_len().is_none() => {
            let (whole, rest) = bytes.split_at(error.valid_up_to());
            text(str::from_utf8(whole).expect("it is valid up to here"))?;
            Ok(rest)
        }
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = match self.form {
            Form::Text => self.each_text(|text| f.write_str(text).map_err(io::Error::other)),
            Form::Base64 => self.each_base64(|text| write!(f, "{text}").map_err(io::Error::other)),
        };
        written.map_err(|_| fmt::Error)
    }
}

impl Serialize for Quoted<'_> {
    /// `serde_json` writes the chunks as they come.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
