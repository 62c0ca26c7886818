// SPDX-License-Identifier: GPL-2.0

//! Sleeping until somebody says so.
//!
//! A [`Notify`] carries no data: whoever is woken looks for itself at what has changed. One
//! notification is kept if nobody waits, so a task that looks, finds nothing and waits misses
//! none. [`super::WakerCell`] is smaller and serves a single task that writes its own poll
//! function.
//!
//! Locking: one spin lock, interrupts off. Cancellation: a notification that a dropped waiter had
//! been given goes to the next one, or is kept.

use super::awaits::poll_for;
use crate::sys::wait_queue::{Line, Place, WaitQueue, Waited, Waiter};
use core::{future::poll_fn, pin::pin};
use kernel::prelude::*;

/// Whether a notification is kept for the next who asks.
struct Kept(bool);

impl Kept {
    fn notify_one(&mut self, line: &mut Line<'_>) {
        self.0 |= !line.grant();
    }
}

impl Waited for Kept {
    fn abandoned(&mut self, line: &mut Line<'_>, amount: usize, granted: bool) {
        // Who was told with all others has nothing to pass on.
        if granted && amount > 0 {
            self.notify_one(line);
        }
    }
}

/// Something that tasks sleep on.
#[pin_data]
pub struct Notify {
    #[pin]
    kept: WaitQueue<Kept>,
}

impl Notify {
    /// Nobody sleeps, nothing is kept. Allocates nothing.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            kept <- WaitQueue::new(Kept(false)),
        })
    }

    /// Wakes the task that has slept for the longest time; if there is none, the next that would
    /// sleep does not. Any context.
    pub fn notify_one(&self) {
        self.kept.with(|kept, line| kept.notify_one(line));
    }

    /// Wakes everybody who sleeps now and keeps nothing. Any context.
    pub fn notify_all(&self) {
        self.kept.with(|_, line| while line.grant_amount(0) {});
    }

    /// Sleeps until notified. `what` says to a person what is waited for.
    pub async fn notified(&self, what: &'static CStr) {
        let mut waiter = pin!(Waiter::new(&self.kept, 1));
        poll_fn(|context| {
            poll_for(what, context, |context| {
                waiter.as_mut().poll(context.waker(), |kept, _, place| {
                    (place == Place::Granted || core::mem::take(&mut kept.0)).then_some(())
                })
            })
        })
        .await;
    }
}
