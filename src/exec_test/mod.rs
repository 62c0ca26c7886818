// SPDX-License-Identifier: GPL-2.0

//! The cases of the executor's tests. A case is a plain function; [`runner`] runs the table.
//!
//! A case waits for conditions with a generous limit, and leaves no task behind.

pub mod aside;
pub mod context;
pub mod runner;

pub mod cancelling;
pub mod channels;
pub mod interrupts;
pub mod leases;
pub mod locks;
pub mod pool;
pub mod resize;
pub mod schedule;
pub mod scopes;
pub mod storms;
pub mod tasks;
pub mod timers;

pub use context::Context;

use kernel::prelude::*;
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
    tasks: spawn_and_join, values, several_join, wake_during_poll, wake_after_end,
        cancel_states, handles_dropped, turns;
    channels: once, once_closed, in_order, bounded, many_producers, producers_gone, consumer_gone,
        endless_producer;
    locks: permits, permits_in_order, permits_given_back, semaphore_closed, mutex, mutex_cancelled,
        notify_kept, notify_everybody, notify_passed_on,
        notify_all_cancelled;
    scopes: all_joined, first_error_wins, body_error, dropped_in_the_middle, dropped_by_a_thread,
        nested, awaits, moved, blocking, blocking_dropped;
    timers: sleep, sleep_dropped, deadlines, selecting, awaits, joining;
    interrupts: soft, hard, both_kinds;
    storms: one_task, many_tasks, channel_closed;
    leases: exclusive, kept, work_fails, revoked, not_renewed, overstayed, cancelled,
        blocking_overstays, next_expires;
    cancelling: everywhere, values_in_flight;
    pool: no_workers, contexts, contexts_of_tasks, init_fails, numbers, properties, remove_busy,
        remove_polling, remove_interrupted;
    resize: to_a_number, interrupted, from_a_worker, wake_up_passed_on, under_load,
        destroyed_while_busy;
    schedule: setup_and_action, setup_refuses, time_limits, signals, signal_and_result,
        particular_worker, particular_worker_sleeps, particular_worker_leaves, promise_kept, turns;
};

/// What must keep the module from being loaded.
pub const CONTROL: &[Case] = &[Case {
    name: "control",
    run: |_| Err(EIO),
}];
