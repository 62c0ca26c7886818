// SPDX-License-Identifier: GPL-2.0

//! Sleeping, deadlines, selecting.

use super::context::{Context, Number};
use crate::{
    check,
    exec::{both, select, timeout, timeout_at, timer::after, wait_for, yield_now, Either, Timer},
};
use core::{pin::pin, task::Poll};
use kernel::{
    prelude::*,
    time::{Delta, Instant, Monotonic},
};

/// A sleep lasts as long as it was asked to, and one until a time that is past not at all.
pub fn sleep(context: &Context) -> Result {
    let mut timer = Timer::new()?;
    for milliseconds in [0, 1, 20] {
        let begin = Instant::<Monotonic>::now();
        let duration = Delta::from_millis(milliseconds);
        context.wait(timer.sleep(duration))?;
        check!(begin.elapsed() >= duration);
    }
    let begin = Instant::<Monotonic>::now();
    let deadline = after(Delta::from_millis(30));
    context.wait(timer.sleep_until(deadline))?;
    check!(begin.elapsed() >= Delta::from_millis(30));
    context.wait(timer.sleep_until(deadline))?;
    context.wait(timer.sleep_until(begin))?;
    context.wait(timer.sleep(Delta::from_secs(-5)))?;
    Ok(())
}

/// A sleep that is dropped leaves the timer usable; one without end can be asked for.
pub fn sleep_dropped(context: &Context) -> Result {
    let mut timer = Timer::new()?;
    let mut limit = Timer::new()?;
    for _ in 0..20 {
        let result = context.wait(async {
            let forever = pin!(timer.sleep(Delta::from_nanos(i64::MAX)));
            timeout(&mut limit, Delta::from_micros(300), forever).await
        })?;
        check!(result.is_none());
        context.wait(timer.sleep(Delta::from_micros(100)))?;
    }
    Ok(())
}

/// A result that is there in time wins, also over a deadline that is past.
pub fn deadlines(context: &Context) -> Result {
    let mut timer = Timer::new()?;
    let past = Instant::<Monotonic>::now();
    let ready = context.wait(async { timeout_at(&mut timer, past, pin!(async { 1 })).await })?;
    check!(ready == Some(1));
    let late = context.wait(async {
        let never = pin!(wait_for(c"nothing", |_| Poll::<u32>::Pending));
        timeout_at(&mut timer, past, never).await
    })?;
    check!(late.is_none());
    Ok(())
}

/// The first future to end is told, the other can go on.
pub fn selecting(context: &Context) -> Result {
    let polls = Number::new()?;
    let result = context.wait(async {
        let mut slow = pin!(async {
            for _ in 0..10 {
                polls.add();
                yield_now().await;
            }
            'a'
        });
        let first = select(slow.as_mut(), pin!(yield_now())).await;
        let second = select(pin!(async {}), slow.as_mut()).await;
        let third = select(
            slow.as_mut(),
            pin!(wait_for(c"nothing", |_| Poll::<()>::Pending)),
        )
        .await;
        (first, second, third)
    })?;
    check!(result == (Either::Second(()), Either::First(()), Either::First('a')));
    check!(polls.get() == 10);
    Ok(())
}

/// What is told of a task that waits for something with a deadline is not the deadline, whichever
/// it polls first.
pub fn awaits(context: &Context) -> Result {
    let long = Delta::from_secs(1000);
    for first in [true, false] {
        let mut timer = Timer::new()?;
        let task = context.one.spawn(c"waits", async move {
            let mut sleep = pin!(timer.sleep(long));
            let mut gate = pin!(wait_for(c"a gate", |_| Poll::<()>::Pending));
            match first {
                true => drop(select(sleep.as_mut(), gate.as_mut()).await),
                false => drop(select(gate.as_mut(), sleep.as_mut()).await),
            }
        })?;
        context.until(|| task.awaits().is_some())?;
        let after = context.one.spawn(c"after", async {})?;
        context.wait(after.joined())?;
        check!(task.awaits() == Some(c"a gate"));
    }
    let mut timer = Timer::new()?;
    let task = context
        .one
        .spawn(c"sleeps", async move { timer.sleep(long).await })?;
    context.until(|| task.awaits() == Some(c"a timer"))?;
    Ok(())
}

/// Both of two futures, in whatever order they end.
pub fn joining(context: &Context) -> Result {
    for (left, right) in [(0u32, 0u32), (3, 0), (0, 3), (2, 5)] {
        let wait = |polls: u32| async move {
            for _ in 0..polls {
                yield_now().await;
            }
            polls
        };
        let result = context.wait(async { both(pin!(wait(left)), pin!(wait(right))).await })?;
        check!(result == (left, right));
    }
    Ok(())
}
