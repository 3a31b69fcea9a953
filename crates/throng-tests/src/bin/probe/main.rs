//! Uses throng in a process of its own, whose limits, handles and death are a test's to play with,
//! and says what came of it as lines `name=value`.
//!
//! Its arguments: the path of the child, the mechanism, the mode, and what the mode wants. What is
//! about limits and signals is the system's own, and in `sys`.

#![deny(unsafe_code)]

mod leaks;
mod modes;
mod setting;
mod sys;

fn main() {
    let (mode, setting) = setting::Setting::from_args();
    match mode.as_str() {
        "quiet" => modes::quiet(&setting),
        "flat" => modes::flat(&setting),
        "leave" => modes::leave(&setting),
        "inherit" => modes::inherit(&setting),
        "outputs" => modes::outputs(&setting),
        "failing-starts" => leaks::failing_starts(&setting),
        "endings" => leaks::endings(&setting),
        "throngs" => leaks::throngs(&setting),
        mode => sys::run(mode, &setting),
    }
}
