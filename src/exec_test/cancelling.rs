// SPDX-License-Identifier: GPL-2.0

//! A task that uses everything is cancelled at each of its await points in turn.

use super::{
    context::{Context, Counter, Token},
    stop_at::cancel_at,
};
use crate::{
    check,
    exec::{
        both,
        channel::{channel, Consumer, Producer},
        oneshot, run_blocking, scope, spawn_value, timeout, yield_now, AsyncMutex, Notify, Pool,
        Semaphore, Spawner, Timer,
    },
    sys::kthread::Reclaim,
};
use core::pin::pin;
use kernel::{prelude::*, sync::Arc, time::Delta};

/// What the task and its partners share.
#[pin_data]
struct Shared {
    #[pin]
    semaphore: Semaphore,
    #[pin]
    mutex: AsyncMutex<u32>,
    #[pin]
    notify: Notify,
    pool: Spawner,
    counter: Counter,
}

impl Shared {
    fn new(pool: Spawner, counter: Counter) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                semaphore <- Semaphore::new(1),
                mutex <- AsyncMutex::new(0),
                notify <- Notify::new(),
                pool,
                counter,
            }),
            GFP_KERNEL,
        )
    }
}

/// Channels through which the task talks to its partner.
struct Ends {
    out: Producer<Token>,
    back: Consumer<Token>,
}

/// Sends back what it gets, and holds what the task wants for a while.
async fn partner(shared: Arc<Shared>, mut out: Consumer<Token>, back: Producer<Token>) {
    while let Some(token) = out.receive().await {
        let permit = shared.semaphore.acquire(1).await;
        let guard = shared.mutex.lock().await;
        yield_now().await;
        drop(permit);
        yield_now().await;
        yield_now().await;
        drop(guard);
        yield_now().await;
        if back.send(token).await.is_err() {
            break;
        }
        yield_now().await;
        shared.notify.notify_one();
    }
}

/// The task: each primitive that it awaits, with something that must be dropped on its hands.
async fn body(shared: Arc<Shared>, mut ends: Ends, mut timer: Timer) -> Result {
    let _token = shared.counter.token();
    for _ in 0..2 {
        let _ = ends.out.send(shared.counter.token()).await;
        let _ = ends.out.send(shared.counter.token()).await;
        let permit = shared.semaphore.acquire(1).await?;
        let mut value = shared.mutex.lock().await;
        *value = value.saturating_add(1);
        timer.sleep(Delta::from_micros(50)).await;
        drop(value);
        drop(permit);
        drop(ends.back.receive().await);
        drop(ends.back.receive().await);
        shared.notify.notified(c"the partner").await;
    }
    let token = shared.counter.token();
    let (sender, mut receiver) = oneshot::<Token>()?;
    scope(&shared.pool, async |scope| {
        let inner = shared.counter.token();
        scope.spawn(c"child", async move {
            let _inner = inner;
            yield_now().await;
            sender.send(token).map_err(|_| EINVAL)
        })?;
        let inner = shared.counter.token();
        scope.spawn(c"other child", async move {
            let _inner = inner;
            yield_now().await;
            Ok(())
        })?;
        drop(receiver.receive().await?);
        Ok(())
    })
    .await?;
    let token = shared.counter.token();
    drop(run_blocking(&shared.pool, c"call", move || token).await?);
    let mut limit = Timer::new()?;
    let (token, other) = (shared.counter.token(), shared.counter.token());
    both(
        pin!(async move {
            yield_now().await;
            drop(token);
        }),
        pin!(timeout(
            &mut limit,
            Delta::from_micros(100),
            pin!(async move {
                let _other = other;
                core::future::pending::<()>().await
            })
        )),
    )
    .await;
    Ok(())
}

/// Whether the task was through before it was stopped.
fn stop_at(context: &Context, polls: u32) -> Result<bool> {
    let counter = Counter::new()?;
    let pool = Pool::new(c"dst_test_cancel", 1, Reclaim::NoIo)?;
    let shared = Shared::new(pool.spawner(), counter.clone())?;
    let (out, from) = channel(1)?;
    let (to, back) = channel(1)?;
    let other = context
        .one
        .spawn(c"partner", partner(shared.clone(), from, to))?;
    let work = body(shared.clone(), Ends { out, back }, Timer::new()?);
    let through = cancel_at(context, polls, work)?;
    context.wait(other.joined())?;
    check!(counter.made() > 0 && counter.made() == counter.dropped());
    // All that the task held is free, and its children are gone.
    check!(shared.semaphore.available() == 1);
    check!(shared.mutex.try_lock().is_some());
    context.drained(&pool)?;
    Ok(through)
}

/// Each await point in turn, until the task is through before it is stopped.
pub fn everywhere(context: &Context) -> Result {
    let mut polls = 0u32;
    loop {
        polls = polls.saturating_add(1);
        check!(polls < 500);
        if stop_at(context, polls)? {
            break;
        }
    }
    pr_info!("cancelled at {} await points\n", polls.saturating_sub(1));
    // It has more await points than the primitives it uses.
    check!(polls > 8);
    Ok(())
}

/// A value that was sent to a task is dropped with it, whether it was awaited or not.
pub fn values_in_flight(context: &Context) -> Result {
    let counter = Counter::new()?;
    for wait in [false, true] {
        let token = counter.token();
        let value = spawn_value(&context.one, c"value", async move { token })?;
        if wait {
            context.wait(value.handle().joined())?;
        }
        drop(value);
    }
    check!(counter.made() == 2 && counter.dropped() == 2);
    Ok(())
}
