// SPDX-License-Identifier: GPL-2.0

//! Many threads that wake at once.

use super::context::{Context, Counter, Number, Token};
use crate::{
    check,
    exec::{channel, wait_for, JoinHandle, Notify, WakerCell},
    sys::kthread::{cond_resched, Thread},
};
use core::task::Poll;
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
};

const THREADS: u32 = 6;
const WAKES: u32 = 2000;

/// A count that threads increase and one task waits for.
#[pin_data]
struct Count {
    count: Atomic<u32>,
    #[pin]
    waker: WakerCell,
}

/// Threads change what a task waits for and wake it, all at the same time: it sees the last change
/// of each round.
pub fn one_task(context: &Context) -> Result {
    let state = Arc::pin_init(
        pin_init!(Count {
            count: Atomic::new(0),
            waker <- WakerCell::new(),
        }),
        GFP_KERNEL,
    )?;
    let polls = Number::new()?;
    let (waiting, counted) = (state.clone(), polls.clone());
    let task = context.one.spawn(
        c"stormed",
        wait_for(c"a storm", move |context| {
            counted.add();
            waiting.waker.register(context.waker());
            match waiting.count.load(ordering::Relaxed) {
                count if count == THREADS * WAKES => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }),
    )?;
    let mut threads = KVec::with_capacity(THREADS as usize, GFP_KERNEL)?;
    for _ in 0..THREADS {
        let state = state.clone();
        let thread = Thread::spawn(c"dst_test_storm", 0, move |_| {
            for _ in 0..WAKES {
                state.count.fetch_add(1, ordering::Relaxed);
                state.waker.wake();
            }
        })?;
        threads.push(thread, GFP_KERNEL)?;
    }
    context.wait(task.joined())?;
    drop(threads);
    check!(polls.get() <= (THREADS * WAKES).saturating_add(1));
    Ok(())
}

/// Producers send while the consumer closes the channel, again and again: what they were told was
/// taken is received, and nothing is left in the channel.
pub fn channel_closed(context: &Context) -> Result {
    for round in 0..400u32 {
        let (producer, mut consumer) = channel::<Token>(64)?;
        let (counter, sent) = (Counter::new()?, Number::new()?);
        let mut tasks = KVec::with_capacity(3, GFP_KERNEL)?;
        for _ in 0..3 {
            let (producer, counter, sent) = (producer.clone(), counter.clone(), sent.clone());
            let task = context.many.spawn(c"producer", async move {
                while producer.send(counter.token()).await.is_ok() {
                    sent.add();
                }
            })?;
            tasks.push(task, GFP_KERNEL)?;
        }
        let mut received = 0u32;
        loop {
            match consumer.try_receive() {
                Ok(_) => received = received.saturating_add(1),
                Err(error) if error == EPIPE => break,
                Err(_) => cond_resched(),
            }
            if received >= round {
                consumer.close();
            }
        }
        for task in &tasks {
            context.wait(task.joined())?;
        }
        check!(sent.get() == received);
        check!(counter.made() == counter.dropped());
    }
    Ok(())
}

/// Threads wake many tasks of a pool with several workers, which are cancelled in the midst of it.
pub fn many_tasks(context: &Context) -> Result {
    let notify = Arc::pin_init(Notify::new(), GFP_KERNEL)?;
    let (stop, woken) = (Number::new()?, Number::new()?);
    let mut tasks: KVec<JoinHandle> = KVec::with_capacity(30, GFP_KERNEL)?;
    for _ in 0..30 {
        let (notify, woken) = (notify.clone(), woken.clone());
        let task = context.many.spawn(c"stormed", async move {
            loop {
                notify.notified(c"a storm").await;
                woken.add();
            }
        })?;
        tasks.push(task, GFP_KERNEL)?;
    }
    let mut threads = KVec::with_capacity(THREADS as usize, GFP_KERNEL)?;
    for number in 0..THREADS {
        let (notify, stop) = (notify.clone(), stop.clone());
        let thread = Thread::spawn(c"dst_test_storm", 0, move |_| {
            while stop.get() == 0 {
                match number {
                    0 => notify.notify_all(),
                    _ => notify.notify_one(),
                }
                cond_resched();
            }
        })?;
        threads.push(thread, GFP_KERNEL)?;
    }
    context.until(|| woken.get() >= 1000)?;
    // Cancelled and joined one by one, while the others are woken.
    tasks.clear();
    stop.set(1);
    drop(threads);
    check!(context.many.tasks() == 0);
    Ok(())
}
