//! The attribute list of a start: which handles the process gets, and which jobs it is born into.

use std::io;
use std::marker::PhantomData;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    DeleteProcThreadAttributeList, InitializeProcThreadAttributeList, LPPROC_THREAD_ATTRIBUTE_LIST,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST, UpdateProcThreadAttribute,
};

/// The system keeps the addresses of the lists, not the lists: they live as long as `'lists`.
#[derive(Debug)]
pub(crate) struct Attributes<'lists> {
    /// In words, for their alignment.
    storage: Box<[usize]>,
    _lists: PhantomData<&'lists [HANDLE]>,
}

impl<'lists> Attributes<'lists> {
    /// The handles are inheritable, and none is in the list twice: the system refuses both. Of the
    /// jobs each is within the one before it.
    pub(crate) fn new(
        handles: &'lists [HANDLE],
        jobs: Option<&'lists [HANDLE]>,
    ) -> io::Result<Attributes<'lists>> {
        let count = 1 + u32::from(jobs.is_some());
        let mut size = 0;
        // SAFETY: without a list it returns how large one has to be, and fails.
        unsafe { InitializeProcThreadAttributeList(null_mut(), count, 0, &mut size) };
        let mut storage = vec![0_usize; size.div_ceil(size_of::<usize>())].into_boxed_slice();
        let list = storage.as_mut_ptr().cast();
        // SAFETY: the storage is as large as the system has demanded.
        let ok = unsafe { InitializeProcThreadAttributeList(list, count, 0, &mut size) };
        if ok == 0 {
            return Err(io::Error::last_os_error());
        }
        // From here on it is deleted whatever happens.
        let mut attributes = Attributes {
            storage,
            _lists: PhantomData,
        };
        attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles)?;
        if let Some(jobs) = jobs {
            attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, jobs)?;
        }
        Ok(attributes)
    }

    fn set(&mut self, attribute: u32, list: &'lists [HANDLE]) -> io::Result<()> {
        // SAFETY: the list of attributes is initialised and has room for this one; the handles
        // outlive it by the lifetime in its type.
        let ok = unsafe {
            UpdateProcThreadAttribute(
                self.as_ptr(),
                0,
                attribute as usize,
                list.as_ptr().cast(),
                size_of_val(list),
                null_mut(),
                null(),
            )
        };
        if ok == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    pub(crate) fn as_ptr(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.storage.as_mut_ptr().cast()
    }
}

impl Drop for Attributes<'_> {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and nothing uses it any more.
        unsafe { DeleteProcThreadAttributeList(self.as_ptr()) };
    }
}
