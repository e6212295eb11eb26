//! The machine on Windows: the registry's MachineGuid.

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RRF_SUBKEY_WOW6464KEY, RegGetValueW};

pub(super) fn machine_id() -> Option<String> {
    let key: Vec<u16> = "SOFTWARE\\Microsoft\\Cryptography\0".encode_utf16().collect();
    let name: Vec<u16> = "MachineGuid\0".encode_utf16().collect();
    let mut text = [0u16; 64];
    let mut bytes = size_of_val(&text) as u32;
    // SAFETY: both names end in NUL, and the buffer is as many bytes long as `bytes` says.
    #[expect(unsafe_code, reason = "the registry has no safe binding here")]
    let found = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY,
            std::ptr::null_mut(),
            text.as_mut_ptr().cast(),
            &mut bytes,
        )
    };
    if found != ERROR_SUCCESS {
        return None;
    }
    // With its NUL.
    let length = (bytes as usize / 2).saturating_sub(1);
    text.get(..length).map(String::from_utf16_lossy)
}
