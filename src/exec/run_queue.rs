// SPDX-License-Identifier: GPL-2.0

//! The run queue of a pool: what waits for a worker, and what each worker is doing.
//!
//! Everything is under one spin lock, and every step of a worker is a transition of
//! [`worker_state`]. Workers sleep on a condition of their own, so that whoever has something for one
//! of them wakes that one and no other.
//!
//! Locking: the lock disables interrupts and may be taken in any context, inside foreign locks.
//! A worker is woken under it. No last reference is dropped under it.

use super::{task::Task, ticket::Ticket};
use crate::{
    dst_core::worker_state::{self, Event, Found, Order, Phase, WorkerState},
    sys::completion::Completion,
};
use core::any::Any;
use kernel::{
    list::{List, ListArc},
    new_condvar, new_spinlock_irq,
    prelude::*,
    str::CString,
    sync::{
        atomic::{ordering, Atomic},
        Arc, CondVar, SpinLockIrq,
    },
};

/// Work that a worker does with its context.
pub(super) trait Act: Send + Sync {
    /// Does it. Called once, on the worker, in process context.
    fn act(&self, context: &dyn Any);
}

/// What wakes one worker, and tells that it has gone.
#[pin_data]
pub(super) struct WorkerEvents {
    #[pin]
    wake: CondVar,
    /// It has dropped its context, and touches the pool no more.
    #[pin]
    pub(super) exited: Completion,
}

impl WorkerEvents {
    /// For a new worker. May sleep. Errors: `ENOMEM`.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                wake <- new_condvar!("dst_worker_wake"),
                exited <- Completion::new(),
            }),
            GFP_KERNEL,
        )
    }
}

/// A worker in its pool's run queue.
pub(super) struct Worker {
    pub(super) number: u32,
    pub(super) state: WorkerState,
    pub(super) events: Arc<WorkerEvents>,
    given: Option<Arc<dyn Act>>,
}

/// What is under the run queue's lock.
///
/// Invariant: if tasks wait, or tickets that any worker may serve, then no worker is idle, or as
/// many workers are on their way to look as there is work to find.
pub(super) struct Queue {
    tasks: List<Task>,
    pub(super) tickets: List<Ticket>,
    /// A caller was served last, so that it is a task's turn.
    served_caller: bool,
    pub(super) workers: KVec<Worker>,
    /// Places that are idle.
    idle: u32,
    /// So many workers are to leave, whichever looks first.
    pub(super) surplus: u32,
    stopping: bool,
    /// Tasks that have not ended.
    pub(super) present: u32,
    /// No more tasks are taken in.
    closed: bool,
}

/// The run queue of a pool.
#[pin_data]
pub struct RunQueue {
    /// The pool's name.
    pub(super) name: CString,
    #[pin]
    pub(super) queue: SpinLockIrq<Queue>,
    /// A worker has left, or the last task has ended.
    #[pin]
    pub(super) left: CondVar,
    /// How often a task was run.
    polls: Atomic<u64>,
}

/// What a worker does next, with what it takes for that.
enum Step {
    Sleep,
    Run(Arc<Task>),
    /// Tell the caller that this worker was reserved for it.
    Answer(Arc<Ticket>),
    Act(Arc<dyn Act>),
    /// Leave, and tell those who have waited for this worker alone.
    Leave(List<Ticket>),
}

impl Queue {
    /// The index of the worker with this number.
    pub(super) fn find(&self, number: u32) -> Option<usize> {
        self.workers
            .iter()
            .position(|worker| worker.number == number)
    }

    /// Brings `event` to worker `at`. `false` if there is no such worker, or the event
    /// cannot occur there.
    pub(super) fn bring(&mut self, event: Event, at: usize) -> bool {
        let Some(worker) = self.workers.get_mut(at) else {
            return false;
        };
        let Some((state, wake)) = worker_state::on(event, worker.state) else {
            return false;
        };
        self.idle -= u32::from(worker.state.is_idle());
        self.idle += u32::from(state.is_idle());
        worker.state = state;
        if wake {
            worker.events.wake.notify_one();
        }
        true
    }

    /// The first idle worker; the later ones sleep on as long as there is little to do.
    pub(super) fn idle(&self) -> Option<usize> {
        if self.idle == 0 {
            return None;
        }
        self.workers
            .iter()
            .position(|worker| worker.state.is_idle())
    }

    /// Wakes an idle worker, if there is one.
    pub(super) fn wake_one(&mut self) {
        if let Some(at) = self.idle() {
            self.bring(Event::Work, at);
        }
    }

    /// Workers that will take more work.
    pub(super) fn staying(&self) -> u32 {
        let staying = self.workers.iter().filter(|worker| worker.state.stays());
        // At most as many as there are workers, whose number is limited.
        (staying.count() as u32).saturating_sub(self.surplus)
    }

    /// Whether workers that are surplus have not gone yet.
    pub(super) fn is_shrinking(&self) -> bool {
        let leaving = |worker: &Worker| worker.state.phase == Phase::Leaving;
        self.surplus > 0 || self.workers.iter().any(leaving)
    }

    /// Gives worker `at` an action; only if it was reserved by the caller.
    pub(super) fn give(&mut self, at: usize, action: Arc<dyn Act>) {
        if let Some(worker) = self.workers.get_mut(at) {
            worker.given = Some(action);
        }
        self.bring(Event::Give, at);
    }

    /// What there is for worker `number`. Callers and tasks take turns, so neither starves.
    fn offer(&mut self, number: u32) -> Found {
        let caller = self.tickets.iter().any(|ticket| ticket.fits(number));
        match (caller, self.tasks.is_empty()) {
            (true, true) => Found::Caller,
            (true, false) if !self.served_caller => Found::Caller,
            (_, false) => Found::Task,
            (false, true) => Found::Nothing,
        }
    }

    /// Takes the first ticket of which `fits` is true out of the queue.
    pub(super) fn take_ticket(
        &mut self,
        fits: impl Fn(&Ticket) -> bool,
    ) -> Option<ListArc<Ticket>> {
        let mut cursor = self.tickets.cursor_front();
        while let Some(next) = cursor.peek_next() {
            if fits(&next) {
                return Some(next.remove());
            }
            cursor.move_next();
        }
        None
    }

    /// Makes the next step of worker `at`.
    fn step(&mut self, at: usize) -> Step {
        let Some(Worker { number, state, .. }) = self.workers.get(at) else {
            return Step::Leave(List::new());
        };
        let (number, before) = (*number, *state);
        let found = self.offer(number);
        let (state, order) = worker_state::look(before, found, self.surplus > 0, self.stopping);
        self.idle -= u32::from(before.is_idle());
        self.idle += u32::from(state.is_idle());
        let mut given = None;
        if let Some(worker) = self.workers.get_mut(at) {
            worker.state = state;
            if order == Order::Act {
                given = worker.given.take();
            }
        }
        match order {
            Order::Sleep => Step::Sleep,
            Order::Run => {
                self.served_caller = false;
                match self.tasks.pop_front() {
                    Some(task) => Step::Run(task.into_arc()),
                    None => Step::Sleep,
                }
            }
            Order::Answer => {
                self.served_caller = true;
                let ticket = self.take_ticket(|ticket| ticket.fits(number));
                self.pass_on();
                ticket.map_or(Step::Sleep, |ticket| Step::Answer(ticket.into_arc()))
            }
            Order::Act => given.map_or(Step::Sleep, Step::Act),
            Order::Leave => Step::Leave(self.leave(number, before)),
        }
    }

    /// Worker `number`, whose state was `before`, has looked for the last time. Returns the tickets
    /// that only it could serve.
    fn leave(&mut self, number: u32, before: WorkerState) -> List<Ticket> {
        if !before.leave {
            self.surplus = self.surplus.saturating_sub(1);
        }
        let mut lost = List::new();
        while let Some(ticket) = self.take_ticket(|ticket| ticket.only(number)) {
            lost.push_back(ticket);
        }
        self.pass_on();
        lost
    }

    /// Wakes another worker if there is work: this one may have been woken for it, and does not
    /// do it.
    fn pass_on(&mut self) {
        if !self.tasks.is_empty() || !self.tickets.is_empty() {
            self.wake_one();
        }
    }
}

impl RunQueue {
    /// A run queue without workers. May sleep. Errors: `ENOMEM`.
    pub(super) fn new(name: CString) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                name,
                queue <- new_spinlock_irq!(
                    Queue {
                        tasks: List::new(),
                        tickets: List::new(),
                        served_caller: false,
                        workers: KVec::new(),
                        idle: 0,
                        surplus: 0,
                        stopping: false,
                        present: 0,
                        closed: false,
                    },
                    "dst_run_queue"
                ),
                left <- new_condvar!("dst_run_queue_left"),
                polls: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// How often a task was run.
    pub(super) fn polls(&self) -> u64 {
        self.polls.load(ordering::Relaxed)
    }

    /// Appends a task that is in state queued and wakes one worker. Any context.
    pub(super) fn push(&self, task: ListArc<Task>) {
        let mut queue = self.queue.lock();
        queue.tasks.push_back(task);
        queue.wake_one();
    }

    /// Counts a new task. Errors: `ESHUTDOWN` after [`Self::close`].
    pub(super) fn admit(&self) -> Result {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(ESHUTDOWN);
        }
        queue.present = queue.present.checked_add(1).ok_or(ENOMEM)?;
        Ok(())
    }

    /// A task that was counted has ended.
    pub(super) fn depart(&self) {
        let mut queue = self.queue.lock();
        queue.present = queue.present.saturating_sub(1);
        let last = queue.present == 0;
        drop(queue);
        if last {
            self.left.notify_all();
        }
    }

    /// Takes in no more tasks. Any context.
    pub(super) fn close(&self) {
        self.queue.lock().closed = true;
    }

    /// Whether it takes no more tasks in. Any context.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// Waits until no task is left. May sleep.
    pub(super) fn await_tasks(&self) {
        let mut queue = self.queue.lock();
        while queue.present > 0 {
            self.left.wait(&mut queue);
        }
    }

    /// Makes room for one more worker, so that [`Self::enter`] needs no memory. The caller makes
    /// one worker at a time. May sleep. Errors: `ENOMEM`.
    pub(super) fn make_room(&self) -> Result {
        let length = self.queue.lock().workers.len();
        let mut workers = KVec::with_capacity(length.saturating_add(1), GFP_KERNEL)?;
        let mut queue = self.queue.lock();
        // Nobody else adds workers, so all that are there fit.
        for worker in queue.workers.drain_all() {
            let _ = workers.push_within_capacity(worker);
        }
        let old = core::mem::replace(&mut queue.workers, workers);
        drop(queue);
        drop(old);
        Ok(())
    }

    /// The current thread becomes worker `number`. Errors: `ENOMEM` without [`Self::make_room`].
    pub(super) fn enter(&self, number: u32, events: Arc<WorkerEvents>) -> Result {
        let worker = Worker {
            number,
            state: WorkerState::new(),
            events,
            given: None,
        };
        let result = self.queue.lock().workers.push_within_capacity(worker);
        result.map_err(|_| ENOMEM)
    }

    /// Works as worker `number`, which has entered, until it is to leave.
    pub(super) fn serve(&self, number: u32, events: &WorkerEvents, context: &dyn Any) {
        let mut queue = self.queue.lock();
        loop {
            let at = queue.find(number).unwrap_or(usize::MAX);
            match queue.step(at) {
                Step::Sleep => {
                    // Interruptible only for the load average and the hung-task watch: kernel
                    // threads get no signals.
                    let _ = events.wake.wait_interruptible(&mut queue);
                    continue;
                }
                Step::Leave(mut lost) => {
                    drop(queue);
                    while let Some(ticket) = lost.pop_front() {
                        ticket.answer_gone();
                    }
                    return;
                }
                Step::Answer(ticket) => {
                    drop(queue);
                    ticket.answer(number);
                }
                Step::Run(task) => {
                    drop(queue);
                    self.polls.fetch_add(1, ordering::Relaxed);
                    task.run();
                }
                Step::Act(action) => {
                    drop(queue);
                    action.act(context);
                }
            }
            crate::sys::kthread::cond_resched();
            queue = self.queue.lock();
        }
    }

    /// Worker `number` has left and dropped its context. It is the last that it does here.
    pub(super) fn exit(&self, number: u32, events: &WorkerEvents) {
        let mut queue = self.queue.lock();
        if let Some(at) = queue.find(number) {
            queue.bring(Event::Exit, at);
        }
        drop(queue);
        self.left.notify_all();
        events.exited.complete();
    }

    /// Takes out a worker that has gone.
    pub(super) fn take_gone(&self) -> Option<Worker> {
        let mut queue = self.queue.lock();
        let gone = |worker: &Worker| worker.state.phase == Phase::Gone;
        let at = queue.workers.iter().position(gone)?;
        queue.workers.remove(at).ok()
    }

    /// Tells all workers to leave when there is nothing to do.
    pub(super) fn stop(&self) {
        let mut queue = self.queue.lock();
        queue.stopping = true;
        for at in 0..queue.workers.len() {
            // Who is not idle looks by itself.
            queue.bring(Event::Work, at);
        }
    }
}
