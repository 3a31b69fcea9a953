//! What a driver reports, and the tags by which it recognises what the kernel reports.

use crate::model::stream::Stream;
use crate::slots::Id;
use crate::sys::api::End;

/// What became ready, as a driver reports it to the engine.
#[derive(Debug)]
pub(crate) enum DriverEvent {
    /// Bytes, which are in the driver's `output` until its next call.
    Output(Id, Stream),
    End(Id, Stream, End),
    /// A watched process has ended, or its pidfd is readable; its exit is to be asked for.
    Exited(Id),
}

/// Tags in the tokens that the kernel hands back.
pub(crate) const TAG_STDOUT: u8 = 0;
pub(crate) const TAG_STDERR: u8 = 1;
pub(crate) const TAG_EXIT: u8 = 2;
pub(crate) const TAG_WAKE: u8 = 3;
pub(crate) const TAG_CANCEL: u8 = 4;

pub(crate) fn tag(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => TAG_STDOUT,
        Stream::Stderr => TAG_STDERR,
    }
}
