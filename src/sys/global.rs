// SPDX-License-Identifier: GPL-2.0

//! Values of the module as a whole, behind one mutex that needs no initialisation.
//!
//! The kernel crate's `global_lock!` must be told when the module starts, before its first use.
//! What is kept here is used from everywhere, rarely and shortly.
//!
//! C header: `include/linux/mutex.h`.

use core::cell::UnsafeCell;

extern "C" {
    fn dst_blk_global_lock();
    fn dst_blk_global_unlock();
}

/// A value for a `static`. The module does not drop it at its end, so it must own nothing then.
///
/// # Invariants
///
/// The value is reached only under the mutex of this file.
pub struct Global<T>(UnsafeCell<T>);

// SAFETY: The mutex lets one thread at a time reach the value, so it is only ever sent.
unsafe impl<T: Send> Sync for Global<T> {}

impl<T> Global<T> {
    /// For a `static`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Runs `f` with the value. May sleep. All values of this kind share one mutex: `f` must not
    /// use another one.
    pub fn with<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: The mutex is initialised before any code runs.
        unsafe { dst_blk_global_lock() };
        // SAFETY: The mutex is held until after the last use of the reference.
        let result = f(unsafe { &mut *self.0.get() });
        // SAFETY: Taken above, by this thread.
        unsafe { dst_blk_global_unlock() };
        result
    }
}
