// SPDX-License-Identifier: GPL-2.0

//! Tasks: futures with a state word, run by the workers of a pool.

use super::{pool::RunQueue, waker_cell::WakerCell};
use crate::{
    dst_core::task_state::{self, Action, Event, State},
    sys::waker::{waker, Wake},
};
use core::{
    future::{poll_fn, Future},
    pin::Pin,
    task::{Context, Poll},
};
use kernel::pr_warn_once;
use kernel::{
    list::{impl_list_arc_safe, impl_list_item, AtomicTracker, ListArc, ListLinks, TryNewListArc},
    new_mutex,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        completion::Completion,
        Arc, ArcBorrow, Mutex,
    },
};

type Body = Pin<KBox<dyn Future<Output = ()> + Send>>;

/// A spawned future.
#[pin_data]
pub struct Task {
    #[pin]
    links: ListLinks,
    #[pin]
    tracker: AtomicTracker,
    state: Atomic<u32>,
    name: &'static CStr,
    queue: Arc<RunQueue>,
    /// `None` once the task is done. The lock is never contended: the state word admits one
    /// worker at a time.
    #[pin]
    body: Mutex<Option<Body>>,
    #[pin]
    done: Completion,
    #[pin]
    joiner: WakerCell,
}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Task { tracked_by tracker: AtomicTracker; }
}
impl_list_item! {
    impl ListItem<0> for Task { using ListLinks { self.links }; }
}

impl Wake for Task {
    fn wake(this: ArcBorrow<'_, Self>) {
        Task::apply(this, Event::Wake);
    }
}

impl Task {
    pub(super) fn spawn(
        queue: Arc<RunQueue>,
        name: &'static CStr,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<JoinHandle> {
        let body: KBox<dyn Future<Output = ()> + Send> = KBox::new(future, GFP_KERNEL)?;
        let body: Body = body.into();
        let task = Arc::pin_init(
            pin_init!(Task {
                links <- ListLinks::new(),
                tracker <- AtomicTracker::new(),
                state: Atomic::new(State::IDLE.bits()),
                name,
                queue,
                body <- new_mutex!(Some(body), "dst_task"),
                done <- Completion::new(),
                joiner <- WakerCell::new(),
            }),
            GFP_KERNEL,
        )?;
        task.queue.tasks.fetch_add(1, ordering::Relaxed);
        Task::apply(task.as_arc_borrow(), Event::Wake);
        Ok(JoinHandle { task })
    }

    /// Changes the state word as the table says for `event`, and queues the task if asked to.
    /// Any context for [`Event::Wake`] and [`Event::Cancel`].
    fn apply(this: ArcBorrow<'_, Self>, event: Event) -> Action {
        let mut bits = this.state.load(ordering::Relaxed);
        loop {
            let Some((next, action)) = task_state::on(event, State::from_bits(bits)) else {
                // The callers below bring the events of a worker only to a task of theirs.
                pr_warn_once!("task {}: impossible transition\n", this.name);
                return Action::Nothing;
            };
            match this.state.cmpxchg(bits, next.bits(), ordering::Full) {
                Ok(_) => {
                    if action == Action::Enqueue {
                        // A task in state queued has no other list reference: this cannot fail.
                        if let Ok(item) = ListArc::try_from_arc(this.into()) {
                            this.queue.push(item);
                        }
                    }
                    return action;
                }
                Err(current) => bits = current,
            }
        }
    }

    /// Polls the future once, or drops it if the task was cancelled. Called by a worker that took
    /// the task from the run queue.
    pub(super) fn run(self: Arc<Self>) {
        let this = self.as_arc_borrow();
        let over = match Task::apply(this, Event::Begin) {
            Action::Poll => self.poll() || Task::apply(this, Event::EndPending) == Action::Drop,
            Action::Drop => true,
            _ => false,
        };
        if over {
            let body = self.body.lock().take();
            drop(body);
            if Task::apply(this, Event::EndReady) == Action::Finish {
                self.queue.tasks.fetch_sub(1, ordering::Relaxed);
                self.done.complete_all();
                self.joiner.wake();
            }
        }
    }

    fn poll(self: &Arc<Self>) -> bool {
        let waker = waker(self.clone());
        let mut context = Context::from_waker(&waker);
        match &mut *self.body.lock() {
            Some(body) => body.as_mut().poll(&mut context).is_ready(),
            None => true,
        }
    }
}

/// The owner's handle of a task. Dropping it cancels the task and waits until it is done, so it
/// must be dropped in process context and not by the task itself.
pub struct JoinHandle {
    task: Arc<Task>,
}

impl JoinHandle {
    /// Asks the task to end: its future is dropped at its next await point. Does not wait.
    pub fn cancel(&self) {
        Task::apply(self.task.as_arc_borrow(), Event::Cancel);
    }

    /// Waits until the task has ended by itself or was cancelled. May sleep.
    pub fn join(&self) {
        self.task.done.wait_for_completion();
    }

    /// The asynchronous form of [`Self::join`]; one task at a time may await it.
    pub async fn joined(&self) {
        poll_fn(|context| {
            self.task.joiner.register(context.waker());
            if State::from_bits(self.task.state.load(ordering::Acquire)).is_done() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Whether the task has ended, so that dropping the handle does not wait.
    pub fn is_done(&self) -> bool {
        State::from_bits(self.task.state.load(ordering::Acquire)).is_done()
    }

    /// The name given to the task.
    pub fn name(&self) -> &'static CStr {
        self.task.name
    }
}

impl Drop for JoinHandle {
    fn drop(&mut self) {
        self.cancel();
        self.join();
    }
}

/// Lets the other tasks of the pool run: a task that always finds work calls this now and then.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
