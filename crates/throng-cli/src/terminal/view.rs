//! Draws lines on a terminal, over and over in one place, and hides them while others write.
//!
//! The cursor rests where the first line begins, above all that is drawn. So whatever has become of
//! the lines below it, as when a narrower window has broken them into more rows, taking them away
//! is to clear all below the cursor, and nothing has to be counted.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::{Term, truncate_str};

use crate::sys::api::Writer;

/// Clears the row, then all after its first column (ECMA-48, EL and ED). To clear all from the
/// first column of the first row means to tmux that its history is to keep what was there.
const CLEAR: &[u8] = b"\r\x1b[K\x1b[C\x1b[J\r";

pub(super) struct View {
    state: Mutex<State>,
}

struct State {
    out: Writer,
    /// How wide and how high the terminal is now.
    size: fn() -> (usize, usize),
    lines: Vec<String>,
    is_drawn: bool,
    /// Whether something else has begun a line and not ended it: nothing is drawn there.
    is_line_open: bool,
}

/// How wide and how high the terminal of our stderr is now.
pub(super) fn size() -> (usize, usize) {
    let (height, width) = Term::stderr().size_checked().unwrap_or((24, 80));
    (width.into(), height.into())
}

impl View {
    pub(super) fn new(out: Writer, size: fn() -> (usize, usize)) -> View {
        // On Windows this is what has the console take escape sequences.
        let _ = Term::stderr().features().colors_supported();
        View {
            state: Mutex::new(State {
                out,
                size,
                lines: Vec::new(),
                is_drawn: false,
                is_line_open: false,
            }),
        }
    }

    /// Draws these lines in place of what was there.
    pub(super) fn draw(&self, lines: &[String]) {
        let mut state = self.lock();
        state.lines = lines.to_vec();
        if !state.is_line_open {
            state.draw();
        }
    }

    /// Writes something else, bytes that end like these, while the view is hidden.
    pub(super) fn hidden<R>(&self, bytes: &[u8], write: impl FnOnce() -> R) -> R {
        let mut state = self.lock();
        if state.is_drawn {
            state.clear();
        }
        let written = write();
        if let Some(last) = bytes.last() {
            state.is_line_open = *last != b'\n';
        }
        if !state.is_line_open && !state.lines.is_empty() {
            state.draw();
        }
        written
    }

    /// Hides the lines until others are drawn.
    pub(super) fn hide(&self) {
        let mut state = self.lock();
        state.lines.clear();
        if state.is_drawn {
            state.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// In one write, and each line over what was there, so that nothing flickers. The lines may
    /// have been made for a larger window: they are cut, and one that still is too wide does not
    /// go on in the next row (DECAWM), so that there are as many rows as lines.
    fn draw(&mut self) {
        let (width, height) = (self.size)();
        let mut bytes = b"\x1b[?7l".to_vec();
        let lines = self.lines.iter().take(height.max(2) - 1);
        let mut count = 0;
        for line in lines {
            let line = truncate_str(line, width.saturating_sub(1), "");
            bytes.extend_from_slice(if count > 0 { b"\r\n" } else { b"\r" });
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\x1b[K");
            count += 1;
        }
        bytes.extend_from_slice(b"\x1b[J\x1b[?7h\r");
        if count > 1 {
            bytes.extend_from_slice(format!("\x1b[{}A", count - 1).as_bytes());
        }
        self.write(&bytes);
        self.is_drawn = true;
    }

    fn clear(&mut self) {
        self.write(CLEAR);
        self.is_drawn = false;
    }

    /// Nothing is done about a terminal that cannot be written.
    fn write(&mut self, bytes: &[u8]) {
        let _ = self.out.write_all(bytes).and_then(|()| self.out.flush());
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// A terminal that both the view and others write to.
    #[derive(Clone)]
    struct Terminal(Arc<Mutex<vt100::Parser>>);

    impl Terminal {
        fn new(rows: u16, columns: u16) -> Terminal {
            Terminal(Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0))))
        }

        /// Its contents, without the empty rows at the end.
        fn text(&self) -> String {
            let parser = self.0.lock().unwrap();
            parser.screen().contents().trim_end().to_owned()
        }

        fn say(&self, view: &View, text: &str) {
            let bytes = text.replace('\n', "\r\n");
            let write = || self.0.lock().unwrap().process(bytes.as_bytes());
            view.hidden(text.as_bytes(), write);
        }
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().process(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn both(rows: u16, columns: u16) -> (Terminal, View) {
        let terminal = Terminal::new(rows, columns);
        let view = View::new(Box::new(terminal.clone()), || (20, 10));
        (terminal, view)
    }

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| String::from(*text)).collect()
    }

    #[test]
    fn output_of_others_stays_above_the_view() {
        let (terminal, view) = both(10, 20);
        terminal.say(&view, "a\n");
        view.draw(&lines(&["1 done", "slow"]));
        assert_eq!(terminal.text(), "a\n1 done\nslow");
        terminal.say(&view, "b\nc\n");
        assert_eq!(terminal.text(), "a\nb\nc\n1 done\nslow");
        view.draw(&lines(&["2 done"]));
        assert_eq!(terminal.text(), "a\nb\nc\n2 done");
        view.hide();
        assert_eq!(terminal.text(), "a\nb\nc");
        terminal.say(&view, "d\n");
        assert_eq!(terminal.text(), "a\nb\nc\nd");
    }

    #[test]
    fn an_unterminated_line_is_not_overwritten() {
        let (terminal, view) = both(10, 20);
        view.draw(&lines(&["1 done"]));
        terminal.say(&view, "part");
        assert_eq!(terminal.text(), "part");
        view.draw(&lines(&["2 done"]));
        terminal.say(&view, "");
        assert_eq!(terminal.text(), "part");
        terminal.say(&view, " rest\n");
        assert_eq!(terminal.text(), "part rest\n2 done");
    }

    #[test]
    fn at_the_last_row_the_view_scrolls_the_screen() {
        let (terminal, view) = both(4, 20);
        terminal.say(&view, "a\nb\nc\n");
        view.draw(&lines(&["1 done", "slow"]));
        assert_eq!(terminal.text(), "b\nc\n1 done\nslow");
        terminal.say(&view, "d\n");
        assert_eq!(terminal.text(), "c\nd\n1 done\nslow");
    }

    #[test]
    fn lines_drawn_for_a_larger_window_are_cut() {
        let (terminal, view) = both(30, 20);
        let long = "x".repeat(50);
        view.draw(&vec![long; 12]);
        let row = "x".repeat(19);
        assert_eq!(terminal.text(), vec![row; 9].join("\n"));
        terminal.say(&view, "a\n");
        view.hide();
        assert_eq!(terminal.text(), "a");
    }

    proptest! {
        #[test]
        fn output_of_others_is_not_lost_or_mixed_with_the_view(
            steps in prop::collection::vec(
                prop_oneof![
                    "[a-z]{0,9}\n?".prop_map(Ok),
                    prop::collection::vec("[A-Z]{1,19}", 1..4).prop_map(Err),
                ],
                0..30,
            ),
        ) {
            let (terminal, view) = both(300, 300);
            let mut said = String::new();
            for step in steps {
                match step {
                    Ok(text) => {
                        terminal.say(&view, &text);
                        said += &text;
                    }
                    Err(lines) => view.draw(&lines),
                }
            }
            view.hide();
            prop_assert_eq!(terminal.text(), said.trim_end());
        }
    }
}
