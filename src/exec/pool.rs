// SPDX-License-Identifier: GPL-2.0

//! Worker pools: a run queue and the kernel threads that serve it.
//!
//! A pool always has a worker, from its creation to its end: one without any would take work and
//! never do it, and nobody would be told. So the last one is never removed, whether there is work
//! or not; whoever needs no worker drops the pool.
//!
//! Invariants:
//! - Each thread has entered the run queue, and has its worker there until it is joined.
//! - At least [`Settings::least`] workers stay.
//!
//! Locking: `threads` is held while workers are started, never while one is waited for that leaves or
//! is joined. The run queue's lock nests inside it.

use super::{
    run_queue::{Worker, WorkerEvents},
    spawner::Spawner,
    task::Task,
    worker::{self, Init, WorkerSettings},
};
use crate::{
    dst_core::worker_state::Event,
    sys::{
        completion::{Wait, Waited},
        cpu::CpuSet,
        kthread::{Reclaim, Thread, NICE_MAX, NICE_MIN},
    },
};
use core::ops::Deref;
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{Arc, Mutex},
    warn_on,
};

pub use super::run_queue::RunQueue;

/// The most workers of one pool.
pub const MAX_WORKERS: u32 = 1024;

/// What a pool is made with.
#[derive(Clone)]
pub struct Settings {
    /// Workers at the beginning; 1 to [`MAX_WORKERS`].
    pub workers: u32,
    /// As many stay at all times; at least 1.
    pub least: u32,
    /// What allocations on a worker may do.
    pub reclaim: Reclaim,
    /// Nice level of the workers, [`NICE_MIN`] to [`NICE_MAX`].
    pub nice: i32,
    /// Where the workers run; wherever kernel threads do if not given.
    pub cpus: Option<Arc<CpuSet>>,
}

impl Settings {
    /// `workers` threads with nothing special about them, of which the last one stays.
    pub const fn new(workers: u32, reclaim: Reclaim) -> Self {
        Self {
            workers,
            least: 1,
            reclaim,
            nice: 0,
            cpus: None,
        }
    }

    fn check(&self) -> Result {
        let numbers = 1..=MAX_WORKERS;
        if !numbers.contains(&self.least)
            || !(self.least..=MAX_WORKERS).contains(&self.workers)
            || !(NICE_MIN..=NICE_MAX).contains(&self.nice)
        {
            return Err(EINVAL);
        }
        Ok(())
    }
}

struct WorkerThread {
    number: u32,
    thread: Thread,
}

/// The threads of a pool, and what the next one is made with.
struct Threads {
    started: KVec<WorkerThread>,
    settings: Settings,
}

/// A pool of workers, each with a context of type `C`. It is a [`Spawner`], too.
///
/// Dropping it lets no task be made any more, cancels those that there are, waits until all have
/// ended, and joins the threads; work that was scheduled is done before. It must not be dropped on a
/// worker of its own, which would wait for itself: what runs there has a clone of the [`Spawner`] and
/// no share in the pool.
pub struct Pool<C: 'static = ()> {
    spawner: Spawner,
    init: Arc<Init<C>>,
    threads: Pin<KBox<Mutex<Threads>>>,
}

impl Pool {
    /// Starts a pool of `workers` threads that have no context and nothing special about them.
    ///
    /// May sleep. Errors: as [`Self::with_settings`].
    pub fn new(name: &CStr, workers: u32, reclaim: Reclaim) -> Result<Self> {
        Self::with_settings(name, Settings::new(workers, reclaim))
    }

    /// Starts a pool whose workers have no context; see [`Pool::with_context`].
    ///
    /// May sleep. Errors: `EINVAL` for settings that cannot be, such as no workers; `ENOMEM`;
    /// `EINTR` when the caller was killed.
    pub fn with_settings(name: &CStr, settings: Settings) -> Result<Self> {
        Self::with_context(name, settings, |_| Ok(()))
    }
}

impl<C: 'static> Pool<C> {
    /// Starts workers in threads named `<name>/<number>`, numbered from 0. Each makes its context
    /// with `init`, which is given the number, and drops it when it leaves; neither may use the
    /// pool or wait for long.
    ///
    /// May sleep. Errors: as [`Pool::with_settings`]; that of an `init` that fails, and then no
    /// worker is left.
    pub fn with_context(
        name: &CStr,
        settings: Settings,
        init: impl Fn(u32) -> Result<C> + Send + Sync + 'static,
    ) -> Result<Self> {
        settings.check()?;
        let workers = settings.workers;
        let threads = Threads {
            started: KVec::new(),
            settings,
        };
        // From here on a failure stops the threads made so far, through `drop`.
        let pool = Self {
            spawner: Spawner::new(RunQueue::new(CString::try_from_fmt(fmt!("{}", name))?)?),
            init: Arc::new(init, GFP_KERNEL)?,
            threads: KBox::pin_init(new_mutex!(threads, "dst_pool_threads"), GFP_KERNEL)?,
        };
        let mut threads = pool.threads.lock();
        for _ in 0..workers {
            pool.start_worker(&mut threads)?;
        }
        drop(threads);
        Ok(pool)
    }

    /// What makes tasks on this pool, for those who do not keep it.
    pub fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// The number of workers, without those that are leaving.
    pub fn workers(&self) -> usize {
        self.queue().queue.lock().staying() as usize
    }

    /// The numbers of the workers that are there, in no order. May sleep. Errors: `ENOMEM`.
    pub fn numbers(&self) -> Result<KVec<u32>> {
        let mut numbers = KVec::new();
        let threads = self.threads.lock();
        for thread in &threads.started {
            numbers.push(thread.number, GFP_KERNEL)?;
        }
        drop(threads);
        let queue = self.queue().queue.lock();
        let is_there = |number: u32| {
            let worker = queue.find(number).and_then(|at| queue.workers.get(at));
            worker.is_some_and(|worker| worker.state.is_there())
        };
        numbers.retain(|number| is_there(*number));
        Ok(numbers)
    }

    /// The number of callers that wait for a worker.
    pub fn callers(&self) -> usize {
        self.queue().queue.lock().tickets.iter().count()
    }

    /// Makes one more worker, with the lowest number that is free, and returns the number.
    fn start_worker(&self, threads: &mut Threads) -> Result<u32> {
        let used = |number: &u32| {
            threads
                .started
                .iter()
                .any(|thread| thread.number == *number)
        };
        let number = (0..MAX_WORKERS)
            .find(|number| !used(number))
            .ok_or(ENOSPC)?;
        threads.started.reserve(1, GFP_KERNEL)?;
        self.queue().make_room()?;
        let settings = WorkerSettings {
            queue: self.queue().clone(),
            init: self.init.clone(),
            reclaim: threads.settings.reclaim,
            nice: threads.settings.nice,
            cpus: threads.settings.cpus.clone(),
        };
        let thread = settings.start_worker(number)?;
        threads
            .started
            .push(WorkerThread { number, thread }, GFP_KERNEL)?;
        Ok(number)
    }

    /// Adds a worker, whatever the others do, and returns its number.
    ///
    /// May sleep. Errors: that of `init`, `ENOMEM`, `ENOSPC` when there are [`MAX_WORKERS`],
    /// `EINTR` when the caller was killed; then the pool is as before.
    pub fn add(&self) -> Result<u32> {
        self.join_gone();
        let mut threads = self.threads.lock();
        self.start_worker(&mut threads)
    }

    /// Removes the worker with this number. If it is busy, it ends its present poll or action
    /// first; other workers do what is queued. If `interruptible`, a signal ends the waiting, and
    /// the worker stays.
    ///
    /// May sleep. Errors: `EBUSY` when no more than [`Settings::least`] workers would stay; `EINTR`;
    /// `ESRCH` when there is no such worker; `EALREADY` when somebody else is removing it;
    /// `EDEADLK` on a worker of this pool, which could wait for itself.
    pub fn remove(&self, number: u32, interruptible: bool) -> Result {
        if worker::is_of(self.queue()) {
            return Err(EDEADLK);
        }
        let least = self.threads.lock().settings.least;
        let mut queue = self.queue().queue.lock();
        let at = queue.find(number).ok_or(ESRCH)?;
        let state = queue.workers.get(at).ok_or(ESRCH)?.state;
        if !state.is_there() {
            return Err(ESRCH);
        }
        if state.leave {
            return Err(EALREADY);
        }
        if queue.staying() <= least {
            return Err(EBUSY);
        }
        let events = queue.workers.get(at).ok_or(ESRCH)?.events.clone();
        queue.bring(Event::Leave, at);
        drop(queue);
        let result = self.await_exit(&events, interruptible);
        self.join_gone();
        result
    }

    /// Waits until a worker that was told to leave has gone. On a signal it is told to stay,
    /// unless it is on its way out.
    fn await_exit(&self, events: &Arc<WorkerEvents>, interruptible: bool) -> Result {
        let wait = Wait {
            limit: None,
            interruptible,
        };
        if events.exited.wait(wait) == Waited::Done {
            return Ok(());
        }
        let mut queue = self.queue().queue.lock();
        let same = |worker: &Worker| Arc::ptr_eq(&worker.events, events);
        if let Some(at) = queue.workers.iter().position(same) {
            if queue
                .workers
                .get(at)
                .is_some_and(|worker| worker.state.is_there())
            {
                queue.bring(Event::Stay, at);
                return Err(EINTR);
            }
        }
        drop(queue);
        // It only has its context to drop.
        events.exited.wait(Wait::FOREVER).ok()
    }

    /// Makes the number of workers `count`. Those that are idle leave first. If `interruptible`, a
    /// signal ends the waiting for those that leave; those that are busy then, stay. A later call
    /// overrides an earlier one that still waits.
    ///
    /// May sleep. Errors: `EBUSY` for less than [`Settings::least`], `EINVAL` for more than
    /// [`MAX_WORKERS`], `EINTR`, `EDEADLK` on a worker of this pool; as [`Self::add`], with those
    /// workers that could be made.
    pub fn resize(&self, count: u32, interruptible: bool) -> Result {
        if worker::is_of(self.queue()) {
            return Err(EDEADLK);
        }
        self.join_gone();
        let mut threads = self.threads.lock();
        if count < threads.settings.least {
            return Err(EBUSY);
        }
        if count > MAX_WORKERS {
            return Err(EINVAL);
        }
        let mut queue = self.queue().queue.lock();
        let have = queue.staying();
        if count >= have {
            let kept = queue.surplus.min(count - have);
            queue.surplus -= kept;
            drop(queue);
            self.queue().left.notify_all();
            for _ in 0..count - have - kept {
                self.start_worker(&mut threads)?;
            }
            return Ok(());
        }
        queue.surplus += have - count;
        for _ in 0..have - count {
            queue.wake_one();
        }
        drop(queue);
        drop(threads);
        let result = self.await_surplus(interruptible);
        self.join_gone();
        result
    }

    /// Lets no less than `least` workers stay from now on, and starts those that are missing.
    ///
    /// May sleep. Errors: `EINVAL` for more than [`MAX_WORKERS`]; as [`Self::add`], with those workers
    /// that could be made.
    pub fn require(&self, least: u32) -> Result {
        if least > MAX_WORKERS {
            return Err(EINVAL);
        }
        let mut threads = self.threads.lock();
        let before = core::mem::replace(&mut threads.settings.least, least);
        threads.settings.least = least.max(before);
        drop(threads);
        let have = u32::try_from(self.workers()).unwrap_or(u32::MAX);
        if have >= least {
            return Ok(());
        }
        self.resize(least, false)
            .inspect_err(|_| self.threads.lock().settings.least = before)
    }

    /// Waits until as many workers have gone as were to. On a signal the others stay.
    fn await_surplus(&self, interruptible: bool) -> Result {
        let mut queue = self.queue().queue.lock();
        while queue.is_shrinking() {
            if !interruptible {
                self.queue().left.wait(&mut queue);
            } else if self.queue().left.wait_interruptible(&mut queue) && queue.is_shrinking() {
                queue.surplus = 0;
                self.queue().left.notify_all();
                return Err(EINTR);
            }
        }
        Ok(())
    }

    /// Joins the threads of workers that have gone. May sleep.
    fn join_gone(&self) {
        loop {
            let mut threads = self.threads.lock();
            let gone = self.queue().take_gone();
            let Some(gone) = gone else {
                return;
            };
            let is_it = |thread: &WorkerThread| thread.number == gone.number;
            let at = threads.started.iter().position(is_it);
            let thread = at.and_then(|at| threads.started.remove(at).ok());
            drop(threads);
            // Joined here, with no lock held.
            drop(thread);
        }
    }

    /// Sets the nice level of all workers, those to come included. May sleep. Errors: `ERANGE`.
    pub fn set_nice(&self, nice: i32) -> Result {
        if !(NICE_MIN..=NICE_MAX).contains(&nice) {
            return Err(ERANGE);
        }
        let mut threads = self.threads.lock();
        threads.settings.nice = nice;
        for thread in &threads.started {
            thread.thread.set_nice(nice);
        }
        Ok(())
    }

    /// Sets the CPUs of all workers, those to come included; wherever kernel threads run if not
    /// given. May sleep. Errors: `EINVAL` when none of them can be used; `ENOMEM`. Then nothing
    /// has changed.
    pub fn set_cpus(&self, cpus: Option<Arc<CpuSet>>) -> Result {
        let usual = CpuSet::of_kernel_threads()?;
        let mut threads = self.threads.lock();
        let apply = |cpus: &Option<Arc<CpuSet>>| {
            let set = cpus.as_deref().unwrap_or(&usual);
            let mut started = threads.started.iter();
            started.try_for_each(|thread| thread.thread.set_cpus(set))
        };
        if let Err(error) = apply(&cpus) {
            // The old ones could be used before; a CPU that went since is the kernel's business.
            let _ = apply(&threads.settings.cpus);
            return Err(error);
        }
        threads.settings.cpus = cpus;
        Ok(())
    }
}

impl<C: 'static> Deref for Pool<C> {
    type Target = Spawner;

    fn deref(&self) -> &Spawner {
        &self.spawner
    }
}

impl<C: 'static> Drop for Pool<C> {
    fn drop(&mut self) {
        // The worker that this would be could not end, and neither can it go on.
        warn_on!(worker::is_of(self.queue()));
        self.queue().close();
        Task::cancel_all_of(self.queue());
        self.queue().await_tasks();
        self.queue().stop();
        // Dropping the threads joins them.
        let started = core::mem::replace(&mut self.threads.lock().started, KVec::new());
        drop(started);
    }
}
