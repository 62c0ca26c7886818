// SPDX-License-Identifier: GPL-2.0

//! What tasks wait with: waker cell, timer, oneshot, line of waiters, channel. The waiting side is a
//! thread that blocks on the future, which is polled and woken as a task is.

use super::{explore, read, Event, Token};
use crate::{
    context::interrupt,
    exec::{block_on, channel, oneshot, timeout, AsyncMutex, Notify, Semaphore, Timer},
    prelude::*,
    sync::{Arc, KernelArc},
    time::Delta,
};
use core::{
    future::{poll_fn, Future},
    pin::pin,
    task::Poll,
};
use loom::thread;

/// Polls `future` once, as if it were dropped after that.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    block_on(pin!(poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })))
    .unwrap()
}

fn shared<T>(value: impl PinInit<T>) -> Arc<T> {
    Arc::pin_init(value, GFP_KERNEL).unwrap()
}

/// An event happens while a thread begins to wait for it. Somebody has waited before, and left.
#[test]
fn event_happens() {
    explore(|| {
        let event = Event::new();
        poll_once(event.wait());
        let other = {
            let event = event.clone();
            thread::spawn(move || event.happen())
        };
        block_on(pin!(event.wait())).unwrap();
        other.join().unwrap();
    });
}

/// A timer fires at any time after it was started, again and again.
#[test]
fn timer_fires() {
    explore(|| {
        let mut timer = Timer::new().unwrap();
        for _ in 0..2 {
            block_on(pin!(timer.sleep(Delta::from_millis(1)))).unwrap();
        }
    });
}

/// A sleep is dropped while its timer fires; the timer is used again, and then goes too.
#[test]
fn timer_cancelled() {
    explore(|| {
        let mut timer = Timer::new().unwrap();
        poll_once(timer.sleep(Delta::from_millis(1)));
        block_on(pin!(timer.sleep(Delta::from_millis(1)))).unwrap();
        drop(timer);
    });
}

/// An event and a deadline, whichever comes first.
#[test]
fn timer_against_event() {
    explore(|| {
        let event = Event::new();
        let other = {
            let event = event.clone();
            thread::spawn(move || event.happen())
        };
        let mut timer = Timer::new().unwrap();
        let awaited = pin!(event.wait());
        block_on(pin!(timeout(&mut timer, Delta::from_millis(1), awaited))).unwrap();
        other.join().unwrap();
    });
}

/// A value is sent in an interrupt while the receiver begins to wait; then the sender goes.
#[test]
fn oneshot_sent() {
    explore(|| {
        let (sender, mut receiver) = oneshot().unwrap();
        poll_once(receiver.receive());
        let other = thread::spawn(move || {
            interrupt(|| sender.send(7)).unwrap();
        });
        assert_eq!(block_on(pin!(receiver.receive())), Ok(Ok(7)));
        other.join().unwrap();
    });
}

/// The sender goes without a word.
#[test]
fn oneshot_dropped() {
    explore(|| {
        let (sender, mut receiver) = oneshot::<u32>().unwrap();
        let other = thread::spawn(move || drop(sender));
        assert_eq!(block_on(pin!(receiver.receive())), Ok(Err(EPIPE)));
        other.join().unwrap();
    });
}

/// The receiver goes while a value is sent: the value is dropped once, not in the interrupt.
#[test]
fn oneshot_abandoned() {
    explore(|| {
        let (sender, receiver) = oneshot().unwrap();
        let (dropped, token) = Token::new();
        let other = thread::spawn(move || {
            let unsent = interrupt(|| sender.send(token));
            drop(unsent);
        });
        drop(receiver);
        other.join().unwrap();
        assert_eq!(read(&dropped), 1);
    });
}

/// The first in line gives up while a permit comes back in an interrupt: the second gets it.
#[test]
fn line_left() {
    explore(|| {
        let semaphore = shared(Semaphore::new(0));
        let mut first = Box::pin({
            let semaphore = semaphore.clone();
            async move { semaphore.acquire(1).await.map(|permit| permit.forget()) }
        });
        assert!(poll_once(first.as_mut()).is_none());
        let releaser = {
            let semaphore = semaphore.clone();
            thread::spawn(move || interrupt(|| semaphore.release(1)))
        };
        let second = {
            let semaphore = semaphore.clone();
            thread::spawn(move || {
                block_on(pin!(semaphore.acquire(1)))
                    .unwrap()
                    .unwrap()
                    .forget();
            })
        };
        drop(first);
        releaser.join().unwrap();
        second.join().unwrap();
        assert_eq!(semaphore.available(), 0);
    });
}

/// The first in line wants more than is there: who comes later and wants less does not overtake.
#[test]
fn line_kept() {
    explore(|| {
        let semaphore = shared(Semaphore::new(1));
        let mut first = Box::pin({
            let semaphore = semaphore.clone();
            async move { semaphore.acquire(2).await.map(|permits| permits.forget()) }
        });
        assert!(poll_once(first.as_mut()).is_none());
        let second = {
            let semaphore = semaphore.clone();
            thread::spawn(move || {
                let got = poll_once(semaphore.acquire(1));
                got.map(|permit| permit.unwrap().forget()).is_some()
            })
        };
        interrupt(|| semaphore.release(1));
        assert!(block_on(first.as_mut()).unwrap().is_ok());
        assert!(!second.join().unwrap(), "who came later overtook");
    });
}

/// A waiter is polled by one task after another; the last one is woken.
#[test]
fn line_moves() {
    explore(|| {
        let semaphore = shared(Semaphore::new(0));
        let mut waiter = pin!(semaphore.acquire(1));
        assert!(poll_once(waiter.as_mut()).is_none());
        let releaser = {
            let semaphore = semaphore.clone();
            thread::spawn(move || interrupt(|| semaphore.release(1)))
        };
        block_on(waiter).unwrap().unwrap().forget();
        releaser.join().unwrap();
    });
}

/// A semaphore is closed while somebody waits.
#[test]
fn line_closed() {
    explore(|| {
        let semaphore = shared(Semaphore::new(0));
        let other = {
            let semaphore = semaphore.clone();
            thread::spawn(move || interrupt(|| semaphore.close()))
        };
        assert_eq!(
            block_on(pin!(semaphore.acquire(1))).unwrap().err(),
            Some(ESHUTDOWN)
        );
        other.join().unwrap();
    });
}

/// A mutex is used by two; no step of one is lost.
#[test]
fn mutex_taken() {
    explore(|| {
        let mutex = shared(AsyncMutex::new(0));
        let add = |mutex: Arc<AsyncMutex<u32>>| {
            block_on(pin!(async move {
                let mut value = mutex.lock().await;
                let seen = *value;
                *value = seen + 1;
            }))
            .unwrap();
        };
        let other = {
            let mutex = mutex.clone();
            thread::spawn(move || add(mutex))
        };
        add(mutex.clone());
        other.join().unwrap();
        assert_eq!(mutex.try_lock().map(|value| *value), Some(2));
    });
}

/// A notification that finds nobody is kept for who comes then.
#[test]
fn notified() {
    explore(|| {
        let notify = shared(Notify::new());
        let other = {
            let notify = notify.clone();
            thread::spawn(move || interrupt(|| notify.notify_one()))
        };
        block_on(pin!(notify.notified(c""))).unwrap();
        other.join().unwrap();
    });
}

/// The first sleeper gives up while there is one notification: the second gets it.
#[test]
fn notified_while_leaving() {
    explore(|| {
        let notify = shared(Notify::new());
        let mut first = Box::pin({
            let notify = notify.clone();
            async move { notify.notified(c"").await }
        });
        assert!(poll_once(first.as_mut()).is_none());
        let other = {
            let notify = notify.clone();
            thread::spawn(move || interrupt(|| notify.notify_one()))
        };
        drop(first);
        block_on(pin!(notify.notified(c""))).unwrap();
        other.join().unwrap();
    });
}

/// Two values through a channel with one place, then its end.
#[test]
fn channel_used() {
    explore(|| {
        let (producer, mut consumer) = channel(1).unwrap();
        let other = thread::spawn(move || {
            block_on(pin!(async move {
                producer.send(1).await.unwrap();
                producer.send(2).await.unwrap();
            }))
            .unwrap();
        });
        for expected in [Some(1), Some(2), None] {
            assert_eq!(block_on(pin!(consumer.receive())), Ok(expected));
        }
        other.join().unwrap();
    });
}

/// A value is put in without waiting and its producer goes: the value arrives before the end.
#[test]
fn channel_ends() {
    explore(|| {
        let (producer, mut consumer) = channel(1).unwrap();
        let other = thread::spawn(move || {
            interrupt(|| producer.try_send(1)).unwrap();
            drop(producer);
        });
        assert_eq!(block_on(pin!(consumer.receive())), Ok(Some(1)));
        assert_eq!(block_on(pin!(consumer.receive())), Ok(None));
        other.join().unwrap();
    });
}

/// The consumer goes while a producer waits for room: it gets its value back.
#[test]
fn channel_closed() {
    explore(|| {
        let (producer, consumer) = channel(1).unwrap();
        producer.try_send(1).unwrap();
        let other = thread::spawn(move || drop(consumer));
        assert_eq!(block_on(pin!(producer.send(2))), Ok(Err(2)));
        other.join().unwrap();
    });
}
