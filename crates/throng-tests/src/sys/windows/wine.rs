//! Whether this is Wine, which differs from Windows in what tests observe, and whose timings tell
//! nothing about Windows.

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};

/// Whether this program runs under Wine, which has a function that Windows does not have.
pub fn is_wine() -> bool {
    let name: Vec<u16> = "ntdll.dll\0".encode_utf16().collect();
    // SAFETY: the name ends with a NUL. The module is in every process and is never unloaded.
    let ntdll = unsafe { GetModuleHandleW(name.as_ptr()) };
    // SAFETY: the module is loaded, and the name ends with a NUL. The function is not called.
    unsafe { GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()) }.is_some()
}
