// SPDX-License-Identifier: GPL-2.0

//! Leases.

use super::context::{Context, Counter, Number, SetAtEnd};
use crate::{
    check,
    dst_core::lease::Terms,
    exec::{
        boxed,
        lease::{Held, Leases},
        run_blocking, spawn_value, timeout, wait_for, Pool, Spawner, Timer, ValueHandle,
    },
    sys::kthread::{cond_resched, Reclaim},
};
use core::{pin::pin, task::Poll};
use kernel::{
    prelude::*,
    sync::Arc,
    time::{Delta, Instant, Monotonic},
};

const MS: u64 = 1_000_000;

fn terms(duration: u64, margin: u64) -> Result<Terms> {
    Terms::new(duration * MS, margin * MS).ok_or(EINVAL)
}

struct Pools {
    renewers: Pool,
    workers: Pool,
}

impl Pools {
    fn new() -> Result<Self> {
        Ok(Self {
            renewers: Pool::new(c"dst_test_renew", 1, Reclaim::NoIo)?,
            workers: Pool::new(c"dst_test_lwork", 2, Reclaim::NoIo)?,
        })
    }

    /// For renewing and for work.
    fn spawners(&self) -> (Spawner, Spawner) {
        (self.renewers.spawner(), self.workers.spawner())
    }
}

/// Endless work under `held`, with a token; says when it has begun.
fn endless(
    context: &Context,
    pools: &Pools,
    held: Held,
    counter: &Counter,
    begun: &Number,
) -> Result<ValueHandle<Result<u32>>> {
    let (token, begun) = (counter.token(), begun.clone());
    let (renewers, workers) = pools.spawners();
    let work = boxed(async move {
        let _token = token;
        begun.set(1);
        wait_for(c"nothing", |_| Poll::<Result<u32>>::Pending).await
    })?;
    spawn_value(&context.many, c"holder", async move {
        held.run(&renewers, &workers, work).await
    })
}

/// Somebody else who wants the name; its value is how many tokens were dropped when it got it.
fn next(
    context: &Context,
    leases: &Arc<Leases>,
    counter: &Counter,
    terms: Terms,
) -> Result<ValueHandle<Result<u32>>> {
    let (leases, counter) = (leases.clone(), counter.clone());
    spawn_value(&context.many, c"next holder", async move {
        let _held = leases.acquire(c"name", terms).await?;
        Ok(counter.dropped())
    })
}

/// One at a time; names do not know each other; a lease that is dropped is free at once.
pub fn exclusive(context: &Context) -> Result {
    let leases = Leases::new()?;
    let long = terms(1_000_000, 1000)?;
    let held = leases.try_acquire(c"name", long)?;
    check!(leases.try_acquire(c"name", long).map(drop) == Err(EBUSY));
    drop(leases.try_acquire(c"other", long)?);
    let counter = Counter::new()?;
    let mut waiting = next(context, &leases, &counter, long)?;
    check!(!waiting.handle().is_done());
    drop(counter.token());
    drop(held);
    check!(context.wait(waiting.joined())? == Ok(Ok(1)));
    // Nobody uses it: held and not renewed it is over by itself.
    let short = leases.try_acquire(c"name", terms(20, 5)?)?;
    let mut waiting = next(context, &leases, &counter, long)?;
    check!(context.wait(waiting.joined())? == Ok(Ok(1)));
    drop(short);
    drop(leases.try_acquire(c"name", long)?);
    Ok(())
}

/// Work that lasts longer than the lease keeps it, and its value arrives.
pub fn kept(context: &Context) -> Result {
    let leases = Leases::new()?;
    let pools = Pools::new()?;
    let terms = terms(6000, 1000)?;
    let mut result = Err(ESTALE);
    // Who is held up for seconds loses it, and rightly so; who does not renew it loses it each time.
    for _ in 0..5 {
        let held = context.wait(leases.acquire(c"name", terms))??;
        let begin = Instant::<Monotonic>::now();
        let mut timer = Timer::new()?;
        let work = boxed(async move {
            timer.sleep(Delta::from_millis(7000)).await;
            Ok(6)
        })?;
        result = context.wait(held.run(&pools.renewers, &pools.workers, work))?;
        if result != Err(ESTALE) {
            check!(begin.elapsed() >= Delta::from_millis(7000));
            break;
        }
    }
    check!(result == Ok(6));
    drop(leases.try_acquire(c"name", terms)?);
    Ok(())
}

/// An error of the work is the result, and the lease is given back.
pub fn work_fails(context: &Context) -> Result {
    let leases = Leases::new()?;
    let pools = Pools::new()?;
    let terms = terms(1_000_000, 1000)?;
    let held = leases.try_acquire(c"name", terms)?;
    let work = boxed(async { Err::<u32, _>(EBADMSG) })?;
    let result = context.wait(held.run(&pools.renewers, &pools.workers, work))?;
    check!(result == Err(EBADMSG));
    drop(leases.try_acquire(c"name", terms)?);
    Ok(())
}

/// A lease that is revoked: the work is gone before the next one has it.
pub fn revoked(context: &Context) -> Result {
    let (leases, pools) = (Leases::new()?, Pools::new()?);
    let (counter, begun) = (Counter::new()?, Number::new()?);
    let long = terms(1_000_000, 1000)?;
    let held = leases.try_acquire(c"name", long)?;
    let mut first = endless(context, &pools, held, &counter, &begun)?;
    context.until(|| begun.get() == 1)?;
    let mut second = next(context, &leases, &counter, long)?;
    check!(counter.dropped() == 0 && !second.handle().is_done());
    leases.revoke(c"name");
    leases.revoke(c"unknown");
    check!(context.wait(first.joined())? == Ok(Err(ESTALE)));
    check!(context.wait(second.joined())? == Ok(Ok(1)));
    Ok(())
}

/// The renewing task cannot run: the work stops by itself, and the next one gets in.
pub fn not_renewed(context: &Context) -> Result {
    let (leases, pools) = (Leases::new()?, Pools::new()?);
    let (counter, begun) = (Counter::new()?, Number::new()?);
    let (end, busy_begun) = (Number::new()?, Number::new()?);
    let (stop, running) = (end.clone(), busy_begun.clone());
    let busy = pools.renewers.spawn(c"busy", async move {
        running.set(1);
        while stop.get() == 0 {
            cond_resched();
        }
    })?;
    let _end = SetAtEnd(end.clone());
    context.until(|| busy_begun.get() == 1)?;
    let short = terms(2000, 500)?;
    let held = leases.try_acquire(c"name", short)?;
    let mut first = endless(context, &pools, held, &counter, &begun)?;
    context.until(|| begun.get() == 1 || first.handle().is_done())?;
    let mut second = next(context, &leases, &counter, short)?;
    let dropped = context.wait(second.joined())?;
    let was_busy = !busy.is_done();
    end.set(1);
    check!(dropped == Ok(Ok(1)) && was_busy);
    check!(context.wait(first.joined())? == Ok(Err(ESTALE)));
    Ok(())
}

/// Work that does not come to an await point keeps the name for as long as it lasts.
pub fn overstayed(context: &Context) -> Result {
    for _ in 0..10 {
        if overstays(context)? {
            return Ok(());
        }
    }
    Err(ETIMEDOUT)
}

/// One attempt; false if the lease was over before the work began, on a machine that is held up.
fn overstays(context: &Context) -> Result<bool> {
    let (leases, pools) = (Leases::new()?, Pools::new()?);
    let (end, begun) = (Number::new()?, Number::new()?);
    let (stop, running) = (end.clone(), begun.clone());
    let (renewers, workers) = pools.spawners();
    let short = terms(2000, 500)?;
    let held = leases.try_acquire(c"name", short)?;
    let work = boxed(async move {
        running.set(1);
        while stop.get() == 0 {
            cond_resched();
        }
        wait_for(c"nothing", |_| Poll::<Result<u32>>::Pending).await
    })?;
    let mut first = spawn_value(&context.many, c"holder", async move {
        held.run(&renewers, &workers, work).await
    })?;
    let _end = SetAtEnd(end.clone());
    context.until(|| begun.get() == 1 || first.handle().is_done())?;
    if begun.get() == 0 {
        return Ok(false);
    }
    // Lost, by revoking; its time is over too.
    leases.revoke(c"name");
    let mut timer = Timer::new()?;
    context.wait(timer.sleep(Delta::from_millis(2100)))?;
    let refused = leases.try_acquire(c"name", short).map(drop);
    let holding = !first.handle().is_done();
    end.set(1);
    check!(holding && refused == Err(EBUSY));
    check!(context.wait(first.joined())? == Ok(Err(ESTALE)));
    drop(context.wait(leases.acquire(c"name", short))??);
    Ok(true)
}

/// A holder that is cancelled takes its work along, and then the name is free.
pub fn cancelled(context: &Context) -> Result {
    let (leases, pools) = (Leases::new()?, Pools::new()?);
    let long = terms(1_000_000, 1000)?;
    for _ in 0..10 {
        let (counter, begun) = (Counter::new()?, Number::new()?);
        let held = context.wait(leases.acquire(c"name", long))??;
        let first = endless(context, &pools, held, &counter, &begun)?;
        context.until(|| begun.get() == 1)?;
        drop(first);
        check!(counter.made() == 1 && counter.dropped() == 1);
        drop(leases.try_acquire(c"name", long)?);
    }
    Ok(())
}

/// A function that blocks outlives the future that awaited it, and keeps the name until it returns.
pub fn blocking_overstays(context: &Context) -> Result {
    let (leases, pools) = (Leases::new()?, Pools::new()?);
    let (counter, begun, end) = (Counter::new()?, Number::new()?, Number::new()?);
    let long = terms(1_000_000, 1000)?;
    let held = leases.try_acquire(c"name", long)?;
    let (own, token) = (pools.workers.spawner(), counter.token());
    let (running, stop) = (begun.clone(), end.clone());
    let work = boxed(async move {
        let _token = token;
        run_blocking(&own, c"call", move || {
            running.set(1);
            while stop.get() == 0 {
                cond_resched();
            }
            0u32
        })
        .await
    })?;
    let (renewers, workers) = pools.spawners();
    let first = spawn_value(&context.many, c"holder", async move {
        held.run(&renewers, &workers, work).await
    })?;
    let _end = SetAtEnd(end.clone());
    context.until(|| begun.get() == 1)?;
    first.cancel();
    // The holder has given the lease back, and the future of the work is gone.
    context.until(|| counter.dropped() == 1)?;
    let mut timer = Timer::new()?;
    let early = context.wait(async {
        let next = pin!(leases.acquire(c"name", long));
        timeout(&mut timer, Delta::from_millis(300), next).await
    })?;
    // First, so that a fault is a failure and not a thread that never ends.
    end.set(1);
    check!(early.is_none());
    drop(context.wait(leases.acquire(c"name", long))??);
    context.wait(first.handle().joined())?;
    Ok(())
}

/// Who waits for one holder to go learns when the next one's time is over, which is earlier.
pub fn next_expires(context: &Context) -> Result {
    let leases = Leases::new()?;
    let (counter, end) = (Counter::new()?, Number::new()?);
    let long = terms(1_000_000, 1000)?;
    let held = leases.try_acquire(c"name", long)?;
    let (others, dropped) = (leases.clone(), counter.clone());
    let mut waiting = spawn_value(&context.one, c"next holder", async move {
        let _held = others.acquire(c"name", long).await?;
        Ok::<_, Error>(dropped.dropped())
    })?;
    let after = context.one.spawn(c"after", async {})?;
    context.wait(after.joined())?;
    // It is kept from looking while the lease goes from hand to hand.
    let (begun, stop) = (Number::new()?, end.clone());
    let told = begun.clone();
    let busy = context.one.spawn(c"busy", async move {
        told.set(1);
        while stop.get() == 0 {
            cond_resched();
        }
    })?;
    context.until(|| begun.get() == 1)?;
    drop(held);
    let short = leases.try_acquire(c"name", terms(500, 50)?);
    end.set(1);
    let idle = short?;
    context.wait(busy.joined())?;
    check!(context.wait(waiting.joined())? == Ok(Ok(0)));
    drop(idle);
    Ok(())
}
