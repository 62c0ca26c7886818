// SPDX-License-Identifier: GPL-2.0

//! Tasks that end with a value.

use super::{
    oneshot::{oneshot, Receiver},
    JoinHandle, Spawner, TaskName,
};
use core::future::Future;
use kernel::prelude::*;

/// The owner's handle of a task that ends with a value. Dropping it cancels and joins the task, as
/// with a [`JoinHandle`].
pub struct ValueHandle<T: Send + Unpin> {
    handle: JoinHandle,
    value: Receiver<T>,
}

/// Runs `future` as a task of `pool`, which leaves its value. May sleep. Errors: as
/// [`Spawner::spawn`].
pub fn spawn_value<T: Send + Unpin + 'static>(
    pool: &Spawner,
    name: impl Into<TaskName>,
    future: impl Future<Output = T> + Send + 'static,
) -> Result<ValueHandle<T>> {
    let (sender, value) = oneshot()?;
    let handle = pool.spawn(name, async move {
        // The receiver lives as long as the handle, which outlives the task.
        let _ = sender.send(future.await);
    })?;
    Ok(ValueHandle { handle, value })
}

impl<T: Send + Unpin> ValueHandle<T> {
    /// Asks the task to end. Any context.
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// The task's handle.
    pub fn handle(&self) -> &JoinHandle {
        &self.handle
    }

    /// Waits for the end of the task. Errors: `ECANCELED` if it was cancelled before it had its
    /// value, or the value was taken already.
    pub async fn joined(&mut self) -> Result<T> {
        self.handle.joined().await;
        self.value.try_receive().map_err(|_| ECANCELED)
    }

    /// As [`Self::joined`], for a thread that may sleep.
    pub fn join(&mut self) -> Result<T> {
        self.handle.join();
        self.value.try_receive().map_err(|_| ECANCELED)
    }
}

/// Waits for the end of all tasks, whatever their order. Each handle keeps its value.
///
/// To stop at the first error and cancel the others, spawn in a [`super::scope`].
pub async fn join_all<T: Send + Unpin>(handles: &[ValueHandle<T>]) {
    for handle in handles {
        handle.handle.joined().await;
    }
}
