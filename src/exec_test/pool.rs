// SPDX-License-Identifier: GPL-2.0

//! Pools: workers with a context, which come and go while work goes on.

use super::{
    aside::{gate, until, Aside, PATIENT},
    context::{Context, Counter, Number, Token},
};
use crate::{
    check,
    exec::{
        wait_for,
        worker::{self, with_context},
        yield_now, On, Pool, Settings,
    },
    sys::{
        completion::{Completion, Wait},
        cpu::CpuSet,
        kthread::Reclaim,
    },
};
use core::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    task::Poll,
};
use kernel::{current, prelude::*, sync::Arc};

pub(super) fn settings(workers: u32) -> Settings {
    Settings::new(workers, Reclaim::NoIo)
}

/// A pool whose workers have nothing, kept by several threads.
pub(super) fn plain(workers: u32) -> Result<Arc<Pool>> {
    let pool = Pool::with_settings(c"dst_test_pool", settings(workers))?;
    Ok(Arc::new(pool, GFP_KERNEL)?)
}

/// Lets a worker wait at `gate`; returns when it does. It does not wait for ever, so that a case
/// that fails can end.
pub(super) fn occupy(pool: &Pool, gate: &Arc<Completion>) -> Result<crate::exec::Pending<()>> {
    let (at, gate) = (Number::new()?, gate.clone());
    let there = at.clone();
    let pending = pool.schedule(
        On::Any,
        PATIENT,
        |_| Ok(()),
        move |(), ()| {
            there.set(1);
            let _ = gate.wait(PATIENT);
        },
    )?;
    until(|| at.get() == 1)?;
    Ok(pending)
}

/// Whether a task gets to run.
pub(super) fn serves(context: &Context, pool: &Pool) -> Result {
    let ran = Number::new()?;
    let counted = ran.clone();
    let task = pool.spawn(c"test", async move {
        counted.add();
    })?;
    context.wait(task.joined())?;
    check!(ran.get() == 1);
    Ok(())
}

/// A pool without workers cannot be made, and none becomes one: it would block for ever.
pub fn no_workers(context: &Context) -> Result {
    let fails = |settings| Pool::with_settings(c"dst_test_pool", settings).err();
    check!(fails(settings(0)) == Some(EINVAL));
    let least = |least, workers| Settings {
        least,
        ..settings(workers)
    };
    check!(fails(least(0, 1)) == Some(EINVAL));
    check!(fails(least(3, 2)) == Some(EINVAL));
    check!(fails(settings(1025)) == Some(EINVAL));

    let pool = plain(1)?;
    check!(pool.remove(0, false) == Err(EBUSY));
    check!(pool.resize(0, false) == Err(EBUSY));
    serves(context, &pool)?;
    let pool = Pool::with_settings(c"dst_test_pool", least(2, 3))?;
    check!(pool.remove(0, false) == Ok(()));
    check!(pool.remove(1, false) == Err(EBUSY));
    check!(pool.resize(1, false) == Err(EBUSY));
    check!(pool.workers() == 2);
    serves(context, &pool)
}

/// A context that tells which thread has made it, and that may not leave that thread.
struct Own {
    pid: i32,
    uses: u32,
    wrong: Number,
    _token: Token,
    _stays: PhantomData<*mut Cell<()>>,
}

impl Own {
    fn is_here(&self) {
        if current!().pid() != self.pid {
            self.wrong.add();
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.is_here();
    }
}

/// A pool with such contexts, how many there were, and how often one was on a foreign thread.
fn with_own(workers: u32) -> Result<(Pool<Own>, Counter, Number)> {
    let (counter, wrong) = (Counter::new()?, Number::new()?);
    let (count, seen) = (counter.clone(), wrong.clone());
    let pool = Pool::with_context(c"dst_test_own", settings(workers), move |_| {
        Ok(Own {
            pid: current!().pid(),
            uses: 0,
            wrong: seen.clone(),
            _token: count.token(),
            _stays: PhantomData,
        })
    })?;
    Ok((pool, counter, wrong))
}

/// Each worker makes and drops its context itself, keeps it from action to action, and an action
/// is given that of its own worker.
pub fn contexts(_: &Context) -> Result {
    let (pool, counter, wrong) = with_own(3)?;
    check!(counter.made() == 3 && counter.dropped() == 0);
    for round in 1..=5_u32 {
        for number in 0..3 {
            let uses = pool.call(On::Worker(number), PATIENT, |own| {
                own.is_here();
                own.uses = own.uses.saturating_add(1);
                own.uses
            })?;
            check!(uses == round);
        }
    }
    check!(pool.add() == Ok(3));
    check!(counter.made() == 4);
    pool.remove(1, false)?;
    check!(counter.dropped() == 1);
    check!(pool.add() == Ok(1));
    let uses = pool.call(On::Worker(1), PATIENT, |own| own.uses)?;
    check!(uses == 0);
    drop(pool);
    check!(counter.made() == 5 && counter.dropped() == 5);
    check!(wrong.get() == 0);
    Ok(())
}

/// A poll reaches the context of the worker that it is on, and nobody else does.
pub fn contexts_of_tasks(context: &Context) -> Result {
    let (pool, _counter, wrong) = with_own(2)?;
    let uses = Number::new()?;
    let counted = uses.clone();
    let task = pool.spawn(c"test", async move {
        for _ in 0..20 {
            if with_context(|own: &mut Own| own.is_here()).is_some() {
                counted.add();
            }
            yield_now().await;
        }
    })?;
    context.wait(task.joined())?;
    check!(uses.get() == 20);
    check!(with_context(|_: &mut Own| ()).is_none());
    check!(worker::number().is_none());
    let seen = pool.call(On::Worker(1), PATIENT, |_| {
        // The action has borrowed it.
        let twice = with_context(|_: &mut Own| ()).is_some();
        (worker::number(), twice)
    })?;
    check!(seen == (Some(1), false));
    let task = pool.spawn(c"test", async move {
        if with_context(|_: &mut Number| ()).is_some() {
            wrong.add();
        }
        let inside = with_context(|_: &mut Own| with_context(|_: &mut Own| ()).is_some());
        if inside != Some(false) {
            wrong.add();
        }
    })?;
    context.wait(task.joined())?;
    drop(pool);
    Ok(())
}

/// An `init` that fails fails the creation with its error and leaves nothing; one that fails
/// later leaves the pool as it was.
pub fn init_fails(context: &Context) -> Result {
    let counter = Counter::new()?;
    let count = counter.clone();
    let made = Pool::with_context(c"dst_test_init", settings(4), move |number| match number {
        2 => Err(EBADMSG),
        _ => Ok(count.token()),
    });
    check!(made.err() == Some(EBADMSG));
    check!(counter.made() == 2 && counter.dropped() == 2);

    let pool = Pool::with_context(c"dst_test_init", settings(2), move |number| match number {
        0 | 1 => Ok(()),
        _ => Err(EBADMSG),
    })?;
    check!(pool.add() == Err(EBADMSG));
    check!(pool.resize(4, false) == Err(EBADMSG));
    check!(pool.workers() == 2);
    let task = pool.spawn(c"test", yield_now())?;
    context.wait(task.joined())?;
    Ok(())
}

/// Numbers are the lowest free ones.
pub fn numbers(_: &Context) -> Result {
    let pool = plain(3)?;
    pool.remove(1, false)?;
    check!(pool.remove(1, false) == Err(ESRCH));
    check!(pool.workers() == 2);
    let mut numbers = pool.numbers()?;
    numbers.sort_unstable();
    check!(numbers.as_slice() == [0, 2]);
    check!(pool.add() == Ok(1));
    check!(pool.add() == Ok(3));
    Ok(())
}

/// Nice levels and CPUs that cannot be are refused, and the pool stays as it was.
pub fn properties(context: &Context) -> Result {
    let pool = plain(2)?;
    check!(pool.set_nice(20) == Err(ERANGE) && pool.set_nice(-21) == Err(ERANGE));
    check!(pool.set_nice(19) == Ok(()));
    for text in [c"", c"x", c"3-", c"5-4", c"999999", c"0-3,6:"] {
        check!(CpuSet::parse(text).is_err());
    }
    let all = Arc::new(CpuSet::parse(c"0-N")?, GFP_KERNEL)?;
    check!(pool.set_cpus(Some(all)) == Ok(()));
    let first = Arc::new(CpuSet::parse(c"0")?, GFP_KERNEL)?;
    check!(pool.set_cpus(Some(first)) == Ok(()));
    // A CPU that the kernel could have and this machine has not.
    if let Ok(none) = CpuSet::parse(c"N") {
        if !none.is_usable() {
            check!(pool.set_cpus(Some(Arc::new(none, GFP_KERNEL)?)) == Err(EINVAL));
        }
    }
    pool.add()?;
    check!(pool.set_cpus(None) == Ok(()));
    let wrong = Settings {
        nice: 20,
        ..settings(1)
    };
    check!(Pool::with_settings(c"dst_test_pool", wrong).err() == Some(EINVAL));
    serves(context, &pool)
}

/// A worker that is busy with an action ends it, delivers its result, and goes; the others work
/// on meanwhile. Removal waits for it, and no longer.
pub fn remove_busy(context: &Context) -> Result {
    let (pool, gate) = (plain(2)?, gate()?);
    let busy = occupy(&pool, &gate)?;
    let (of, number) = (pool.clone(), busy.worker());
    let removal = Aside::run(move || of.remove(number, false))?;
    until(|| pool.workers() == 1)?;
    check!(pool.remove(number, false) == Err(EALREADY));
    serves(context, &pool)?;
    check!(!removal.has_ended());
    check!(busy.wait(Wait::NONE) == Err(ETIMEDOUT));
    gate.complete();
    check!(busy.wait(PATIENT) == Ok(()));
    check!(removal.value()? == Ok(()));
    check!(pool.remove(number, false) == Err(ESRCH));
    serves(context, &pool)
}

/// The same with a worker in the middle of a poll; the task goes on elsewhere.
pub fn remove_polling(context: &Context) -> Result {
    let (pool, gate, at) = (plain(2)?, gate()?, Number::new()?);
    let (there, way) = (at.clone(), gate.clone());
    let task = pool.spawn(c"test", async move {
        // Never 0, which is before it has begun.
        there.set(worker::number().map_or(100, |number| number.saturating_add(1)));
        let _ = way.wait(PATIENT);
        yield_now().await;
        there.set(worker::number().map_or(200, |number| number.saturating_add(1)));
    })?;
    until(|| at.get() != 0)?;
    let number = at.get().saturating_sub(1);
    let of = pool.clone();
    let removal = Aside::run(move || of.remove(number, false))?;
    until(|| pool.workers() == 1)?;
    serves(context, &pool)?;
    check!(!removal.has_ended());
    gate.complete();
    check!(removal.value()? == Ok(()));
    context.wait(task.joined())?;
    check!(at.get() == 2_u32.saturating_sub(number));
    Ok(())
}

/// A signal is not success: the worker stays, and can be removed later.
pub fn remove_interrupted(context: &Context) -> Result {
    let (pool, gate) = (plain(2)?, gate()?);
    let busy = occupy(&pool, &gate)?;
    let number = busy.worker();
    for interruptible in [true, false] {
        let of = pool.clone();
        let removal = Aside::run(move || of.remove(number, interruptible))?;
        until(|| pool.workers() == 1)?;
        removal.thread.interrupt();
        if interruptible {
            check!(removal.value()? == Err(EINTR));
            check!(pool.workers() == 2);
        } else {
            serves(context, &pool)?;
            check!(!removal.has_ended());
            gate.complete();
            check!(removal.value()? == Ok(()));
        }
    }
    check!(busy.wait(PATIENT) == Ok(()));
    check!(pool.workers() == 1);
    serves(context, &pool)
}

/// A pool that is dropped makes no task any more, cancels those that wait, in the queue or for
/// something, and has ended when they have.
pub fn closed(context: &Context) -> Result {
    let (pool, gate, counter) = (plain(1)?, gate()?, Counter::new()?);
    let spawner = pool.spawner();
    let endless = || {
        let token = counter.token();
        spawner.spawn(c"endless", async move {
            let _token = token;
            wait_for(c"nothing", |_| Poll::<()>::Pending).await
        })
    };
    let waiting = endless()?;
    context.until(|| waiting.awaits().is_some())?;
    let busy = occupy(&pool, &gate)?;
    let queued = endless()?;
    let end = Aside::run(move || drop(pool))?;
    // Those that are made before the end has begun are kept: to drop one here would wait for it.
    let early = RefCell::new(KVec::new());
    let refused = || match endless() {
        Ok(task) => {
            let _ = early.borrow_mut().push(task, GFP_KERNEL);
            false
        }
        Err(error) => error == ESHUTDOWN,
    };
    context.until(refused)?;
    check!(!end.has_ended() && !waiting.is_done() && !queued.is_done());
    gate.complete();
    end.value()?;
    check!(busy.wait(Wait::NONE) == Ok(()));
    check!(waiting.is_done() && queued.is_done() && spawner.tasks() == 0);
    check!(counter.made() == counter.dropped());
    check!(refused());
    Ok(())
}
