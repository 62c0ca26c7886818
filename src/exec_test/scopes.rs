// SPDX-License-Identifier: GPL-2.0

//! Scopes, and blocking functions, which run in one.

use super::context::{Context, Counter, Number};
use crate::{
    check,
    exec::{
        run_blocking, scope, select, spawn_value, wait_for, yield_now, Either, JoinHandle, Notify,
        Pool, Spawner, TaskName,
    },
    sys::kthread::Reclaim,
};
use core::{
    future::Future,
    pin::{pin, Pin},
    task::Poll,
};
use kernel::{prelude::*, sync::Arc, time::Delta};

/// Scopes in scopes; a stack has room for a few hundred calls.
const DEPTH: u32 = 1000;

/// A future that never ends.
async fn never() -> Result {
    wait_for(c"nothing", |_| Poll::Pending).await
}

/// A scope returns when its children have ended, with the value of its body; a pool of one worker
/// is enough for owner and children.
pub fn all_joined(context: &Context) -> Result {
    let ended = Number::new()?;
    for pool in [&context.one, &context.many] {
        ended.set(0);
        let counted = ended.clone();
        let result = context.wait(scope(pool, async move |scope| {
            for n in 0..10 {
                let counted = counted.clone();
                scope.spawn(c"child", async move {
                    for _ in 0..n {
                        yield_now().await;
                    }
                    counted.add();
                    Ok(())
                })?;
            }
            Ok(5)
        }))?;
        check!(result == Ok(5));
        check!(ended.get() == 10);
    }
    Ok(())
}

/// The first child that fails ends body and siblings, all of which are gone when the scope returns.
pub fn first_error_wins(context: &Context) -> Result {
    let counter = Counter::new()?;
    let gate = Arc::pin_init(Notify::new(), GFP_KERNEL)?;
    let (tokens, opened) = (counter.clone(), gate.clone());
    let result: Result = context.wait(scope(&context.one, async move |scope| {
        for n in 0..4 {
            let (token, gate) = (tokens.token(), opened.clone());
            scope.spawn(c"child", async move {
                let _token = token;
                if n == 2 {
                    gate.notified(c"a gate").await;
                    return Err(EBADMSG);
                }
                never().await
            })?;
        }
        opened.notify_one();
        let _token = tokens.token();
        never().await
    }))?;
    check!(result == Err(EBADMSG));
    check!(counter.made() == 5 && counter.dropped() == 5);
    Ok(())
}

/// A body that fails ends its children; nothing can be spawned after that.
pub fn body_error(context: &Context) -> Result {
    let counter = Counter::new()?;
    let tokens = counter.clone();
    let result: Result = context.wait(scope(&context.one, async move |scope| {
        let token = tokens.token();
        scope.spawn(c"child", async move {
            let _token = token;
            never().await
        })?;
        scope.cancel();
        let refused = scope.spawn(c"late", async { Ok(()) });
        check!(refused == Err(ECANCELED));
        Err(ENODATA)
    }))?;
    check!(result == Err(ENODATA));
    check!(counter.made() == 1 && counter.dropped() == 1);
    Ok(())
}

/// A body for the cases below: a child that never ends, and a body that says when it has begun.
async fn endless_scope(pool: &Spawner, counter: Counter, begun: Number) -> Result {
    scope(pool, async move |scope| {
        let token = counter.token();
        scope.spawn(c"child", async move {
            let _token = token;
            never().await
        })?;
        let _token = counter.token();
        begun.set(1);
        never().await
    })
    .await
}

/// Cancels `owner`, a task of `pool` with a scope there, and tells whether it had ended before its
/// children: what looks stands between both in the queue of the only worker, `levels` times for
/// scopes in scopes.
fn ended_early(
    context: &Context,
    pool: &Pool,
    owner: &Arc<JoinHandle>,
    levels: u32,
) -> Result<bool> {
    let early = Number::new()?;
    let (own, cancelled, seen) = (pool.spawner(), owner.clone(), early.clone());
    // The worker runs this, so owner and looking task wait in this order until it is over. The
    // children come behind them, when the owner's future is dropped.
    let mut canceller = spawn_value(pool, c"cancels", async move {
        cancelled.cancel();
        own.spawn(c"looks", async move {
            for _ in 0..levels {
                if cancelled.is_done() {
                    seen.add();
                }
                yield_now().await;
            }
        })
    })?;
    let looking = context.wait(canceller.joined())???;
    context.wait(looking.joined())?;
    Ok(early.get() != 0)
}

/// A task that is cancelled inside a scope has ended only when the children have; its worker, the
/// only one, is not held up meanwhile.
pub fn dropped_in_the_middle(context: &Context) -> Result {
    let pool = Pool::new(c"dst_test_scope", 1, Reclaim::NoIo)?;
    for _ in 0..20 {
        let (counter, begun) = (Counter::new()?, Number::new()?);
        let (tokens, flag, own) = (counter.clone(), begun.clone(), pool.spawner());
        let task = pool.spawn(c"owner", async move {
            let _ = endless_scope(&own, tokens, flag).await;
        })?;
        let task = Arc::new(task, GFP_KERNEL)?;
        context.until(|| begun.get() != 0)?;
        check!(!ended_early(context, &pool, &task, 1)?);
        context.wait(task.joined())?;
        check!(task.is_done());
        check!(counter.made() == 2 && counter.dropped() == 2);
        context.drained(&pool)?;
    }
    Ok(())
}

/// A thread that drops a scope waits for the children itself.
pub fn dropped_by_a_thread(context: &Context) -> Result {
    let (counter, begun) = (Counter::new()?, Number::new()?);
    let mut scope = crate::exec::boxed(endless_scope(&context.one, counter.clone(), begun))?;
    let mut timer = crate::exec::Timer::new()?;
    let result = context.wait(async {
        crate::exec::timeout(&mut timer, Delta::from_millis(20), scope.as_mut()).await
    })?;
    check!(result.is_none());
    check!(counter.made() == 2 && counter.dropped() == 0);
    drop(scope);
    check!(counter.dropped() == 2);
    Ok(())
}

/// A scope inside a child: the outermost owner ends last.
pub fn nested(context: &Context) -> Result {
    let pool = Pool::new(c"dst_test_nest", 1, Reclaim::NoIo)?;
    for _ in 0..50 {
        let (counter, begun) = (Counter::new()?, Number::new()?);
        let (tokens, flag, outer) = (counter.clone(), begun.clone(), pool.spawner());
        let task = pool.spawn(c"owner", async move {
            let inner = outer.clone();
            let _: Result = scope(&outer, async move |scope| {
                scope.spawn(c"middle", async move {
                    endless_scope(&inner, tokens, flag).await
                })?;
                never().await
            })
            .await;
        })?;
        let task = Arc::new(task, GFP_KERNEL)?;
        context.until(|| begun.get() != 0)?;
        check!(!ended_early(context, &pool, &task, 2)?);
        task.join();
        check!(counter.made() == 2 && counter.dropped() == 2);
        context.drained(&pool)?;
    }
    Ok(())
}

/// What is told of a task in a scope is what the scope's body awaits, and the children after that.
pub fn awaits(context: &Context) -> Result {
    let pool = Pool::new(c"dst_test_told", 1, Reclaim::NoIo)?;
    let gate = Arc::pin_init(Notify::new(), GFP_KERNEL)?;
    let (own, opened) = (pool.spawner(), gate.clone());
    let task = context.one.spawn(c"owner", async move {
        let _: Result = scope(&own, async move |scope| {
            scope.spawn(c"child", never())?;
            opened.notified(c"a gate").await;
            Ok(())
        })
        .await;
    })?;
    context.until(|| task.awaits().is_some())?;
    check!(task.awaits() == Some(c"a gate"));
    gate.notify_one();
    context.until(|| task.awaits() == Some(c"the tasks of a scope"))?;
    drop(task);
    Ok(())
}

type Level = Pin<KBox<dyn Future<Output = ()> + Send>>;

/// A task with a scope whose only child has such a scope, and so on.
fn descend(pool: Spawner, begun: Number, levels: u32) -> Result<Level> {
    let body = async move {
        let inner = pool.clone();
        let _: Result = scope(&pool, async move |scope| {
            if levels == 0 {
                begun.set(1);
            } else {
                let below = descend(inner, begun, levels.saturating_sub(1))?;
                scope.spawn(c"level", async move {
                    below.await;
                    Ok(())
                })?;
            }
            never().await
        })
        .await;
    };
    let body: KBox<dyn Future<Output = ()> + Send> = KBox::new(body, GFP_KERNEL)?;
    Ok(body.into())
}

/// However deep scopes lie in scopes, their ends need no stack: one after the other, outwards.
pub fn deep(context: &Context) -> Result {
    let begun = Number::new()?;
    let task = context.one.spawn(
        TaskName::with(c"level", fmt!("{}", DEPTH))?,
        descend(context.one.spawner(), begun.clone(), DEPTH)?,
    )?;
    context.until(|| begun.get() != 0)?;
    check!(context.one.tasks() == DEPTH.saturating_add(1));
    task.cancel();
    context.wait(task.joined())?;
    context.drained(&context.one)
}

/// A scope that is taken from the task that began it to another one spawns nothing for a task that
/// has ended.
pub fn moved(context: &Context) -> Result {
    let pool = Pool::new(c"dst_test_moved", 1, Reclaim::NoIo)?;
    let own = pool.spawner();
    let mut body = crate::exec::boxed(async move {
        scope(&own, async move |scope| {
            yield_now().await;
            scope.spawn(c"child", async { Ok(()) })
        })
        .await
    })?;
    let mut first = spawn_value(&context.one, c"first owner", async move {
        // One poll of it.
        let early = select(body.as_mut(), pin!(async {})).await;
        (body, early)
    })?;
    let (mut body, early) = context.wait(first.joined())??;
    check!(early == Either::Second(()));
    let mut second = spawn_value(
        &context.one,
        c"second owner",
        async move { body.as_mut().await },
    )?;
    check!(context.wait(second.joined())? == Ok(Err(EINVAL)));
    drop((first, second));
    check!(context.one.tasks() == 0);
    Ok(())
}

/// A function that blocks runs elsewhere, and the pool of who awaits it goes on.
pub fn blocking(context: &Context) -> Result {
    let flag = Number::new()?;
    let seen = flag.clone();
    let mut blocked = pin!(run_blocking(&context.blocking, c"blocks", move || {
        while seen.get() == 0 {
            crate::sys::kthread::cond_resched();
        }
        77
    }));
    let mut timer = crate::exec::Timer::new()?;
    let early = context.wait(async {
        crate::exec::timeout(&mut timer, Delta::from_millis(10), blocked.as_mut()).await
    })?;
    check!(early.is_none());
    let other = context.one.spawn(c"other", async {})?;
    context.wait(other.joined())?;
    flag.set(1);
    check!(context.wait(blocked)? == Ok(77));
    Ok(())
}

/// A task that is cancelled while its function runs has ended when the function has; a function
/// that has not begun never does.
pub fn blocking_dropped(context: &Context) -> Result {
    let pool = Pool::new(c"dst_test_call", 1, Reclaim::NoIo)?;
    let (end, begun, ran) = (Number::new()?, Number::new()?, Number::new()?);
    let call = |flag: Number, wait: Number, ran: Number| {
        let pool = pool.spawner();
        let body: Result<_> = spawn_value(&context.one, c"caller", async move {
            run_blocking(&pool, c"call", move || {
                flag.set(1);
                while wait.get() == 0 {
                    crate::sys::kthread::cond_resched();
                }
                ran.add();
            })
            .await
        });
        body
    };
    let first = call(begun.clone(), end.clone(), ran.clone())?;
    context.until(|| begun.get() != 0)?;
    // The only worker is taken, so this one's function waits in the queue.
    let second = call(Number::new()?, end.clone(), ran.clone())?;
    let after = context.one.spawn(c"after", yield_now())?;
    context.wait(after.joined())?;
    first.cancel();
    second.cancel();
    // Behind both in the queue of the only worker, which has dropped their futures then.
    let after = context.one.spawn(c"after", async {})?;
    context.wait(after.joined())?;
    let early = first.handle().is_done();
    // First, so that a fault is a failure and not a thread that never ends.
    end.set(1);
    check!(!early);
    context.wait(first.handle().joined())?;
    context.wait(second.handle().joined())?;
    check!(ran.get() == 1);
    context.drained(&pool)?;
    Ok(())
}

/// The futures of scopes can be tasks.
const _: fn(&'static Context) = |context| {
    fn sendable(_: impl Future + Send) {}
    sendable(scope(&context.one, async |_| Ok(())));
};
