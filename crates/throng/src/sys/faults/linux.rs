//! Which faults each call of this system may have; see `sys/faults.rs`.

use rustix::io::Errno;

#[cfg(feature = "faults")]
use crate::sys::faults::Fault;
use crate::sys::faults::{Point, code};

/// The fault that a number chooses among those that a point may have.
#[cfg(feature = "faults")]
pub(crate) fn fault_of(point: Point, number: u64) -> Option<Fault> {
    let (kind, detail) = (number % 4, number >> 8);
    let one_of = |codes: &[i32]| {
        let code = codes[detail as usize % codes.len()];
        Some(Fault::Code(code as u32))
    };
    let delay = Some(Fault::Delay((detail % 3000) as u32));
    match (point, kind) {
        (Point::Pipe, _) => one_of(&[libc::EMFILE, libc::ENFILE]),
        (Point::Start | Point::Read | Point::Wait, 0) => delay,
        (Point::Start, _) => one_of(&[libc::EAGAIN, libc::ENOMEM]),
        (Point::Exec, _) => one_of(&[libc::ETXTBSY]),
        (Point::Attach, _) => one_of(&[libc::ENOMEM, libc::ENOSPC, libc::EAGAIN]),
        (Point::Watch, _) => one_of(&[libc::EMFILE, libc::ENOMEM]),
        (Point::Read, 1) => one_of(&[libc::EINTR, libc::EAGAIN]),
        (Point::Read, _) => Some(Fault::Short(1 + (detail % 5000) as usize)),
        (Point::Wait, 1) => one_of(&[libc::EINTR]),
        (Point::Wait, _) => Some(Fault::Shuffle(detail)),
        (Point::Look, _) => one_of(&[libc::EINTR]),
    }
}

/// For a call that can fail or take long: waits, and fails if it is to fail.
pub(crate) fn fail(point: Point) -> Result<(), Errno> {
    code(point).map_or(Ok(()), |code| Err(Errno::from_raw_os_error(code as i32)))
}
