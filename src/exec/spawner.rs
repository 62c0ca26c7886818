// SPDX-License-Identifier: GPL-2.0

//! What makes tasks on a pool without keeping it.
//!
//! Whoever runs on a pool must not have a share in it: with the last one the pool would end, on a
//! worker that it waits for. A [`Spawner`] is for them. It may be kept for as long as one likes, and
//! once its pool ends, it makes no tasks any more.

use super::{
    run_queue::RunQueue,
    scope::Membership,
    task::{JoinHandle, Task, TaskName},
};
use core::future::Future;
use kernel::{prelude::*, sync::Arc};

/// Makes tasks on a pool. A [`super::Pool`] is one as well; clone it from there.
#[derive(Clone)]
pub struct Spawner {
    queue: Arc<RunQueue>,
}

impl Spawner {
    pub(super) fn new(queue: Arc<RunQueue>) -> Self {
        Self { queue }
    }

    pub(super) fn queue(&self) -> &Arc<RunQueue> {
        &self.queue
    }

    /// Runs `future` as a task of this pool. `name` is for people: a constant, or one with more to
    /// it, see [`TaskName::with`].
    ///
    /// May sleep. Errors: `ENOMEM`; `ESHUTDOWN` once the pool is being dropped.
    pub fn spawn(
        &self,
        name: impl Into<TaskName>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<JoinHandle> {
        Task::spawn(self.queue.clone(), name.into(), future, None)
    }

    /// As [`Self::spawn`], for a child of a scope.
    pub(super) fn spawn_member(
        &self,
        name: TaskName,
        future: impl Future<Output = ()> + Send + 'static,
        membership: Membership,
    ) -> Result<JoinHandle> {
        Task::spawn(self.queue.clone(), name, future, Some(membership))
    }

    /// The number of tasks that have not ended.
    pub fn tasks(&self) -> u32 {
        self.queue.queue.lock().present
    }

    /// How often a task was run.
    pub fn polls(&self) -> u64 {
        self.queue.polls()
    }
}
