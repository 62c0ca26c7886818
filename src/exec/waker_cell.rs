// SPDX-License-Identifier: GPL-2.0

//! The place where the one task that awaits something leaves its waker.

use core::task::Waker;
use kernel::{new_spinlock_irq, prelude::*, sync::SpinLockIrq};

/// A waker left by the one task that waits, used by any number of threads and interrupts.
///
/// The waiting side registers first and looks at the condition after that; the other side changes
/// the condition first and wakes after that. Then no wake-up is lost, and one that comes too
/// early or twice costs a poll.
#[pin_data]
pub struct WakerCell {
    #[pin]
    waker: SpinLockIrq<Option<Waker>>,
}

impl WakerCell {
    /// A cell in which nobody waits.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            waker <- new_spinlock_irq!(None, "dst_waker"),
        })
    }

    /// Leaves `waker` here, in place of an earlier one. True if it was here already, so that it has
    /// been woken for whatever came since then. Process context: an old waker is dropped.
    pub fn register(&self, waker: &Waker) -> bool {
        let mut place = self.waker.lock();
        let known = place.as_ref().is_some_and(|old| old.will_wake(waker));
        let old = if known {
            None
        } else {
            // Cloning counts a reference, it does not allocate.
            place.replace(waker.clone())
        };
        // The last reference to a task may go with it: not under the lock.
        drop(place);
        drop(old);
        known
    }

    /// Takes the waker out again, so that the cell can be dropped in any context. For the task that
    /// does not wait any more. Process context.
    pub fn clear(&self) {
        let old = self.waker.lock().take();
        drop(old);
    }

    /// Wakes the task that waits, if any. Any context. The waker stays, so that no reference is
    /// dropped here.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.lock().as_ref() {
            waker.wake_by_ref();
        }
    }
}
