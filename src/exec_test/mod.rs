// SPDX-License-Identifier: GPL-2.0

//! The cases of the executor's tests.
//!
//! A case waits for conditions with a generous limit, and leaves no task behind.

pub mod aside;
pub mod context;
pub mod stop_at;

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

use crate::test_suite::{nothing_to_begin, nothing_to_end};
use kernel::prelude::*;

/// Calls a case with a context of its own.
fn call(case: fn(&Context) -> Result) -> Result {
    case(&Context::new()?)
}

crate::suites! {
    /// All suites, in the order in which they build on each other.
    SUITES, begin: nothing_to_begin, end: nothing_to_end, call: call;
    dst_exec_tasks = tasks: {
        spawn_and_join, values, several_join, wake_during_poll, wake_after_end, cancel_states,
        handles_dropped, turns
    };
    dst_exec_channels = channels: {
        once, once_closed, in_order, bounded, many_producers, producers_gone, consumer_gone,
        endless_producer
    };
    dst_exec_locks = locks: {
        permits, permits_in_order, permits_given_back, semaphore_closed, mutex, mutex_cancelled,
        notify_kept, notify_everybody, notify_passed_on, notify_all_cancelled
    };
    dst_exec_scopes = scopes: {
        all_joined, first_error_wins, body_error, dropped_in_the_middle, dropped_by_a_thread,
        nested, deep, awaits, moved, blocking, blocking_dropped
    };
    dst_exec_timers = timers: { sleep, sleep_dropped, deadlines, selecting, awaits, joining };
    dst_exec_interrupts = interrupts: { soft, hard, both_kinds };
    dst_exec_storms = storms: { one_task, many_tasks, channel_closed };
    dst_exec_leases = leases: {
        exclusive, kept, work_fails, revoked, not_renewed, overstayed, cancelled,
        blocking_overstays, next_expires
    };
    dst_exec_cancelling = cancelling: { everywhere, values_in_flight };
    dst_exec_pool = pool: {
        no_workers, contexts, contexts_of_tasks, init_fails, numbers, properties, remove_busy,
        remove_polling, remove_interrupted, closed
    };
    dst_exec_resize = resize: {
        to_a_number, interrupted, from_a_worker, wake_up_passed_on, under_load,
        destroyed_while_busy
    };
    dst_exec_schedule = schedule: {
        setup_and_action, setup_refuses, time_limits, signals, signal_and_result,
        particular_worker, particular_worker_sleeps, particular_worker_leaves, promise_kept, turns
    };
}
