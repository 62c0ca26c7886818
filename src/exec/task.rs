// SPDX-License-Identifier: GPL-2.0

//! Tasks: futures with a state word, run by the workers of a pool.
//!
//! A task has ended when its future is dropped and nothing holds it any more: a [`Hold`] is taken
//! for each child in one of its scopes, so that a task ends after its children without a worker
//! that waits for them.

use super::{
    awaits::{TIMER, TURN},
    pool::RunQueue,
    scope::Membership,
    tasks,
};
use crate::{
    dst_core::task_state::{self, Action, Event, State},
    sys::{
        clock,
        static_text::StaticText,
        wait_queue::{WaitQueue, Waiter},
        waker::{target, waker, Wake, WakerTable},
    },
};
use core::{
    future::{poll_fn, Future},
    pin::{pin, Pin},
    task::{Context, Poll, Waker},
};
use kernel::pr_warn_once;
use kernel::{
    fmt,
    list::{impl_list_arc_safe, impl_list_item, AtomicTracker, ListArc, ListLinks, TryNewListArc},
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        atomic::{ordering, Atomic},
        completion::Completion,
        Arc, ArcBorrow, Mutex,
    },
};

/// A timer that was over.
const FOUND_TIMER: u32 = 1;
/// Anything else.
const FOUND_MORE: u32 = 2;

type Body = Pin<KBox<dyn Future<Output = ()> + Send>>;

/// What a task is called.
pub struct TaskName {
    what: &'static CStr,
    of: Option<CString>,
}

impl TaskName {
    /// `what`, and what tells this task from others that do the same, such as the address of a peer;
    /// it should have no blanks. May sleep. Errors: `ENOMEM`.
    pub fn with(what: &'static CStr, of: fmt::Arguments<'_>) -> Result<Self> {
        let of = Some(CString::try_from_fmt(of)?);
        Ok(Self { what, of })
    }
}

impl From<&'static CStr> for TaskName {
    fn from(what: &'static CStr) -> Self {
        Self { what, of: None }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Some(of) => f.write_fmt(fmt!("{}({})", self.what, &**of)),
            None => f.write_fmt(fmt!("{}", self.what)),
        }
    }
}

/// A spawned future.
#[pin_data]
pub struct Task {
    #[pin]
    links: ListLinks,
    #[pin]
    tracker: AtomicTracker,
    state: Atomic<u32>,
    name: TaskName,
    queue: Arc<RunQueue>,
    /// `None` once the task is done. The lock is never contended: the state word admits one
    /// worker at a time.
    #[pin]
    body: Mutex<Option<Body>>,
    /// The future itself, and the tasks that must end before this one has.
    holds: Atomic<u32>,
    #[pin]
    done: Completion,
    /// The task's place in the scope that it was spawned in, left at its end.
    #[pin]
    membership: Mutex<Option<Membership>>,
    /// Tasks that await the end.
    #[pin]
    joiners: WaitQueue<()>,
    /// What is left of the turn, see [`super::awaits`].
    budget: Atomic<u32>,
    awaits: StaticText,
    /// When what it does now began, in milliseconds of the coarse clock: the poll under way, or the
    /// waiting; a poll for a timer's sake alone that waits on for the same is no new beginning.
    since: Atomic<i64>,
    /// What the poll under way found ready: [`FOUND_TIMER`], [`FOUND_MORE`].
    found: Atomic<u32>,
    /// Where it is in the list of all tasks.
    place: Atomic<usize>,
}

static WAKERS: WakerTable<Task> = WakerTable::new();

impl_list_arc_safe! {
    impl ListArcSafe<0> for Task { tracked_by tracker: AtomicTracker; }
}
impl_list_item! {
    impl ListItem<0> for Task { using ListLinks { self.links }; }
}

impl Wake for Task {
    fn table() -> &'static WakerTable<Self> {
        &WAKERS
    }

    fn wake(this: ArcBorrow<'_, Self>) {
        Task::apply(this, Event::Wake);
    }
}

impl Task {
    /// Makes a task and queues it. A `membership` is left at its end, or at once if there is no
    /// memory for it or no pool.
    pub(super) fn spawn(
        queue: Arc<RunQueue>,
        name: TaskName,
        future: impl Future<Output = ()> + Send + 'static,
        membership: Option<Membership>,
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
                holds: Atomic::new(1),
                done <- Completion::new(),
                membership <- new_mutex!(membership, "dst_task_membership"),
                joiners <- WaitQueue::new(()),
                budget: Atomic::new(TURN),
                awaits: StaticText::new(),
                since: Atomic::new(clock::coarse_milliseconds()),
                found: Atomic::new(0),
                place: Atomic::new(0),
            }),
            GFP_KERNEL,
        )?;
        task.queue.admit()?;
        let place = tasks::enter(task.clone()).inspect_err(|_| task.queue.depart())?;
        task.place.store(place, ordering::Relaxed);
        if task.queue.is_closed() {
            // The end of the pool may have looked for its tasks before this one was in the list.
            Task::cancel(task.as_arc_borrow());
        }
        Task::apply(task.as_arc_borrow(), Event::Wake);
        Ok(JoinHandle { task: Some(task) })
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
            self.since
                .store(clock::coarse_milliseconds(), ordering::Relaxed);
            if Task::apply(this, Event::EndReady) == Action::Finish {
                Task::release(self);
            }
        }
    }

    /// Lets go of one hold. If that is the end of the task, it may be that of the task which owns
    /// the scope, and so on outwards. Process context.
    fn release(this: Arc<Self>) {
        let mut next = Some(this);
        while let Some(task) = next {
            next = task.let_go();
        }
    }

    /// Lets go of one hold; the last one is the end of the task. Returns a task of which one hold is
    /// to be let go as well.
    fn let_go(&self) -> Option<Arc<Self>> {
        if self.holds.fetch_sub(1, ordering::Full) != 1 {
            return None;
        }
        self.queue.depart();
        tasks::leave(self.place.load(ordering::Relaxed));
        self.done.complete_all();
        self.joiners.with(|(), line| while line.grant() {});
        let membership = self.membership.lock().take();
        membership?.leave()
    }

    fn has_ended(&self) -> bool {
        self.holds.load(ordering::Acquire) == 0
    }

    fn poll(self: &Arc<Self>) -> bool {
        let waker = waker(self.clone());
        let mut context = Context::from_waker(&waker);
        self.budget.store(TURN, ordering::Relaxed);
        let (before, now) = (self.awaits.get(), clock::coarse_milliseconds());
        let since = self.since.load(ordering::Relaxed);
        self.awaits.set(None);
        self.since.store(now, ordering::Relaxed);
        self.found.store(0, ordering::Relaxed);
        let over = match &mut *self.body.lock() {
            Some(body) => body.as_mut().poll(&mut context).is_ready(),
            None => true,
        };
        let in_vain = self.found.load(ordering::Relaxed) == FOUND_TIMER;
        if !over && in_vain && before.is_some_and(|before| self.awaits.is(before)) {
            self.since.store(since, ordering::Relaxed);
        }
        over
    }

    /// Whether it is one of the pool with this run queue. Any context.
    pub(super) fn is_of(&self, queue: &Arc<RunQueue>) -> bool {
        Arc::ptr_eq(&self.queue, queue)
    }

    /// Cancels all tasks of the pool with this run queue. May sleep.
    pub(super) fn cancel_all_of(queue: &Arc<RunQueue>) {
        let mut from = 0;
        while let Some((place, task)) = tasks::next_of(queue, from) {
            // Not under the mutex of the list: it may be the last reference.
            Task::cancel(task.as_arc_borrow());
            from = place.saturating_add(1);
        }
    }

    /// The task that `waker` wakes; `None` for a thread. Any context.
    pub(super) fn of(waker: &Waker) -> Option<ArcBorrow<'_, Self>> {
        target(waker)
    }

    /// Notes what the poll under way waits for. The first one counts: it is the purpose. A timer
    /// gives way to whatever else there is, since it is a deadline for that.
    pub(super) fn note(&self, what: &'static CStr) {
        if !self.awaits.is_set() || self.awaits.is(TIMER) {
            self.awaits.set(Some(what));
        }
    }

    /// Pays for an operation of the poll under way that found `what` it waited for.
    pub(super) fn spend(&self, what: &'static CStr) {
        // The worker that polls is the only one to change these.
        let found = match core::ptr::eq(what, TIMER) {
            true => FOUND_TIMER,
            false => FOUND_MORE,
        };
        let before = self.found.load(ordering::Relaxed);
        self.found.store(before | found, ordering::Relaxed);
        let left = self.budget.load(ordering::Relaxed);
        self.budget.store(left.saturating_sub(1), ordering::Relaxed);
    }

    /// Whether the poll under way has found enough operations ready.
    pub(super) fn turn_is_over(&self) -> bool {
        self.budget.load(ordering::Relaxed) == 0
    }

    /// Asks the task to end. Any context.
    pub(super) fn cancel(this: ArcBorrow<'_, Self>) {
        Task::apply(this, Event::Cancel);
    }

    /// Writes the task's line of the list.
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = State::from_bits(self.state.load(ordering::Relaxed));
        let doing = match state {
            state if state.is_done() => "joining",
            state if state.is_running() => "running",
            state if state.is_queued() => "queued",
            _ => "waiting",
        };
        let cancelled = if state.is_cancelled() {
            ",cancelled"
        } else {
            ""
        };
        let time = clock::coarse_milliseconds()
            .saturating_sub(self.since.load(ordering::Relaxed))
            .max(0);
        let awaits = match doing {
            "joining" => c"the tasks of its scopes",
            _ => self.awaits.get().unwrap_or(c"-"),
        };
        f.write_fmt(fmt!(
            "{} {} {doing}{cancelled} {time} {}\n",
            self.name,
            &*self.queue.name,
            awaits
        ))
    }
}

/// Keeps a task from ending although its future may be gone. Dropped in process context.
pub(super) struct Hold {
    /// `None` once it was handed on.
    task: Option<Arc<Task>>,
}

impl Hold {
    /// Holds `task`; `None` if it has ended.
    pub(super) fn new(task: ArcBorrow<'_, Task>) -> Option<Self> {
        let mut holds = task.holds.load(ordering::Relaxed);
        while holds > 0 {
            let more = holds.checked_add(1)?;
            match task.holds.cmpxchg(holds, more, ordering::Relaxed) {
                Ok(_) => {
                    return Some(Self {
                        task: Some(task.into()),
                    })
                }
                Err(now) => holds = now,
            }
        }
        None
    }

    /// The task, of which one hold is to be let go now, see [`Task::let_go`].
    pub(super) fn let_go(mut self) -> Option<Arc<Task>> {
        self.task.take()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            Task::release(task);
        }
    }
}

/// The owner's handle of a task. Dropping it cancels the task and waits until it has ended, so it
/// must be dropped in process context and not by a worker that the task, or one in a scope of its,
/// needs in order to end; the task itself least of all. A task that owns others of its own pool
/// spawns them in a [`super::Scope`], or awaits [`Self::joined`] before it drops the handle.
pub struct JoinHandle {
    /// `None` once the handle was detached.
    task: Option<Arc<Task>>,
}

impl JoinHandle {
    /// Asks the task to end: its future is dropped at its next await point. Does not wait. Any
    /// context.
    pub fn cancel(&self) {
        if let Some(task) = &self.task {
            Task::cancel(task.as_arc_borrow());
        }
    }

    /// Waits until the task has ended by itself or was cancelled. May sleep.
    pub fn join(&self) {
        if let Some(task) = &self.task {
            task.done.wait_for_completion();
        }
    }

    /// The asynchronous form of [`Self::join`]; any number of tasks may await it.
    pub async fn joined(&self) {
        let Some(task) = &self.task else {
            return;
        };
        let mut waiter = pin!(Waiter::new(&task.joiners, 1));
        super::awaits::wait_for(c"the end of a task", |context| {
            waiter
                .as_mut()
                .poll(context.waker(), |(), _, _| task.has_ended().then_some(()))
        })
        .await;
    }

    /// Whether the task has ended, so that dropping the handle does not wait. Any context.
    pub fn is_done(&self) -> bool {
        self.task.as_ref().is_none_or(|task| task.has_ended())
    }

    /// What the task waits for since its last poll, if it said so.
    pub fn awaits(&self) -> Option<&'static CStr> {
        self.task.as_ref()?.awaits.get()
    }

    /// Leaves the task to whoever holds its [`Hold`] or cancels it otherwise.
    pub(super) fn detach(mut self) -> Option<Arc<Task>> {
        self.task.take()
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
