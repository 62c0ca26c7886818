// SPDX-License-Identifier: GPL-2.0

//! What runs on a worker, and how that reaches the worker's context.
//!
//! A context is made by the pool's `init` on the worker itself and dropped there when the worker
//! leaves, so it needs no lock and need not be `Send`. An action is given it; a poll of a task
//! asks for it, each time, since a task is polled by whichever worker is free ([`with_context`]).

use super::run_queue::{RunQueue, WorkerEvents};
use crate::sys::{
    completion::{Completion, Wait},
    cpu::CpuSet,
    kthread::{self, with_reclaim, Reclaim, Thread},
};
use core::{any::Any, cell::RefCell};
use kernel::{new_mutex, prelude::*, str::CString, sync::Arc, sync::Mutex};

/// Makes the context of the worker with this number, on that worker.
pub(super) type Init<C> = dyn Fn(u32) -> Result<C> + Send + Sync;

/// What a worker's thread holds as its own.
struct WorkerContext {
    queue: Arc<RunQueue>,
    number: u32,
    /// A `RefCell<C>`, where `C` is the context of the pool.
    context: KBox<dyn Any>,
}

/// Calls `f` with the context of the worker that this runs on. For a future on a pool with
/// contexts; not across an await, after which it may be another worker.
///
/// Process context. `None` if this is no worker, or one of a pool with another kind of context,
/// and in an action or in `f` itself, which have the context already.
pub fn with_context<C: 'static, R>(f: impl FnOnce(&mut C) -> R) -> Option<R> {
    kthread::own(|own| {
        let own = own.downcast_ref::<WorkerContext>()?;
        let cell = (*own.context).downcast_ref::<RefCell<C>>()?;
        let mut context = cell.try_borrow_mut().ok()?;
        Some(f(&mut context))
    })
    .flatten()
}

/// The number of the worker that this runs on; `None` if it is none. Any context.
pub fn number() -> Option<u32> {
    kthread::own(|own| Some(own.downcast_ref::<WorkerContext>()?.number)).flatten()
}

/// Whether this runs on a worker of the pool with this run queue. Any context.
pub(super) fn is_of(queue: &RunQueue) -> bool {
    let same = |own: &dyn Any| {
        Some(core::ptr::eq(
            &*own.downcast_ref::<WorkerContext>()?.queue,
            queue,
        ))
    };
    kthread::own(same).flatten().unwrap_or(false)
}

/// How a worker tells who started it that it has begun, or why it could not.
#[pin_data]
struct Report {
    #[pin]
    made: Completion,
    #[pin]
    result: Mutex<Result>,
}

impl Report {
    fn tell(&self, result: Result) {
        *self.result.lock() = result;
        self.made.complete();
    }
}

/// What a worker is made with.
pub(super) struct WorkerSettings<C: 'static> {
    pub(super) queue: Arc<RunQueue>,
    pub(super) init: Arc<Init<C>>,
    pub(super) reclaim: Reclaim,
    pub(super) nice: i32,
    pub(super) cpus: Option<Arc<CpuSet>>,
}

impl<C: 'static> WorkerSettings<C> {
    /// Starts worker `number` as a thread called `<pool>/<number>` and waits until its context is
    /// made. The run queue must have room for it.
    ///
    /// May sleep. Errors: that of `init`; `ENOMEM`; `EINTR` when the caller was killed; `EINVAL`
    /// when none of the CPUs can be used. Nothing is left then.
    pub(super) fn start_worker(self, number: u32) -> Result<Thread> {
        let name = CString::try_from_fmt(fmt!("{}/{number}", &*self.queue.name))?;
        let nice = self.nice;
        let events = WorkerEvents::new()?;
        let report = Arc::pin_init(
            pin_init!(Report {
                made <- Completion::new(),
                result <- new_mutex!(Err(ENOMEM), "dst_worker_report"),
            }),
            GFP_KERNEL,
        )?;
        let told = report.clone();
        let thread = Thread::spawn(&name, nice, move |slot| {
            let reclaim = self.reclaim;
            with_reclaim(reclaim, || self.work(number, &events, &report, slot));
        })?;
        // A worker always reports, and soon: what `init` does is bounded.
        told.made.wait(Wait::FOREVER).ok()?;
        let result = *told.result.lock();
        result.map(|()| thread)
    }

    /// The life of a worker.
    fn work(self, number: u32, events: &Arc<WorkerEvents>, report: &Report, slot: &kthread::Slot) {
        let own = match self.begin(number, events) {
            Ok(own) => own,
            Err(error) => return report.tell(Err(error)),
        };
        report.tell(Ok(()));
        slot.hold(&own, || self.queue.serve(number, events, &*own.context));
        drop(own);
        self.queue.exit(number, events);
    }

    fn begin(&self, number: u32, events: &Arc<WorkerEvents>) -> Result<WorkerContext> {
        if let Some(cpus) = &self.cpus {
            kthread::set_own_cpus(cpus)?;
        }
        let context: KBox<dyn Any> = KBox::new(RefCell::new((self.init)(number)?), GFP_KERNEL)?;
        self.queue.enter(number, events.clone())?;
        Ok(WorkerContext {
            queue: self.queue.clone(),
            number,
            context,
        })
    }
}
