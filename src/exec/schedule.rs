// SPDX-License-Identifier: GPL-2.0

//! Handing blocking work to a worker and getting its result back.
//!
//! [`Pool::schedule`] waits for a worker, lets the caller prepare the work while that worker is
//! kept for it, and gives it the work; [`Pending`] delivers the result. A call allocates, so this
//! is for setting things up, not for an I/O.
//!
//! Cancellation: until a worker was chosen, giving up leaves nothing behind. An action that was
//! given to a worker runs to its end, whether somebody waits for it or not; it owns what it uses.

use super::{
    pool::Pool,
    run_queue::{Act, RunQueue},
    ticket::Ticket,
    worker,
};
use crate::{
    dst_core::worker_state::Event,
    sys::completion::{Completion, Wait},
};
use core::{any::Any, cell::RefCell};
use kernel::{
    list::ListArc,
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// Which worker is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Whichever is free first.
    Any,
    /// The one with this number.
    Worker(u32),
}

/// A worker that was chosen for a caller, and sleeps until it knows what for.
struct Reservation<'a> {
    queue: &'a RunQueue,
    number: u32,
}

impl Reservation<'_> {
    /// Gives the worker its work.
    fn give(self, action: Arc<dyn Act>) {
        let mut queue = self.queue.queue.lock();
        if let Some(at) = queue.find(self.number) {
            queue.give(at, action);
        }
        drop(queue);
        core::mem::forget(self);
    }
}

impl Drop for Reservation<'_> {
    /// The worker is not needed after all.
    fn drop(&mut self) {
        let mut queue = self.queue.queue.lock();
        if let Some(at) = queue.find(self.number) {
            queue.bring(Event::Release, at);
        }
    }
}

impl RunQueue {
    /// Waits for a worker and keeps it for the caller.
    fn reserve(&self, on: On, wait: Wait) -> Result<Reservation<'_>> {
        let ticket = Ticket::new(on)?;
        let item = ListArc::try_from_arc(ticket.clone()).map_err(|_| EINVAL)?;
        let mut queue = self.queue.lock();
        let free = match on {
            On::Any => queue.idle(),
            On::Worker(number) => {
                let at = queue.find(number).ok_or(ESRCH)?;
                let state = queue.workers.get(at).map(|worker| worker.state);
                if !state.is_some_and(|state| state.is_there()) {
                    return Err(ESRCH);
                }
                state.is_some_and(|state| state.is_idle()).then_some(at)
            }
        };
        if let Some(at) = free {
            let number = queue.workers.get(at).map_or(0, |worker| worker.number);
            queue.bring(Event::Reserve, at);
            return Ok(Reservation {
                queue: self,
                number,
            });
        }
        if wait.limit == Some(0) {
            return Err(ETIMEDOUT);
        }
        queue.tickets.push_back(item);
        drop(queue);

        if let Err(error) = ticket.wait(wait).ok() {
            let mut queue = self.queue.lock();
            let taken = queue.take_ticket(|other| core::ptr::eq(other, &*ticket));
            drop(queue);
            if taken.is_some() {
                return Err(error);
            }
            // Somebody took it to answer it, which happens now.
            ticket.wait(Wait::FOREVER).ok()?;
        }
        let number = ticket.answered().unwrap_or(Err(ESRCH))?;
        Ok(Reservation {
            queue: self,
            number,
        })
    }
}

/// Work, what was prepared for it, and its result.
#[pin_data]
struct Call<C, A, R, F> {
    #[pin]
    work: Mutex<Option<(F, Option<A>)>>,
    #[pin]
    result: Mutex<Option<R>>,
    #[pin]
    done: Completion,
    context: core::marker::PhantomData<fn(&mut C)>,
}

/// Where the result of an action will be.
trait Outcome<R>: Send + Sync {
    fn done(&self) -> &Completion;
    fn take(&self) -> Option<R>;
}

impl<C, A, R, F> Act for Call<C, A, R, F>
where
    C: 'static,
    A: Send + Unpin,
    R: Send + Unpin,
    F: FnOnce(&mut C, A) -> R + Send + Unpin,
{
    fn act(&self, context: &dyn Any) {
        let work = self.work.lock().take();
        let cell = context.downcast_ref::<RefCell<C>>();
        if let (Some((action, Some(prepared))), Some(cell)) = (work, cell) {
            // Borrowed by nobody else: this is the worker's own loop.
            if let Ok(mut context) = cell.try_borrow_mut() {
                let result = action(&mut context, prepared);
                *self.result.lock() = Some(result);
            }
        }
        self.done.complete();
    }
}

impl<C, A, R, F> Outcome<R> for Call<C, A, R, F>
where
    A: Send,
    R: Send + Unpin,
    F: Send,
{
    fn done(&self) -> &Completion {
        &self.done
    }

    fn take(&self) -> Option<R> {
        self.result.lock().take()
    }
}

/// An action that was given to a worker. Dropping it does not end the action; its result is
/// dropped then.
pub struct Pending<R> {
    call: Arc<dyn Outcome<R>>,
    worker: u32,
}

impl<R> Pending<R> {
    /// Waits for the action's result.
    ///
    /// May sleep; not on a worker of the same pool. Errors: `ETIMEDOUT` when the time is over,
    /// `EINTR` when a signal came; the action runs on then, and this may be called again.
    /// `ENODATA` when the result was delivered before.
    pub fn wait(&self, how: Wait) -> Result<R> {
        self.call.done().wait(how).ok()?;
        self.call.take().ok_or(ENODATA)
    }

    /// The number of the worker.
    pub fn worker(&self) -> u32 {
        self.worker
    }
}

impl<C: 'static> Pool<C> {
    /// Waits for a free worker as `wait` says, runs `setup` with its number here, and gives it
    /// `action`, which runs there with the worker's context and what `setup` has returned.
    ///
    /// While `setup` runs the worker is kept for it, so it must not wait for anything that needs
    /// this pool. If it fails, its error is returned and no action runs.
    ///
    /// May sleep. Errors: `ETIMEDOUT` when no worker was free in time, at once if the limit is 0;
    /// `EINTR` when a signal came first; `ESRCH` when there is no such worker, or it leaves;
    /// `EDEADLK` on a worker of this pool, which could wait for itself; `ENOMEM`; those of
    /// `setup`. After any of them no action runs.
    pub fn schedule<A, R>(
        &self,
        on: On,
        wait: Wait,
        setup: impl FnOnce(u32) -> Result<A>,
        action: impl FnOnce(&mut C, A) -> R + Send + Unpin + 'static,
    ) -> Result<Pending<R>>
    where
        A: Send + Unpin + 'static,
        R: Send + Unpin + 'static,
    {
        let queue = self.queue();
        if worker::is_of(queue) {
            return Err(EDEADLK);
        }
        let call = Arc::pin_init(
            pin_init!(Call {
                work <- new_mutex!(Some((action, None)), "dst_call"),
                result <- new_mutex!(None, "dst_call_result"),
                done <- Completion::new(),
                context: core::marker::PhantomData,
            }),
            GFP_KERNEL,
        )?;
        let reservation = queue.reserve(on, wait)?;
        let worker = reservation.number;
        let prepared = setup(worker)?;
        if let Some((_, place)) = &mut *call.work.lock() {
            *place = Some(prepared);
        }
        reservation.give(call.clone());
        Ok(Pending { call, worker })
    }

    /// [`Self::schedule`] without a preparation, and waits for the result.
    ///
    /// A signal that comes while the action runs ends this too, if `wait` is interruptible: with
    /// `EINTR`, and the action runs on. The time limit is for the worker alone.
    pub fn call<R: Send + Unpin + 'static>(
        &self,
        on: On,
        wait: Wait,
        action: impl FnOnce(&mut C) -> R + Send + Unpin + 'static,
    ) -> Result<R> {
        let pending = self.schedule(on, wait, |_| Ok(()), move |context, ()| action(context))?;
        pending.wait(Wait {
            limit: None,
            ..wait
        })
    }
}
