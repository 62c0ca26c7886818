// SPDX-License-Identifier: GPL-2.0

//! One value from one sender to one receiver.
//!
//! The place of the value is allocated when the pair is made, so sending allocates nothing and is
//! allowed anywhere. Sending does not use the sender up: dropping it may free memory, so its owner
//! does that, in process context.
//!
//! Locking: one spin lock, interrupts off, and inside it the receiver's waker cell.
//! Cancellation: a receiver that is dropped takes an unread value with it.

use super::{awaits::wait_for, WakerCell};
use core::task::Poll;
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{Arc, SpinLockIrq},
};

enum Slot<T> {
    Empty,
    Full(T),
    /// The value was taken, or will never come, or nobody wants it.
    Closed,
}

#[pin_data]
struct Shared<T> {
    #[pin]
    place: SpinLockIrq<Slot<T>>,
    #[pin]
    receiver: WakerCell,
}

impl<T: Unpin> Shared<T> {
    /// Puts `next` in place if `from` says so of what is there, and gives back what was there, or
    /// else `next`.
    fn exchange(&self, next: Slot<T>, from: fn(&Slot<T>) -> bool) -> Result<Slot<T>, Slot<T>> {
        let mut slot = self.place.lock();
        if from(&slot) {
            Ok(core::mem::replace(&mut *slot, next))
        } else {
            Err(next)
        }
    }
}

/// Makes a sender and its receiver. May sleep. Errors: `ENOMEM`.
pub fn oneshot<T: Send + Unpin>() -> Result<(Sender<T>, Receiver<T>)> {
    let shared = Arc::pin_init(
        pin_init!(Shared {
            place <- new_spinlock_irq!(Slot::Empty, "dst_oneshot"),
            receiver <- WakerCell::new(),
        }),
        GFP_KERNEL,
    )?;
    let sender = Sender {
        shared: shared.clone(),
    };
    Ok((sender, Receiver { shared }))
}

/// Sends the value. Dropped in process context; if nothing was sent, the receiver learns it.
pub struct Sender<T: Send + Unpin> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + Unpin> Sender<T> {
    /// Sends `value`, or gives it back if one was sent already or the receiver is gone. Any
    /// context in which `T` may be moved; it is not dropped here.
    pub fn send(&self, value: T) -> Result<(), T> {
        match self
            .shared
            .exchange(Slot::Full(value), |slot| matches!(slot, Slot::Empty))
        {
            Err(Slot::Full(value)) => Err(value),
            _ => {
                self.shared.receiver.wake();
                Ok(())
            }
        }
    }
}

impl<T: Send + Unpin> Drop for Sender<T> {
    fn drop(&mut self) {
        let empty = self
            .shared
            .exchange(Slot::Closed, |slot| matches!(slot, Slot::Empty));
        if empty.is_ok() {
            self.shared.receiver.wake();
        }
    }
}

/// Receives the value. Dropped in process context.
pub struct Receiver<T: Send + Unpin> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + Unpin> Receiver<T> {
    /// Waits for the value. May be dropped and called again.
    ///
    /// Errors: `EPIPE` if the sender is gone without having sent one, or the value was taken.
    pub async fn receive(&mut self) -> Result<T> {
        wait_for(c"a value (oneshot)", |context| {
            self.shared.receiver.register(context.waker());
            match self.try_receive() {
                Err(error) if error == EAGAIN => Poll::Pending,
                result => Poll::Ready(result),
            }
        })
        .await
    }

    /// As [`Self::receive`], without waiting. Any context in which `T` may be moved.
    ///
    /// Errors: `EAGAIN` if nothing was sent yet; `EPIPE` as above.
    pub fn try_receive(&mut self) -> Result<T> {
        let mut slot = self.shared.place.lock();
        if matches!(*slot, Slot::Empty) {
            return Err(EAGAIN);
        }
        match core::mem::replace(&mut *slot, Slot::Closed) {
            Slot::Full(value) => Ok(value),
            _ => Err(EPIPE),
        }
    }
}

impl<T: Send + Unpin> Drop for Receiver<T> {
    fn drop(&mut self) {
        // An unread value is dropped here, after the lock was let go of.
        let unread = self.shared.exchange(Slot::Closed, |_| true);
        drop(unread);
    }
}
