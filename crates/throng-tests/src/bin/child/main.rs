//! The scripted child: takes its arguments as steps, one after the other, and writes nothing else.
//!
//! | step | what it does |
//! |---|---|
//! | `out:N` `err:N` | writes the next N bytes of the stream's pattern |
//! | `both:N` | the same on both streams at once, from two threads |
//! | `outs:TEXT` `errs:TEXT` | writes this text |
//! | `slow-out:N:US` | N writes of one byte, this many microseconds apart |
//! | `flood` | writes the pattern to stdout until that fails |
//! | `sleep:MS` `spin:N` `alloc:MIB` | takes time, processor time, memory |
//! | `close:out` `close:err` | closes the stream |
//! | `zero-write:out` `zero-write:err` | writes no bytes at all |
//! | `exit:N` `abort` `die` | exits, aborts, or is killed without a chance to clean up |
//! | `ignore-term` | ignores requests to end from here on |
//! | `stdin-kind` | prints what its stdin is |
//! | `holder:STEPS` | starts a child with these steps and both streams, and does not wait for it |
//! | `holder-out:STEPS` `holder-err:STEPS` | the same with this stream alone |
//! | `quiet:STEPS` | the same with neither stream |
//! | `wait-child:STEPS` | the same, and waits for it |
//! | `cat` | copies stdin to stdout |
//! | `wait-file:PATH` `make-file:PATH` | waits until the file exists; creates it |
//! | `enter:DIR` `leave:DIR` | creates a file there and prints how many there are; removes it |
//! | `claim:PATH` `release:PATH` | creates a file that must not exist yet; removes it |
//! | `priority` | prints its niceness, or its priority class |
//! | `env:NAME` `cwd` `args` | prints a variable, its directory, or all further arguments raw |
//! | `say` | prints all further arguments with spaces between them and a line end |
//! | `run` | runs all further arguments as a program, with our streams, and waits for it |
//! | `tag:TEXT` | lets tests find it by this tag |
//! | `gate:TEXT` | waits until the gate of this name is opened |
//!
//! Steps for a child of its own are separated by commas. What depends on the system is in
//! `sys`, and so is what exists on one system only.

#![deny(unsafe_code)]

mod sys;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use throng_tests::{Gate, Source, Tag, fill};

fn main() {
    let mut written = Written::default();
    let mut args = env::args_os().skip(1);
    while let Some(arg) = args.next() {
        if arg == "args" {
            return say_args(args);
        }
        if arg == "say" {
            return say_line(args);
        }
        if arg == "run" {
            return run(args);
        }
        let step = arg.to_str().expect("a step is text");
        let (name, value) = step.split_once(':').unwrap_or((step, ""));
        take_step(name, value, &mut written);
    }
}

fn take_step(name: &str, value: &str, written: &mut Written) {
    match name {
        "out" => written.out.advance(Source::Out, number(value)),
        "err" => written.err.advance(Source::Err, number(value)),
        "both" => thread::scope(|scope| {
            scope.spawn(|| written.out.advance(Source::Out, number(value)));
            written.err.advance(Source::Err, number(value));
        }),
        "outs" => write(Source::Out, value.as_bytes()),
        "errs" => write(Source::Err, value.as_bytes()),
        "slow-out" => {
            let (count, pause_us) = value.split_once(':').expect("slow-out:N:US");
            for _ in 0..number(count) {
                written.out.advance(Source::Out, 1);
                thread::sleep(Duration::from_micros(number(pause_us)));
            }
        }
        "flood" => loop {
            written.out.advance(Source::Out, 1 << 20);
        },
        "sleep" => thread::sleep(Duration::from_millis(number(value))),
        "spin" => drop((0..number(value)).map(std::hint::black_box).max()),
        "alloc" => drop(std::hint::black_box(vec![
            1u8;
            (number(value) << 20) as usize
        ])),
        // A code of Windows has 32 bits and no sign.
        "exit" => process::exit(number(value) as u32 as i32),
        "abort" => process::abort(),
        _ => act(name, value),
    }
}

/// The steps that are not about the pattern.
fn act(name: &str, value: &str) {
    match name {
        "holder" => drop(start(value, Stdio::inherit(), Stdio::inherit())),
        "holder-out" => drop(start(value, Stdio::inherit(), Stdio::null())),
        "holder-err" => drop(start(value, Stdio::null(), Stdio::inherit())),
        "quiet" => drop(start(value, Stdio::null(), Stdio::null())),
        "wait-child" => {
            let status = start(value, Stdio::null(), Stdio::null()).wait();
            assert!(status.expect("our child can be waited for").success());
        }
        "cat" => drop(io::copy(&mut io::stdin(), &mut io::stdout()).expect("copied")),
        "wait-file" => {
            let mut pause_ms = 1;
            while !Path::new(value).exists() {
                thread::sleep(Duration::from_millis(pause_ms));
                pause_ms = (pause_ms * 2).min(16);
            }
        }
        "make-file" => drop(File::create(value).expect("the file can be made")),
        "enter" => {
            File::create(own_file(value)).expect("the file can be made");
            let count = fs::read_dir(value)
                .expect("the directory can be read")
                .count();
            write(Source::Out, count.to_string().as_bytes());
        }
        "leave" => fs::remove_file(own_file(value)).expect("we have entered"),
        "claim" => drop(File::create_new(value).expect("nobody else has it")),
        "release" => fs::remove_file(value).expect("we have it"),
        "env" => match env::var_os(value) {
            Some(value) => write(Source::Out, value.as_encoded_bytes()),
            None => write(Source::Out, b"(not set)"),
        },
        "cwd" => {
            let dir = env::current_dir().expect("it exists");
            write(Source::Out, dir.as_os_str().as_encoded_bytes());
        }
        "tag" => Tag::bear(value),
        "gate" => Gate::pass(value),
        _ => sys::take_step(name, value),
    }
}

/// How far each stream's pattern has been written.
#[derive(Default)]
struct Written {
    out: Position,
    err: Position,
}

#[derive(Default)]
struct Position(u64);

impl Position {
    /// Writes the next bytes of the pattern.
    fn advance(&mut self, source: Source, mut count: u64) {
        let mut buffer = vec![0; count.min(256 << 10) as usize];
        while count > 0 {
            let piece = &mut buffer[..count.min(256 << 10) as usize];
            fill(source, self.0, piece);
            write(source, piece);
            self.0 += piece.len() as u64;
            count -= piece.len() as u64;
        }
    }
}

/// Writes all of it now. If the reader has gone the child ends, but not with a panic: that would
/// write.
fn write(source: Source, bytes: &[u8]) {
    let written = match source {
        Source::Out => io::stdout()
            .write_all(bytes)
            .and_then(|()| io::stdout().flush()),
        Source::Err => io::stderr().write_all(bytes),
    };
    if written.is_err() {
        process::exit(74);
    }
}

/// Each argument with its length before it, so that they can be told apart.
fn say_args(args: impl Iterator<Item = OsString>) {
    for arg in args {
        let bytes = arg.as_encoded_bytes();
        write(Source::Out, &(bytes.len() as u64).to_le_bytes());
        write(Source::Out, bytes);
    }
}

/// Like `echo`.
fn say_line(args: impl Iterator<Item = OsString>) {
    let words: Vec<Vec<u8>> = args.map(OsString::into_encoded_bytes).collect();
    let mut line = words.join(&b' ');
    line.push(b'\n');
    write(Source::Out, &line);
}

fn run(mut words: impl Iterator<Item = OsString>) {
    let program = words.next().expect("a program");
    let status = Command::new(program).args(words).status();
    assert!(status.expect("it can be started").success());
}

fn start(steps: &str, out: Stdio, err: Stdio) -> process::Child {
    let program = env::args_os().next().expect("we have a name");
    let steps = steps.split(',').map(OsStr::new);
    let mut command = Command::new(program);
    command
        .args(steps)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    sys::keep_streams_to_ourselves();
    command.spawn().expect("it can be started")
}

fn own_file(dir: &str) -> PathBuf {
    Path::new(dir).join(process::id().to_string())
}

fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| panic!("\"{text}\" is not a number"))
}
