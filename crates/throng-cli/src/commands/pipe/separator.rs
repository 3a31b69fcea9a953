//! Where a record ends and the next begins.

use anyhow::{Context, bail};
use memchr::memmem::{Finder, FinderRev};
use regex::bytes::Regex;

use crate::options;
use crate::{template, text, work};

/// The longest border that a regular expression finds for certain where a record is read in pieces.
const REGEX_BYTES_MAX: usize = 64 * 1024;

/// What is at the border of two records.
#[derive(Clone, Debug)]
pub(super) struct RecordSeparator {
    border: Border,
    removes: bool,
}

#[derive(Clone, Debug)]
enum Border {
    /// Anywhere.
    None,
    /// The end of one record and the start of the next, in one.
    Text { both: Vec<u8>, end_length: usize },
    /// The same, with the end as the first group.
    Regex(Regex),
}

impl RecordSeparator {
    pub(super) fn new(options: &options::pipe::Pipe) -> anyhow::Result<RecordSeparator> {
        let bytes = |text: &std::ffi::OsString| text.as_encoded_bytes().to_vec();
        let start = options.recstart.as_ref().map(bytes).unwrap_or_default();
        let end = match &options.recend {
            Some(end) => bytes(end),
            None if options.recstart.is_some() => Vec::new(),
            None => b"\n".to_vec(),
        };
        let is_regex = options.regexp;
        let (start, end) = if is_regex {
            (start, end)
        } else {
            let read = |name: &str, text: &[u8]| {
                crate::input::escapes::unescape(text).with_context(|| name.to_owned())
            };
            (read("--recstart", &start)?, read("--recend", &end)?)
        };
        if start.is_empty() && end.is_empty() {
            if options.remove_rec_sep {
                bail!("--remove-rec-sep: there is no --recstart and no --recend to remove");
            }
            return Ok(RecordSeparator {
                border: Border::None,
                removes: false,
            });
        }
        let border = if is_regex {
            let utf8 = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            let (end, start) = (utf8(end), utf8(start));
            for (name, part) in [("--recend", &end), ("--recstart", &start)] {
                Regex::new(part)
                    .map_err(|error| template::one_line(&error))
                    .with_context(|| format!("{name} {}", text::quoted(part.as_bytes())))?;
            }
            let both = format!("({end})(?:{start})");
            if template::can_be_empty(&both) {
                let given = [("--recend", &end), ("--recstart", &start)];
                let (name, part) = if end.is_empty() { given[1] } else { given[0] };
                bail!(
                    "{name} {}: it matches where there is nothing, and would end a record after \
                     each character{}",
                    text::quoted(part.as_bytes()),
                    match part.contains('|') {
                        true => "; the character | is written \\|",
                        false => "",
                    }
                );
            }
            Border::Regex(Regex::new(&both).context("--regexp")?)
        } else {
            Border::Text {
                end_length: end.len(),
                both: [end, start].concat(),
            }
        };
        Ok(RecordSeparator {
            border,
            removes: options.remove_rec_sep,
        })
    }

    /// How far before the end of what has been searched a border may begin that is found later.
    pub(super) fn overlap(&self) -> usize {
        match &self.border {
            Border::None => 0,
            Border::Text { both, .. } => both.len() - 1,
            Border::Regex(_) => REGEX_BYTES_MAX,
        }
    }

    /// The last place up to `most` where a record may end. `is_all` says that nothing follows.
    pub(super) fn last(&self, bytes: &[u8], most: usize, is_all: bool) -> Option<usize> {
        match &self.border {
            Border::None => Some(most.min(bytes.len())).filter(|at| *at > 0),
            Border::Text { both, end_length } => {
                let start_length = both.len() - end_length;
                let within = &bytes[..bytes.len().min(most.saturating_add(start_length))];
                work::count(within.len());
                let found = FinderRev::new(both).rfind(within)? + end_length;
                (found > 0).then_some(found)
            }
            Border::Regex(regex) => {
                let mut last = None;
                let mut from = 0;
                while let Some((end, next)) = regex_border(regex, bytes, from, is_all)
                    && end <= most
                {
                    last = Some(end).filter(|end| *end > 0).or(last);
                    from = next;
                }
                last
            }
        }
    }

    /// The first place after `least` where a record may end, of those whose border begins at `from`
    /// or later. It costs as much as there is from there to the border.
    pub(super) fn first(
        &self,
        bytes: &[u8],
        least: usize,
        from: usize,
        is_all: bool,
    ) -> Option<usize> {
        match &self.border {
            Border::None => (bytes.len() > least).then_some(least + 1),
            Border::Text { both, end_length } => {
                let from = from.max((least + 1).saturating_sub(*end_length));
                let from = from.min(bytes.len());
                let found = Finder::new(both).find(&bytes[from..]);
                work::count(found.map_or(bytes.len() - from, |found| found + both.len()));
                Some(from + found? + end_length)
            }
            Border::Regex(regex) => {
                let mut from = from;
                loop {
                    let (end, next) = regex_border(regex, bytes, from, is_all)?;
                    if end > least {
                        return Some(end);
                    }
                    from = next;
                }
            }
        }
    }

    /// Takes what is at borders out of a block, where that was asked for.
    pub(super) fn strip(&self, block: Vec<u8>) -> Vec<u8> {
        if !self.removes {
            return block;
        }
        match &self.border {
            Border::None => block,
            Border::Text { both, end_length } => {
                let (end, start) = both.split_at(*end_length);
                let inner = block.strip_prefix(start).unwrap_or(&block);
                let inner = inner.strip_suffix(end).unwrap_or(inner);
                let mut kept = Vec::with_capacity(inner.len());
                let mut from = 0;
                for at in Finder::new(both).find_iter(inner) {
                    kept.extend_from_slice(&inner[from..at]);
                    from = at + both.len();
                }
                kept.extend_from_slice(&inner[from..]);
                kept
            }
            Border::Regex(regex) => regex.replace_all(&block, &b""[..]).into_owned(),
        }
    }
}

/// The first border that begins at `from` or later, and where to look for the next. One that
/// touches the end may yet become longer, and is none before it is known that nothing follows.
fn regex_border(regex: &Regex, bytes: &[u8], from: usize, is_all: bool) -> Option<(usize, usize)> {
    if from > bytes.len() {
        return None;
    }
    let found = regex.captures_at(bytes, from);
    let (Some(whole), Some(end)) = found
        .as_ref()
        .map_or((None, None), |found| (found.get(0), found.get(1)))
    else {
        work::count(bytes.len() - from);
        return None;
    };
    work::count(whole.end() - from);
    // A border is never empty, so this goes on.
    (is_all || whole.end() < bytes.len()).then_some((end.end(), whole.end()))
}
