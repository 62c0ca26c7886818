// SPDX-License-Identifier: GPL-2.0

//! Timers for tasks: sleeping for a time or until a deadline, and waiting no longer than that.
//!
//! A [`Timer`] is made once and slept on again and again without allocating. Its callback runs in
//! hard interrupts and only wakes the task.
//!
//! Cancellation: dropping a sleep stops the timer and waits for a callback that is running.

use super::{
    awaits::{wait_for, TIMER},
    waker_cell::WakerCell,
};
use core::{
    future::{poll_fn, Future},
    pin::{pin, Pin},
    task::Poll,
};
use kernel::{
    impl_has_hr_timer,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, ArcBorrow,
    },
    time::{
        hrtimer::{
            AbsoluteMode, HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer,
            HrTimerRestart,
        },
        Delta, Instant, Monotonic,
    },
};

/// The longest sleep, in seconds: a century, which the clock's 63 bits can hold three times.
const LONGEST: i64 = 100 * 365 * 86400;

/// A point of the monotonic clock, `duration` from now; at once if that is negative, and at most
/// a century ahead. Any context.
pub fn after(duration: Delta) -> Instant<Monotonic> {
    let nanoseconds = duration
        .as_nanos()
        .clamp(0, Delta::from_secs(LONGEST).as_nanos());
    Instant::now() + Delta::from_nanos(nanoseconds)
}

#[pin_data]
struct Alarm {
    #[pin]
    timer: HrTimer<Self>,
    /// The number of the sleep that has ended last.
    expired: Atomic<u32>,
    /// The number of the sleep under way.
    current: Atomic<u32>,
    #[pin]
    waker: WakerCell,
}

impl HrTimerCallback for Alarm {
    type Pointer<'a> = Arc<Self>;

    fn run(
        this: ArcBorrow<'_, Self>,
        _context: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart {
        let number = this.current.load(ordering::Acquire);
        this.expired.store(number, ordering::Release);
        this.waker.wake();
        HrTimerRestart::NoRestart
    }
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Alarm {
        mode: AbsoluteMode<Monotonic>, field: self.timer
    }
}

/// A timer that one task sleeps on, again and again, without allocating.
pub struct Timer {
    alarm: Arc<Alarm>,
}

impl Timer {
    /// Makes a timer. May sleep. Errors: `ENOMEM`.
    pub fn new() -> Result<Self> {
        Ok(Self {
            alarm: Arc::pin_init(
                pin_init!(Alarm {
                    timer <- HrTimer::new(),
                    expired: Atomic::new(0),
                    current: Atomic::new(0),
                    waker <- WakerCell::new(),
                }),
                GFP_KERNEL,
            )?,
        })
    }

    /// Sleeps for `duration` of the monotonic clock. Dropping the future stops the timer.
    pub async fn sleep(&mut self, duration: Delta) {
        self.sleep_until(after(duration)).await;
    }

    /// Sleeps until `deadline`; not at all if that is past. Dropping the future stops the timer.
    pub async fn sleep_until(&mut self, deadline: Instant<Monotonic>) {
        let number = self.alarm.current.load(ordering::Relaxed).wrapping_add(1);
        self.alarm.current.store(number, ordering::Release);
        let mut handle = None;
        wait_for(TIMER, |context| {
            self.alarm.waker.register(context.waker());
            if handle.is_none() {
                handle = Some(self.alarm.clone().start(deadline));
            }
            if self.alarm.expired.load(ordering::Acquire) == number {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Awaits `future` for at most `duration`; `None` when the time is over. Taking it pinned keeps
/// one copy of it in the caller's state, in place of one at each level.
pub async fn timeout<T>(
    timer: &mut Timer,
    duration: Delta,
    future: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    timeout_at(timer, after(duration), future).await
}

/// As [`timeout`], until `deadline`. A result that is there in time wins over the deadline.
pub async fn timeout_at<T>(
    timer: &mut Timer,
    deadline: Instant<Monotonic>,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut sleep = pin!(timer.sleep_until(deadline));
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        sleep.as_mut().poll(context).map(|()| None)
    })
    .await
}
