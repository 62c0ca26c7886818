// SPDX-License-Identifier: GPL-2.0

//! Writing netlink attributes.
//!
//! C header: `include/net/netlink.h`.

use core::{ffi::c_int, marker::PhantomData, ptr::NonNull};
use kernel::{bindings, error::to_result, fmt, prelude::*};

extern "C" {
    fn dst_blk_nest_start(skb: *mut bindings::sk_buff, kind: c_int) -> *mut bindings::nlattr;
    fn dst_blk_nest_end(skb: *mut bindings::sk_buff, nest: *mut bindings::nlattr);
    fn dst_blk_nest_cancel(skb: *mut bindings::sk_buff, nest: *mut bindings::nlattr);
}

/// The longest formatted string of [`Message::put_fmt`] in bytes; what is longer is cut off.
pub const FORMATTED_MAX: usize = 200;

/// A message that is being written.
///
/// All functions answer `EMSGSIZE` if there is no room left; the message is then incomplete and
/// must be given up.
///
/// # Invariants
///
/// `skb` points to a `struct sk_buff` that is exclusively held for `'a` and ends in a netlink
/// message that has begun and not ended.
pub struct Message<'a> {
    skb: NonNull<bindings::sk_buff>,
    _held: PhantomData<&'a mut bindings::sk_buff>,
}

impl Message<'_> {
    /// Continues the message at the end of `skb`.
    ///
    /// # Safety
    ///
    /// For the lifetime of the result `skb` must be as the type's invariant demands.
    pub(super) unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: By the contract of this function.
        Self {
            skb,
            _held: PhantomData,
        }
    }

    /// Bytes.
    pub fn put_bytes(&mut self, kind: u16, bytes: &[u8]) -> Result {
        // The length of an attribute has 16 bits and counts its header of four bytes.
        let Ok(length) = u16::try_from(bytes.len().saturating_add(4)) else {
            return Err(EMSGSIZE);
        };
        let length = c_int::from(length) - 4;
        // SAFETY: `skb` is valid by the type's invariant, `bytes` for `length` bytes.
        to_result(unsafe {
            bindings::nla_put(
                self.skb.as_ptr(),
                c_int::from(kind),
                length,
                bytes.as_ptr().cast(),
            )
        })
    }

    /// A number of one byte.
    pub fn put_u8(&mut self, kind: u16, value: u8) -> Result {
        self.put_bytes(kind, &[value])
    }

    /// A number of two bytes.
    pub fn put_u16(&mut self, kind: u16, value: u16) -> Result {
        self.put_bytes(kind, &value.to_ne_bytes())
    }

    /// A number of four bytes.
    pub fn put_u32(&mut self, kind: u16, value: u32) -> Result {
        self.put_bytes(kind, &value.to_ne_bytes())
    }

    /// A signed number.
    pub fn put_i32(&mut self, kind: u16, value: i32) -> Result {
        self.put_bytes(kind, &value.to_ne_bytes())
    }

    /// A number of type `uint`: four bytes if it fits, else eight.
    pub fn put_uint(&mut self, kind: u16, value: u64) -> Result {
        match u32::try_from(value) {
            Ok(value) => self.put_u32(kind, value),
            Err(_) => self.put_bytes(kind, &value.to_ne_bytes()),
        }
    }

    /// A string; its terminating zero is added. Errors: `EINVAL` if there is a zero in it.
    pub fn put_text(&mut self, kind: u16, text: &str) -> Result {
        self.put_string(kind, text.as_bytes())
    }

    /// A string that need not be UTF-8, as [`Self::put_text`].
    pub fn put_string(&mut self, kind: u16, text: &[u8]) -> Result {
        if text.contains(&0) {
            return Err(EINVAL);
        }
        let Ok(length) = u16::try_from(text.len().saturating_add(5)) else {
            return Err(EMSGSIZE);
        };
        let payload = c_int::from(length) - 4;
        // SAFETY: `skb` is valid by the type's invariant. The result is null or has room for
        // `payload` bytes, one more than `text` has.
        unsafe {
            let attribute = bindings::nla_reserve(self.skb.as_ptr(), c_int::from(kind), payload);
            if attribute.is_null() {
                return Err(EMSGSIZE);
            }
            let data = attribute.cast::<u8>().add(4);
            core::ptr::copy_nonoverlapping(text.as_ptr(), data, text.len());
            data.add(text.len()).write(0);
        }
        Ok(())
    }

    /// A string that is composed here, at most [`FORMATTED_MAX`] bytes.
    pub fn put_fmt(&mut self, kind: u16, text: fmt::Arguments<'_>) -> Result {
        let text = crate::dst_core::text::Text::<FORMATTED_MAX>::from_display(&text);
        self.put_text(kind, text.as_str())
    }

    /// A string, left out if it is empty.
    pub fn put_some_text(&mut self, kind: u16, text: &str) -> Result {
        if text.is_empty() {
            return Ok(());
        }
        self.put_text(kind, text)
    }

    /// A nest with what `fill` puts into it.
    pub fn put_nest(&mut self, kind: u16, fill: impl FnOnce(&mut Message<'_>) -> Result) -> Result {
        // SAFETY: `skb` is valid by the type's invariant.
        let nest = unsafe { dst_blk_nest_start(self.skb.as_ptr(), c_int::from(kind)) };
        if nest.is_null() {
            return Err(EMSGSIZE);
        }
        let result = fill(self);
        // SAFETY: `nest` was begun in `skb`, and whatever `fill` began in it, it ended.
        unsafe {
            match result {
                Ok(()) => dst_blk_nest_end(self.skb.as_ptr(), nest),
                Err(_) => dst_blk_nest_cancel(self.skb.as_ptr(), nest),
            }
        }
        result
    }
}
