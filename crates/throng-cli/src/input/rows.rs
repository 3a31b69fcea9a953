//! A source as rows of columns: `--colsep`, `--csv`, `--trim`, `--header`, `-E`. Does not know of
//! other sources.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use regex::bytes::Regex;

use super::items::{Delimiter, Item, Items, Unmarked, items};
use super::quotes::QuoteCheck;
use super::words::Source;
use crate::input::Rows;
use crate::input::escapes::unescape;
use crate::input::position::{At, Position, Row};
use crate::options;
use crate::options::input::Trim;
use crate::values::Value;
use crate::{template, text};

/// How sources are read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    ends: Delimiter,
    /// The item that ends a source.
    eof: Option<Value>,
    split: Split,
    trim: Trim,
    header: Header,
}

#[derive(Clone, Debug)]
enum Split {
    /// An item is a value.
    Whole,
    Columns(Regex),
    /// With this between fields.
    Csv(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    None,
    FirstRow,
    /// Names of files are names of columns.
    FileNames,
}

/// A source, ready to be read.
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) rows: Rows,
    pub(crate) names: Option<Vec<Value>>,
    /// How many rows there are, where that is known.
    pub(crate) len: Option<u64>,
    /// Whether it can be read to its end before anything starts.
    pub(crate) has_end: bool,
}

impl Reading {
    pub(crate) fn new(options: &options::input::Input) -> anyhow::Result<Reading> {
        let header = match options.header.as_deref() {
            None => Header::None,
            Some(":" | "1") => Header::FirstRow,
            Some("0") => Header::FileNames,
            Some(other) => bail!(
                "--header {}: \":\" for the first line, or 0 for names of files, is expected",
                text::quoted(other.as_bytes())
            ),
        };
        let colsep = options.colsep.as_deref();
        let split = if options.csv {
            Split::Csv(csv_delimiter(colsep.unwrap_or(","))?)
        } else if let Some(regex) = colsep {
            Split::Columns(colsep_regex(regex)?)
        } else if header == Header::FirstRow {
            Split::Columns(colsep_regex("\t")?)
        } else {
            Split::Whole
        };
        let default_trim = match split {
            Split::Columns(_) => Trim::Both,
            Split::Whole | Split::Csv(_) => Trim::None,
        };
        let ends = match &options.delimiter {
            _ if options.null => Delimiter::Bytes(b"\0".to_vec()),
            Some(written) => {
                let bytes = unescape(written.as_encoded_bytes()).context("--delimiter")?;
                if bytes.is_empty() {
                    bail!("--delimiter \"\": what ends a value is expected");
                }
                Delimiter::Bytes(bytes)
            }
            None => Delimiter::Line,
        };
        let eof = options.eof.clone().map(OsString::into_encoded_bytes);
        Ok(Reading {
            ends,
            eof,
            split,
            trim: options.trim.unwrap_or(default_trim),
            header,
        })
    }

    /// Whether one item can be several values.
    pub(crate) fn splits(&self) -> bool {
        !matches!(self.split, Split::Whole)
    }

    /// Opens the source, and reads its header.
    pub(crate) fn open(&self, source: Source) -> anyhow::Result<Opened> {
        let name = source.name();
        let (mut len, has_end) = match &source {
            Source::List(values) => (Some(values.len() as u64), true),
            Source::File(path) => (None, path.metadata().is_ok_and(|data| data.is_file())),
            Source::Stdin => (None, false),
        };
        if self.eof.is_some() || matches!(self.split, Split::Csv(_)) {
            len = None;
        }
        let file_name = match &source {
            Source::File(path) => path.clone().into_os_string().into_encoded_bytes(),
            Source::List(_) | Source::Stdin => Vec::new(),
        };
        let mut rows = self.rows(source, &name)?;
        let names = match self.header {
            Header::None => None,
            Header::FileNames => Some(vec![file_name]),
            Header::FirstRow => match rows.next() {
                Some(row) => Some(row?.values),
                None => bail!("--header: {name} is empty"),
            },
        };
        if self.header == Header::FirstRow {
            len = len.map(|len| len.saturating_sub(1));
        }
        Ok(Opened {
            name,
            rows,
            names,
            len,
            has_end,
        })
    }

    fn rows(&self, source: Source, name: &str) -> anyhow::Result<Rows> {
        if let Split::Csv(delimiter) = self.split {
            return self.csv_rows(source, name, delimiter);
        }
        let unit = match source {
            Source::List(_) => "value",
            Source::File(_) | Source::Stdin => self.ends.unit(),
        };
        let items = self.items(source, name)?;
        let at = positions(name, unit);
        let trim = self.trim;
        let regex = match &self.split {
            Split::Columns(regex) => Some(regex.clone()),
            _ => None,
        };
        Ok(Box::new(items.map(move |item| {
            let (item, number) = item?;
            let values = match &regex {
                Some(regex) => columns(regex, &item, trim),
                None => vec![trim.of(item)],
            };
            let at = at(number);
            Ok(Row { values, at })
        })))
    }

    fn items(&self, source: Source, name: &str) -> anyhow::Result<Items> {
        let items: Items = match source {
            Source::List(values) => {
                let values = values.into_iter().map(OsString::into_encoded_bytes);
                Box::new(values.zip(1..).map(Ok))
            }
            Source::File(path) => items(open_file(&path)?, name.into(), &self.ends),
            Source::Stdin => items(io::stdin(), name.into(), &self.ends),
        };
        let Some(eof) = self.eof.clone() else {
            return Ok(items);
        };
        let is_before_end =
            move |item: &anyhow::Result<Item>| !matches!(item, Ok((item, _)) if *item == eof);
        Ok(Box::new(items.take_while(is_before_end)))
    }

    fn csv_rows(&self, source: Source, name: &str, delimiter: u8) -> anyhow::Result<Rows> {
        let input: Box<dyn Read + Send> = match source {
            Source::List(values) => {
                let lines = values.into_iter().map(OsString::into_encoded_bytes);
                let mut text = lines.collect::<Vec<_>>().join(&b'\n');
                text.push(b'\n');
                Box::new(io::Cursor::new(text))
            }
            Source::File(path) => Box::new(Unmarked::new(open_file(&path)?)),
            Source::Stdin => Box::new(Unmarked::new(io::stdin())),
        };
        let at = positions(name, "line");
        let name = name.to_owned();
        let trim = self.trim;
        let (input, starts) = QuoteCheck::new(input, delimiter);
        let records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(input)
            .into_byte_records();
        let mut has_failed = false;
        let rows = records.map_while(move |record| {
            // Having failed once the reader would begin again in the middle of something.
            if std::mem::replace(&mut has_failed, record.is_err()) {
                return None;
            }
            let row = record
                .map(|record| Row {
                    values: record.iter().map(|field| trim.of(field.to_vec())).collect(),
                    at: starts.try_recv().map(&at).unwrap_or_default(),
                })
                .map_err(|error| anyhow::anyhow!("--csv: {name}: {}", csv_message(error)));
            Some(row)
        });
        Ok(Box::new(rows))
    }
}

/// Makes positions in a source of this name.
fn positions(source: &str, unit: &'static str) -> impl Fn(u64) -> At + Send + use<> {
    let source: Arc<str> = source.into();
    move |number| {
        At::from(Position {
            source: source.clone(),
            unit,
            number,
        })
    }
}

fn csv_message(error: csv::Error) -> String {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => text,
    }
}

fn open_file(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot read values from {}", path.display()))
}

fn columns(regex: &Regex, item: &[u8], trim: Trim) -> Vec<Value> {
    let columns = regex.split(item);
    columns.map(|column| trim.of(column.to_vec())).collect()
}

fn colsep_regex(regex: &str) -> anyhow::Result<Regex> {
    let named = || format!("--colsep {}", text::quoted(regex.as_bytes()));
    if regex.is_empty() {
        bail!("--colsep \"\": a regular expression is expected");
    }
    if template::can_be_empty(regex) {
        let bar = match regex.contains('|') {
            true => "; the character | is written \\|",
            false => "",
        };
        bail!(
            "--colsep {}: it matches where there is nothing, and would make a column of each \
             character{bar}",
            text::quoted(regex.as_bytes())
        );
    }
    Regex::new(regex)
        .map_err(|error| template::one_line(&error))
        .with_context(named)
}

fn csv_delimiter(written: &str) -> anyhow::Result<u8> {
    let bytes = unescape(written.as_bytes()).context("--colsep")?;
    match bytes[..] {
        [byte] if !matches!(byte, b'"' | b'\n' | b'\r') => Ok(byte),
        _ => bail!(
            "--colsep {}: with --csv it is one character of ASCII",
            text::quoted(written.as_bytes())
        ),
    }
}

impl Trim {
    fn of(self, value: Value) -> Value {
        match self {
            Trim::None => value,
            Trim::Left => text::trim_start(&value).to_vec(),
            Trim::Right => text::trim_end(&value).to_vec(),
            Trim::Both => text::trim_start(text::trim_end(&value)).to_vec(),
        }
    }
}
