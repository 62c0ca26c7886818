// SPDX-License-Identifier: GPL-2.0

//! Work that is scheduled: a setup here, an action there, and how the wait for a worker ends.

use super::{
    aside::{gate, until, Aside, PATIENT},
    context::{Context, Number},
    pool::{occupy, plain, serves},
};
use crate::{
    check,
    exec::{worker, yield_now, On, Pool},
    sys::{clock, completion::Wait},
};
use kernel::{
    current,
    prelude::*,
    sync::Arc,
    time::{delay::fsleep, Delta},
};

/// Counts in `setup` and `action` whether they have run.
fn counted(pool: &Pool, on: On, wait: Wait, setups: &Number, actions: &Number) -> Result<()> {
    let (setups, actions) = (setups.clone(), actions.clone());
    let pending = pool.schedule(
        on,
        wait,
        |_| {
            setups.add();
            Ok(())
        },
        move |(), ()| {
            actions.add();
        },
    )?;
    pending.wait(wait)
}

/// `setup` runs in the caller and is told which worker was chosen; `action` runs there, with what
/// `setup` made, and its result comes back.
pub fn setup_and_action(_: &Context) -> Result {
    let pool = plain(3)?;
    let caller = current!().pid();
    for on in [On::Any, On::Worker(2)] {
        let chosen = Number::new()?;
        let pending = pool.schedule(
            on,
            PATIENT,
            |number| {
                chosen.set(number);
                Ok((current!().pid(), 17))
            },
            |(), (pid, value)| (pid, current!().pid(), worker::number(), value),
        )?;
        check!(pending.worker() == chosen.get());
        check!(on == On::Any || chosen.get() == 2);
        let (prepared, ran, number, value) = pending.wait(PATIENT)?;
        check!(prepared == caller && ran != caller);
        check!(number == Some(chosen.get()) && value == 17);
        check!(pending.wait(PATIENT) == Err(ENODATA));
    }
    // Nobody waits for the result of this one.
    let ran = Number::new()?;
    let counted = ran.clone();
    drop(pool.schedule(On::Any, PATIENT, |_| Ok(()), move |(), ()| counted.add())?);
    until(|| ran.get() == 1)
}

/// A `setup` that refuses: its error comes back, no action runs, and the worker is free again.
pub fn setup_refuses(context: &Context) -> Result {
    let (pool, actions) = (plain(1)?, Number::new()?);
    for on in [On::Any, On::Worker(0)] {
        let ran = actions.clone();
        let refused = pool.schedule(
            on,
            PATIENT,
            |_| Err::<(), _>(EBADMSG),
            move |(), ()| ran.add(),
        );
        check!(refused.err() == Some(EBADMSG));
        serves(context, &pool)?;
        check!(pool.call(on, PATIENT, |()| 5) == Ok(5));
    }
    check!(actions.get() == 0);
    Ok(())
}

/// No time, some time and all the time that it takes.
pub fn time_limits(context: &Context) -> Result {
    let (pool, gate) = (plain(1)?, gate()?);
    let (setups, actions) = (Number::new()?, Number::new()?);
    let try_for = |pool: &Pool, wait| counted(pool, On::Any, wait, &setups, &actions);
    // A worker may be on its way to sleep yet.
    until(|| pool.call(On::Any, Wait::NONE, |()| ()) != Err(ETIMEDOUT))?;

    let busy = occupy(&pool, &gate)?;
    for on in [On::Any, On::Worker(0)] {
        for wait in [Wait::NONE, Wait::NONE.interruptible()] {
            check!(counted(&pool, on, wait, &setups, &actions) == Err(ETIMEDOUT));
        }
        for wait in [Wait::at_most(40), Wait::at_most(40).interruptible()] {
            // By the clock that goes with the ticks, which keep the limit: on a machine that was
            // held up they come late, and then fast.
            let begun = clock::coarse_milliseconds();
            check!(counted(&pool, on, wait, &setups, &actions) == Err(ETIMEDOUT));
            check!(clock::coarse_milliseconds() - begun >= 40);
        }
    }
    check!(pool.callers() == 0);
    check!(setups.get() == 0 && actions.get() == 0);

    let (of, ran) = (pool.clone(), actions.clone());
    let endless = Aside::run(move || {
        of.call(On::Any, Wait::FOREVER, move |()| {
            ran.add();
        })
    })?;
    until(|| pool.callers() == 1)?;
    check!(!endless.has_ended());
    gate.complete();
    check!(endless.value()? == Ok(()));
    check!(busy.wait(PATIENT) == Ok(()));
    check!(try_for(&pool, PATIENT) == Ok(()));
    check!(setups.get() == 1 && actions.get() == 2);
    serves(context, &pool)
}

/// A signal is not success: who is interrupted gets an error, no setup and no action; who is not
/// to be interrupted waits on.
pub fn signals(context: &Context) -> Result {
    for on in [On::Any, On::Worker(0)] {
        for wait in [Wait::FOREVER, Wait::at_most(600_000)] {
            let (pool, gate) = (plain(1)?, gate()?);
            let (setups, actions) = (Number::new()?, Number::new()?);
            let busy = occupy(&pool, &gate)?;
            for interruptible in [true, false] {
                let (of, setups, actions) = (pool.clone(), setups.clone(), actions.clone());
                let wait = Wait {
                    interruptible,
                    ..wait
                };
                let caller = Aside::run(move || counted(&of, on, wait, &setups, &actions))?;
                until(|| pool.callers() == 1)?;
                caller.thread.interrupt();
                if interruptible {
                    check!(caller.value()? == Err(EINTR));
                    check!(pool.callers() == 0);
                } else {
                    fsleep(Delta::from_millis(20));
                    check!(!caller.has_ended() && pool.callers() == 1);
                    gate.complete();
                    check!(caller.value()? == Ok(()));
                }
            }
            check!(busy.wait(PATIENT) == Ok(()));
            // Those of the second caller alone.
            serves(context, &pool)?;
            check!(setups.get() == 1 && actions.get() == 1);
        }
    }
    Ok(())
}

/// A signal while the action runs ends the waiting with an error; the action runs on, and its
/// result can be fetched.
pub fn signal_and_result(_: &Context) -> Result {
    let (pool, gate, begun) = (plain(1)?, gate()?, Number::new()?);
    let (of, way, runs) = (pool.clone(), gate.clone(), begun.clone());
    let caller = Aside::run(move || {
        let wait = Wait::FOREVER.interruptible();
        let action = move |(), ()| {
            runs.set(1);
            way.wait(PATIENT).ok().map(|()| 23)
        };
        let pending = of.schedule(On::Any, wait, |_| Ok(()), move |(), ()| action((), ()))?;
        Ok::<_, Error>((pending.wait(wait).err(), pending))
    })?;
    // A signal that comes before the caller waits for the result is as good.
    until(|| begun.get() == 1)?;
    caller.thread.interrupt();
    let (error, pending) = caller.value()??;
    check!(error == Some(EINTR));
    check!(pending.wait(Wait::NONE).err() == Some(ETIMEDOUT));
    gate.complete();
    check!(pending.wait(PATIENT)? == Ok(23));
    Ok(())
}

/// Work for one worker waits for that one, though others are free.
pub fn particular_worker(context: &Context) -> Result {
    let (pool, gate) = (plain(3)?, gate()?);
    check!(pool.call(On::Worker(3), Wait::FOREVER, |()| ()) == Err(ESRCH));
    let busy = occupy(&pool, &gate)?;
    let number = busy.worker();
    let of = pool.clone();
    let caller =
        Aside::run(move || of.call(On::Worker(number), Wait::FOREVER, |()| worker::number()))?;
    until(|| pool.callers() == 1)?;
    serves(context, &pool)?;
    check!(pool.call(On::Any, PATIENT, |()| worker::number())? != Some(number));
    check!(!caller.has_ended());
    gate.complete();
    check!(caller.value()? == Ok(Some(number)));
    check!(busy.wait(PATIENT) == Ok(()));
    Ok(())
}

/// Waiting for one worker costs no CPU time.
pub fn particular_worker_sleeps(_: &Context) -> Result {
    let (pool, gate) = (plain(2)?, gate()?);
    let busy = occupy(&pool, &gate)?;
    let number = busy.worker();
    let of = pool.clone();
    let caller = Aside::run(move || of.call(On::Worker(number), Wait::FOREVER, |()| ()))?;
    until(|| pool.callers() == 1)?;
    // What it has begun may end, however late; then nothing is to be seen of it, for as long as is
    // looked. Who spins has no such time.
    until(|| {
        let before = caller.thread.run_time();
        fsleep(Delta::from_millis(500));
        caller.thread.run_time() == before
    })?;
    gate.complete();
    check!(caller.value()? == Ok(()));
    check!(busy.wait(PATIENT) == Ok(()));
    // The measure shows one that does spin.
    let stop = Number::new()?;
    let seen = stop.clone();
    let spinner = Aside::run(move || {
        while seen.get() == 0 {
            crate::sys::kthread::cond_resched();
        }
    })?;
    let moved = until(|| spinner.thread.run_time() > 50_000_000);
    stop.set(1);
    spinner.value()?;
    moved
}

/// Who waits for a worker that leaves is told so; another worker does not take the work.
pub fn particular_worker_leaves(context: &Context) -> Result {
    let (pool, gate) = (plain(2)?, gate()?);
    let (setups, actions) = (Number::new()?, Number::new()?);
    let busy = occupy(&pool, &gate)?;
    let number = busy.worker();
    let (of, setup, action) = (pool.clone(), setups.clone(), actions.clone());
    let caller =
        Aside::run(move || counted(&of, On::Worker(number), Wait::FOREVER, &setup, &action))?;
    until(|| pool.callers() == 1)?;
    let of = pool.clone();
    let removal = Aside::run(move || of.remove(number, true))?;
    until(|| pool.workers() == 1)?;
    serves(context, &pool)?;
    check!(!caller.has_ended());
    gate.complete();
    check!(caller.value()? == Err(ESRCH));
    check!(removal.value()? == Ok(()));
    check!(busy.wait(PATIENT) == Ok(()));
    check!(setups.get() == 0 && actions.get() == 0);
    Ok(())
}

/// A worker that was chosen and then is to leave does the work first.
pub fn promise_kept(_: &Context) -> Result {
    let pool = plain(2)?;
    let removal: Arc<Number> = Arc::new(Number::new()?, GFP_KERNEL)?;
    let of = pool.clone();
    let mut aside = None;
    let pending = pool.schedule(
        On::Worker(1),
        PATIENT,
        |number| {
            let removed = removal.clone();
            aside = Some(Aside::run(move || {
                let result = of.remove(number, false);
                removed.set(1);
                result
            })?);
            until(|| pool.workers() == 1)
        },
        |(), ()| worker::number(),
    )?;
    check!(pending.wait(PATIENT) == Ok(Some(1)));
    let aside = aside.ok_or(EINVAL)?;
    check!(aside.value()? == Ok(()));
    check!(removal.get() == 1);
    Ok(())
}

/// Tasks that never rest do not keep callers waiting, and callers that never rest not tasks.
pub fn turns(context: &Context) -> Result {
    let pool = plain(1)?;
    let (stop, polls) = (Number::new()?, Number::new()?);
    let (ended, counted) = (stop.clone(), polls.clone());
    let task = pool.spawn(c"test", async move {
        while ended.get() == 0 {
            counted.add();
            yield_now().await;
        }
    })?;
    let mut callers = KVec::new();
    for _ in 0..2 {
        let (of, ended) = (pool.clone(), stop.clone());
        let caller = Aside::run(move || {
            while ended.get() == 0 {
                of.call(On::Any, Wait::FOREVER, |()| ())?;
            }
            Ok::<_, Error>(())
        })?;
        callers.push(caller, GFP_KERNEL)?;
    }
    for _ in 0..50 {
        let before = polls.get();
        check!(pool.call(On::Any, PATIENT, |()| 1) == Ok(1));
        until(|| polls.get() != before)?;
    }
    stop.set(1);
    for caller in &callers {
        check!(caller.value()? == Ok(()));
    }
    context.wait(task.joined())
}
