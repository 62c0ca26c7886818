// SPDX-License-Identifier: GPL-2.0

//! Bounded waiting of administrative requests.

use crate::exec::{block_on, block_on_deaf, boxed, timeout, Timer, WakerCell};
use core::{
    future::{poll_fn, Future},
    pin::pin,
    task::Poll,
};
use kernel::{
    prelude::*,
    sync::atomic::{ordering, Atomic},
    time::{Delta, Instant, Monotonic},
};

/// The end of the time that a request may take.
pub struct Deadline {
    begun: Instant<Monotonic>,
    limit: u32,
    deaf: bool,
}

impl Deadline {
    /// `limit` milliseconds from now.
    pub fn after(limit: u32) -> Self {
        Self {
            begun: Instant::now(),
            limit,
            deaf: false,
        }
    }

    /// The same for what has to be done even if a signal comes.
    pub fn deaf(limit: u32) -> Self {
        Self {
            deaf: true,
            ..Self::after(limit)
        }
    }

    /// Milliseconds that are left.
    pub fn remaining(&self) -> u32 {
        let passed = self.begun.elapsed().as_millis();
        u32::try_from(passed).map_or(0, |passed| self.limit.saturating_sub(passed))
    }

    /// Whether the time is over.
    pub fn passed(&self) -> bool {
        self.remaining() == 0
    }
}

/// Lets a deletion by force end what another request waits for.
#[pin_data]
pub struct Interrupt {
    requested: Atomic<bool>,
    #[pin]
    waker: WakerCell,
}

impl Interrupt {
    /// An interrupt that nobody has asked for.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            requested: Atomic::new(false),
            waker <- WakerCell::new(),
        })
    }

    /// Ends all waiting, now and in future. Any context.
    pub fn request(&self) {
        self.requested.store(true, ordering::Release);
        self.waker.wake();
    }

    /// Whether waiting was ended.
    pub fn requested(&self) -> bool {
        self.requested.load(ordering::Acquire)
    }

    /// Runs `future` on the calling thread. One thread at a time.
    ///
    /// Errors: `ECANCELED` after [`Self::request`], `ETIMEDOUT` when the time is over, `EINTR`
    /// when a signal came (unless the deadline is deaf), `ENOMEM`. The future is dropped then.
    pub fn run<T>(&self, deadline: &Deadline, future: impl Future<Output = T>) -> Result<T> {
        let mut timer = Timer::new()?;
        let limit = Delta::from_millis(deadline.remaining().into());
        let mut future = boxed(future)?;
        let mut limited = pin!(timeout(&mut timer, limit, future.as_mut()));
        let waiting = poll_fn(|context| {
            self.waker.register(context.waker());
            if self.requested() {
                return Poll::Ready(Err(ECANCELED));
            }
            limited
                .as_mut()
                .poll(context)
                .map(|result| result.ok_or(ETIMEDOUT))
        });
        match deadline.deaf {
            true => block_on_deaf(pin!(waiting))?,
            false => block_on(pin!(waiting))?,
        }
    }
}

/// How long a request may wait, and who may end that.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// The interrupt of the storage.
    pub interrupt: &'a Interrupt,
    /// The end of the request's time.
    pub deadline: &'a Deadline,
}

impl Patience<'_> {
    /// See [`Interrupt::run`].
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        self.interrupt.run(self.deadline, future)
    }
}
