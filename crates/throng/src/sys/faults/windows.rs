//! Which faults each call of this system may have; see `sys/faults.rs`.

use windows_sys::Win32::Foundation::{
    ERROR_COMMITMENT_LIMIT, ERROR_INVALID_USER_BUFFER, ERROR_NO_SYSTEM_RESOURCES,
    ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_ENOUGH_QUOTA, ERROR_SHARING_VIOLATION,
    ERROR_TOO_MANY_OPEN_FILES, ERROR_WORKING_SET_QUOTA,
};

use crate::sys::faults::{Fault, Point};

/// The fault that a number chooses among those that a point may have.
pub(crate) fn fault_of(point: Point, number: u64) -> Option<Fault> {
    let (kind, detail) = (number % 4, number >> 8);
    let one_of = |codes: &[u32]| Some(Fault::Code(codes[detail as usize % codes.len()]));
    let delay = Some(Fault::Delay((detail % 3000) as u32));
    match (point, kind) {
        (Point::Start | Point::Wait, 0) => delay,
        (Point::Pipe | Point::UnnamedPipe, _) => {
            one_of(&[ERROR_NO_SYSTEM_RESOURCES, ERROR_TOO_MANY_OPEN_FILES])
        }
        (Point::Start, 1) => one_of(&[ERROR_SHARING_VIOLATION]),
        (Point::Start, _) => one_of(&[ERROR_COMMITMENT_LIMIT, ERROR_NOT_ENOUGH_QUOTA]),
        // None that is aborted: of two in a row the second is final.
        (Point::Read, _) => one_of(&[
            ERROR_INVALID_USER_BUFFER,
            ERROR_NOT_ENOUGH_MEMORY,
            ERROR_WORKING_SET_QUOTA,
        ]),
        (Point::Wait, _) => Some(Fault::Shuffle(detail)),
        // What then happens differs for the user: a process that is not contained, for example.
        (Point::HoldStdin | Point::JobList | Point::AssignJob, _) => None,
    }
}
