// SPDX-License-Identifier: GPL-2.0

//! A text that is one of the program's own, changed and read without a lock.

use kernel::{
    ffi::c_char,
    prelude::*,
    sync::atomic::{ordering, Atomic},
};

/// A `&'static CStr` or none.
///
/// # Invariants
///
/// The pointer is null or was made of a `&'static CStr`.
pub struct StaticText(Atomic<*mut c_char>);

impl StaticText {
    /// No text.
    pub const fn new() -> Self {
        Self(Atomic::new(core::ptr::null_mut()))
    }

    /// Takes `text` in place of what was there. Any context.
    pub fn set(&self, text: Option<&'static CStr>) {
        let text = text.map_or(core::ptr::null(), CStr::as_char_ptr);
        // INVARIANT: Null or from a `&'static CStr`.
        self.0.store(text.cast_mut(), ordering::Relaxed);
    }

    /// The text. Any context.
    pub fn get(&self) -> Option<&'static CStr> {
        let text = self.0.load(ordering::Relaxed);
        if text.is_null() {
            return None;
        }
        // SAFETY: By the type invariants it is a string that ends with NUL, lives for ever and is
        // never changed.
        Some(unsafe { CStr::from_char_ptr(text) })
    }

    /// Whether it is this one, the same text at the same place. Any context.
    pub fn is(&self, text: &'static CStr) -> bool {
        core::ptr::eq(self.0.load(ordering::Relaxed), text.as_char_ptr())
    }

    /// Whether there is one. Any context.
    pub fn is_set(&self) -> bool {
        !self.0.load(ordering::Relaxed).is_null()
    }
}

impl Default for StaticText {
    fn default() -> Self {
        Self::new()
    }
}
