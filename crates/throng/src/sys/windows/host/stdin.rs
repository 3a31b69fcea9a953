//! What a process reads as its stdin, as an inheritable handle.

use std::io::{self, Seek};
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::path::Path;
use std::sync::Arc;

use crate::capture::budget::Budget;
use crate::capture::spill::{SpillFile, set_stdin_time};
use crate::job::stdin_pipe::StdinPipe;

use crate::sys::windows::pipe::{inheritable, make_inheritable, own};
use crate::sys::windows::wide::to_wide;
use windows_sys::Win32::Foundation::GENERIC_READ;
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    OPEN_EXISTING,
};

/// The device that is always empty. One handle serves all processes.
pub(crate) fn null() -> io::Result<OwnedHandle> {
    open(Path::new("NUL"))
}

/// A file, for reading.
pub(crate) fn open(path: &Path) -> io::Result<OwnedHandle> {
    let path = to_wide(path.as_os_str())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "its path contains a NUL"))?;
    let inheritable = inheritable();
    // SAFETY: the path ends with a NUL; it and the attributes outlive the call.
    own(unsafe {
        CreateFileW(
            path.as_ptr(),
            GENERIC_READ,
            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
            &inheritable,
            OPEN_EXISTING,
            FILE_ATTRIBUTE_NORMAL,
            std::ptr::null_mut(),
        )
    })
}

/// Bytes, in a temporary file that goes away with its last handle, so that no pipe has to be fed.
/// The system writes such a file to the disk only when memory is short (FILE_ATTRIBUTE_TEMPORARY),
/// and then it does, so it is not counted. Each process has a file of its own: if several shared
/// one, nothing would keep one of them from writing to it.
pub(crate) fn bytes(bytes: &[u8], budget: &Arc<Budget>) -> io::Result<OwnedHandle> {
    let spilled = SpillFile::new(budget)?;
    spilled.append(bytes).1?;
    set_stdin_time(spilled.file());
    let mut file = spilled.file().try_clone()?;
    file.rewind()?;
    let handle = OwnedHandle::from(file);
    make_inheritable(&handle)?;
    Ok(handle)
}

/// A duplicate of the end of a pipe.
pub(crate) fn pipe(end: &StdinPipe) -> io::Result<OwnedHandle> {
    let handle = OwnedHandle::from(end.duplicate()?);
    make_inheritable(&handle)?;
    Ok(handle)
}

/// A duplicate of our own stdin; none if we have none.
pub(crate) fn own_stdin() -> io::Result<Option<OwnedHandle>> {
    let stdin = io::stdin();
    if stdin.as_raw_handle().is_null() {
        return Ok(None);
    }
    let handle = stdin.as_handle().try_clone_to_owned()?;
    make_inheritable(&handle)?;
    Ok(Some(handle))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_time_of_a_file_does_not_depend_on_when_it_was_made() {
        let budget = Arc::new(Budget::new(None, None));
        let file = File::from(bytes(b"some", &budget).unwrap());
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(315_532_800);
        assert_eq!(file.metadata().unwrap().modified().unwrap(), time);
    }
}
