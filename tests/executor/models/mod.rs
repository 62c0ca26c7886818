// SPDX-License-Identifier: GPL-2.0

//! The models, and the faults that they must find.

mod cells;
mod faults;
mod pools;
mod tasks;

use crate::{
    context::{interrupt, without_leaks},
    exec::{wait_for, JoinHandle, Pool, WakerCell},
    prelude::*,
    sync::Arc,
    sys::kthread::Reclaim,
};
use core::task::Poll;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::atomic::AtomicUsize;

/// How often a thread is interrupted that could go on. Every fault needs two at most; the
/// environment can ask for more.
const PREEMPTIONS: usize = 3;

/// Runs `model` in every interleaving, and says how many they were.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    explore_up_to(PREEMPTIONS, model);
}

/// As [`explore`]. A model of several workers has so many steps that two preemptions have to do.
fn explore_up_to(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let more = std::env::var("DST_LOOM_MORE").map_or(0, |more| more.parse().unwrap());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions + more);
    builder.max_branches = 10_000;
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let began = std::time::Instant::now();
    builder.check(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        without_leaks(&model);
    });
    let count = count.load(std::sync::atomic::Ordering::Relaxed);
    let name = std::thread::current();
    let name = name.name().unwrap_or("-");
    println!("{name}: {count} interleavings, {:?}", began.elapsed());
    assert!(count > 1, "nothing was explored");
}

/// What a task waits for, with its waker in a cell of the driver's. Relaxed: the hand-over has to
/// order it.
struct Event {
    happened: AtomicBool,
    cell: WakerCell,
}

impl Event {
    fn new() -> Arc<Self> {
        Arc::pin_init(
            Self {
                happened: AtomicBool::new(false),
                cell: WakerCell::new().make(),
            },
            GFP_KERNEL,
        )
        .unwrap()
    }

    /// It happens, in an interrupt.
    fn happen(&self) {
        self.happened.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Wakes, for nothing.
    fn wake(&self) {
        interrupt(|| self.cell.wake());
    }

    async fn wait(&self) {
        wait_for(c"an event", |context| {
            self.cell.register(context.waker());
            match self.happened.load(Ordering::Relaxed) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

/// Counts what was dropped.
struct Token(Arc<AtomicU32>);

impl Token {
    fn new() -> (Arc<AtomicU32>, Self) {
        let count = Arc::pin_init(AtomicU32::new(0), GFP_KERNEL).unwrap();
        (count.clone(), Self(count))
    }
}

impl Token {
    fn another(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        crate::context::may_sleep("a future is dropped");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A pool of `workers` without contexts.
fn pool(workers: u32) -> Pool {
    Pool::new(c"", workers, Reclaim::NoIo).unwrap()
}

/// A task that waits for `event`, and how often its future was dropped.
fn spawn(pool: &Pool, event: Arc<Event>) -> (Arc<AtomicU32>, JoinHandle) {
    let (dropped, token) = Token::new();
    let task = pool.spawn(c"", async move {
        let _token = token;
        event.wait().await;
    });
    (dropped, task.unwrap())
}

fn read(count: &AtomicU32) -> u32 {
    count.load(Ordering::Relaxed)
}
