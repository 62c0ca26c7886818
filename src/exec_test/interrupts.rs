// SPDX-License-Identifier: GPL-2.0

//! Wake-ups from soft and hard interrupts: timers of both kinds do all that a sender may do there.

use super::context::{Context, Number};
use crate::{
    check,
    exec::{
        channel::{channel, Producer},
        oneshot::{oneshot, Sender},
        spawn_value, AsyncMutex, Notify, Semaphore,
    },
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
            RelativeMode, RelativeSoftMode,
        },
        Delta, Monotonic,
    },
};

const RINGS: u32 = 200;
const PERIOD: Delta = Delta::from_micros(200);

/// What is used in the interrupts.
#[pin_data]
struct Targets {
    #[pin]
    semaphore: Semaphore,
    #[pin]
    notify: Notify,
    #[pin]
    mutex: AsyncMutex<u32>,
    once: Sender<u32>,
    producer: Producer<u32>,
    rings: Number,
}

impl Targets {
    /// One interrupt. Returns whether it was the last.
    fn ring(&self) -> bool {
        let number = self.rings.add();
        if self.producer.try_send(number).is_err() {
            if self.producer.is_closed() {
                return true;
            }
            // Full: the next interrupt tries again.
            self.rings.set(number);
            return false;
        }
        self.semaphore.release(1);
        self.notify.notify_one();
        if let Some(mut value) = self.mutex.try_lock() {
            *value = number;
        }
        if number == 0 {
            let _ = self.once.send(number);
        }
        number >= RINGS - 1
    }
}

macro_rules! interrupting_timer {
    ($name:ident, $mode:ident) => {
        #[pin_data]
        struct $name {
            #[pin]
            timer: HrTimer<Self>,
            targets: Arc<Targets>,
            calls: Atomic<u32>,
        }

        impl HrTimerCallback for $name {
            type Pointer<'a> = Arc<Self>;

            fn run(
                this: ArcBorrow<'_, Self>,
                mut context: HrTimerCallbackContext<'_, Self>,
            ) -> HrTimerRestart {
                this.calls.fetch_add(1, ordering::Relaxed);
                if this.targets.ring() {
                    return HrTimerRestart::NoRestart;
                }
                context.forward_now(PERIOD);
                HrTimerRestart::Restart
            }
        }

        impl_has_hr_timer! {
            impl HasHrTimer<Self> for $name {
                mode: $mode<Monotonic>, field: self.timer
            }
        }

        impl $name {
            fn new(targets: Arc<Targets>) -> Result<Arc<Self>> {
                Arc::pin_init(
                    pin_init!(Self {
                        timer <- HrTimer::new(),
                        targets,
                        calls: Atomic::new(0),
                    }),
                    GFP_KERNEL,
                )
            }
        }
    };
}

interrupting_timer!(SoftTimer, RelativeSoftMode);
// Not the mode that stays in hard interrupts with PREEMPT_RT too: nobody may take a spin lock there.
interrupting_timer!(HardTimer, RelativeMode);

/// Tasks of all kinds wait while `start` rings; none of them misses anything.
fn ring<H>(context: &Context, start: impl FnOnce(Arc<Targets>) -> Result<H>) -> Result {
    let (once, mut first) = oneshot()?;
    let (producer, mut consumer) = channel(8)?;
    let rings = Number::new()?;
    let targets = Arc::pin_init(
        pin_init!(Targets {
            semaphore <- Semaphore::new(0),
            notify <- Notify::new(),
            mutex <- AsyncMutex::new(0),
            once,
            producer,
            rings,
        }),
        GFP_KERNEL,
    )?;
    let mut values = spawn_value(&context.many, c"values", async move {
        for expected in 0..RINGS {
            if consumer.receive().await != Some(expected) {
                return Err(EINVAL);
            }
        }
        Ok(())
    })?;
    let of = targets.clone();
    let permits = context.one.spawn(c"permits", async move {
        for _ in 0..RINGS {
            if let Ok(permit) = of.semaphore.acquire(1).await {
                permit.forget();
            }
        }
    })?;
    let of = targets.clone();
    let sleeper = context.one.spawn(c"sleeper", async move {
        while of.rings.get() < RINGS {
            of.notify.notified(c"an interrupt").await;
        }
    })?;
    let of = targets.clone();
    let locker = context.many.spawn(c"locker", async move {
        for _ in 0..100 {
            let mut value = of.mutex.lock().await;
            crate::exec::yield_now().await;
            *value = 0;
        }
    })?;
    let timer = start(targets.clone())?;
    check!(context.wait(first.receive())? == Ok(0));
    check!(context.wait(values.joined())? == Ok(Ok(())));
    for task in [permits, sleeper, locker] {
        context.wait(task.joined())?;
    }
    check!(targets.semaphore.available() == 0);
    drop(timer);
    Ok(())
}

/// From a soft interrupt.
pub fn soft(context: &Context) -> Result {
    ring(context, |targets| {
        let timer = SoftTimer::new(targets)?;
        Ok(timer.start(PERIOD))
    })
}

/// From a hard interrupt.
pub fn hard(context: &Context) -> Result {
    ring(context, |targets| {
        let timer = HardTimer::new(targets)?;
        Ok(timer.start(PERIOD))
    })
}

/// From both at once, and from the tasks.
pub fn both_kinds(context: &Context) -> Result {
    let (first, second) = (Number::new()?, Number::new()?);
    let (one, other) = (first.clone(), second.clone());
    let handles = (spawn_ringer(context, one)?, spawn_ringer(context, other)?);
    ring(context, |targets| {
        let timer = HardTimer::new(targets)?;
        Ok(timer.start(PERIOD))
    })?;
    ring(context, |targets| {
        let timer = SoftTimer::new(targets)?;
        Ok(timer.start(PERIOD))
    })?;
    first.set(1);
    second.set(1);
    context.wait(handles.0.joined())?;
    context.wait(handles.1.joined())?;
    Ok(())
}

/// A task that sleeps shortly, again and again, until `end` is set.
fn spawn_ringer(context: &Context, end: Number) -> Result<crate::exec::JoinHandle> {
    let mut timer = crate::exec::Timer::new()?;
    context.many.spawn(c"ringer", async move {
        while end.get() == 0 {
            timer.sleep(Delta::from_micros(100)).await;
        }
    })
}
