//! Where values come from and how they are combined: rows of several sources. Read lazily, so that
//! an endless source starts at once. Does not know what a command looks like.
//!
//! ```text
//! words.rs      which words are the command, which are sources
//! items.rs      a source's items: lines, or what a delimiter ends
//! position.rs   where they were read
//! rows.rs       items as rows of columns; their header
//! combine.rs    rows of several sources side by side, or every one with every other
//! ```

pub(crate) mod combine;
pub(crate) mod escapes;
pub(crate) mod items;
pub(crate) mod position;
mod quotes;
pub(crate) mod rows;
pub(crate) mod words;

use crate::input::position::Row;

pub(crate) type Rows = Box<dyn Iterator<Item = anyhow::Result<Row>> + Send>;
