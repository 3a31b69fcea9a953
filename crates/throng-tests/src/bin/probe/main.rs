//! Uses throng in a process of its own, whose limits, handles and death a test can control, and
//! reports the results as lines `name=value`.
//!
//! Its arguments: the path of the child, the mechanism, the mode, and the arguments of the mode.
//! Modes about limits and signals depend on the system and are in `sys`.

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
