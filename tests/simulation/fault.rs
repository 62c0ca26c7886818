// SPDX-License-Identifier: GPL-2.0

//! Which broken variant this thread runs.

use std::cell::Cell;

thread_local! {
    static WANTED: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Runs `f` with the broken variant `name`, or with none.
pub fn with<R>(name: Option<&'static str>, f: impl FnOnce() -> R) -> R {
    let before = WANTED.replace(name);
    let result = f();
    WANTED.set(before);
    result
}

/// Whether it is this one.
pub fn is(name: &str) -> bool {
    WANTED.get() == Some(name)
}
