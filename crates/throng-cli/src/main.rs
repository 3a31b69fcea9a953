//! `throng`: runs thousands of commands in parallel and captures all their output.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod doctor;
mod duration;
mod exit;
mod fate;
mod histogram;
mod input;
mod links;
mod options;
mod output;
mod records;
mod script;
mod session;
mod shell;
mod size;
mod sys;
mod template;
mod terminal;
mod text;
mod values;
mod work;

fn main() -> std::process::ExitCode {
    sys::take_stock();
    cli::dispatch()
}
