//! What the lines of a command's output are tagged with: `--tag` and `--tagstring`.

use std::ffi::{OsStr, OsString};

use anyhow::Context;

use crate::commands::sources::Input;
use crate::options::Run;
use crate::sys;
use crate::template::{Pattern, PlaceholderSyntax};

#[derive(Clone, Debug)]
pub(super) enum Tag {
    None,
    /// The values of the command.
    Values,
    /// The text of `--tagstring`.
    Pattern(Pattern),
}

impl Tag {
    pub(super) fn new(
        args: &Run,
        language: &PlaceholderSyntax,
        input: &Input,
    ) -> anyhow::Result<Tag> {
        Ok(match &args.output.tagstring {
            _ if !args.output.has_tag() => Tag::None,
            None => Tag::Values,
            Some(text) => Tag::Pattern(
                Pattern::parse(&tag_text(text)?, language, &input.columns())
                    .with_context(|| format!("--tagstring \"{}\"", text.display()))?,
            ),
        })
    }

    pub(super) fn pattern(&self) -> Option<&Pattern> {
        match self {
            Tag::Pattern(tag) => Some(tag),
            Tag::None | Tag::Values => None,
        }
    }

    pub(super) fn uses_slot(&self) -> bool {
        self.pattern().is_some_and(Pattern::uses_slot)
    }
}

/// The text of `--tagstring` with the escapes that GNU parallel takes there: `\t`, `\n`, `\r`,
/// `\0`, and three octal digits. A backslash before anything else stays.
fn tag_text(written: &OsStr) -> anyhow::Result<OsString> {
    let mut text = Vec::new();
    let mut rest = written.as_encoded_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, length) = match rest {
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), 4)
            }
            [b'\\', b'0', ..] => (b'\0', 2),
            _ => (byte, rest.len() - after.len()),
        };
        text.push(byte);
        rest = &rest[length..];
    }
    sys::os_string(text)
}
