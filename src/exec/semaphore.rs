// SPDX-License-Identifier: GPL-2.0

//! A counting semaphore for tasks.
//!
//! Fair: permits go to those who wait in the order in which they came, also when the first wants
//! more than is there and a later one would be content. Who finds nobody waiting takes what it
//! wants at once.
//!
//! Locking: one spin lock, interrupts off. Cancellation: a waiter that is dropped leaves the line;
//! what it was granted meanwhile goes to the next.

use super::awaits::poll_for;
use crate::sys::wait_queue::{Line, Place, WaitQueue, Waited, Waiter};
use core::{future::poll_fn, pin::pin};
use kernel::prelude::*;

struct Permits {
    available: usize,
    closed: bool,
}

impl Permits {
    /// Serves those in line as far as there are permits.
    fn hand_out(&mut self, line: &mut Line<'_>) {
        while let Some(left) = line
            .first()
            .and_then(|amount| self.available.checked_sub(amount))
        {
            self.available = left;
            line.grant();
        }
    }

    fn add(&mut self, count: usize, line: &mut Line<'_>) {
        self.available = self.available.saturating_add(count);
        self.hand_out(line);
    }

    fn take(&mut self, count: usize) -> Option<()> {
        self.available = self.available.checked_sub(count)?;
        Some(())
    }
}

impl Waited for Permits {
    fn abandoned(&mut self, line: &mut Line<'_>, amount: usize, granted: bool) {
        // Without a grant too: it may have stood before others who want less.
        self.add(if granted { amount } else { 0 }, line);
    }
}

/// A number of permits that tasks take and give back.
#[pin_data]
pub struct Semaphore {
    #[pin]
    permits: WaitQueue<Permits>,
}

impl Semaphore {
    /// A semaphore with `count` permits. Allocates nothing.
    pub fn new(count: usize) -> impl PinInit<Self> {
        pin_init!(Self {
            permits <- WaitQueue::new(Permits {
                available: count,
                closed: false,
            }),
        })
    }

    /// Takes `count` permits, waits for them if need be. Asking for more than there will ever be
    /// waits for ever, and so does everybody behind: nobody overtakes.
    ///
    /// Errors: `ESHUTDOWN` once the semaphore is closed.
    pub async fn acquire(&self, count: usize) -> Result<Permit<'_>> {
        self.acquire_for(c"a semaphore", count).await
    }

    /// As [`Self::acquire`]; `what` says what the permits stand for.
    pub(super) async fn acquire_for(
        &self,
        what: &'static CStr,
        count: usize,
    ) -> Result<Permit<'_>> {
        let mut waiter = pin!(Waiter::new(&self.permits, count));
        poll_fn(|context| {
            poll_for(what, context, |context| {
                waiter
                    .as_mut()
                    .poll(context.waker(), |permits, line, place| match place {
                        _ if permits.closed => Some(Err(ESHUTDOWN)),
                        Place::Granted => Some(Ok(())),
                        Place::Outside if line.is_empty() => permits.take(count).map(Ok),
                        Place::Outside | Place::Waiting => None,
                    })
            })
        })
        .await?;
        Ok(Permit {
            semaphore: self,
            count,
        })
    }

    /// Takes `count` permits if nobody waits and they are there. Any context; the permit is given
    /// back in any context too.
    ///
    /// Errors: `EAGAIN` if it would have to wait; `ESHUTDOWN` once the semaphore is closed.
    pub fn try_acquire(&self, count: usize) -> Result<Permit<'_>> {
        self.permits.with(|permits, line| {
            if permits.closed {
                return Err(ESHUTDOWN);
            }
            if !line.is_empty() {
                return Err(EAGAIN);
            }
            permits.take(count).ok_or(EAGAIN)
        })?;
        Ok(Permit {
            semaphore: self,
            count,
        })
    }

    /// Adds `count` permits. Any context.
    pub fn release(&self, count: usize) {
        self.permits.with(|permits, line| permits.add(count, line));
    }

    /// Lets nobody acquire any more: who waits gets an error. Permits that are out stay valid. Any
    /// context.
    pub fn close(&self) {
        self.permits.with(|permits, line| {
            permits.closed = true;
            // They look at `closed` before they look at what they were granted, which is nothing.
            while line.grant_amount(0) {}
        });
    }

    /// Whether it was closed. Any context.
    pub fn is_closed(&self) -> bool {
        self.permits.with(|permits, _| permits.closed)
    }

    /// Permits that nobody has; means nothing once it is closed. Any context.
    pub fn available(&self) -> usize {
        self.permits.with(|permits, _| permits.available)
    }
}

/// Permits of a [`Semaphore`]; given back when dropped, which may be in any context.
#[must_use = "a permit that is dropped is given back"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

impl Permit<'_> {
    /// Keeps the permits for good: somebody else gives them back with [`Semaphore::release`].
    pub fn forget(mut self) {
        self.count = 0;
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.semaphore.release(self.count);
        }
    }
}
