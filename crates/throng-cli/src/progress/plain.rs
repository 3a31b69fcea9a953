//! Progress for a stderr that is no terminal: a line now and then, and no cursor movements.

use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::TermLike;

const WIDTH: u16 = 80;
/// Between two lines, so that a log is not flooded.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Plain {
    last: Mutex<Option<Instant>>,
    line: Mutex<String>,
}

impl TermLike for Plain {
    fn width(&self) -> u16 {
        WIDTH
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.write_str(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut line = self
            .line
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        line.push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut line = self
            .line
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        let text = std::mem::take(&mut *line);
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        if text.trim().is_empty() || last.is_some_and(|last| last.elapsed() < PAUSE) {
            return Ok(());
        }
        *last = Some(Instant::now());
        writeln!(io::stderr(), "{}", text.trim_end())
    }
}
