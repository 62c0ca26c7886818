// SPDX-License-Identifier: GPL-2.0

//! The cases of the executor's tests. A case is a plain function; [`runner`] runs the table.
//!
//! A case waits for conditions with a generous limit, and leaves no task behind.

pub mod context;
pub mod runner;

pub use context::Context;

use runner::Case;

#[allow(unused_macros)]
macro_rules! cases {
    ($($module:ident: $($name:ident),+;)+) => {
        &[$($(Case {
            name: concat!(stringify!($module), "-", stringify!($name)),
            run: $module::$name,
        }),+),+]
    };
}

/// All cases, in the order in which they build on each other.
pub const CASES: &[Case] = &[];
