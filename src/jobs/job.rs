// SPDX-License-Identifier: GPL-2.0

//! One job: what administrators ask of it, and what it tells them.
//!
//! The task of the job and those who ask meet here. Whoever changes what the task looks at changes it
//! first and signals after that; the task notes the number of signals before it looks, and waits only
//! while that is the same.

use super::config::{BadSector, JobInfo, JobKind, JobObserver, Name, PaceChange, Reason};
use crate::{
    dst_core::job::{
        claim::Claim,
        meter::time_left,
        state::{End, Refused, Request, State},
        yielding::DEFAULT_FLOOR,
    },
    exec::{timeout, wait_for, JoinHandle, Notify, Pool, Timer, WakerCell},
    storage::beside::Beside,
    sys::net_namespace::Net,
};
use core::{pin::pin, task::Poll};
use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, Mutex, SpinLock,
    },
    time::{BootTime, Delta, Instant, Monotonic},
};

/// Wakes a job's task. What it holds is taken out when the task ends, so that the last reference may
/// be dropped in any context.
#[pin_data]
pub struct Signal {
    count: Atomic<u32>,
    #[pin]
    waker: WakerCell,
}

impl Signal {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                count: Atomic::new(0),
                waker <- WakerCell::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Something has changed that the task has to look at. Any context.
    pub fn send(&self) {
        self.count.fetch_add(1, ordering::Full);
        self.waker.wake();
    }

    /// The number of signals so far, to be noted before looking.
    pub fn seen(&self) -> u32 {
        self.count.load(ordering::Acquire)
    }

    async fn changed(&self, seen: u32) {
        wait_for(c"its extents, or an order", |context| {
            self.waker.register(context.waker());
            if self.seen() == seen {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

/// What the job is told to do now.
#[derive(Clone, Copy)]
pub struct Order {
    /// Whether to issue, to pause or to end.
    pub state: State,
    /// Most bytes in a second.
    pub limit: Option<u64>,
    /// Bytes in a second that it may read however busy the application is.
    pub floor: u64,
}

/// How far the job is.
#[derive(Clone, Copy)]
pub struct Progress {
    /// Bytes that are done.
    pub done: u64,
    /// Bytes in a second.
    pub rate: u64,
    /// Extents in flight.
    pub in_flight: u32,
    /// What it waits for; may be empty.
    pub waits_for: Reason,
    /// Which way its data goes, if there are several; may be empty.
    pub way: Reason,
}

/// How a job has ended.
pub struct Outcome {
    /// Well or not.
    pub end: End,
    /// Why not; may be empty.
    pub reason: Reason,
    /// The sector that it failed at.
    pub bad: Option<BadSector>,
}

impl Outcome {
    /// An end for a reason.
    pub fn failed(reason: &dyn core::fmt::Display) -> Self {
        Self {
            end: End::Failed,
            reason: Reason::from_display(reason),
            bad: None,
        }
    }

    /// An end without a reason of its own.
    pub fn plain(end: End) -> Self {
        Self {
            end,
            reason: Reason::new(),
            bad: None,
        }
    }
}

struct Inner {
    state: State,
    since: Instant<BootTime>,
    ended: Option<Instant<BootTime>>,
    /// How many jobs had ended before, once it has.
    place: Option<u64>,
    /// Why it was told to end.
    stopped: Reason,
    limit: Option<u64>,
    floor: u64,
    outcome: Option<Outcome>,
    progress: Progress,
}

/// Where a job runs.
pub struct Parts {
    /// Dropped first: waits until the task has ended.
    pub task: JoinHandle,
    /// Its thread.
    pub pool: Pool,
}

/// What is known of a job from its beginning on.
pub struct Begun {
    /// Its number.
    pub id: u32,
    /// What it does.
    pub kind: JobKind,
    /// What it works on.
    pub claim: Claim,
    /// The name of the storage.
    pub storage: Name,
    /// Where events about it go.
    pub net: Net,
    /// Bytes that there are.
    pub total: u64,
    /// How fast it may be.
    pub pace: PaceChange,
}

/// A job.
#[pin_data]
pub struct Job {
    begun: Begun,
    at: Instant<BootTime>,
    clock: Instant<Monotonic>,
    observer: Option<Arc<dyn JobObserver>>,
    signal: Arc<Signal>,
    /// Tells the engine that a job has ended.
    over: Arc<Over>,
    #[pin]
    inner: SpinLock<Inner>,
    /// Held from a change of the state until it was told, so that a state is never told after a later one. Before `inner`.
    #[pin]
    telling: Mutex<()>,
    #[pin]
    parts: Mutex<Option<Parts>>,
}

/// See [`Job::over`].
#[pin_data]
pub struct Over {
    /// How many have.
    pub count: Atomic<u64>,
    /// Some job has ended.
    #[pin]
    pub notify: Notify,
}

impl Job {
    /// A job that runs, once its task was spawned and given to [`Self::keep`]. May sleep. Errors:
    /// `ENOMEM`.
    pub fn new(
        begun: Begun,
        observer: Option<Arc<dyn JobObserver>>,
        over: Arc<Over>,
    ) -> Result<Arc<Self>> {
        let inner = Inner {
            state: State::Running,
            since: Instant::now(),
            ended: None,
            place: None,
            stopped: Reason::new(),
            limit: begun.pace.limit.flatten(),
            floor: begun.pace.floor.unwrap_or(DEFAULT_FLOOR),
            outcome: None,
            progress: Progress {
                done: 0,
                rate: 0,
                in_flight: 0,
                waits_for: Reason::new(),
                way: Reason::new(),
            },
        };
        let signal = Signal::new()?;
        Arc::pin_init(
            pin_init!(Self {
                begun,
                at: Instant::now(),
                clock: Instant::now(),
                observer,
                signal,
                over,
                inner <- new_spinlock!(inner, "dst_job"),
                telling <- new_mutex!((), "dst_job_telling"),
                parts <- new_mutex!(None, "dst_job_parts"),
            }),
            GFP_KERNEL,
        )
    }

    /// What was known at its beginning.
    pub fn begun(&self) -> &Begun {
        &self.begun
    }

    /// What wakes its task.
    pub fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Keeps the task and its thread until the job has ended.
    pub fn keep(&self, parts: Parts) {
        *self.parts.lock() = Some(parts);
    }

    /// Waits until the task has ended, and lets go of it and its thread. Sleeps, but not for long if
    /// the job has ended.
    pub fn reap(&self) {
        let mut parts = self.parts.lock();
        if let Some(parts) = parts.as_ref() {
            // It is never cancelled from outside: it has to wait for its pages.
            parts.task.join();
        }
        *parts = None;
    }

    /// Microseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos().unsigned_abs() / 1000
    }

    /// What the task has to do.
    pub fn order(&self) -> Order {
        let inner = self.inner.lock();
        Order {
            state: inner.state,
            limit: inner.limit,
            floor: inner.floor,
        }
    }

    /// Waits until there was a signal after `seen`, or `limit` microseconds are over.
    pub async fn wait(&self, timer: &mut Timer, seen: u32, limit: Option<u64>) {
        let changed = pin!(self.signal.changed(seen));
        match limit {
            None => changed.await,
            Some(limit) => {
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let _ = timeout(timer, Delta::from_micros(limit.min(60_000_000)), changed).await;
            }
        }
    }

    /// The task tells how far it is.
    pub fn report(&self, progress: Progress) {
        self.inner.lock().progress = progress;
    }

    /// The task has nothing in flight: a pause is complete.
    pub fn settle(&self) {
        self.change(|inner| inner.state = inner.state.settled());
    }

    /// The task is about to end; called by the engine.
    pub fn finish(&self, outcome: Outcome) {
        self.change(|inner| {
            inner.state = inner.state.ended(outcome.end);
            inner.ended = Some(Instant::now());
            inner.place = Some(self.over.count.fetch_add(1, ordering::Relaxed));
            inner.progress.in_flight = 0;
            inner.progress.waits_for = Reason::new();
            let mut outcome = outcome;
            if outcome.end == End::Cancelled {
                outcome.reason = inner.stopped;
            }
            inner.outcome = Some(outcome);
        });
        self.signal.waker.clear();
        self.over.notify.notify_one();
    }

    /// Asks the job to pause, to go on or to end; `why` tells about an end. Any number of times.
    /// Errors: why not.
    pub fn request(&self, request: Request, why: &str) -> Result<(), Refused> {
        let mut refused = None;
        self.change(|inner| match inner.state.request(request) {
            Ok(next) => {
                if next == State::Cancelling && inner.state != State::Cancelling {
                    inner.stopped = Reason::from_display(&why);
                }
                inner.state = next;
            }
            Err(error) => refused = Some(error),
        });
        self.signal.send();
        refused.map_or(Ok(()), Err)
    }

    /// Changes how fast the job may be; `false` if it has ended.
    pub fn set_pace(&self, change: &PaceChange) -> bool {
        let mut inner = self.inner.lock();
        if inner.state.has_ended() {
            return false;
        }
        inner.limit = change.limit.unwrap_or(inner.limit);
        inner.floor = change.floor.unwrap_or(inner.floor);
        drop(inner);
        self.signal.send();
        true
    }

    /// Changes what the lock protects, and tells the observer if the state is another one then: each state once, in their
    /// order. Sleeps, but for moments only: telling neither waits nor reclaims memory.
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let telling = self.telling.lock();
        let mut inner = self.inner.lock();
        let before = inner.state;
        change(&mut inner);
        let changed = inner.state != before;
        if changed {
            inner.since = Instant::now();
        }
        drop(inner);
        if changed {
            self.tell();
        }
        drop(telling);
    }

    /// Tells the observer about the job as it is. Sleeps for moments.
    pub fn announce(&self) {
        let telling = self.telling.lock();
        self.tell();
        drop(telling);
    }

    /// Called with `telling` held.
    fn tell(&self) {
        if let Some(observer) = &self.observer {
            observer.job_changed(&self.info());
        }
    }

    /// How many jobs had ended before this one has; `None` if it has not.
    pub fn place(&self) -> Option<u64> {
        self.inner.lock().place
    }

    /// What the job tells about itself.
    pub fn info(&self) -> JobInfo {
        let inner = self.inner.lock();
        let elapsed = inner
            .ended
            .map_or_else(|| self.at.elapsed(), |ended| ended - self.at);
        let elapsed = elapsed.as_millis().unsigned_abs();
        let progress = inner.progress;
        let total = self.begun.total;
        let rate = match inner.state {
            State::Done | State::Failed | State::Cancelled => {
                progress.done.saturating_mul(1000).checked_div(elapsed)
            }
            _ => Some(progress.rate),
        };
        let left = inner
            .state
            .issues()
            .then(|| time_left(total.saturating_sub(progress.done), progress.rate));
        JobInfo {
            id: self.begun.id,
            kind: self.begun.kind,
            storage: self.begun.storage,
            node: self.begun.claim.node,
            state: inner.state,
            reason: inner
                .outcome
                .as_ref()
                .map_or(inner.stopped, |outcome| outcome.reason),
            waits_for: progress.waits_for,
            way: progress.way,
            since: inner.since.elapsed().as_millis().unsigned_abs(),
            elapsed,
            done: progress.done,
            total,
            rate: rate.unwrap_or(0),
            left: left.flatten(),
            limit: inner.limit,
            floor: inner.floor,
            in_flight: progress.in_flight,
            bad: inner.outcome.as_ref().and_then(|outcome| outcome.bad),
            net: self.begun.net.clone(),
        }
    }
}

impl Beside for Job {
    fn stop(&self) {
        // One that has ended is what is wanted.
        let _ = self.request(Request::Cancel, "the storage was deleted");
    }

    fn join(&self) {
        self.reap();
    }

    fn has_ended(&self) -> bool {
        self.order().state.has_ended()
    }
}
