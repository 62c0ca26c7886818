// SPDX-License-Identifier: GPL-2.0

//! Bios that wait for their turn.

use super::{Bio, Status};
use core::{mem::ManuallyDrop, ptr::NonNull};
use kernel::bindings;

/// A queue of parked bios, linked through the bios themselves.
///
/// Dropping it ends what is left with [`Status::Io`].
///
/// # Invariants
///
/// `head` starts a chain of bios through `bi_next` that ends at `tail`, or both are null. The
/// list holds the sole handle (as of [`Bio`]) of each.
pub struct BioList {
    head: *mut bindings::bio,
    tail: *mut bindings::bio,
}

// SAFETY: The list owns its bios, which may be sent.
unsafe impl Send for BioList {}

// SAFETY: Nothing but emptiness can be seen through a shared reference.
unsafe impl Sync for BioList {}

impl BioList {
    /// An empty list.
    pub const fn new() -> Self {
        // INVARIANT: Both ends are null.
        Self {
            head: core::ptr::null_mut(),
            tail: core::ptr::null_mut(),
        }
    }

    /// Whether no bio is parked.
    pub fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Parks a bio behind the others.
    pub fn push_back(&mut self, bio: Bio) {
        let bio = ManuallyDrop::new(bio).as_ptr();
        // SAFETY: The bio was owned by the caller and now is by the list; `tail` is null or
        // valid by the type invariants.
        unsafe {
            (*bio).bi_next = core::ptr::null_mut();
            if self.tail.is_null() {
                self.head = bio;
            } else {
                (*self.tail).bi_next = bio;
            }
        }
        // INVARIANT: The chain has been extended to the bio.
        self.tail = bio;
    }

    /// Parks a bio in front of the others.
    pub fn push_front(&mut self, bio: Bio) {
        let bio = ManuallyDrop::new(bio).as_ptr();
        // SAFETY: The bio was owned by the caller and now is by the list.
        unsafe { (*bio).bi_next = self.head };
        // INVARIANT: The chain now starts at the bio.
        if self.head.is_null() {
            self.tail = bio;
        }
        self.head = bio;
    }

    /// Takes the first bio out.
    pub fn pop(&mut self) -> Option<Bio> {
        let bio = NonNull::new(self.head)?;
        // SAFETY: By the type invariants the bio is valid and its `bi_next` continues the chain.
        unsafe {
            self.head = (*bio.as_ptr()).bi_next;
            (*bio.as_ptr()).bi_next = core::ptr::null_mut();
        }
        if self.head.is_null() {
            self.tail = core::ptr::null_mut();
        }
        // INVARIANT: The list held the sole handle, and gives it away.
        Some(Bio(bio))
    }

    /// Takes all bios out as a list of their own.
    pub fn take(&mut self) -> Self {
        core::mem::replace(self, Self::new())
    }
}

impl Default for BioList {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for BioList {
    fn drop(&mut self) {
        while let Some(bio) = self.pop() {
            bio.end(Status::Io);
        }
    }
}
