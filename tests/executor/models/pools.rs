// SPDX-License-Identifier: GPL-2.0

//! Workers of a pool: they go to sleep, are removed, promised to callers and stopped while tasks come
//! in.

use super::{explore, explore_up_to, pool, read, spawn, Event, Token};
use crate::{
    exec::{On, Pool, Settings},
    prelude::*,
    sync::{send_signal, Arc},
    sys::{completion::Wait, kthread::Reclaim},
};
use core::{future::poll_fn, task::Poll};
use loom::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

/// Tasks come in while two workers go to sleep.
#[test]
fn tasks_come_in() {
    explore_up_to(2, || {
        let pool = pool(2);
        let tasks = [0, 1].map(|_| pool.spawn(c"", async {}).unwrap());
        tasks.iter().for_each(|task| task.join());
    });
}

/// A pool ends with a task in its queue: it ends first, and all workers return.
#[test]
fn stopped() {
    explore(|| {
        let pool = pool(2);
        let task = pool.spawn(c"", async {}).unwrap();
        drop(pool);
        assert!(task.is_done());
    });
}

/// A task that would never end is made while its pool ends: it is cancelled, or there is none.
#[test]
fn closed() {
    explore_up_to(2, || {
        let pool = pool(1);
        let spawner = pool.spawner();
        let endless = poll_fn(|_| Poll::<()>::Pending);
        let other = thread::spawn(move || match spawner.spawn(c"", endless) {
            Ok(task) => task.join(),
            Err(error) => assert_eq!(error, ESHUTDOWN),
        });
        drop(pool);
        other.join().unwrap();
    });
}

/// A pool ends with a task that waits, and that is woken at that time.
#[test]
fn ended_with_a_task() {
    explore_up_to(2, || {
        let (pool, event) = (pool(1), Event::new());
        let (dropped, task) = spawn(&pool, event.clone());
        let other = thread::spawn(move || event.happen());
        drop(pool);
        assert_eq!((task.is_done(), read(&dropped)), (true, 1));
        other.join().unwrap();
    });
}

/// A worker is removed while a task comes in. It has dropped its context when the removal is over.
#[test]
fn removed() {
    explore_up_to(2, || {
        let (dropped, token) = Token::new();
        let settings = Settings::new(2, Reclaim::NoIo);
        let init = move |_| Ok(token.another());
        let pool = Pool::with_context(c"", settings, init).unwrap();
        let pool = Arc::pin_init(pool, GFP_KERNEL).unwrap();
        let other = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.remove(0, false).unwrap();
                assert_eq!((pool.workers(), read(&dropped)), (1, 1));
            })
        };
        pool.spawn(c"", async {}).unwrap().join();
        other.join().unwrap();
    });
}

/// Both workers are to go; one does.
#[test]
fn removed_by_two() {
    explore_up_to(2, || {
        let pool = Arc::pin_init(pool(2), GFP_KERNEL).unwrap();
        let other = {
            let pool = pool.clone();
            thread::spawn(move || pool.remove(0, false))
        };
        let result = pool.remove(1, false);
        let other = other.join().unwrap();
        assert!(matches!(
            (result, other),
            (Ok(()), Err(EBUSY)) | (Err(EBUSY), Ok(()))
        ));
        assert_eq!(pool.workers(), 1);
        pool.spawn(c"", async {}).unwrap().join();
    });
}

/// A signal ends a removal: the worker is there, or has gone.
#[test]
fn removed_with_a_signal() {
    explore_up_to(2, || {
        let pool = pool(2);
        let task = pool.spawn(c"", async {}).unwrap();
        send_signal();
        let staying = match pool.remove(1, true) {
            Ok(()) => 1,
            Err(error) => {
                assert_eq!(error, EINTR);
                2
            }
        };
        assert_eq!(pool.workers(), staying);
        task.join();
        pool.spawn(c"", async {}).unwrap().join();
        assert_eq!(pool.numbers().unwrap().len(), staying);
    });
}

/// A pool shrinks while a task comes in.
#[test]
fn shrunk() {
    explore_up_to(2, || {
        let pool = Arc::pin_init(pool(2), GFP_KERNEL).unwrap();
        let other = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.resize(1, false).unwrap();
                assert_eq!(pool.workers(), 1);
            })
        };
        pool.spawn(c"", async {}).unwrap().join();
        other.join().unwrap();
    });
}

/// A signal ends shrinking: as many workers are there as are said to be.
#[test]
fn shrunk_with_a_signal() {
    explore_up_to(2, || {
        let pool = pool(2);
        let task = pool.spawn(c"", async {}).unwrap();
        send_signal();
        match pool.resize(1, true) {
            Ok(()) => assert_eq!(pool.workers(), 1),
            Err(error) => assert_eq!(error, EINTR),
        }
        let staying = pool.workers();
        assert_eq!(pool.numbers().unwrap().len(), staying);
        task.join();
        pool.spawn(c"", async {}).unwrap().join();
        assert_eq!(pool.workers(), staying);
        assert_eq!(pool.numbers().unwrap().len(), staying);
    });
}

/// A pool grows while tasks come in.
#[test]
fn grown() {
    explore_up_to(2, || {
        let pool = pool(1);
        let task = pool.spawn(c"", async {}).unwrap();
        assert_eq!(pool.add(), Ok(1));
        pool.spawn(c"", async {}).unwrap().join();
        task.join();
        assert_eq!(pool.workers(), 2);
    });
}

/// A caller has work for a worker while a task comes in.
#[test]
fn called() {
    explore(|| {
        let pool = Arc::pin_init(pool(1), GFP_KERNEL).unwrap();
        let other = {
            let pool = pool.clone();
            thread::spawn(move || pool.spawn(c"", async {}).unwrap().join())
        };
        assert_eq!(pool.call(On::Any, Wait::FOREVER, |()| 7), Ok(7));
        other.join().unwrap();
    });
}

/// As before with two workers: one is promised to the caller, the other does the task.
#[test]
fn called_with_two_workers() {
    explore_up_to(2, || {
        let pool = pool(2);
        let tasks = [0, 1].map(|_| pool.spawn(c"", async {}).unwrap());
        let prepared = pool.schedule(
            On::Worker(0),
            Wait::FOREVER,
            |_| {
                // The other worker has to do: this one waits for what follows.
                tasks.iter().for_each(|task| task.join());
                Ok(3)
            },
            |(), three| three + 4,
        );
        assert_eq!(prepared.unwrap().wait(Wait::FOREVER), Ok(7));
    });
}

/// A caller does not wait long. If no worker was free in time, nothing ran and the pool goes on.
#[test]
fn called_with_a_limit() {
    explore(|| {
        let pool = pool(1);
        let ran = Arc::pin_init(AtomicU32::new(0), GFP_KERNEL).unwrap();
        let task = pool.spawn(c"", async {}).unwrap();
        let counted = ran.clone();
        let action = move |(): &mut ()| counted.fetch_add(1, Ordering::Relaxed);
        let result = pool.call(On::Any, Wait::at_most(1), action);
        let ran = read(&ran);
        match result {
            Ok(before) => assert_eq!((before, ran), (0, 1)),
            Err(error) => assert_eq!((error, ran), (ETIMEDOUT, 0)),
        }
        task.join();
        assert_eq!((pool.workers(), pool.callers()), (1, 0));
        pool.spawn(c"", async {}).unwrap().join();
    });
}

/// A caller changes its mind when it has a worker, while a task comes in.
#[test]
fn called_and_refused() {
    explore(|| {
        let pool = pool(1);
        let task = pool.spawn(c"", async {}).unwrap();
        let refused = |_| Err::<(), _>(EBUSY);
        let result = pool.schedule(On::Any, Wait::FOREVER, refused, |(), ()| ());
        assert_eq!(result.err(), Some(EBUSY));
        task.join();
        pool.spawn(c"", async {}).unwrap().join();
    });
}

/// A caller waits for a particular worker, which is removed: it gets it, or is told.
#[test]
fn called_while_removed() {
    explore_up_to(2, || {
        let pool = Arc::pin_init(pool(2), GFP_KERNEL).unwrap();
        let other = {
            let pool = pool.clone();
            thread::spawn(move || pool.remove(1, false).unwrap())
        };
        match pool.call(On::Worker(1), Wait::FOREVER, |()| 7) {
            Ok(seven) => assert_eq!(seven, 7),
            Err(error) => assert_eq!(error, ESRCH),
        }
        other.join().unwrap();
        assert_eq!(pool.callers(), 0);
    });
}

/// A worker that is promised to a caller is removed: it runs the action first.
#[test]
fn promised_while_removed() {
    explore_up_to(2, || {
        let pool = Arc::pin_init(pool(2), GFP_KERNEL).unwrap();
        let remover = pool.clone();
        let mut other = None;
        let pending = pool.schedule(
            On::Worker(1),
            Wait::FOREVER,
            |_| {
                other = Some(thread::spawn(move || remover.remove(1, false).unwrap()));
                Ok(7)
            },
            |(), seven| seven,
        );
        let task = pool.spawn(c"", async {}).unwrap();
        assert_eq!(pending.unwrap().wait(Wait::FOREVER), Ok(7));
        task.join();
        other.unwrap().join().unwrap();
        assert_eq!(pool.workers(), 1);
    });
}

/// A task is woken and the pool ends when the task has.
#[test]
fn stopped_after_a_wake() {
    explore_up_to(2, || {
        let (pool, event) = (pool(2), Event::new());
        let (dropped, task) = spawn(&pool, event.clone());
        let other = thread::spawn(move || event.happen());
        task.join();
        drop(pool);
        assert_eq!(read(&dropped), 1);
        other.join().unwrap();
    });
}
