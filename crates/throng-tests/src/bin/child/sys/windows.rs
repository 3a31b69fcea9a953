//! The steps on Windows: `die` terminates the process from within, `ignore-term` ignores
//! Ctrl-Break. And the steps that exist only on Windows.
//!
//! | step | what it does |
//! |---|---|
//! | `crash` | ends by an access violation |
//! | `handle:VALUE` | prints whether this is a handle of its own |
//! | `console` | prints whether it has a console |
//! | `raw-args` | prints all further arguments, as the shell splits its command line; then ends |

use std::fs::File;
use std::io::{self, Write};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::process;
use std::ptr::{null, null_mut};

use throng_tests::Source;
use windows_sys::Win32::Foundation::{
    EXCEPTION_ACCESS_VIOLATION, FreeLibrary, GetHandleInformation, HANDLE_FLAG_INHERIT,
    SetHandleInformation,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_TYPE_CHAR, FILE_TYPE_DISK, FILE_TYPE_PIPE, GetFileType,
};
use windows_sys::Win32::System::Console::{
    GetConsoleMode, GetConsoleProcessList, STD_ERROR_HANDLE, STD_OUTPUT_HANDLE,
    SetConsoleCtrlHandler, SetStdHandle,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    RaiseException, SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::Environment::GetCommandLineW;
use windows_sys::Win32::System::LibraryLoader::{GetProcAddress, LoadLibraryW};
use windows_sys::Win32::System::Threading::{
    ABOVE_NORMAL_PRIORITY_CLASS, BELOW_NORMAL_PRIORITY_CLASS, GetCurrentProcess, GetPriorityClass,
    HIGH_PRIORITY_CLASS, IDLE_PRIORITY_CLASS, NORMAL_PRIORITY_CLASS, TerminateProcess,
};

pub(crate) fn take_step(name: &str, value: &str) {
    match name {
        "close" => close(value),
        "zero-write" => zero_write(value),
        "die" => die(),
        "crash" => crash(),
        "ignore-term" => ignore_ctrl_break(),
        "priority" => say(priority()),
        "stdin-kind" => say(stdin_kind()),
        "handle" => say(if is_handle(value) { "open" } else { "none" }),
        "console" => say(if has_console() { "console" } else { "none" }),
        "raw-args" => {
            crate::say_args(shell_args());
            process::exit(0);
        }
        _ => panic!("\"{name}\" is not a step"),
    }
}

/// The name of our priority class.
fn priority() -> &'static str {
    // SAFETY: no arguments.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the handle of this process, which never closes.
    match unsafe { GetPriorityClass(process) } {
        IDLE_PRIORITY_CLASS => "idle",
        BELOW_NORMAL_PRIORITY_CLASS => "below normal",
        NORMAL_PRIORITY_CLASS => "normal",
        ABOVE_NORMAL_PRIORITY_CLASS => "above normal",
        HIGH_PRIORITY_CLASS => "high",
        _ => "another",
    }
}

/// A process started by the standard library inherits every inheritable handle, and the handles
/// that this process has inherited may be inheritable. A process that is to inherit a stream gets a
/// duplicate of it.
pub(crate) fn keep_streams_to_ourselves() {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let streams = [
        stdin.as_raw_handle(),
        stdout.as_raw_handle(),
        stderr.as_raw_handle(),
    ];
    for handle in streams.into_iter().filter(|handle| !handle.is_null()) {
        // It fails for a legacy console, which does not keep a pipe open.
        // SAFETY: the handle is open as long as the stream.
        unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) };
    }
}

fn say(text: &str) {
    crate::write(Source::Out, text.as_bytes());
}

/// Closes the stream's handle and removes it from where the standard library looks for it: another
/// object may soon have the same number.
fn close(stream: &str) {
    let (which, handle) = match stream {
        "out" => (STD_OUTPUT_HANDLE, io::stdout().as_raw_handle()),
        "err" => (STD_ERROR_HANDLE, io::stderr().as_raw_handle()),
        _ => panic!("\"{stream}\" is not a stream"),
    };
    // SAFETY: it touches no memory; the standard library takes a missing handle for a stream that
    // discards everything.
    let ok = unsafe { SetStdHandle(which, null_mut()) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    // SAFETY: the stream was open, and no other code refers to the handle any more.
    drop(unsafe { OwnedHandle::from_raw_handle(handle) });
}

fn zero_write(stream: &str) {
    let handle = match stream {
        "out" => io::stdout().as_handle().try_clone_to_owned(),
        "err" => io::stderr().as_handle().try_clone_to_owned(),
        _ => panic!("\"{stream}\" is not a stream"),
    };
    // The standard library's own streams skip a write of zero bytes.
    let mut file = File::from(handle.expect("the stream is open"));
    assert_eq!(file.write(&[]).expect("it can be written"), 0);
}

fn die() -> ! {
    // SAFETY: the pseudo handle of this process is always valid.
    let ourselves = unsafe { GetCurrentProcess() };
    // SAFETY: as above. No code of this program runs after it.
    unsafe { TerminateProcess(ourselves, 1) };
    unreachable!("a process can end itself")
}

/// Raised by a call, since a real one would be undefined behaviour. No dialog is shown.
fn crash() {
    // SAFETY: it touches no memory.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    // SAFETY: it has no arguments; it is not caught, so it ends the process.
    unsafe { RaiseException(EXCEPTION_ACCESS_VIOLATION as u32, 1, 0, null()) };
}

fn ignore_ctrl_break() {
    // SAFETY: the handler is a function, and does only what a thread of its own may do.
    let ok = unsafe { SetConsoleCtrlHandler(Some(ignore), 1) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
}

unsafe extern "system" fn ignore(_event: u32) -> i32 {
    1
}

fn stdin_kind() -> &'static str {
    let handle = io::stdin().as_raw_handle();
    // SAFETY: whatever the value of the handle, the system only looks at its number.
    let kind = unsafe { GetFileType(handle) };
    let mut mode = 0;
    // SAFETY: as above, and the mode is a variable of this frame.
    let is_console = unsafe { GetConsoleMode(handle, &mut mode) } != 0;
    match kind {
        FILE_TYPE_CHAR if !is_console => "null",
        FILE_TYPE_DISK => "file",
        FILE_TYPE_PIPE => "pipe",
        _ => "other",
    }
}

fn is_handle(value: &str) -> bool {
    let value: usize = value.parse().expect("a number");
    let mut flags = 0;
    // SAFETY: whether the number is a handle is what is asked; the flags are a variable of this
    // frame.
    unsafe { GetHandleInformation(value as RawHandle, &mut flags) != 0 }
}

fn has_console() -> bool {
    let mut pids = [0_u32; 1];
    // SAFETY: the list is as long as stated. Without a console there are no processes on it.
    unsafe { GetConsoleProcessList(pids.as_mut_ptr(), 1) > 0 }
}

/// The type that `GetProcAddress` returns for every function.
type Untyped = unsafe extern "system" fn() -> isize;
type CommandLineToArgv = unsafe extern "system" fn(*const u16, *mut i32) -> *mut *mut u16;

/// The arguments after the first two, as `CommandLineToArgvW` splits them. Its library loads many
/// others, so it is loaded here and not at the start of each child.
fn shell_args() -> impl Iterator<Item = std::ffi::OsString> {
    let library = wide("shell32.dll");
    // SAFETY: the name ends with a NUL; the library is the system's own.
    let shell = unsafe { LoadLibraryW(library.as_ptr()) };
    assert!(!shell.is_null(), "{}", io::Error::last_os_error());
    // SAFETY: the module is loaded, and the name ends with a NUL.
    let split = unsafe { GetProcAddress(shell, c"CommandLineToArgvW".as_ptr().cast()) };
    let split = split.expect("the shell has it");
    // SAFETY: this is the type of the function according to MSDN, "CommandLineToArgvW".
    let split = unsafe { std::mem::transmute::<Untyped, CommandLineToArgv>(split) };
    // SAFETY: it has no arguments; the result lives as long as the process.
    let line = unsafe { GetCommandLineW() };
    let mut count = 0;
    // SAFETY: the line ends with a NUL, and the count is a variable of this frame.
    let argv = unsafe { split(line, &mut count) };
    assert!(!argv.is_null(), "{}", io::Error::last_os_error());
    // SAFETY: it has returned as many pointers as it states, and they are not freed.
    let argv = unsafe { std::slice::from_raw_parts(argv, count as usize) };
    let args: Vec<_> = argv.iter().skip(2).map(|arg| os_string(*arg)).collect();
    // SAFETY: it was loaded above, and nothing of it is used any more.
    unsafe { FreeLibrary(shell) };
    args.into_iter()
}

fn os_string(text: *const u16) -> std::ffi::OsString {
    let units = (0..).take_while(|i| {
        // SAFETY: the string ends with a NUL, and nothing beyond that is read.
        let at = unsafe { text.add(*i) };
        // SAFETY: as above.
        unsafe { *at != 0 }
    });
    let len = units.count();
    // SAFETY: the string has this many units before its NUL.
    std::ffi::OsString::from_wide(unsafe { std::slice::from_raw_parts(text, len) })
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
