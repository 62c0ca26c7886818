// SPDX-License-Identifier: GPL-2.0

//! The life of a task on a pool: woken, cancelled and joined from all sides.

use super::{explore, explore_up_to, pool, read, spawn, Event, Token};
use crate::{
    context::interrupt,
    exec::{block_on, oneshot, run_blocking, scope, yield_now, Pool},
    prelude::*,
    sync::Arc,
};
use core::{future::poll_fn, pin::pin, task::Poll};
use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// A task is woken, in an interrupt, before it is polled, while it is, when it sleeps, and when it
/// has ended. It sees what it waits for, its future is dropped once, and who joins it goes on.
#[test]
fn woken_at_any_time() {
    explore(|| {
        let (pool, event) = (pool(1), Event::new());
        let (dropped, task) = spawn(&pool, event.clone());
        event.wake();
        event.happen();
        event.wake();
        task.join();
        assert_eq!(read(&dropped), 1);
        event.wake();
        drop(task);
        assert_eq!((read(&dropped), pool.tasks()), (1, 0));
    });
}

/// As before, from two sides and with two workers, which never have the task at the same time.
#[test]
fn woken_by_two() {
    explore_up_to(2, || {
        let (pool, event) = (pool(2), Event::new());
        let (dropped, task) = spawn(&pool, event.clone());
        let other = {
            let event = event.clone();
            thread::spawn(move || event.wake())
        };
        event.happen();
        task.join();
        assert_eq!(read(&dropped), 1);
        other.join().unwrap();
    });
}

/// A wake that finds the task queued already still hands over what happened before it. The wakers
/// lie in no cell, whose lock would do that too.
#[test]
fn woken_while_queued() {
    explore_up_to(2, || {
        let pool = pool(1);
        let (sender, mut receiver) = oneshot().unwrap();
        let happened = Arc::pin_init(AtomicBool::new(false), GFP_KERNEL).unwrap();
        let awaited = happened.clone();
        let task = pool.spawn(
            c"",
            poll_fn(move |context| {
                // The first poll sends it, the others are refused.
                drop(sender.send(context.waker().clone()));
                match awaited.load(Ordering::Relaxed) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }),
        );
        let task = task.unwrap();
        let waker = block_on(pin!(receiver.receive())).unwrap().unwrap();
        let other = {
            let waker = waker.clone();
            thread::spawn(move || interrupt(|| waker.wake_by_ref()))
        };
        happened.store(true, Ordering::Relaxed);
        interrupt(|| waker.wake_by_ref());
        task.join();
        other.join().unwrap();
    });
}

/// A task that is cancelled before its first turn has none.
#[test]
fn cancelled_before_it_runs() {
    explore(|| {
        let pool = Arc::pin_init(pool(1), GFP_KERNEL).unwrap();
        let (sender, mut receiver) = oneshot().unwrap();
        let (dropped, token) = Token::new();
        let own = pool.clone();
        let canceller = pool.spawn(c"", async move {
            // The only worker runs this, so the new task stays in the queue.
            let task = own.spawn(c"", async move {
                let _token = token;
                panic!("a cancelled task is polled");
            });
            let task = task.unwrap();
            task.cancel();
            assert!(sender.send(task).is_ok());
        });
        let task = block_on(pin!(receiver.receive())).unwrap().unwrap();
        task.join();
        assert_eq!(read(&dropped), 1);
        canceller.unwrap().join();
    });
}

/// A task wakes itself and lets the other run.
#[test]
fn yields() {
    explore_up_to(2, || {
        let pool = pool(2);
        let tasks = [0, 1].map(|_| pool.spawn(c"", yield_now()).unwrap());
        tasks.iter().for_each(|task| task.join());
    });
}

/// A task is cancelled at any time, while it is woken: its future is dropped once, by a worker.
#[test]
fn cancelled_at_any_time() {
    explore_up_to(2, || {
        let (pool, event) = (pool(1), Event::new());
        let (dropped, task) = spawn(&pool, event.clone());
        let other = {
            let event = event.clone();
            thread::spawn(move || {
                event.wake();
                event.happen();
            })
        };
        task.cancel();
        task.join();
        assert_eq!(read(&dropped), 1);
        task.cancel();
        other.join().unwrap();
        drop(task);
        assert_eq!((read(&dropped), pool.tasks()), (1, 0));
    });
}

/// Nothing ever happens: cancelling alone ends the task. Two do so.
#[test]
fn cancelled_by_two() {
    explore_up_to(2, || {
        let (pool, event) = (pool(1), Event::new());
        let (dropped, task) = spawn(&pool, event);
        let task = Arc::pin_init(task, GFP_KERNEL).unwrap();
        let other = {
            let task = task.clone();
            thread::spawn(move || task.cancel())
        };
        task.cancel();
        task.join();
        assert_eq!(read(&dropped), 1);
        other.join().unwrap();
    });
}

/// The handle is dropped, which cancels and joins.
#[test]
fn handle_dropped() {
    explore_up_to(2, || {
        let (pool, event) = (pool(2), Event::new());
        let (dropped, task) = spawn(&pool, event.clone());
        drop(task);
        assert_eq!((read(&dropped), pool.tasks()), (1, 0));
        event.happen();
    });
}

/// A task and a thread await the end of a task.
#[test]
fn joined_by_two() {
    explore(|| {
        let (pool, event) = (pool(1), Event::new());
        let (dropped, task) = spawn(&pool, event.clone());
        let task = Arc::pin_init(task, GFP_KERNEL).unwrap();
        let joiner = {
            let (task, dropped) = (task.clone(), dropped.clone());
            let body = async move {
                task.joined().await;
                assert_eq!(read(&dropped), 1);
            };
            pool.spawn(c"", body).unwrap()
        };
        event.happen();
        block_on(pin!(task.joined())).unwrap();
        assert_eq!(read(&dropped), 1);
        joiner.join();
    });
}

/// A thread awaits the end of a task that somebody cancels.
#[test]
fn joined_while_cancelled() {
    explore(|| {
        let (pool, event) = (pool(1), Event::new());
        let (dropped, task) = spawn(&pool, event);
        let task = Arc::pin_init(task, GFP_KERNEL).unwrap();
        let other = {
            let task = task.clone();
            thread::spawn(move || task.cancel())
        };
        block_on(pin!(task.joined())).unwrap();
        assert_eq!(read(&dropped), 1);
        other.join().unwrap();
    });
}

/// A task with a child in a scope, both of which wait for `event`; `dropped` counts both.
async fn with_child(pool: Arc<Pool>, event: Arc<Event>, tokens: [Token; 2]) {
    let _: Result = scope(&pool, async move |scope| {
        let [first, second] = tokens;
        let awaited = event.clone();
        scope.spawn(c"", async move {
            let _token = first;
            awaited.wait().await;
            Ok(())
        })?;
        let _token = second;
        event.wait().await;
        Ok(())
    })
    .await;
}

/// A task is cancelled at any time, also in the middle of a scope: when it has ended, so has the
/// child. The only worker of the pool is held up by neither.
#[test]
fn cancelled_in_a_scope() {
    explore(|| {
        let (pool, event) = (Arc::pin_init(pool(1), GFP_KERNEL).unwrap(), Event::new());
        let (dropped, token) = Token::new();
        let tokens = [token.another(), token];
        let task = pool.spawn(c"", with_child(pool.clone(), event, tokens));
        let task = task.unwrap();
        task.cancel();
        task.join();
        assert_eq!(read(&dropped), 2);
        drop(task);
        assert_eq!(pool.tasks(), 0);
    });
}

/// As before, with a scope in a child: the outermost task ends last.
#[test]
fn cancelled_in_nested_scopes() {
    explore(|| {
        let (pool, event) = (Arc::pin_init(pool(1), GFP_KERNEL).unwrap(), Event::new());
        let (dropped, token) = Token::new();
        let tokens = [token.another(), token];
        let own = pool.clone();
        let task = pool.spawn(c"", async move {
            let _: Result = scope(&own.clone(), async move |scope| {
                scope.spawn(c"", async move {
                    with_child(own, event, tokens).await;
                    Ok(())
                })
            })
            .await;
        });
        let task = task.unwrap();
        task.cancel();
        task.join();
        assert_eq!((read(&dropped), pool.tasks()), (2, 0));
    });
}

/// A child fails while another one is being spawned: the scope ends, with both.
#[test]
fn fails_in_a_scope() {
    explore(|| {
        let pool = Arc::pin_init(pool(1), GFP_KERNEL).unwrap();
        let (dropped, token) = Token::new();
        let event = Event::new();
        let result: Result = block_on(pin!(scope(&pool, async move |scope| {
            scope.spawn(c"", async { Err(EBUSY) })?;
            scope.spawn(c"", async move {
                let _token = token;
                event.wait().await;
                Ok(())
            })
        })))
        .unwrap();
        assert_eq!(result, Err(EBUSY));
        assert_eq!((read(&dropped), pool.tasks()), (1, 0));
    });
}

/// A function on the pool, awaited by a thread.
#[test]
fn runs_blocking() {
    explore(|| {
        let pool = pool(1);
        let result = block_on(pin!(run_blocking(&pool, c"", || 7)));
        assert_eq!(result, Ok(Ok(7)));
        assert_eq!(pool.tasks(), 0);
    });
}
