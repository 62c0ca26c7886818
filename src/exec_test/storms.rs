// SPDX-License-Identifier: GPL-2.0

//! Many threads that wake at once.

use super::context::{Context, Number};
use crate::{
    check,
    exec::{wait_for, JoinHandle, Notify, WakerCell},
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
