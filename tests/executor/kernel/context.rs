// SPDX-License-Identifier: GPL-2.0

//! What the calling thread may do, and what is there: under a spin lock, and in an interrupt, it must not sleep, nor
//! free what tasks are made of. The kernel finds the first with a debug option and luck; here each
//! interleaving is checked.

use std::cell::Cell;

loom::thread_local! {
    static DEPTH: Cell<u32> = Cell::new(0);
}

/// A spin lock is taken, or an interrupt begins.
pub fn enter() {
    DEPTH.with(|depth| depth.set(depth.get() + 1));
}

pub fn leave() {
    DEPTH.with(|depth| depth.set(depth.get() - 1));
}

/// Fails unless the calling thread may sleep.
pub fn may_sleep(what: &str) {
    if !std::thread::panicking() {
        let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
        assert_eq!(depth, 0, "{what} under a spin lock or in an interrupt");
    }
}

std::thread_local! {
    /// Locks and completions that are there. Loom's threads take turns on one thread, so this is
    /// of all of them.
    static THERE: Cell<i64> = const { Cell::new(0) };
}

/// Something is made that tasks are made of.
pub fn made() {
    THERE.set(THERE.get() + 1);
}

/// It is freed.
pub fn freed(what: &str) {
    THERE.set(THERE.get() - 1);
    may_sleep(what);
}

/// Runs a model once; fails if it leaves something behind.
pub fn without_leaks(model: impl FnOnce()) {
    THERE.set(0);
    model();
    assert_eq!(THERE.get(), 0, "objects were left");
}

/// Runs `f` as an interrupt does. That an interrupt comes on top of the very thread that it
/// disturbs is nothing else to what is modelled: all spin locks disable interrupts.
pub fn interrupt<R>(f: impl FnOnce() -> R) -> R {
    enter();
    let result = f();
    leave();
    result
}
