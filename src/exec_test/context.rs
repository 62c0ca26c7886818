// SPDX-License-Identifier: GPL-2.0

//! What the cases share: pools, time limits, counted values.

use crate::{
    exec::{block_on, boxed, timeout, Pool, Timer},
    sys::kthread::Reclaim,
};
use core::{future::Future, pin::pin};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
    time::Delta,
};

/// How long something may take that happens at once, in seconds; a guest may be slow.
const LIMIT: i64 = 60;

/// What a case is given.
pub struct Context {
    /// A pool with one worker: whatever holds it up is noticed.
    pub one: Pool,
    /// A pool with several workers.
    pub many: Pool,
    /// A pool for functions that block.
    pub blocking: Pool,
}

impl Context {
    /// Starts the pools. May sleep.
    pub fn new() -> Result<Self> {
        Ok(Self {
            one: Pool::new(c"dst_test_one", 1, Reclaim::NoIo)?,
            many: Pool::new(c"dst_test_many", 3, Reclaim::NoIo)?,
            blocking: Pool::new(c"dst_test_block", 1, Reclaim::NoIo)?,
        })
    }

    /// Awaits `future` on this thread. Errors: `ETIMEDOUT` if it does not end.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        let mut timer = Timer::new()?;
        let mut future = boxed(async move {
            let future = pin!(future);
            timeout(&mut timer, Delta::from_secs(LIMIT), future).await
        })?;
        block_on(future.as_mut())?.ok_or(ETIMEDOUT)
    }

    /// Waits until `condition` is true. Errors: `ETIMEDOUT`.
    pub fn until(&self, condition: impl Fn() -> bool) -> Result {
        let mut timer = Timer::new()?;
        self.wait(async {
            while !condition() {
                timer.sleep(Delta::from_micros(100)).await;
            }
        })
    }

    /// Waits until `pool`, whose tasks were joined, has no task in its books any more. Errors:
    /// `ETIMEDOUT`.
    pub fn drained(&self, pool: &Pool) -> Result {
        self.until(|| pool.tasks() == 0)
    }
}

/// How many values of a kind were made, and how many of them dropped.
#[derive(Clone)]
pub struct Counter(Arc<(Atomic<u32>, Atomic<u32>)>);

impl Counter {
    /// None were made.
    pub fn new() -> Result<Self> {
        Ok(Self(Arc::new(
            (Atomic::new(0), Atomic::new(0)),
            GFP_KERNEL,
        )?))
    }

    /// Makes one.
    pub fn token(&self) -> Token {
        self.0 .0.fetch_add(1, ordering::Full);
        Token(self.clone())
    }

    /// How many were made.
    pub fn made(&self) -> u32 {
        self.0 .0.load(ordering::Acquire)
    }

    /// How many were dropped.
    pub fn dropped(&self) -> u32 {
        self.0 .1.load(ordering::Acquire)
    }
}

/// A value that is counted.
pub struct Token(Counter);

impl Drop for Token {
    fn drop(&mut self) {
        self.0 .0 .1.fetch_add(1, ordering::Full);
    }
}

/// Sets a number to 1 when the case ends, whichever way, so that what spins until then lets go.
/// Made after the handle that is joined at the end, so that it is dropped before.
pub struct SetAtEnd(pub Number);

impl Drop for SetAtEnd {
    fn drop(&mut self) {
        self.0.set(1);
    }
}

/// A number that several tasks change and read.
#[derive(Clone)]
pub struct Number(Arc<Atomic<u32>>);

impl Number {
    /// Zero.
    pub fn new() -> Result<Self> {
        Ok(Self(Arc::new(Atomic::new(0), GFP_KERNEL)?))
    }

    /// Adds one and returns what it was before.
    pub fn add(&self) -> u32 {
        self.0.fetch_add(1, ordering::Full)
    }

    /// Changes it.
    pub fn set(&self, value: u32) {
        self.0.store(value, ordering::Release);
    }

    /// Its value.
    pub fn get(&self) -> u32 {
        self.0.load(ordering::Acquire)
    }
}
