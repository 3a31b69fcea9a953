//! `throng`: runs thousands of little commands in parallel and loses nothing of what they say.

#![forbid(unsafe_code)]

mod args;
mod duration;
mod exit;
mod input;
mod interrupt;
mod jobs;
mod mechanisms;
mod output;
mod progress;
mod run;
mod shell;
mod sys;
mod template;
mod text;

fn main() -> std::process::ExitCode {
    args::dispatch()
}
