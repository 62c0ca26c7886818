// SPDX-License-Identifier: GPL-2.0

//! Tasks: their ends, their wake-ups, their owners.

use super::context::{Context, Counter, Number, SetAtEnd};
use crate::{
    check,
    exec::{join_all, oneshot, spawn_value, wait_for, yield_now, Notify, Semaphore},
    sys::kthread::Thread,
};
use core::task::{Poll, Waker};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{Arc, SpinLockIrq},
};

/// A task runs and its end is seen by who awaits it and by who looks.
pub fn spawn_and_join(context: &Context) -> Result {
    let number = Number::new()?;
    let counted = number.clone();
    let task = context.one.spawn(c"count", async move {
        counted.add();
        yield_now().await;
        counted.add();
    })?;
    context.wait(task.joined())?;
    check!(task.is_done());
    check!(number.get() == 2);
    task.join();
    Ok(())
}

/// A task leaves its value; all values are there when all tasks have ended; a cancelled one has
/// none.
pub fn values(context: &Context) -> Result {
    let mut handles = KVec::with_capacity(8, GFP_KERNEL)?;
    for n in 0u32..8 {
        let value = spawn_value(&context.many, c"value", async move {
            for _ in 0..8u32.saturating_sub(n) {
                yield_now().await;
            }
            n
        })?;
        handles.push(value, GFP_KERNEL)?;
    }
    context.wait(join_all(&handles))?;
    for (n, handle) in (0u32..).zip(handles.iter_mut()) {
        check!(context.wait(handle.joined())? == Ok(n));
        check!(handle.join() == Err(ECANCELED));
    }
    let mut stuck = spawn_value(
        &context.one,
        c"stuck",
        wait_for(c"nothing", |_| Poll::<u32>::Pending),
    )?;
    stuck.cancel();
    check!(context.wait(stuck.joined())? == Err(ECANCELED));
    Ok(())
}

/// Tasks and threads wait for the same task, and all of them learn of its end.
pub fn several_join(context: &Context) -> Result {
    let (sender, mut receiver) = oneshot::<u32>()?;
    let awaited = Arc::new(
        context.one.spawn(c"awaited", async move {
            let _ = receiver.receive().await;
        })?,
        GFP_KERNEL,
    )?;
    let seen = Number::new()?;
    let mut threads = KVec::with_capacity(2, GFP_KERNEL)?;
    for _ in 0..2 {
        let (awaited, seen) = (awaited.clone(), seen.clone());
        let thread = Thread::spawn(c"dst_test_join", 0, move |_| {
            awaited.join();
            seen.add();
        })?;
        threads.push(thread, GFP_KERNEL)?;
    }
    let mut tasks = KVec::with_capacity(4, GFP_KERNEL)?;
    for _ in 0..4 {
        let (awaited, seen) = (awaited.clone(), seen.clone());
        let task = context.many.spawn(c"joiner", async move {
            awaited.joined().await;
            seen.add();
        })?;
        tasks.push(task, GFP_KERNEL)?;
    }
    // One that goes away while it waits is not missed.
    drop(tasks.pop());
    check!(seen.get() == 0);
    check!(sender.send(1).is_ok());
    for task in &tasks {
        context.wait(task.joined())?;
    }
    context.until(|| seen.get() == 5)?;
    drop(threads);
    Ok(())
}

/// A task that is woken while it is polled is polled again.
pub fn wake_during_poll(context: &Context) -> Result {
    let polls = Number::new()?;
    let counted = polls.clone();
    let task = context.one.spawn(
        c"wakes itself",
        wait_for(c"itself", move |context| {
            if counted.add() == 99 {
                return Poll::Ready(());
            }
            // Twice: one poll follows all the same.
            context.waker().wake_by_ref();
            context.waker().wake_by_ref();
            Poll::Pending
        }),
    )?;
    context.wait(task.joined())?;
    check!(polls.get() == 100);
    Ok(())
}

#[pin_data]
struct Kept {
    #[pin]
    waker: SpinLockIrq<Option<Waker>>,
}

/// Wakers of a task that has ended, or was cancelled, do nothing, and may be dropped later.
pub fn wake_after_end(context: &Context) -> Result {
    for cancelled in [false, true] {
        let kept = Arc::pin_init(
            pin_init!(Kept { waker <- new_spinlock_irq!(None) }),
            GFP_KERNEL,
        )?;
        let polls = Number::new()?;
        let (place, counted) = (kept.clone(), polls.clone());
        let task = context.one.spawn(
            c"leaves its waker",
            wait_for(c"nothing", move |context| {
                counted.add();
                *place.waker.lock() = Some(context.waker().clone());
                match cancelled {
                    true => Poll::Pending,
                    false => Poll::Ready(()),
                }
            }),
        )?;
        if cancelled {
            task.cancel();
        }
        context.wait(task.joined())?;
        let polls_before = polls.get();
        drop(task);
        let waker = kept.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake_by_ref();
            waker.wake();
        } else {
            check!(cancelled);
        }
        // The worker is through with whatever the wakers queued.
        let after = context.one.spawn(c"after", async {})?;
        context.wait(after.joined())?;
        check!(polls.get() == polls_before);
    }
    Ok(())
}

/// Cancelling drops the future of an idle, a queued and a running task, once each.
pub fn cancel_states(context: &Context) -> Result {
    let counter = Counter::new()?;
    let gate = Arc::pin_init(Notify::new(), GFP_KERNEL)?;

    // Idle: it has said what it waits for.
    let (token, waiting) = (counter.token(), gate.clone());
    let idle = context.one.spawn(c"idle", async move {
        let _token = token;
        waiting.notified(c"a gate").await;
    })?;
    let look = context.one.spawn(c"after", async {})?;
    context.wait(look.joined())?;
    check!(idle.awaits() == Some(c"a gate"));
    idle.cancel();
    context.wait(idle.joined())?;
    check!(counter.dropped() == 1);

    // Running, and behind it in the queue one that never gets to run.
    let (token, flag, running) = (counter.token(), Number::new()?, Number::new()?);
    let (stop, begun) = (flag.clone(), running.clone());
    let busy = context.one.spawn(c"running", async move {
        let _token = token;
        begun.set(1);
        while stop.get() == 0 {
            crate::sys::kthread::cond_resched();
        }
        wait_for(c"nothing", |_| Poll::<()>::Pending).await;
    })?;
    let (token, ran) = (counter.token(), Number::new()?);
    let noted = ran.clone();
    let queued = context.one.spawn(c"queued", async move {
        let _token = token;
        noted.set(1);
    })?;
    context.until(|| running.get() != 0)?;
    busy.cancel();
    queued.cancel();
    queued.cancel();
    check!(counter.dropped() == 1);
    flag.set(1);
    context.wait(busy.joined())?;
    context.wait(queued.joined())?;
    check!(ran.get() == 0);
    check!(counter.made() == 3 && counter.dropped() == 3);
    Ok(())
}

/// A handle that is dropped takes its task with it, whatever that is doing.
pub fn handles_dropped(context: &Context) -> Result {
    let counter = Counter::new()?;
    for polls in 0..8u32 {
        let token = counter.token();
        let task = context.many.spawn(c"dropped", async move {
            let _token = token;
            for _ in 0..polls {
                yield_now().await;
            }
            wait_for(c"nothing", |_| Poll::<()>::Pending).await;
        })?;
        drop(task);
        check!(counter.dropped() == polls.saturating_add(1));
    }
    check!(context.many.tasks() == 0);
    Ok(())
}

/// A task that always finds what it asks for does not keep a pool of one worker from the others.
pub fn turns(context: &Context) -> Result {
    let permits = Arc::pin_init(Semaphore::new(1), GFP_KERNEL)?;
    let (stop, rounds) = (Number::new()?, Number::new()?);
    let (stopped, counted) = (stop.clone(), rounds.clone());
    let endless = context.one.spawn(c"endless", async move {
        while stopped.get() == 0 {
            counted.add();
            drop(permits.acquire(1).await);
        }
    })?;
    let _end = SetAtEnd(stop.clone());
    context.until(|| rounds.get() != 0)?;
    for _ in 0..20 {
        let other = context.one.spawn(c"other", async {})?;
        // It is joined where this fails: a fault is to be a failure and not a machine that hangs.
        context.wait(other.joined()).inspect_err(|_| stop.set(1))?;
    }
    check!(!endless.is_done());
    stop.set(1);
    context.wait(endless.joined())
}
