// SPDX-License-Identifier: GPL-2.0

//! A mutex for tasks, which may be held across an await.
//!
//! Fair: tasks get it in the order in which they asked. The kernel's mutex belongs to a thread, so
//! a task that goes on waiting while it holds one would carry it away; this one belongs to its
//! guard. Where nothing is awaited under the lock, the kernel's locks are the right ones.
//!
//! Cancellation: a task that is dropped while it waits leaves the line; one that is dropped while
//! it holds the lock lets go of it.

use super::{
    semaphore::{Permit, Semaphore},
    yield_now,
};
use crate::sys::try_cell::{Taken, TryCell};
use core::ops::{Deref, DerefMut};
use kernel::prelude::*;

/// A value that one task at a time may use.
#[pin_data]
pub struct AsyncMutex<T> {
    #[pin]
    turn: Semaphore,
    value: TryCell<T>,
}

impl<T> AsyncMutex<T> {
    /// A mutex that nobody holds. Allocates nothing.
    pub fn new(value: T) -> impl PinInit<Self> {
        pin_init!(Self {
            turn <- Semaphore::new(1),
            value: TryCell::new(value),
        })
    }

    /// Waits until it is this task's turn.
    pub async fn lock(&self) -> Guard<'_, T> {
        loop {
            // There is one permit, it is never closed, and a guard lets go of the value before it
            // gives the permit back: this succeeds the first time.
            if let Ok(permit) = self.turn.acquire_for(c"a mutex", 1).await {
                if let Some(guard) = self.guard(permit) {
                    return guard;
                }
            }
            yield_now().await;
        }
    }

    /// The value, if nobody has it and nobody waits for it. Any context that may use `T`; the
    /// guard may be dropped in any context.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.guard(self.turn.try_acquire(1).ok()?)
    }

    fn guard<'a>(&'a self, permit: Permit<'a>) -> Option<Guard<'a, T>> {
        Some(Guard {
            value: self.value.try_take()?,
            _permit: permit,
        })
    }
}

/// The value of an [`AsyncMutex`]; dropping it lets the next task have it.
pub struct Guard<'a, T> {
    // Dropped in this order.
    value: Taken<'a, T>,
    _permit: Permit<'a>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
