//! The pipe of a stream: our end overlapped, the process's end synchronous and inheritable.
//!
//! `CreatePipe` cannot do that: both its ends are synchronous. A process must not get an overlapped
//! handle, for it writes without an `OVERLAPPED`, and the system then returns before the bytes are
//! written. So the pipe is a named one in all but name: `NtCreateNamedPipeFile` makes it without,
//! which cannot clash and cannot be opened by other processes. Where that is refused, or the user
//! prefers it, it gets a random name for the moment in which we open the other end.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_CREATE, FILE_NON_DIRECTORY_FILE, FILE_SYNCHRONOUS_IO_NONALERT, NtOpenFile,
};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY, GENERIC_READ,
    GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE, NTSTATUS, OBJ_CASE_INSENSITIVE, OBJ_INHERIT,
    RtlNtStatusToDosError, UNICODE_STRING,
};
use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_USE_SYSTEM_PREFERRED_RNG, BCryptGenRandom,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_READ_ATTRIBUTES,
    FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_WRITE_ATTRIBUTES, OPEN_EXISTING, PIPE_ACCESS_INBOUND,
    SYNCHRONIZE, SetFileCompletionNotificationModes,
};
use windows_sys::Win32::System::IO::{CancelIoEx, IO_STATUS_BLOCK};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, CreatePipe, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE,
    PIPE_WAIT, PeekNamedPipe,
};
use windows_sys::Win32::System::WindowsProgramming::{
    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE,
};

use super::wide::to_wide;
use crate::sys::faults::{self, Point};

/// Our end of a pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    handle: OwnedHandle,
    /// A read that succeeds at once is announced by nothing but its result.
    skips_packets: bool,
}

/// Both ends.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) ours: Pipe,
    /// Inheritable, and synchronous.
    pub(super) theirs: OwnedHandle,
}

#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "system" {
    /// MSDN "NtCreateNamedPipeFile"; it is in no import library.
    fn NtCreateNamedPipeFile(
        file_handle: *mut HANDLE,
        desired_access: u32,
        object_attributes: *const OBJECT_ATTRIBUTES,
        io_status_block: *mut IO_STATUS_BLOCK,
        share_access: u32,
        create_disposition: u32,
        create_options: u32,
        named_pipe_type: u32,
        read_mode: u32,
        completion_mode: u32,
        maximum_instances: u32,
        inbound_quota: u32,
        outbound_quota: u32,
        default_timeout: *const i64,
    ) -> NTSTATUS;
}

impl Pipe {
    fn new(handle: OwnedHandle) -> Pipe {
        Pipe {
            handle,
            skips_packets: false,
        }
    }

    pub(super) fn raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }

    /// Asks the system to announce no read that succeeds at once. If it refuses, it goes on to.
    pub(super) fn skip_packets(&mut self) {
        let modes = (FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE) as u8;
        // SAFETY: the handle is open as long as `self` is; no read has been submitted yet, since
        // that takes a pipe that is shared.
        self.skips_packets = unsafe { SetFileCompletionNotificationModes(self.raw(), modes) } != 0;
    }

    pub(super) fn skips_packets(&self) -> bool {
        self.skips_packets
    }

    /// How many bytes it holds now, or the error code: `ERROR_BROKEN_PIPE` when it is empty and
    /// has no writer left.
    pub(super) fn bytes_waiting(&self) -> Result<u32, u32> {
        let mut available = 0;
        // SAFETY: the handle is a pipe's and open as long as `self` is; null stands for what is
        // not wanted, and the count lives in this frame.
        let ok = unsafe {
            PeekNamedPipe(
                self.raw(),
                null_mut(),
                0,
                null_mut(),
                &mut available,
                null_mut(),
            )
        };
        if ok == 0 {
            Err(last_code())
        } else {
            Ok(available)
        }
    }

    /// Asks for the end of the reads in flight, which is announced as any other. One that is
    /// finishing just now is not found; then there is nothing to ask for.
    pub(super) fn cancel_reads(&self) {
        // SAFETY: the handle is open as long as `self` is; null stands for all its operations.
        unsafe { CancelIoEx(self.raw(), null()) };
    }
}

/// The directory of all pipes, under which those without a name are made.
#[derive(Debug)]
pub(super) struct PipeDirectory(OwnedHandle);

impl PipeDirectory {
    pub(super) fn open() -> io::Result<PipeDirectory> {
        let path: Vec<u16> = r"\Device\NamedPipe\".encode_utf16().collect();
        let access = GENERIC_READ | SYNCHRONIZE;
        let options = FILE_SYNCHRONOUS_IO_NONALERT;
        open_relative(null_mut(), &path, access, options, 0).map(PipeDirectory)
    }

    /// A pipe without a name that takes so many bytes before its writer waits.
    pub(super) fn unnamed_pair(&self, size: u32) -> io::Result<Pair> {
        if let Some(code) = faults::code(Point::UnnamedPipe) {
            return Err(from_code(code));
        }
        /// The values of `wdm.h` for a pipe of bytes, read as bytes, whose calls wait.
        const BYTES: u32 = 0;
        const REJECT_REMOTE_CLIENTS: u32 = 2;
        /// In units of 100 ns, negative for a span. No process waits for this pipe to be free.
        const DEFAULT_TIMEOUT: i64 = -500_000;

        let name = unicode_string(&[]);
        let attributes = object_attributes(self.0.as_raw_handle(), &name, OBJ_CASE_INSENSITIVE);
        let mut status_block = IO_STATUS_BLOCK::default();
        let mut handle = null_mut();
        // SAFETY: all pointers are to variables of this frame or to the directory's handle, which
        // is open as long as `self` is; the call keeps none of them.
        let status = unsafe {
            NtCreateNamedPipeFile(
                &mut handle,
                GENERIC_READ | SYNCHRONIZE | FILE_WRITE_ATTRIBUTES,
                &attributes,
                &mut status_block,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                FILE_CREATE,
                0,
                BYTES | REJECT_REMOTE_CLIENTS,
                BYTES,
                BYTES,
                1,
                size,
                size,
                &DEFAULT_TIMEOUT,
            )
        };
        check(status)?;
        // SAFETY: the call has succeeded, so this is a handle, and it is ours alone.
        let ours = unsafe { OwnedHandle::from_raw_handle(handle) };

        let access = GENERIC_WRITE | SYNCHRONIZE | FILE_READ_ATTRIBUTES;
        let options = FILE_NON_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT;
        let theirs = open_relative(ours.as_raw_handle(), &[], access, options, OBJ_INHERIT)?;
        Ok(Pair {
            ours: Pipe::new(ours),
            theirs,
        })
    }
}

/// Opens what has this name under this directory; without a name, the other end of a pipe.
fn open_relative(
    directory: HANDLE,
    name: &[u16],
    access: u32,
    options: u32,
    attributes: u32,
) -> io::Result<OwnedHandle> {
    let name = unicode_string(name);
    let attributes = object_attributes(directory, &name, OBJ_CASE_INSENSITIVE | attributes);
    let mut status_block = IO_STATUS_BLOCK::default();
    let mut handle = null_mut();
    // SAFETY: all pointers are to variables of this frame, or to the name, which outlives the
    // call; the directory is null or open. The call keeps none of them.
    let status = unsafe {
        NtOpenFile(
            &mut handle,
            access,
            &attributes,
            &mut status_block,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            options,
        )
    };
    check(status)?;
    // SAFETY: the call has succeeded, so this is a handle, and it is ours alone.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn unicode_string(text: &[u16]) -> UNICODE_STRING {
    let bytes = u16::try_from(text.len() * 2).expect("our names are short");
    UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        // Hooks of other programs have tripped over a dangling address with a length of nothing.
        Buffer: if text.is_empty() {
            null_mut()
        } else {
            text.as_ptr().cast_mut()
        },
    }
}

fn object_attributes(
    directory: HANDLE,
    name: &UNICODE_STRING,
    attributes: u32,
) -> OBJECT_ATTRIBUTES {
    OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: directory,
        ObjectName: name,
        Attributes: attributes,
        SecurityDescriptor: null(),
        SecurityQualityOfService: null(),
    }
}

fn check(status: NTSTATUS) -> io::Result<()> {
    if status >= 0 {
        return Ok(());
    }
    // SAFETY: it translates a number and touches nothing.
    Err(from_code(unsafe { RtlNtStatusToDosError(status) }))
}

/// How often a name that is taken is exchanged for another: only a program that makes pipes of
/// guessed names on purpose, or a system that denies us all names, brings us to the end.
pub(super) const NAMES_MAX: usize = 8;

/// A pipe with a random name.
pub(super) fn named_pair(size: u32) -> io::Result<Pair> {
    named_pair_called(size, random_name)
}

/// A pipe with the first name of these that is free.
pub(super) fn named_pair_called(
    size: u32,
    mut name: impl FnMut() -> io::Result<String>,
) -> io::Result<Pair> {
    let mut last = None;
    for _ in 0..NAMES_MAX {
        match try_named_pair(size, &name()?) {
            Err(error) if is_name_taken(&error) => last = Some(error),
            result => return result,
        }
    }
    Err(last.expect("there was at least one try"))
}

fn is_name_taken(error: &io::Error) -> bool {
    let taken = [
        ERROR_ACCESS_DENIED, // What FILE_FLAG_FIRST_PIPE_INSTANCE gives for a second one.
        ERROR_PIPE_BUSY,
        ERROR_ALREADY_EXISTS,
        ERROR_FILE_NOT_FOUND, // Of the other end: another process was quicker and has gone again.
    ];
    error
        .raw_os_error()
        .is_some_and(|code| taken.contains(&(code as u32)))
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    // SAFETY: no algorithm is named, as the flag demands, and the buffer has the length that is
    // passed.
    let status = unsafe {
        BCryptGenRandom(
            null_mut(),
            bytes.as_mut_ptr(),
            16,
            BCRYPT_USE_SYSTEM_PREFERRED_RNG,
        )
    };
    check(status)?;
    // In an app container only names under LOCAL are allowed; elsewhere it means nothing.
    Ok(format!(
        r"\\.\pipe\LOCAL\throng-{:032x}",
        u128::from_ne_bytes(bytes)
    ))
}

fn try_named_pair(size: u32, name: &str) -> io::Result<Pair> {
    if let Some(code) = faults::code(Point::Pipe) {
        return Err(from_code(code));
    }
    let name = to_wide(name.as_ref()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mode = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS;
    let flags = PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE;
    // SAFETY: the name ends with a NUL and outlives the call; no security attributes are given.
    let ours = unsafe { CreateNamedPipeW(name.as_ptr(), flags, mode, 1, size, size, 0, null()) };
    let ours = Pipe::new(own(ours)?);

    let inheritable = inheritable();
    // SAFETY: as above, and the attributes are a variable of this frame.
    let theirs = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_WRITE | FILE_READ_ATTRIBUTES,
            0,
            &inheritable,
            OPEN_EXISTING,
            0,
            null_mut(),
        )
    };
    let theirs = own(theirs)?;
    Ok(Pair { ours, theirs })
}

/// A pipe both of whose ends are synchronous, for a thread that waits in its reads.
pub(super) fn synchronous_pair(size: u32) -> io::Result<Pair> {
    if let Some(code) = faults::code(Point::Pipe) {
        return Err(from_code(code));
    }
    let (mut ours, mut theirs) = (null_mut(), null_mut());
    // SAFETY: both places are variables of this frame; no security attributes are given.
    let ok = unsafe { CreatePipe(&mut ours, &mut theirs, null(), size) };
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so this is a handle, and it is ours alone.
    let ours = unsafe { OwnedHandle::from_raw_handle(ours) };
    // SAFETY: as above.
    let theirs = unsafe { OwnedHandle::from_raw_handle(theirs) };
    make_inheritable(&theirs)?;
    Ok(Pair {
        ours: Pipe::new(ours),
        theirs,
    })
}

/// Attributes that make a new handle inheritable.
pub(super) fn inheritable() -> SECURITY_ATTRIBUTES {
    SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: null_mut::<c_void>(),
        bInheritHandle: 1,
    }
}

pub(super) fn make_inheritable(handle: &OwnedHandle) -> io::Result<()> {
    use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
    let raw = handle.as_raw_handle();
    // SAFETY: the handle is open as long as it is borrowed.
    let ok = unsafe { SetHandleInformation(raw, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) };
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A handle from a call that returns `INVALID_HANDLE_VALUE` when it fails.
pub(super) fn own(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle == INVALID_HANDLE_VALUE || handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: callers pass what a call has just returned to them, and it is no failure.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// The code of the call that has just failed on this thread.
pub(super) fn last_code() -> u32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0) as u32
}

pub(super) fn from_code(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code as i32)
}

#[cfg(test)]
mod tests;
