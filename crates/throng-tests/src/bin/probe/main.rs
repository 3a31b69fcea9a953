//! Uses throng in a process of its own, whose limits, descriptors and death are a test's to play
//! with, and says what came of it as lines `name=value`.
//!
//! Its arguments: the path of the child, the mechanism, the mode, and what the mode wants.

#![forbid(unsafe_code)]

mod sys;

fn main() {
    sys::main();
}
