// SPDX-License-Identifier: GPL-2.0

//! A bounded channel: many producers, one consumer.
//!
//! Memory for all values is allocated when the channel is made. Room is a permit of a
//! [`Semaphore`], so producers that wait for it are served in the order in which they came; a
//! permit goes with the value and comes back when the value is taken out.
//!
//! Closing: when the last producer is gone, the consumer gets what is left and then `None`. When
//! the consumer is gone or has closed the channel, producers get their values back.
//!
//! Locking: the values' spin lock and the semaphore's, one after the other; interrupts off.
//! Cancellation: a producer that is dropped while it waits has sent nothing; a consumer that is
//! dropped while it waits has taken nothing.

use super::{awaits::wait_for, Ring, Semaphore, WakerCell};
use core::task::Poll;
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, SpinLockIrq,
    },
};

struct Values<T> {
    ring: Ring<T>,
    /// Set by the consumer: no value comes in any more. The semaphore says so too, but who has got
    /// room from it before may come here after.
    closed: bool,
}

#[pin_data]
struct Shared<T> {
    #[pin]
    room: Semaphore,
    #[pin]
    values: SpinLockIrq<Values<T>>,
    /// Producers that are left.
    producers: Atomic<usize>,
    #[pin]
    consumer: WakerCell,
}

impl<T> Shared<T> {
    /// Appends a value for which there is room, and wakes the consumer. Gives it back if the
    /// channel was closed.
    fn put(&self, value: T) -> Result<(), T> {
        let mut values = self.values.lock();
        if values.closed {
            return Err(value);
        }
        values.ring.push_back(value)?;
        drop(values);
        self.consumer.wake();
        Ok(())
    }

    /// Takes a value out and leaves its room to the next producer.
    fn take(&self) -> Option<T> {
        let value = self.values.lock().ring.pop_front()?;
        self.room.release(1);
        Some(value)
    }
}

/// Makes a channel for `capacity` values, at least 1. May sleep.
///
/// Errors: `EINVAL` for no capacity, since nobody could ever send; `ENOMEM`.
pub fn channel<T: Send>(capacity: usize) -> Result<(Producer<T>, Consumer<T>)> {
    if capacity == 0 {
        return Err(EINVAL);
    }
    let ring = Ring::new(capacity)?;
    let shared = Arc::pin_init(
        pin_init!(Shared {
            room <- Semaphore::new(capacity),
            values <- new_spinlock_irq!(Values { ring, closed: false }, "dst_channel"),
            producers: Atomic::new(1),
            consumer <- WakerCell::new(),
        }),
        GFP_KERNEL,
    )?;
    let producer = Producer {
        shared: shared.clone(),
    };
    Ok((producer, Consumer { shared }))
}

/// Why a value was not taken; it comes back with the reason.
#[derive(Debug)]
pub enum Refused<T> {
    /// There is no room, or others wait for it.
    Full(T),
    /// The consumer is gone.
    Closed(T),
}

/// An end that sends. Cloned and dropped in process context.
pub struct Producer<T: Send> {
    shared: Arc<Shared<T>>,
}

impl<T: Send> Producer<T> {
    /// Sends `value`, waits for room if need be. Gives it back if the consumer is gone.
    pub async fn send(&self, value: T) -> Result<(), T> {
        match self.shared.room.acquire_for(c"room in a channel", 1).await {
            Ok(permit) => {
                permit.forget();
                self.shared.put(value)
            }
            Err(_) => Err(value),
        }
    }

    /// Sends `value` if there is room and nobody waits for it. Any context in which `T` may be
    /// moved; it is not dropped here.
    pub fn try_send(&self, value: T) -> Result<(), Refused<T>> {
        match self.shared.room.try_acquire(1) {
            Ok(permit) => {
                permit.forget();
                self.shared.put(value).map_err(Refused::Closed)
            }
            Err(error) if error == EAGAIN => Err(Refused::Full(value)),
            Err(_) => Err(Refused::Closed(value)),
        }
    }

    /// Whether the consumer is gone. Any context.
    pub fn is_closed(&self) -> bool {
        self.shared.room.is_closed()
    }
}

impl<T: Send> Clone for Producer<T> {
    fn clone(&self) -> Self {
        self.shared.producers.fetch_add(1, ordering::Relaxed);
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T: Send> Drop for Producer<T> {
    fn drop(&mut self) {
        if self.shared.producers.fetch_sub(1, ordering::Full) == 1 {
            self.shared.consumer.wake();
        }
    }
}

/// The end that receives. Dropped in process context, with all that was not received.
pub struct Consumer<T: Send> {
    shared: Arc<Shared<T>>,
}

impl<T: Send> Consumer<T> {
    /// Waits for the next value; `None` when none is left and none can come.
    pub async fn receive(&mut self) -> Option<T> {
        wait_for(c"a value in a channel", |context| {
            if let Some(value) = self.shared.take() {
                return Poll::Ready(Some(value));
            }
            self.shared.consumer.register(context.waker());
            // Read before the second look: what the last producer sent came before it was gone.
            let over = self.is_over();
            match self.shared.take() {
                Some(value) => Poll::Ready(Some(value)),
                None if over => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// The next value, if there is one. Any context in which `T` may be moved.
    ///
    /// Errors: `EAGAIN` if there is none yet; `EPIPE` if none can come.
    pub fn try_receive(&mut self) -> Result<T> {
        let over = self.is_over();
        match self.shared.take() {
            Some(value) => Ok(value),
            None if over => Err(EPIPE),
            None => Err(EAGAIN),
        }
    }

    /// Lets nobody send any more; what was sent before can still be received, after that comes
    /// `None`. A value that is being sent at this moment is received or given back. Any context.
    pub fn close(&mut self) {
        self.shared.values.lock().closed = true;
        self.shared.room.close();
    }

    fn is_over(&self) -> bool {
        self.shared.producers.load(ordering::Acquire) == 0 || self.shared.room.is_closed()
    }
}

impl<T: Send> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.close();
        // One by one: the values are dropped without the lock.
        while let Some(value) = self.shared.take() {
            drop(value);
        }
    }
}
