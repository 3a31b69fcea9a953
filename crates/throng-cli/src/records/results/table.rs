//! Results as a table, with commas or tabs: GNU parallel's columns, then ours.

use csv::{ByteRecord, WriterBuilder};
use throng::{Outcome, Stream};

use crate::records::job_info::JobInfo;
use crate::records::joblog::{AFTER, BEFORE, logged, shown, write_after, write_before};
use crate::shell::Shell;
use crate::text;
use crate::values::Columns;

#[derive(Clone, Debug)]
pub(crate) struct Table {
    separator: u8,
    shell: Option<Shell>,
    columns: Columns,
}

impl Table {
    pub(super) fn new(separator: u8, shell: Option<Shell>, columns: Columns) -> Table {
        Table {
            separator,
            shell,
            columns,
        }
    }

    /// The row with the names of the columns, for commands with this many values. Columns without
    /// names are V1, V2, ...
    pub(crate) fn header(&self, values: usize) -> Vec<u8> {
        let mut record = ByteRecord::new();
        let names = |names: &str, record: &mut ByteRecord| {
            names
                .split('\t')
                .for_each(|name| record.push_field(name.as_bytes()));
        };
        names(BEFORE, &mut record);
        for index in 0..values {
            let mut name = self.columns.name(index);
            if !self.columns.are_named() {
                name.insert(0, b'V');
            }
            record.push_field(&name);
        }
        names("Stdout\tStderr", &mut record);
        names(AFTER, &mut record);
        self.written(&record)
    }

    pub(crate) fn row(&self, outcome: &Outcome, info: &JobInfo) -> Vec<u8> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        write_before(&mut before, outcome, info);
        write_after(&mut after, outcome, self.shell.as_ref());
        let columns = |columns: &[u8], record: &mut ByteRecord| {
            let columns = columns.split(|byte| *byte == b'\t');
            columns.for_each(|column| record.push_field(column.trim_ascii_start()));
        };
        let mut record = ByteRecord::new();
        columns(&before, &mut record);
        // A command that could not be read back is shown all the same.
        let command = outcome.command();
        let has_shell = self.shell.is_some();
        let command = logged(command, has_shell)
            .unwrap_or_else(|| text::on_one_line(&shown(command, has_shell)).into_bytes());
        record.push_field(&command);
        info.values
            .iter()
            .for_each(|value| record.push_field(value));
        for stream in Stream::ALL {
            record.push_field(outcome.capture().stream(stream));
        }
        columns(&after, &mut record);
        self.written(&record)
    }

    fn written(&self, record: &ByteRecord) -> Vec<u8> {
        let mut writer = WriterBuilder::new()
            .delimiter(self.separator)
            .from_writer(Vec::new());
        writer
            .write_byte_record(record)
            .expect("memory can be written");
        writer.into_inner().expect("memory can be written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_of_any_bytes_are_read_back(
            fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6),
            with_tabs: bool,
        ) {
            let separator = if with_tabs { b'\t' } else { b',' };
            let table = Table::new(separator, None, Columns::default());
            let record = ByteRecord::from(fields);
            let written = [table.written(&record), table.written(&record)].concat();
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .delimiter(table.separator)
                .from_reader(&written[..]);
            let read: Vec<ByteRecord> = reader.byte_records().map(Result::unwrap).collect();
            prop_assert_eq!(read, [record.clone(), record]);
        }
    }

    #[test]
    fn sources_without_names_are_numbered_as_gnu_parallel_does() {
        let head = |columns: Columns| {
            let table = Table::new(b',', None, columns);
            String::from_utf8(table.header(2)).unwrap()
        };
        let start = "Seq,Host,Starttime,JobRuntime,Send,Receive,Exitval,Signal,Command,";
        let unnamed = head(Columns::new(Some(2)));
        assert!(
            unnamed.starts_with(&format!("{start}V1,V2,Stdout,Stderr,UserTime,")),
            "{unnamed}"
        );
        let named = head(Columns::named(vec![b"a".to_vec(), b"x,y".to_vec()]));
        assert!(
            named.starts_with(&format!("{start}a,\"x,y\",Stdout,")),
            "{named}"
        );
    }
}
