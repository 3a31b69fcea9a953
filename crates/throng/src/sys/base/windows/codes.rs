//! What error codes and exit codes mean for us: the error table, as code. Asks nothing.
//!
//! The codes are those of MSDN "System Error Codes"; each group has the reason for its treatment.
//! Rows and sources are in `docs/windows.md`.

use std::io;

use windows_sys::Win32::Foundation::*;

/// What a read's error code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFate {
    /// All writers have closed the pipe, and everything has been read.
    Eof,
    /// Too many reads are outstanding, or memory is short: the same read works a little later.
    Exhausted,
    /// The read was cancelled: by us, or by code that has nothing to do with it.
    Aborted,
    /// Part of a message was read; the rest comes with the next read.
    More,
    /// The stream is lost.
    Fatal,
}

pub(crate) fn read_fate(code: u32) -> ReadFate {
    match code {
        ERROR_BROKEN_PIPE | ERROR_HANDLE_EOF | ERROR_PIPE_NOT_CONNECTED | ERROR_NO_DATA => {
            ReadFate::Eof
        }
        ERROR_INVALID_USER_BUFFER => ReadFate::Exhausted,
        code if is_exhaustion(code) => ReadFate::Exhausted,
        ERROR_OPERATION_ABORTED => ReadFate::Aborted,
        ERROR_MORE_DATA => ReadFate::More,
        // ERROR_INVALID_HANDLE among them: other code has closed what is ours, and the number may
        // name something else by now. To try again would read from that.
        _ => ReadFate::Fatal,
    }
}

/// Whether this is a lack of memory, quota or handles, which comes back when processes end.
pub(crate) fn is_exhaustion(code: u32) -> bool {
    matches!(
        code,
        ERROR_NOT_ENOUGH_MEMORY
            | ERROR_OUTOFMEMORY
            | ERROR_TOO_MANY_OPEN_FILES
            | ERROR_NO_SYSTEM_RESOURCES
            | ERROR_NONPAGED_SYSTEM_RESOURCES
            | ERROR_PAGED_SYSTEM_RESOURCES
            | ERROR_WORKING_SET_QUOTA
            | ERROR_PAGEFILE_QUOTA
            | ERROR_COMMITMENT_LIMIT
            | ERROR_NOT_ENOUGH_QUOTA
            | ERROR_MAX_THRDS_REACHED
    )
}

pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| is_exhaustion(code as u32))
}

/// What the error code of a start asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartFate {
    Exhausted,
    /// Passes within moments: another process is still reading, or writing, the program's file.
    Busy,
    NotFound,
    BadDirectory,
    NotExecutable,
    BadFormat,
    TooLong,
    Refused,
}

/// What surrounds a start that has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    /// The program's file was written a moment ago: a virus scanner may hold it.
    pub(crate) is_fresh: bool,
    /// Wine 8 fails one start in a thousand with ERROR_INTERNAL_ERROR for no reason.
    pub(crate) is_wine: bool,
}

pub(crate) fn start_fate(code: u32, around: Surroundings) -> StartFate {
    match code {
        code if is_exhaustion(code) => StartFate::Exhausted,
        ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION => StartFate::Busy,
        ERROR_ACCESS_DENIED if around.is_fresh => StartFate::Busy,
        ERROR_INTERNAL_ERROR if around.is_wine => StartFate::Busy,
        ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND | ERROR_INVALID_NAME => StartFate::NotFound,
        ERROR_DIRECTORY => StartFate::BadDirectory,
        ERROR_BAD_EXE_FORMAT | ERROR_EXE_MACHINE_TYPE_MISMATCH => StartFate::BadFormat,
        ERROR_ACCESS_DENIED
        | ERROR_ELEVATION_REQUIRED
        | ERROR_VIRUS_INFECTED
        | ERROR_ACCESS_DISABLED_BY_POLICY
        | ERROR_INVALID_IMAGE_HASH
        | ERROR_SYSTEM_INTEGRITY_POLICY_VIOLATION => StartFate::NotExecutable,
        ERROR_FILENAME_EXCED_RANGE => StartFate::TooLong,
        _ => StartFate::Refused,
    }
}

/// A hint that the system's own text for the code does not give.
pub(crate) fn start_hint(code: u32) -> Option<&'static str> {
    match code {
        ERROR_EXE_MACHINE_TYPE_MISMATCH => Some("it is for another kind of processor"),
        ERROR_ELEVATION_REQUIRED => Some("it must be run as administrator"),
        ERROR_VIRUS_INFECTED => Some("the virus scanner has stopped it"),
        ERROR_ACCESS_DISABLED_BY_POLICY | ERROR_SYSTEM_INTEGRITY_POLICY_VIOLATION => {
            Some("a policy forbids it")
        }
        ERROR_INVALID_IMAGE_HASH => Some("its signature cannot be verified"),
        _ => None,
    }
}

/// The names of the exit codes that the system itself gives: NTSTATUS values of processes that
/// crashed, could not begin, or were ended by Ctrl-C.
pub(crate) fn exit_code_name(code: u32) -> Option<&'static str> {
    Some(match code as i32 {
        STATUS_ACCESS_VIOLATION => "access violation",
        STATUS_IN_PAGE_ERROR => "a page of the program could not be read",
        STATUS_ILLEGAL_INSTRUCTION => "illegal instruction",
        STATUS_PRIVILEGED_INSTRUCTION => "privileged instruction",
        STATUS_INTEGER_DIVIDE_BY_ZERO => "division by zero",
        STATUS_STACK_OVERFLOW => "stack overflow",
        STATUS_HEAP_CORRUPTION => "heap corruption",
        STATUS_STACK_BUFFER_OVERRUN => "fail fast or stack buffer overrun",
        STATUS_BREAKPOINT => "breakpoint",
        STATUS_CONTROL_C_EXIT => "Ctrl-C",
        STATUS_DLL_NOT_FOUND => "a DLL was not found",
        STATUS_ENTRYPOINT_NOT_FOUND => "a DLL lacks a function",
        STATUS_DLL_INIT_FAILED => {
            "a DLL could not begin: the desktop heap may be full, fewer at once may help"
        }
        STATUS_NO_MEMORY => "out of memory",
        STATUS_ASSERTION_FAILURE => "assertion failed",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Surroundings = Surroundings {
        is_fresh: false,
        is_wine: false,
    };

    #[test]
    fn every_error_code_has_its_action_when_reading() {
        use ReadFate::*;
        let table = [
            (Eof, [109, 38, 233, 232].as_slice()),
            (
                Exhausted,
                &[1784, 8, 14, 1816, 1450, 1451, 1452, 1453, 1454, 1455],
            ),
            (Aborted, &[995]),
            (More, &[234]),
            (Fatal, &[0, 5, 6, 87, 536, 1359]),
        ];
        for (fate, codes) in table {
            for code in codes {
                assert_eq!(read_fate(*code), fate, "{code}");
            }
        }
    }

    #[test]
    fn every_error_code_has_its_action_when_starting() {
        use StartFate::*;
        let table = [
            (
                Exhausted,
                [8, 14, 1816, 1450, 1451, 1452, 1453, 1454, 1455].as_slice(),
            ),
            (Busy, &[32, 33]),
            (NotFound, &[2, 3, 123]),
            (BadDirectory, &[267]),
            (BadFormat, &[193, 216]),
            (NotExecutable, &[5, 740, 225, 1260, 577, 4551]),
            (TooLong, &[206]),
            (Refused, &[0, 6, 87, 1359]),
        ];
        for (fate, codes) in table {
            for code in codes {
                assert_eq!(start_fate(*code, CALM), fate, "{code}");
            }
        }
    }

    #[test]
    fn transient_error_codes_depend_on_the_circumstances() {
        let fresh = Surroundings {
            is_fresh: true,
            ..CALM
        };
        assert_eq!(start_fate(ERROR_ACCESS_DENIED, fresh), StartFate::Busy);
        let wine = Surroundings {
            is_wine: true,
            ..CALM
        };
        assert_eq!(start_fate(ERROR_INTERNAL_ERROR, wine), StartFate::Busy);
    }

    #[test]
    fn exit_codes_of_the_system_have_names() {
        for code in [
            0xC000_0142,
            0xC000_013A,
            0xC000_0005,
            0xC000_0409,
            0xC000_0374,
        ] {
            assert!(exit_code_name(code).is_some(), "{code:#x}");
        }
        for code in [0, 1, 255, 259, u32::MAX] {
            assert_eq!(exit_code_name(code), None, "{code:#x}");
        }
    }
}
