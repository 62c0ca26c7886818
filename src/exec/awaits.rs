// SPDX-License-Identifier: GPL-2.0

//! Waiting, said aloud: what every primitive of this layer does around its own poll function.
//!
//! [`wait_for`] takes the place of [`core::future::poll_fn`]. It notes with the task what it waits
//! for, which `debugfs` shows (`exec::tasks`), and makes the task take turns: a task that always
//! finds what it asks for goes to the end of its pool's run queue after [`TURN`] such operations.
//!
//! Only what is awaited counts: `try_` operations cost nothing of a turn, so whoever loops on them
//! yields by itself.
//!
//! Neither costs more than a few plain loads and stores. A future that no task polls
//! ([`super::block_on`]) has a thread of its own, so it needs no turns.

use super::task::Task;
use core::{
    future::poll_fn,
    task::{Context, Poll},
};
use kernel::prelude::*;

/// What a task that sleeps on a timer awaits, unless it awaits something else beside: then the
/// timer is a deadline. A `static`, since it is known by its address.
pub(super) static TIMER: &CStr = c"a timer";

/// How many operations a task may find ready before it lets others run. A pool's tasks move data
/// by the KiB or more with each, so this is some milliseconds.
pub const TURN: u32 = 512;

/// Awaits what `poll` answers; `what` says to a person what that is. Process context.
pub async fn wait_for<T>(
    what: &'static CStr,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> T {
    poll_fn(|context| poll_for(what, context, &mut poll)).await
}

/// One poll of [`wait_for`], for futures that are written by hand.
pub fn poll_for<T>(
    what: &'static CStr,
    context: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    let task = Task::of(context.waker());
    if let Some(task) = task.filter(|task| task.turn_is_over()) {
        task.note(c"its turn");
        context.waker().wake_by_ref();
        return Poll::Pending;
    }
    let result = poll(context);
    match (&result, task) {
        (Poll::Ready(_), Some(task)) => task.spend(what),
        (Poll::Pending, Some(task)) => task.note(what),
        (_, None) => {}
    }
    result
}
