// SPDX-License-Identifier: GPL-2.0

//! Bios with several pieces under way.

use super::{Bio, Status};
use core::{mem::ManuallyDrop, ops::Deref, ptr::NonNull};
use kernel::{
    bindings,
    sync::atomic::{ordering, Atomic},
};

/// A counted handle of an accepted bio.
///
/// The last one to be dropped ends the bio, with the first error that was given to
/// [`SharedBio::fail`], else as done. Cloning and dropping is possible in any context.
///
/// # Invariants
///
/// - Those of [`Bio`], except for the handle being the only one.
/// - `bi_next` of the bio holds the number of `SharedBio`s for it.
#[repr(transparent)]
pub struct SharedBio(pub(super) NonNull<bindings::bio>);

// SAFETY: As for `Bio`; the count is atomic.
unsafe impl Send for SharedBio {}

// SAFETY: As for `Bio`; the count is atomic.
unsafe impl Sync for SharedBio {}

impl SharedBio {
    fn count(&self) -> &Atomic<usize> {
        // SAFETY: The bio is valid while `self` lives, and by the type invariants `bi_next` is a
        // number that is only accessed atomically.
        unsafe { Atomic::from_ptr((&raw mut (*self.0.as_ptr()).bi_next).cast::<usize>()) }
    }

    /// Notes an error for the whole bio; the first one is kept. [`Status::Ok`] changes nothing.
    pub fn fail(&self, status: Status) {
        self.note(status);
    }

    /// Whether an error has been noted, so that further pieces need not be sent.
    pub fn failed(&self) -> bool {
        !self.noted().is_ok()
    }

    /// The sole handle again, if this is the last counted one; what [`SharedBio::fail`] noted
    /// stays.
    pub fn into_bio(self) -> Result<Bio, Self> {
        if self.count().load(ordering::Acquire) != 1 {
            return Err(self);
        }
        let bio = ManuallyDrop::new(self);
        // SAFETY: The bio is valid, and as this is its only handle nobody can raise the count.
        unsafe { (*bio.0.as_ptr()).bi_next = core::ptr::null_mut() };
        // INVARIANT: The only counted handle becomes the sole one.
        Ok(Bio(bio.0))
    }

    /// Whether both are handles of the same bio.
    pub fn same(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Deref for SharedBio {
    type Target = Bio;

    #[inline]
    fn deref(&self) -> &Bio {
        // SAFETY: `Bio` is a transparent wrapper of the same pointer, and its invariants allow a
        // `Bio` that is only reachable by shared reference through a `SharedBio`.
        unsafe { &*core::ptr::from_ref(&self.0).cast::<Bio>() }
    }
}

impl Clone for SharedBio {
    #[inline]
    fn clone(&self) -> Self {
        self.count().fetch_add(1, ordering::Relaxed);
        // INVARIANT: The count has been raised for the new handle.
        Self(self.0)
    }
}

impl Drop for SharedBio {
    #[inline]
    fn drop(&mut self) {
        // Full order: whatever other holders did to the pages happens before the bio ends.
        if self.count().fetch_sub(1, ordering::Full) == 1 {
            // SAFETY: This was the last handle.
            unsafe { self.finish() };
        }
    }
}
