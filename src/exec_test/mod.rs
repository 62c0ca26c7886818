// SPDX-License-Identifier: GPL-2.0

//! The cases of the executor's tests. A case is a plain function; [`runner`] runs the table.
//!
//! A case waits for conditions with a generous limit, and leaves no task behind.

pub mod aside;
pub mod context;
pub mod runner;

pub mod pool;
pub mod resize;
pub mod schedule;

pub use context::Context;

use runner::Case;

macro_rules! cases {
    ($($module:ident: $($name:ident),+;)+) => {
        &[$($(Case {
            name: concat!(stringify!($module), "-", stringify!($name)),
            run: $module::$name,
        }),+),+]
    };
}

/// All cases, in the order in which they build on each other.
pub const CASES: &[Case] = cases! {
    pool: no_workers, contexts, contexts_of_tasks, init_fails, numbers, properties, remove_busy,
        remove_polling, remove_interrupted;
    resize: to_a_number, interrupted, from_a_worker, wake_up_passed_on, under_load,
        destroyed_while_busy;
    schedule: setup_and_action, setup_refuses, time_limits, signals, signal_and_result,
        particular_worker, particular_worker_sleeps, particular_worker_leaves, promise_kept, turns;
};
