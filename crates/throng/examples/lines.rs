//! Prints whole lines while processes run. The output callback gets pieces that end anywhere, so
//! the beginning of a line is kept until its end arrives, or the end of the process:
//!
//! ```text
//! cargo run --package throng --example lines -- 'echo a; sleep 1; echo b' 'printf "no line end"'
//! ```

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use throng::{Command, Output, Stream, Throng};

/// The beginning of a line for each process and stream.
#[derive(Default)]
struct Lines {
    open: HashMap<(u64, bool), Vec<u8>>,
}

impl Lines {
    fn add(&mut self, output: Output<'_>) {
        let is_stderr = output.stream == Stream::Stderr;
        let open = self.open.entry((output.seq, is_stderr)).or_default();
        for piece in output.bytes.split_inclusive(|byte| *byte == b'\n') {
            open.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                print(output.seq, open);
                open.clear();
            }
        }
    }

    /// Prints what has no line end, once the process has ended.
    fn finish(&mut self, seq: u64) {
        for is_stderr in [false, true] {
            let open = self.open.remove(&(seq, is_stderr));
            if let Some(mut line) = open.filter(|line| !line.is_empty()) {
                line.push(b'\n');
                print(seq, &line);
            }
        }
    }
}

fn print(seq: u64, line: &[u8]) {
    let mut text = format!("{seq}: ").into_bytes();
    text.extend_from_slice(line);
    // A reader that has gone away is not the command's problem.
    let _ = io::stdout().write_all(&text);
}

fn main() -> Result<(), throng::Error> {
    let lines = Arc::new(Mutex::new(Lines::default()));
    let reader = Arc::clone(&lines);
    let throng = Throng::builder()
        .on_output(move |output| reader.lock().expect("no callback panics").add(output))
        .build()?;
    let scripts: Vec<_> = std::env::args_os().skip(1).collect();
    // The callback has the output already, so the captures keep none.
    let commands = scripts
        .into_iter()
        .map(|script| Command::from(Command::shell(script).keep_output(false)));
    for outcome in throng.run(commands) {
        lines
            .lock()
            .expect("no callback panics")
            .finish(outcome.seq());
        match outcome.status() {
            Some(status) => println!("{}: ended: {status}", outcome.seq()),
            None => println!("{}: {:?}", outcome.seq(), outcome.start_error()),
        }
    }
    Ok(())
}
