// SPDX-License-Identifier: GPL-2.0

//! A number for which two threads race, so that it can be seen whether a data race is found.
//!
//! Only for a module of tests on a kernel with KCSAN, so it is no part of `sys/mod.rs`.

use core::{
    cell::UnsafeCell,
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};
use kernel::sync::atomic::{ordering, Atomic};

/// A number that any thread may change.
pub struct Number {
    plain: UnsafeCell<u64>,
    marked: Atomic<u64>,
    core: AtomicU64,
}

// SAFETY: What is changed without an atomic operation is unsound by intention, see `add`; nothing
// depends on its value.
unsafe impl Sync for Number {}

impl Number {
    /// Zero.
    pub fn new() -> Self {
        Self {
            plain: UnsafeCell::new(0),
            marked: Atomic::new(0),
            core: AtomicU64::new(0),
        }
    }

    /// Adds without any protection.
    #[inline(never)]
    pub fn add(&self) {
        // The compiler must not make one addition of several.
        let at = black_box(self.plain.get());
        // SAFETY: `at` is the address of an aligned number that lives as long as `self`. That
        // another thread changes it meanwhile is the race that has to be found; the processor's
        // loads and stores of 8 bytes are whole, and any value will do.
        unsafe { *at = (*at).wrapping_add(1) };
    }

    /// Reads plainly what [`Self::add_marked`] changes.
    #[inline(never)]
    pub fn read(&self) -> u64 {
        let at = black_box(self.marked.as_ptr());
        // SAFETY: As in `add`.
        black_box(unsafe { *at })
    }

    /// Adds with an atomic operation of the kernel crate.
    #[inline(never)]
    pub fn add_marked(&self) {
        self.marked.fetch_add(1, ordering::Relaxed);
    }

    /// Adds with each kind of access that is no data race: the kernel crate's atomics and those
    /// of `core`; reads as `READ_ONCE` does.
    #[inline(never)]
    pub fn add_cleanly(&self) {
        self.add_marked();
        self.core.fetch_add(1, Ordering::Relaxed);
        self.core
            .store(self.core.load(Ordering::Relaxed), Ordering::Relaxed);
        let at = black_box(self.marked.as_ptr());
        // SAFETY: `at` is the address of an aligned number that lives as long as `self`; a volatile
        // access is how the kernel reads what others change atomically.
        black_box(unsafe { at.read_volatile() });
    }
}

impl Default for Number {
    fn default() -> Self {
        Self::new()
    }
}
