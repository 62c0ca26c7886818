// SPDX-License-Identifier: GPL-2.0

//! Network namespaces.
//!
//! C header: `include/net/net_namespace.h`.

use core::ptr::NonNull;
use kernel::bindings;

// `lock_class_key`, somewhere in these structures, is empty where lockdep is off.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_net_get(net: *mut bindings::net) -> *mut bindings::net;
    fn dst_blk_net_put(net: *mut bindings::net);
    fn dst_blk_net_number(net: *const bindings::net) -> u32;
}

/// A counted reference to a network namespace.
///
/// As long as one exists the namespace lives, with its interfaces and addresses, also when the
/// last process has left it.
///
/// # Invariants
///
/// `net` points to a `struct net` of which this object owns one reference.
pub struct Net {
    net: NonNull<bindings::net>,
}

// SAFETY: The count of references is atomic, and nothing else of the structure is touched.
unsafe impl Send for Net {}

// SAFETY: As for `Send`.
unsafe impl Sync for Net {}

impl Net {
    /// The machine's first namespace, the one that exists from boot on.
    pub fn initial() -> Self {
        // SAFETY: `init_net` is never freed.
        unsafe { Self::from_raw(&raw mut bindings::init_net) }
    }

    /// Takes a reference to the namespace at `net`.
    ///
    /// # Safety
    ///
    /// `net` must point to a `struct net` whose count of references is not zero.
    pub(super) unsafe fn from_raw(net: *mut bindings::net) -> Self {
        // SAFETY: By the contract of this function.
        let net = unsafe { dst_blk_net_get(net) };
        // INVARIANT: `get_net()` took a reference and returned its argument, which is not null.
        // SAFETY: As said.
        let net = unsafe { NonNull::new_unchecked(net) };
        Self { net }
    }

    /// The `struct net`, valid as long as `self`.
    pub fn as_ptr(&self) -> *mut bindings::net {
        self.net.as_ptr()
    }

    /// The namespace's inode number, which `/proc/PID/ns/net` shows.
    pub fn number(&self) -> u32 {
        // SAFETY: By the type's invariant.
        unsafe { dst_blk_net_number(self.as_ptr()) }
    }
}

impl Clone for Net {
    fn clone(&self) -> Self {
        // SAFETY: By the type's invariant the count is not zero.
        unsafe { Self::from_raw(self.as_ptr()) }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant a reference is owned; it is given up here. `put_net()`
        // leaves the cleaning up to a worker, so any context will do.
        unsafe { dst_blk_net_put(self.as_ptr()) };
    }
}

impl PartialEq for Net {
    fn eq(&self, other: &Self) -> bool {
        self.net == other.net
    }
}

impl Eq for Net {}
