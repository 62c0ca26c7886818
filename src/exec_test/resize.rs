// SPDX-License-Identifier: GPL-2.0

//! Pools whose size changes, also under load, and which are destroyed.

use super::{
    aside::{gate, until, Aside, PATIENT},
    context::{Context, Counter, Number},
    pool::{occupy, plain, serves, settings},
};
use crate::{
    check,
    exec::{yield_now, On, Pool},
    sys::completion::Wait,
};
use kernel::{prelude::*, sync::Arc};

/// Idle workers leave first, so a busy one holds nothing up that can do without it.
pub fn to_a_number(context: &Context) -> Result {
    let (pool, gate) = (plain(3)?, gate()?);
    let busy = occupy(&pool, &gate)?;
    check!(pool.resize(1, false) == Ok(()));
    check!(pool.numbers()?.as_slice() == [busy.worker()]);
    check!(pool.resize(4, false) == Ok(()));
    check!(pool.workers() == 4);
    serves(context, &pool)?;
    check!(pool.resize(1025, false) == Err(EINVAL));
    gate.complete();
    check!(busy.wait(PATIENT) == Ok(()));
    Ok(())
}

/// A signal ends the waiting, and who is busy stays; a later call overrides one that waits.
pub fn interrupted(context: &Context) -> Result {
    let (pool, gate) = (plain(3)?, gate()?);
    let busy = [occupy(&pool, &gate)?, occupy(&pool, &gate)?];
    let of = pool.clone();
    let shrinking = Aside::run(move || of.resize(1, true))?;
    until(|| pool.numbers().is_ok_and(|numbers| numbers.len() == 2))?;
    check!(pool.workers() == 1 && !shrinking.has_ended());
    shrinking.thread.interrupt();
    check!(shrinking.value()? == Err(EINTR));
    check!(pool.workers() == 2);

    let of = pool.clone();
    let shrinking = Aside::run(move || of.resize(1, false))?;
    until(|| pool.workers() == 1)?;
    check!(!shrinking.has_ended());
    check!(pool.resize(3, false) == Ok(()));
    check!(shrinking.value()? == Ok(()));
    check!(pool.workers() == 3);
    serves(context, &pool)?;
    gate.complete();
    for pending in &busy {
        check!(pending.wait(PATIENT) == Ok(()));
    }
    Ok(())
}

/// Whoever could wait for itself is told so.
pub fn from_a_worker(context: &Context) -> Result {
    let (pool, counter) = (plain(2)?, Counter::new()?);
    let (of, token) = (pool.clone(), counter.token());
    let errors = pool.call(On::Any, PATIENT, move |()| {
        let _token = token;
        [
            of.remove(0, false),
            of.remove(1, true),
            of.resize(1, false),
            of.call(On::Any, Wait::FOREVER, |()| ()),
            of.call(On::Worker(0), Wait::FOREVER, |()| ()),
        ]
    })?;
    check!(errors == [Err(EDEADLK); 5]);
    // The pool must not be dropped by its own worker.
    until(|| counter.dropped() == 1)?;
    serves(context, &pool)
}

/// A worker that is woken for a task and told to leave at the same time leaves the task to
/// another one.
pub fn wake_up_passed_on(context: &Context) -> Result {
    let pool = plain(2)?;
    for round in 0..300_u32 {
        let number = pool.numbers()?.iter().copied().min().unwrap_or(0);
        let of = pool.clone();
        let removal = Aside::run(move || of.remove(number, false))?;
        if round % 3 == 0 {
            until(|| pool.workers() == 1)?;
        }
        serves(context, &pool)?;
        check!(removal.value()? == Ok(()));
        pool.add()?;
    }
    Ok(())
}

/// Tasks and callers go on while workers come and go.
pub fn under_load(context: &Context) -> Result {
    let counter = Counter::new()?;
    let count = counter.clone();
    let pool = Pool::with_context(c"dst_test_load", settings(3), move |_| Ok(count.token()))?;
    let pool = Arc::new(pool, GFP_KERNEL)?;
    let (stop, turns) = (Number::new()?, Number::new()?);
    let mut tasks = KVec::new();
    for _ in 0..6 {
        let (stop, turns) = (stop.clone(), turns.clone());
        let task = pool.spawn(c"test", async move {
            while stop.get() == 0 {
                turns.add();
                yield_now().await;
            }
        })?;
        tasks.push(task, GFP_KERNEL)?;
    }
    let (of, ended, calls) = (pool.clone(), stop.clone(), Number::new()?);
    let made = calls.clone();
    let caller = Aside::run(move || {
        while ended.get() == 0 {
            let number = made.get();
            let result = of.call(On::Any, PATIENT, move |_| number);
            if result != Ok(number) {
                return Err(result.err().unwrap_or(EINVAL));
            }
            made.add();
        }
        Ok(())
    })?;
    for round in 0..60_u32 {
        let before = turns.get();
        match round % 4 {
            0 => drop(pool.add()?),
            1 => pool.remove(pool.numbers()?.iter().copied().max().unwrap_or(0), false)?,
            2 => pool.resize(1, false)?,
            _ => pool.resize(4, true)?,
        }
        until(|| turns.get() != before)?;
    }
    until(|| calls.get() > 0 || caller.has_ended())?;
    stop.set(1);
    for task in &tasks {
        context.wait(task.joined())?;
    }
    check!(caller.value()? == Ok(()));
    pr_info!("# {} polls, {} calls\n", turns.get(), calls.get());
    drop(tasks);
    drop(caller);
    drop(pool);
    check!(counter.made() > 30 && counter.made() == counter.dropped());
    Ok(())
}

/// Destroying a pool waits for what runs, whose result is delivered.
pub fn destroyed_while_busy(_: &Context) -> Result {
    let (pool, gate, counter) = (plain(2)?, gate()?, Counter::new()?);
    let busy = occupy(&pool, &gate)?;
    let token = counter.token();
    let end = Aside::run(move || {
        drop(pool);
        drop(token);
    })?;
    check!(busy.wait(Wait::at_most(100)) == Err(ETIMEDOUT));
    check!(counter.dropped() == 0 && !end.has_ended());
    gate.complete();
    end.value()?;
    check!(busy.wait(Wait::NONE) == Ok(()));
    Ok(())
}
