//! The behaviour of the program as a user sees it. One binary, since linking it takes longer than
//! most of its tests.

#![forbid(unsafe_code)]

mod bad_input;
mod config;
mod control;
mod decisions;
mod doctor;
mod endings;
mod input;
mod joblog;
mod jsonl;
mod limits;
mod output;
mod pipe;
mod program;
mod records;
mod results;
mod scenarios;
mod sys;
mod values;
