//! Failures that a test orders: the nth call of a kind, on the thread that asks; or, in a soak,
//! that come at random (`sys/faults.rs`). Elsewhere nothing ever fails here.
//!
//! They stand in for what no test can bring about: quotas used up, names that clash, packets that
//! come for nothing.

#[cfg(feature = "faults")]
use windows_sys::Win32::Foundation::{
    ERROR_COMMITMENT_LIMIT, ERROR_INVALID_USER_BUFFER, ERROR_NO_SYSTEM_RESOURCES,
    ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_ENOUGH_QUOTA, ERROR_SHARING_VIOLATION,
    ERROR_TOO_MANY_OPEN_FILES, ERROR_WORKING_SET_QUOTA,
};

#[cfg(feature = "faults")]
use crate::sys::faults::{Fault, Point as CommonPoint};

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A read is submitted. It is finished at once, without bytes and with this code; 0 is the
    /// success of a read that somebody's writing nothing has ended.
    Read,
    CreatePipe,
    /// The unnamed kind of pipe alone.
    CreateUnnamedPipe,
    CreateProcess,
    /// The bytes that a process reads as its stdin are put into a file.
    HoldStdin,
    /// The job is given along with the start.
    JobList,
    AssignJob,
}

#[cfg(not(any(test, feature = "faults")))]
#[inline]
pub(crate) fn take(_: Point) -> Option<u32> {
    None
}

/// In a soak: what the dice say.
#[cfg(all(feature = "faults", not(test)))]
pub(crate) fn take(point: Point) -> Option<u32> {
    use crate::sys::faults::{Point as Common, code};
    match point {
        Point::Read => code(Common::Read),
        Point::CreatePipe | Point::CreateUnnamedPipe => code(Common::Pipe),
        Point::CreateProcess => code(Common::Start),
        // What then happens differs for the user: a process that is not contained.
        Point::JobList | Point::AssignJob => None,
        Point::HoldStdin => None,
    }
}

/// The fault that a number chooses among those that a point may meet.
#[cfg(feature = "faults")]
pub(crate) fn fault_of(point: CommonPoint, number: u64) -> Option<Fault> {
    let (kind, detail) = (number % 4, number >> 8);
    let one_of = |codes: &[u32]| Some(Fault::Code(codes[detail as usize % codes.len()]));
    let delay = Some(Fault::Delay((detail % 3000) as u32));
    match (point, kind) {
        (CommonPoint::Start | CommonPoint::Wait, 0) => delay,
        (CommonPoint::Pipe, _) => one_of(&[ERROR_NO_SYSTEM_RESOURCES, ERROR_TOO_MANY_OPEN_FILES]),
        (CommonPoint::Start, 1) => one_of(&[ERROR_SHARING_VIOLATION]),
        (CommonPoint::Start, _) => one_of(&[ERROR_COMMITMENT_LIMIT, ERROR_NOT_ENOUGH_QUOTA]),
        // None that is aborted: of two in a row the second is final.
        (CommonPoint::Read, _) => one_of(&[
            ERROR_INVALID_USER_BUFFER,
            ERROR_NOT_ENOUGH_MEMORY,
            ERROR_WORKING_SET_QUOTA,
        ]),
        (CommonPoint::Wait, _) => Some(Fault::Shuffle(detail)),
        (CommonPoint::Exec | CommonPoint::Attach | CommonPoint::Watch | CommonPoint::Look, _) => {
            None
        }
    }
}

#[cfg(test)]
pub(crate) use plan::{fail, take};

#[cfg(test)]
mod plan {
    use std::sync::{Mutex, PoisonError};
    use std::thread::{self, ThreadId};

    use super::Point;

    /// A failure that has been ordered, and how many calls go well before it.
    struct Order {
        thread: ThreadId,
        point: Point,
        calls_before: usize,
        code: u32,
    }

    static ORDERS: Mutex<Vec<Order>> = Mutex::new(Vec::new());

    /// Has a call of this kind on this thread fail with this code, after so many that do not. A
    /// call that fails for another order does not count.
    pub(crate) fn fail(point: Point, calls_before: usize, code: u32) {
        let order = Order {
            thread: thread::current().id(),
            point,
            calls_before,
            code,
        };
        let mut orders = ORDERS.lock().unwrap_or_else(PoisonError::into_inner);
        orders.push(order);
    }

    pub(crate) fn take(point: Point) -> Option<u32> {
        let mut orders = ORDERS.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = thread::current().id();
        let is_meant = |order: &Order| order.thread == thread && order.point == point;
        let due = orders
            .iter()
            .position(|order| is_meant(order) && order.calls_before == 0);
        if let Some(due) = due {
            return Some(orders.remove(due).code);
        }
        for order in orders.iter_mut().filter(|order| is_meant(order)) {
            order.calls_before -= 1;
        }
        None
    }
}
