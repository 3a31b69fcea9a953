//! A stream of a capture piece by piece: at once what is in memory, and a little at a time what was
//! spilled to a file, however much it is.

use std::fmt;
use std::io::{self, Read};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use throng::{Capture, Stream};

/// What is read of a file at a time. A multiple of three, which base64 turns into four letters
/// without a rest.
const PIECE_SIZE: usize = 3 * 64 * 1024;

/// Calls back with all of a stream, in order.
pub(crate) fn for_each(
    capture: &Capture,
    stream: Stream,
    mut piece: impl FnMut(&[u8]),
) -> io::Result<()> {
    try_for_each(capture, stream, |bytes| {
        piece(bytes);
        Ok(())
    })
}

/// The same for what can fail.
pub(crate) fn try_for_each(
    capture: &Capture,
    stream: Stream,
    mut piece: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    if !capture.is_spilled(stream) {
        return piece(capture.stream(stream));
    }
    let mut reader = capture.reader(stream);
    let mut buffer = Vec::with_capacity(PIECE_SIZE);
    loop {
        buffer.clear();
        (&mut reader)
            .take(PIECE_SIZE as u64)
            .read_to_end(&mut buffer)?;
        if buffer.is_empty() {
            return Ok(());
        }
        piece(&buffer)?;
    }
}

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
    /// As text where it is UTF-8 from its beginning to its end, in base64 otherwise.
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

    /// Calls back with pieces of text; a letter may be cut by the pieces that are read.
    fn each_text(&self, mut text: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut cut = Vec::new();
        try_for_each(self.capture, self.stream, |bytes| {
            if cut.is_empty() {
                let rest = whole_letters(bytes, &mut text)?;
                cut.extend_from_slice(rest);
            } else {
                cut.extend_from_slice(bytes);
                let joined = std::mem::take(&mut cut);
                cut.extend_from_slice(whole_letters(&joined, &mut text)?);
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
        try_for_each(self.capture, self.stream, |bytes| {
            text(&Base64Display::new(bytes, &STANDARD))
        })
    }
}

/// Gives out the text that these bytes begin with; returns the beginning of a letter that they may
/// end with.
fn whole_letters<'a>(
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
    /// The whole string is never in memory: `serde_json` writes the pieces as they come.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
