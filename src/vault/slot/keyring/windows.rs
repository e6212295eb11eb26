//! DPAPI: the key is sealed by Windows for the signed-in user, and kept in the header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Cryptography::{
    CRYPT_INTEGER_BLOB, CRYPTPROTECT_UI_FORBIDDEN, CryptProtectData, CryptUnprotectData,
};
use zeroize::Zeroize as _;

use super::super::{KeyringChoice, Place, SlotError};
use crate::vault::seal::Key;

pub(super) const DESCRIPTION: &str = "Windows' data protection (DPAPI): open while you are signed in";

pub(super) fn keep(place: &Place<'_>, key: &Key, _present: bool) -> Result<Value, SlotError> {
    works(place)?;
    let sealed = call(Call::Protect, &*key.expose(), place)
        .ok_or_else(|| SlotError::Unavailable("DPAPI refused to seal the key".into()))?;
    Ok(json!({ "dpapi": STANDARD.encode(sealed) }))
}

pub(super) fn fetch(place: &Place<'_>, params: &Value, _present: bool) -> Result<Key, SlotError> {
    works(place)?;
    let sealed = params.get("dpapi").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    let mut opened = call(Call::Unprotect, &sealed.ok_or(SlotError::Wrong)?, place)
        .ok_or_else(|| SlotError::Missing("DPAPI no longer opens it for this user".into()))?;
    let key = Key::from_slice(&opened).map_err(|_| SlotError::Wrong);
    opened.zeroize();
    key
}

/// What it kept is in the header, which forgets it.
pub(super) fn forget(_place: &Place<'_>, _params: &Value) -> Result<(), SlotError> {
    Ok(())
}

fn works(place: &Place<'_>) -> Result<(), SlotError> {
    match place.keyring {
        KeyringChoice::Bus(_) => Err(SlotError::Unavailable("there is no D-Bus on Windows".into())),
        KeyringChoice::Disabled | KeyringChoice::Session => Ok(()),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Call {
    Protect,
    Unprotect,
}

/// Vault and slot are the entropy, so that no other program's blob passes for this one.
fn call(call: Call, input: &[u8], place: &Place<'_>) -> Option<Vec<u8>> {
    let entropy = format!("cred-helper {} {}", place.vault, place.slot);
    let input = blob(input)?;
    let entropy = blob(entropy.as_bytes())?;
    let mut output = CRYPT_INTEGER_BLOB { cbData: 0, pbData: std::ptr::null_mut() };
    let null = std::ptr::null();
    // SAFETY: the blobs point at slices that outlive the call, which only reads them; `output` is ours to free.
    #[expect(unsafe_code, reason = "DPAPI has no safe binding")]
    unsafe {
        let none = std::ptr::null_mut();
        let done = if call == Call::Protect {
            CryptProtectData(&input, null, &entropy, null.cast(), null.cast(), CRYPTPROTECT_UI_FORBIDDEN, &mut output)
        } else {
            CryptUnprotectData(&input, none, &entropy, null.cast(), null.cast(), CRYPTPROTECT_UI_FORBIDDEN, &mut output)
        };
        if done == 0 || output.pbData.is_null() {
            return None;
        }
        let bytes = std::slice::from_raw_parts_mut(output.pbData, output.cbData as usize);
        let copy = bytes.to_vec();
        bytes.zeroize();
        LocalFree(output.pbData.cast());
        Some(copy)
    }
}

fn blob(bytes: &[u8]) -> Option<CRYPT_INTEGER_BLOB> {
    Some(CRYPT_INTEGER_BLOB { cbData: u32::try_from(bytes.len()).ok()?, pbData: bytes.as_ptr().cast_mut() })
}
