//! `throng`: runs thousands of little commands in parallel and loses nothing of what they say.

#![forbid(unsafe_code)]

mod args;
mod config;
mod doctor;
mod duration;
mod exit;
mod fate;
mod input;
mod interrupt;
mod jobs;
mod links;
mod manual;
mod mechanisms;
mod output;
mod parallel;
mod pipe;
mod progress;
mod reads;
mod recipe;
mod script;
mod session;
mod shell;
mod size;
mod suspend;
mod sys;
mod template;
mod text;
mod work;

fn main() -> std::process::ExitCode {
    sys::take_stock();
    args::dispatch()
}
