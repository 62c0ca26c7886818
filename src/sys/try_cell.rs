// SPDX-License-Identifier: GPL-2.0

//! A value that one holder at a time may change, wherever that holder goes.
//!
//! The kernel's locks belong to the thread that took them; a task moves from thread to thread.
//! This cell knows only taken and free and waits for nobody: a lock for tasks puts its own line in
//! front of it.

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};
use kernel::sync::atomic::{ordering, Atomic};

/// A value with a flag that says whether somebody has it.
///
/// # Invariants
///
/// `taken` is 1 exactly while a [`Taken`] of this cell exists.
pub struct TryCell<T> {
    taken: Atomic<u32>,
    value: UnsafeCell<T>,
}

// SAFETY: By the type invariants one `Taken` at a time reaches the value, and `taken` orders one
// holder after the other; so the value is only ever sent from thread to thread.
unsafe impl<T: Send> Sync for TryCell<T> {}

impl<T> TryCell<T> {
    /// A cell that nobody holds.
    pub const fn new(value: T) -> Self {
        Self {
            taken: Atomic::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, if nobody else has it. Any context.
    pub fn try_take(&self) -> Option<Taken<'_, T>> {
        self.taken.cmpxchg(0, 1, ordering::Acquire).ok()?;
        // INVARIANT: The flag was 0, so there was no other.
        Some(Taken {
            cell: self,
            _exclusive: PhantomData,
        })
    }
}

/// The value of a [`TryCell`], which is free again when this is dropped.
pub struct Taken<'a, T> {
    cell: &'a TryCell<T>,
    /// Shared between threads it gives what a reference to the value gives.
    _exclusive: PhantomData<&'a mut T>,
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants of the cell nobody else reaches the value.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants of the cell nobody else reaches the value.
        unsafe { &mut *self.cell.value.get() }
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        // INVARIANT: This was the one.
        self.cell.taken.store(0, ordering::Release);
    }
}
