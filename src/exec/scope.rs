// SPDX-License-Identifier: GPL-2.0

//! A scope: tasks that cannot outlive what they were spawned for.
//!
//! [`scope`] runs a body that spawns children. It returns when all of them have ended. The first
//! error, of the body or of a child, ends the scope: the other children are cancelled, the body is
//! dropped at its next await point, all of it is joined, and that error is the result.
//!
//! **When the scope's own future is dropped in the middle**, its children are cancelled, but the
//! drop does not wait for them: it runs on a worker, and the children may need that very worker in
//! order to be dropped; in a pool of one, waiting would be for ever. Running the queue while
//! waiting would not do either: tasks would be polled inside of tasks, without a bound on the
//! stack. Instead each child holds the *task* in which the scope was opened ([`Hold`]): its worker
//! is free for others, and it has ended, for everybody who joins it, when its last child has. So
//! whoever waits for the owner waits for the children, and nobody else needs to.
//!
//! A scope that no task polls ([`super::block_on`]) is dropped by a thread that is no worker;
//! there, the drop does wait.
//!
//! Children own what they use (`'static`). They may share it with the body through `Arc`s; there
//! is no way to lend them the body's variables, because a future can be forgotten without being
//! dropped, and nothing that a drop promises would be true then.
//!
//! A child that has a scope of its own ends after its children too, so the owner of the outermost
//! one ends last.
//!
//! Locking: one mutex for the children, process context only.

use super::{
    awaits::wait_for,
    select::{select, Either},
    slab::Slab,
    spawner::Spawner,
    task::{Hold, Task, TaskName},
    WakerCell,
};
use core::{
    future::{poll_fn, Future},
    pin::{pin, Pin},
    task::{Context, Poll},
};
use kernel::{
    new_condvar, new_mutex,
    prelude::*,
    sync::{Arc, CondVar, Mutex},
};

struct Child {
    number: u64,
    /// `None` while it is being spawned.
    task: Option<Arc<Task>>,
}

struct Children {
    table: Slab<Child>,
    spawned: u64,
    /// The first error that ended the scope.
    error: Option<Error>,
    cancelled: bool,
}

#[pin_data]
struct Shared {
    #[pin]
    children: Mutex<Children>,
    /// A child has ended; for the body's task, and for a thread.
    #[pin]
    waker: WakerCell,
    #[pin]
    changed: CondVar,
}

impl Shared {
    fn cancel(&self) {
        let mut children = self.children.lock();
        children.cancelled = true;
        for child in children.table.iter() {
            if let Some(task) = &child.task {
                Task::cancel(task.as_arc_borrow());
            }
        }
    }

    fn fail(&self, error: Error) {
        self.children.lock().error.get_or_insert(error);
        self.cancel();
        self.waker.wake();
    }

    fn remove(&self, place: usize) {
        let child = self.children.lock().table.remove(place);
        drop(child);
        self.waker.wake();
        self.changed.notify_all();
    }

    fn error(&self) -> Option<Error> {
        self.children.lock().error
    }
}

/// A child's place in its scope. The child's task has it, not its future, and leaves it at its end:
/// a task ends later than its future, and later still if it has a scope of its own.
pub(super) struct Membership {
    shared: Arc<Shared>,
    place: usize,
    /// See [`Scope::spawn_keeping`].
    kept: Option<KBox<dyn Send>>,
    owner: Option<Hold>,
}

impl Membership {
    /// Leaves the scope, and returns its task if that ends with this child.
    pub(super) fn leave(mut self) -> Option<Arc<Task>> {
        let owner = self.owner.take();
        drop(self);
        owner?.let_go()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // Before anybody learns of the end.
        drop(self.kept.take());
        self.shared.remove(self.place);
    }
}

/// A child's future.
#[pin_data]
struct Body<F> {
    #[pin]
    future: F,
    shared: Arc<Shared>,
}

impl<F: Future<Output = Result>> Future for Body<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.future.poll(context).map(|result| {
            if let Err(error) = result {
                this.shared.fail(error);
            }
        })
    }
}

/// What the body of a [`scope`] spawns its children with.
pub struct Scope<'a> {
    shared: Arc<Shared>,
    pool: &'a Spawner,
    /// The task that polls the scope; `None` for a thread.
    owner: Option<Arc<Task>>,
}

impl<'a> Scope<'a> {
    fn new(pool: &'a Spawner, owner: Option<Arc<Task>>) -> Result<Self> {
        let children = Children {
            table: Slab::new(),
            spawned: 0,
            error: None,
            cancelled: false,
        };
        Ok(Self {
            shared: Arc::pin_init(
                pin_init!(Shared {
                    children <- new_mutex!(children, "dst_scope"),
                    waker <- WakerCell::new(),
                    changed <- new_condvar!("dst_scope_changed"),
                }),
                GFP_KERNEL,
            )?,
            pool,
            owner,
        })
    }

    /// Runs `future` as a task of the scope's pool. May sleep. Called where the scope is polled.
    ///
    /// Errors: `ENOMEM`; `ECANCELED` once the scope was cancelled; `ESHUTDOWN` once the pool is being
    /// dropped; `EINVAL` if the task that polled
    /// the scope first has ended, and another one polls it now.
    pub fn spawn(
        &self,
        name: impl Into<TaskName>,
        future: impl Future<Output = Result> + Send + 'static,
    ) -> Result {
        self.spawn_on(self.pool, name, future)
    }

    /// As [`Self::spawn`], on another pool.
    pub fn spawn_on(
        &self,
        pool: &Spawner,
        name: impl Into<TaskName>,
        future: impl Future<Output = Result> + Send + 'static,
    ) -> Result {
        self.spawn_keeping(pool, name, future, None)
    }

    /// As [`Self::spawn_on`]; `kept` is dropped when the child has ended. Its future may be gone
    /// before that: a child that is cancelled inside a scope of its own ends after those tasks.
    pub(super) fn spawn_keeping(
        &self,
        pool: &Spawner,
        name: impl Into<TaskName>,
        future: impl Future<Output = Result> + Send + 'static,
        kept: Option<KBox<dyn Send>>,
    ) -> Result {
        let owner = match &self.owner {
            Some(task) => Some(Hold::new(task.as_arc_borrow()).ok_or(EINVAL)?),
            None => None,
        };
        let mut children = self.shared.children.lock();
        if children.cancelled {
            return Err(ECANCELED);
        }
        let number = children.spawned;
        children.spawned = number.wrapping_add(1);
        let place = children.table.insert(Child { number, task: None })?;
        // The child may end before `spawn` returns, and it is dropped there if memory is short.
        drop(children);
        let membership = Membership {
            shared: self.shared.clone(),
            place,
            kept,
            owner,
        };
        let body = Body {
            future,
            shared: self.shared.clone(),
        };
        let task = pool.spawn_member(name.into(), body, membership)?.detach();
        let mut children = self.shared.children.lock();
        let cancelled = children.cancelled;
        if let Some(child) = children.table.get_mut(place) {
            if child.number == number {
                if let Some(task) = task.as_ref().filter(|_| cancelled) {
                    Task::cancel(task.as_arc_borrow());
                }
                child.task = task;
            }
        }
        Ok(())
    }

    /// Asks all children to end and lets none be spawned any more. May sleep.
    pub fn cancel(&self) {
        self.shared.cancel();
    }

    /// Waits until no child is left.
    pub async fn joined(&self) {
        wait_for(c"the tasks of a scope", |context| {
            self.shared.waker.register(context.waker());
            match self.shared.children.lock().table.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Waits for an error. Says nothing of what it waits for: that is what the body says.
    async fn failed(&self) -> Error {
        poll_fn(|context| {
            self.shared.waker.register(context.waker());
            self.shared.error().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        self.cancel();
        if self.owner.is_none() {
            let mut children = self.shared.children.lock();
            while !children.table.is_empty() {
                self.shared.changed.wait(&mut children);
            }
        }
    }
}

/// Runs `body`, which spawns children on `pool`, and returns when all of them have ended. The task
/// that polls it first is the one that its children hold: it stays with that task.
///
/// Errors: the first of the body or of a child, after which the others were cancelled and joined;
/// `ENOMEM`.
pub async fn scope<T>(
    pool: &Spawner,
    body: impl AsyncFnOnce(&Scope<'_>) -> Result<T>,
) -> Result<T> {
    let owner = poll_fn(|context| Poll::Ready(Task::of(context.waker()).map(Arc::from))).await;
    let scope = Scope::new(pool, owner)?;
    let result = {
        let mut body = pin!(body(&scope));
        let mut failed = pin!(scope.failed());
        match select(failed.as_mut(), body.as_mut()).await {
            Either::First(error) => Err(error),
            Either::Second(result) => result,
        }
    };
    if let Err(error) = result {
        // Not the first one if a child has failed before, which may be why the body did.
        scope.shared.fail(error);
    }
    scope.joined().await;
    match scope.shared.error() {
        Some(error) => Err(error),
        None => result,
    }
}
