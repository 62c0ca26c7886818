// SPDX-License-Identifier: GPL-2.0

//! Calling a function that blocks, from a task that must not.

use super::{oneshot, scope::scope, Spawner, TaskName};
use kernel::prelude::*;

/// Runs `function` on a worker of `pool` and awaits what it returns. The pool should have no other
/// duty: the function holds up one of its workers for as long as it likes.
///
/// If the future is dropped, a function that has not begun never does; one that has runs to its
/// end, and the task that awaited it has not ended before (see [`scope`](mod@super::scope)).
///
/// Errors: `ENOMEM`; `ESHUTDOWN` once `pool` is being dropped.
pub async fn run_blocking<T: Send + Unpin + 'static>(
    pool: &Spawner,
    name: impl Into<TaskName>,
    function: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (sender, mut receiver) = oneshot()?;
    scope(pool, async |scope| {
        scope.spawn(name, async move {
            // The receiver waits until this task has ended.
            let _ = sender.send(function());
            Ok(())
        })
    })
    .await?;
    receiver.try_receive()
}
