// SPDX-License-Identifier: GPL-2.0

//! Semaphores, mutexes, notifications.

use super::context::{Context, Number};
use crate::{
    check,
    exec::{spawn_value, yield_now, AsyncMutex, JoinHandle, Notify, Pool, Semaphore, ValueHandle},
};
use kernel::{prelude::*, sync::Arc};

/// Returns when the worker of a pool with one has polled all tasks that were queued before.
fn settle(context: &Context) -> Result {
    for _ in 0..2 {
        let after = context.one.spawn(c"after", yield_now())?;
        context.wait(after.joined())?;
    }
    Ok(())
}

fn acquirer(
    pool: &Pool,
    semaphore: &Arc<Semaphore>,
    count: usize,
    order: &Number,
) -> Result<ValueHandle<Result<u32>>> {
    let (semaphore, order) = (semaphore.clone(), order.clone());
    spawn_value(pool, c"acquirer", async move {
        let permit = semaphore.acquire(count).await?;
        let number = order.add();
        permit.forget();
        Ok(number)
    })
}

/// Permits are taken and given back.
pub fn permits(context: &Context) -> Result {
    let semaphore = Arc::pin_init(Semaphore::new(3), GFP_KERNEL)?;
    let two = context.wait(semaphore.acquire(2))??;
    check!(two.count() == 2 && semaphore.available() == 1);
    let one = semaphore.try_acquire(1)?;
    check!(semaphore.try_acquire(1).is_err_and(|error| error == EAGAIN));
    drop(two);
    check!(semaphore.available() == 2);
    drop(one);
    check!(semaphore.available() == 3);
    // Nothing is wanted, nothing is waited for.
    drop(context.wait(semaphore.acquire(0))??);
    semaphore.try_acquire(3)?.forget();
    check!(semaphore.available() == 0);
    semaphore.release(3);
    check!(semaphore.available() == 3);
    Ok(())
}

/// Those who wait are served in their order; who wants little does not overtake who wants much.
pub fn permits_in_order(context: &Context) -> Result {
    let semaphore = Arc::pin_init(Semaphore::new(1), GFP_KERNEL)?;
    let order = Number::new()?;
    let mut much = acquirer(&context.one, &semaphore, 3, &order)?;
    settle(context)?;
    let mut little = acquirer(&context.one, &semaphore, 1, &order)?;
    settle(context)?;
    check!(!little.handle().is_done());
    check!(semaphore.try_acquire(1).is_err_and(|error| error == EAGAIN));
    semaphore.release(1);
    settle(context)?;
    check!(order.get() == 0);
    semaphore.release(2);
    check!(context.wait(much.joined())? == Ok(Ok(0)));
    check!(context.wait(little.joined())? == Ok(Ok(1)));
    check!(semaphore.available() == 0);
    Ok(())
}

/// A waiter that is cancelled is in nobody's way, whether it was granted its permits or not.
pub fn permits_given_back(context: &Context) -> Result {
    let semaphore = Arc::pin_init(Semaphore::new(1), GFP_KERNEL)?;
    let order = Number::new()?;
    let much = acquirer(&context.one, &semaphore, 3, &order)?;
    settle(context)?;
    let mut little = acquirer(&context.one, &semaphore, 1, &order)?;
    settle(context)?;
    drop(much);
    check!(context.wait(little.joined())? == Ok(Ok(0)));

    // Granted while the worker is busy, then cancelled: the next one has it.
    let first = acquirer(&context.one, &semaphore, 1, &order)?;
    settle(context)?;
    let mut second = acquirer(&context.one, &semaphore, 1, &order)?;
    settle(context)?;
    let (hold, holding) = (Number::new()?, Number::new()?);
    let busy = keep_busy(context, &hold, &holding)?;
    semaphore.release(1);
    first.cancel();
    hold.set(1);
    context.wait(busy.joined())?;
    check!(context.wait(second.joined())? == Ok(Ok(1)));
    check!(semaphore.available() == 0);
    Ok(())
}

/// Holds up the worker of the pool of one until `end` is set; returns when it does.
pub(super) fn keep_busy(context: &Context, end: &Number, begun: &Number) -> Result<JoinHandle> {
    let (stop, holding) = (end.clone(), begun.clone());
    let task = context.one.spawn(c"busy", async move {
        holding.set(1);
        while stop.get() == 0 {
            crate::sys::kthread::cond_resched();
        }
    })?;
    // The task is joined where this fails.
    context
        .until(|| begun.get() != 0)
        .inspect_err(|_| end.set(1))?;
    Ok(task)
}

/// Who waits for a semaphore that is closed gets an error, and so does who comes later.
pub fn semaphore_closed(context: &Context) -> Result {
    let semaphore = Arc::pin_init(Semaphore::new(0), GFP_KERNEL)?;
    let order = Number::new()?;
    let mut waiting = acquirer(&context.one, &semaphore, 1, &order)?;
    let mut other = acquirer(&context.many, &semaphore, 2, &order)?;
    settle(context)?;
    semaphore.close();
    check!(context.wait(waiting.joined())? == Ok(Err(ESHUTDOWN)));
    check!(context.wait(other.joined())? == Ok(Err(ESHUTDOWN)));
    semaphore.release(5);
    check!(semaphore
        .try_acquire(1)
        .is_err_and(|error| error == ESHUTDOWN));
    check!(context.wait(semaphore.acquire(1))?.is_err());
    Ok(())
}

/// A mutex held across awaits admits one task at a time.
pub fn mutex(context: &Context) -> Result {
    let mutex = Arc::pin_init(AsyncMutex::new(0u32), GFP_KERNEL)?;
    let mut tasks = KVec::with_capacity(6, GFP_KERNEL)?;
    for _ in 0..6 {
        let mutex = mutex.clone();
        let task = context.many.spawn(c"locker", async move {
            for _ in 0..100 {
                let mut value = mutex.lock().await;
                let before = *value;
                yield_now().await;
                *value = before.saturating_add(1);
            }
        })?;
        tasks.push(task, GFP_KERNEL)?;
    }
    for task in &tasks {
        context.wait(task.joined())?;
    }
    check!(mutex.try_lock().is_some_and(|value| *value == 600));
    let held = mutex.try_lock();
    check!(held.is_some() && mutex.try_lock().is_none());
    Ok(())
}

/// A task that is cancelled while it holds a mutex, or waits for it, leaves it to the next.
pub fn mutex_cancelled(context: &Context) -> Result {
    let mutex = Arc::pin_init(AsyncMutex::new(0u32), GFP_KERNEL)?;
    let never = Arc::pin_init(Notify::new(), GFP_KERNEL)?;
    let (locked, gate) = (mutex.clone(), never.clone());
    let holder = context.one.spawn(c"holder", async move {
        let mut value = locked.lock().await;
        *value = 1;
        gate.notified(c"nothing").await;
    })?;
    settle(context)?;
    check!(mutex.try_lock().is_none());
    let locked = mutex.clone();
    let waiter = context.one.spawn(c"waiter", async move {
        *locked.lock().await = 2;
    })?;
    settle(context)?;
    let locked = mutex.clone();
    let mut next = spawn_value(&context.one, c"next", async move { *locked.lock().await })?;
    settle(context)?;
    check!(waiter.awaits() == Some(c"a mutex"));
    drop(waiter);
    drop(holder);
    check!(context.wait(next.joined())? == Ok(1));
    check!(mutex.try_lock().is_some());
    Ok(())
}

fn sleeper(pool: &Pool, notify: &Arc<Notify>, woken: &Number) -> Result<JoinHandle> {
    let (notify, woken) = (notify.clone(), woken.clone());
    pool.spawn(c"sleeper", async move {
        notify.notified(c"a notification").await;
        woken.add();
    })
}

/// One notification is kept for who comes later, and only one.
pub fn notify_kept(context: &Context) -> Result {
    let notify = Arc::pin_init(Notify::new(), GFP_KERNEL)?;
    let woken = Number::new()?;
    notify.notify_all();
    notify.notify_one();
    notify.notify_one();
    let first = sleeper(&context.one, &notify, &woken)?;
    context.wait(first.joined())?;
    let second = sleeper(&context.one, &notify, &woken)?;
    settle(context)?;
    check!(!second.is_done() && woken.get() == 1);
    notify.notify_one();
    context.wait(second.joined())?;
    Ok(())
}

/// Everybody who sleeps is woken, in one go.
pub fn notify_everybody(context: &Context) -> Result {
    let notify = Arc::pin_init(Notify::new(), GFP_KERNEL)?;
    let woken = Number::new()?;
    let mut tasks = KVec::with_capacity(20, GFP_KERNEL)?;
    for _ in 0..20 {
        tasks.push(sleeper(&context.one, &notify, &woken)?, GFP_KERNEL)?;
    }
    settle(context)?;
    notify.notify_one();
    settle(context)?;
    check!(woken.get() == 1);
    notify.notify_all();
    for task in &tasks {
        context.wait(task.joined())?;
    }
    check!(woken.get() == 20);
    Ok(())
}

/// A task that was woken with all others and is then cancelled leaves no notification behind.
pub fn notify_all_cancelled(context: &Context) -> Result {
    let notify = Arc::pin_init(Notify::new(), GFP_KERNEL)?;
    let woken = Number::new()?;
    let first = sleeper(&context.one, &notify, &woken)?;
    settle(context)?;
    let (hold, holding) = (Number::new()?, Number::new()?);
    let busy = keep_busy(context, &hold, &holding)?;
    notify.notify_all();
    first.cancel();
    hold.set(1);
    context.wait(busy.joined())?;
    context.wait(first.joined())?;
    let second = sleeper(&context.one, &notify, &woken)?;
    settle(context)?;
    check!(!second.is_done() && woken.get() == 0);
    Ok(())
}

/// A notification given to a task that is then cancelled goes to the next.
pub fn notify_passed_on(context: &Context) -> Result {
    let notify = Arc::pin_init(Notify::new(), GFP_KERNEL)?;
    let woken = Number::new()?;
    let first = sleeper(&context.one, &notify, &woken)?;
    settle(context)?;
    let second = sleeper(&context.one, &notify, &woken)?;
    settle(context)?;
    let (hold, holding) = (Number::new()?, Number::new()?);
    let busy = keep_busy(context, &hold, &holding)?;
    notify.notify_one();
    first.cancel();
    hold.set(1);
    context.wait(busy.joined())?;
    context.wait(second.joined())?;
    check!(woken.get() == 1);
    Ok(())
}
