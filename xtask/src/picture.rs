//! The picture of the README: a real run of the program, as an animated SVG.
//!
//! The program runs under a pseudoterminal (`script` of util-linux). A terminal emulator keeps the
//! screen, and each row of it becomes a line of text that is visible for as long as it was there.
//! Where animations are not shown, the last screen is. Knows nothing about what the program writes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, bail};
use vt100::{Color, Parser};

use crate::run::{cargo, run};

const PICTURE: &str = "docs/picture.svg";
const COMMAND: &str = "throng run -j 4 --timeout 2s --color --summary ./check ::: suite/*";
/// What the run works on.
const PREPARE: &str = r#"mkdir suite && cd suite
touch config dates http json lexer paths parser regex search socket unicode worker
cd .. && chmod +x check"#;
/// Succeeds, fails, never ends, or leaves a process with its streams, by the name of a value.
const CHECK: &str = r#"#!/bin/sh
name=${1#suite/}
case $name in
  dates) sleep 1.1; echo "dates: 40 passed, 1 failed"
         echo "leap second: expected 60, found 0" >&2; exit 1 ;;
  socket) echo "socket: waiting for a connection"; exec sleep 60 ;;
  worker) sleep 1.6; sleep 5 & sleep 0.1; echo "worker: 9 passed" ;;
  *) sleep "0.${#name}"; sleep 0.6; echo "$name: $(echo "$name" | cksum | cut -c 1-2) passed" ;;
esac
"#;

const ROWS: u16 = 24;
const COLUMNS: u16 = 80;
/// How long a screen lasts to be shown: between two writes of one update it does not.
const SHOWN_MIN: Duration = Duration::from_millis(40);
/// How long the last screen stays before the picture begins again.
const END: Duration = Duration::from_secs(6);

const LINE_HEIGHT: usize = 18;
const CHARACTER_WIDTH: f64 = 8.43;
const MARGIN: usize = 14;
const STYLE: &str = "\
rect{fill:#161b22;stroke:#57606a}
text{font:14px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}
text{fill:#e6edf3;white-space:pre}
.c1{fill:#ff7b72}.c2{fill:#7ee787}.c3{fill:#e3b341}
.c4{fill:#79c0ff}.c5{fill:#d2a8ff}.c6{fill:#76e3ea}
.gone{visibility:hidden}
@media(prefers-reduced-motion:reduce){text{animation:none!important}}
";

/// What the rows of a screen contain, as markup.
type Screen = Vec<String>;

pub(crate) fn make() -> anyhow::Result<()> {
    run(cargo().args(["build", "--locked", "--package", "throng-cli"]))?;
    let suite = tempfile::tempdir().context("cannot create a directory for the run")?;
    fs::write(suite.path().join("check"), CHECK).context("cannot write the script")?;
    run(Command::new("sh")
        .args(["-c", PREPARE])
        .current_dir(suite.path()))?;
    let screens = record(suite.path())?;
    fs::write(PICTURE, svg(&screens)).with_context(|| format!("cannot write {PICTURE}"))?;
    eprintln!("xtask: {PICTURE} is a picture of `{COMMAND}`");
    Ok(())
}

/// Runs the command; returns the screens and when each began.
fn record(dir: &Path) -> anyhow::Result<Vec<(Duration, Screen)>> {
    let mut path = env::current_dir()?.join("target/debug").into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let line = format!("stty rows {ROWS} cols {COLUMNS}; {COMMAND}");
    let mut script = Command::new("script")
        .args(["-qfc", &line, "/dev/null"])
        .current_dir(dir)
        .env("PATH", path)
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run `script` of util-linux")?;
    let mut output = script.stdout.take().context("stdout is a pipe")?;
    let mut terminal = Parser::new(ROWS, COLUMNS, 0);
    terminal.process(format!("$ {COMMAND}\r\n").as_bytes());
    let start = Instant::now();
    let mut screens = vec![(Duration::ZERO, rows_of(&terminal))];
    let mut bytes = [0; 4096];
    loop {
        let count = output.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        terminal.process(&bytes[..count]);
        screens.push((start.elapsed(), rows_of(&terminal)));
    }
    script.wait()?;
    if screens.len() < ROWS.into() {
        bail!("`{COMMAND}` wrote next to nothing: {:?}", screens.last());
    }
    Ok(screens)
}

fn rows_of(terminal: &Parser) -> Screen {
    (0..ROWS).map(|row| markup(terminal, row)).collect()
}

/// The text of a row, escaped, with its colors.
fn markup(terminal: &Parser, row: u16) -> String {
    let mut markup = String::new();
    let mut color = Color::Default;
    let cells = (0..COLUMNS).filter_map(|column| terminal.screen().cell(row, column));
    for cell in cells {
        if cell.fgcolor() != color {
            markup += if color == Color::Default {
                ""
            } else {
                "</tspan>"
            };
            color = cell.fgcolor();
            if let Color::Idx(number) = color {
                let _ = write!(markup, "<tspan class=\"c{number}\">");
            }
        }
        match cell.contents() {
            "" => markup.push(' '),
            "<" => markup += "&lt;",
            "&" => markup += "&amp;",
            text => markup += text,
        }
    }
    markup += if color == Color::Default {
        ""
    } else {
        "</tspan>"
    };
    markup.trim_end().to_owned()
}

fn svg(screens: &[(Duration, Screen)]) -> String {
    let total = screens.last().map_or(Duration::ZERO, |last| last.0) + END;
    let share = |time: Duration| 100.0 * time.as_secs_f64() / total.as_secs_f64();
    let mut texts = String::new();
    let mut animations = BTreeMap::new();
    for (row, text, from, to) in spans(screens) {
        let number = animations.len();
        let animation = *animations.entry((from, to)).or_insert(number);
        let y = MARGIN + LINE_HEIGHT * (row + 1) - 4;
        let class = if to.is_some() { " class=\"gone\"" } else { "" };
        let style = format!(
            "animation:a{animation} {:.1}s step-end infinite",
            total.as_secs_f64()
        );
        let _ = writeln!(
            texts,
            "<text x=\"{MARGIN}\" y=\"{y}\"{class} style=\"{style}\">{text}</text>"
        );
    }
    let mut style = STYLE.to_owned();
    for ((from, to), animation) in animations {
        let hide = to.map(|to| format!("{:.2}%{{visibility:hidden}}", share(to)));
        let _ = writeln!(
            style,
            "@keyframes a{animation}{{0%{{visibility:hidden}}{:.2}%{{visibility:visible}}{}}}",
            share(from),
            hide.unwrap_or_else(|| "100%{visibility:visible}".into()),
        );
    }
    let width = 2 * MARGIN + (f64::from(COLUMNS) * CHARACTER_WIDTH) as usize;
    let height = 2 * MARGIN + usize::from(ROWS) * LINE_HEIGHT;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{COMMAND}</title>\n\
         <style>\n{style}</style>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n{texts}</svg>\n",
        width - 1,
        height - 1,
    )
}

/// Row, text, when it appeared, and when it was gone again if it was.
type Span = (usize, String, Duration, Option<Duration>);

fn spans(screens: &[(Duration, Screen)]) -> Vec<Span> {
    let ends = screens
        .iter()
        .skip(1)
        .map(|next| Some(next.0))
        .chain([None]);
    let lasting = screens.iter().zip(ends);
    let lasting = lasting.filter(|((from, _), to)| to.is_none_or(|to| to - *from >= SHOWN_MIN));
    let mut done = Vec::new();
    let mut open: Vec<Option<(String, Duration)>> = vec![None; ROWS.into()];
    for ((time, screen), _) in lasting {
        for (row, (text, open)) in screen.iter().zip(&mut open).enumerate() {
            if open.as_ref().is_some_and(|(old, _)| old == text) {
                continue;
            }
            if let Some((old, from)) = open.take() {
                done.push((row, old, from, Some(*time)));
            }
            *open = (!text.is_empty()).then(|| (text.clone(), *time));
        }
    }
    let rest = open.into_iter().enumerate();
    done.extend(rest.filter_map(|(row, open)| open.map(|(text, from)| (row, text, from, None))));
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_markup_with_its_colors() {
        let mut terminal = Parser::new(ROWS, COLUMNS, 0);
        terminal.process(b"\x1b[31ma<b\x1b[0m & c\r\n");
        let expected = r#"<tspan class="c1">a&lt;b</tspan> &amp; c"#;
        assert_eq!(rows_of(&terminal)[..2], [expected, ""]);
    }

    #[test]
    fn text_is_shown_from_its_arrival_until_it_changes() {
        let at = Duration::from_millis;
        let screens = [(0, "a"), (100, "a"), (190, ""), (200, "b")];
        let screens = screens.map(|(time, text)| (at(time), vec![text.to_owned()]));
        let expected = [
            (0, "a".to_owned(), at(0), Some(at(200))),
            (0, "b".to_owned(), at(200), None),
        ];
        assert_eq!(spans(&screens), expected);
    }
}
