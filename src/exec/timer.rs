// SPDX-License-Identifier: GPL-2.0

//! Timers for tasks.

use super::waker_cell::WakerCell;
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
            HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer, HrTimerRestart,
            RelativeMode,
        },
        Delta, Monotonic,
    },
};

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
        mode: RelativeMode<Monotonic>, field: self.timer
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
        let number = self.alarm.current.load(ordering::Relaxed).wrapping_add(1);
        self.alarm.current.store(number, ordering::Release);
        let mut handle = None;
        poll_fn(|context| {
            self.alarm.waker.register(context.waker());
            if handle.is_none() {
                handle = Some(self.alarm.clone().start(duration));
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
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut sleep = pin!(timer.sleep(duration));
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        sleep.as_mut().poll(context).map(|()| None)
    })
    .await
}
