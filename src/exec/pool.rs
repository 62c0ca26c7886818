// SPDX-License-Identifier: GPL-2.0

//! Worker pools: a run queue and the kernel threads that serve it.

use super::task::{JoinHandle, Task};
use crate::sys::kthread::{cond_resched, with_reclaim, Reclaim, Thread};
use core::future::Future;
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

struct Queue {
    tasks: List<Task>,
    stopping: bool,
}

/// The run queue of a pool.
#[pin_data]
pub struct RunQueue {
    #[pin]
    queue: SpinLockIrq<Queue>,
    #[pin]
    ready: CondVar,
    /// Tasks that have not ended.
    pub(super) tasks: Atomic<u32>,
    /// How often a task was run.
    polls: Atomic<u64>,
}

impl RunQueue {
    /// Appends a task that is in state queued and wakes one worker. Any context.
    pub(super) fn push(&self, task: ListArc<Task>) {
        self.queue.lock().tasks.push_back(task);
        self.ready.notify_one();
    }

    /// The next task to run; waits for one. `None` when the pool stops and no task is left.
    fn next(&self) -> Option<Arc<Task>> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(task) = queue.tasks.pop_front() {
                return Some(task.into_arc());
            }
            if queue.stopping {
                return None;
            }
            // Interruptible only for the load average and the hung-task watch: kernel threads
            // get no signals.
            let _ = self.ready.wait_interruptible(&mut queue);
        }
    }

    fn serve(&self) {
        while let Some(task) = self.next() {
            self.polls.fetch_add(1, ordering::Relaxed);
            task.run();
            cond_resched();
        }
    }
}

/// A pool of workers. Dropping it waits until its queue is empty and joins the threads; the owner
/// joins its tasks before that.
pub struct Pool {
    queue: Arc<RunQueue>,
    threads: KVec<Thread>,
}

impl Pool {
    /// Starts `workers` threads named `<name>/<n>`, whose allocations are limited by `reclaim`.
    ///
    /// May sleep. Errors: `EINVAL` for no workers, since nothing would ever run; `ENOMEM`.
    pub fn new(name: &CStr, workers: usize, reclaim: Reclaim) -> Result<Self> {
        if workers == 0 {
            return Err(EINVAL);
        }
        let queue = Arc::pin_init(
            pin_init!(RunQueue {
                queue <- new_spinlock_irq!(
                    Queue { tasks: List::new(), stopping: false },
                    "dst_run_queue"
                ),
                ready <- new_condvar!("dst_run_queue_ready"),
                tasks: Atomic::new(0),
                polls: Atomic::new(0),
            }),
            GFP_KERNEL,
        )?;
        // From here on a failure stops the threads made so far, through `drop`.
        let mut pool = Self {
            queue,
            threads: KVec::new(),
        };
        for number in 0..workers {
            let thread_name = CString::try_from_fmt(fmt!("{}/{number}", name))?;
            let queue = pool.queue.clone();
            let thread = Thread::spawn(&thread_name, move || {
                with_reclaim(reclaim, || queue.serve());
            })?;
            pool.threads.push(thread, GFP_KERNEL)?;
        }
        Ok(pool)
    }

    /// The number of threads.
    pub fn workers(&self) -> usize {
        self.threads.len()
    }

    /// The number of tasks that have not ended.
    pub fn tasks(&self) -> u32 {
        self.queue.tasks.load(ordering::Relaxed)
    }

    /// How often a task was run.
    pub fn polls(&self) -> u64 {
        self.queue.polls.load(ordering::Relaxed)
    }

    /// Runs `future` as a task of this pool. `name` is for the log. May sleep. Errors: `ENOMEM`.
    pub fn spawn(
        &self,
        name: &'static CStr,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<JoinHandle> {
        Task::spawn(self.queue.clone(), name, future)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.queue.lock().stopping = true;
        self.queue.ready.notify_all();
        // Dropping the threads joins them.
        self.threads.clear();
    }
}
