// SPDX-License-Identifier: GPL-2.0

//! The line of waiting futures, and wakers.

use crate::{
    check,
    exec_test::context::{Counter, Token},
    sys::{
        wait_queue::{Line, Place, WaitQueue, Waited, Waiter},
        waker::{target, waker, Wake, WakerTable},
    },
};
use core::{
    pin::{pin, Pin},
    task::{Poll, Waker},
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, ArcBorrow,
    },
};

/// Counts how often it was woken.
struct Bell {
    rings: Atomic<u32>,
    _token: Token,
}

static BELLS: WakerTable<Bell> = WakerTable::new();

impl Wake for Bell {
    fn table() -> &'static WakerTable<Self> {
        &BELLS
    }

    fn wake(this: ArcBorrow<'_, Self>) {
        this.rings.fetch_add(1, ordering::Relaxed);
    }
}

impl Bell {
    fn new(counter: &Counter) -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                rings: Atomic::new(0),
                _token: counter.token(),
            },
            GFP_KERNEL,
        )?)
    }

    fn rings(&self) -> u32 {
        self.rings.load(ordering::Relaxed)
    }
}

/// Another type, whose wakers do nothing.
struct Mute;

static MUTES: WakerTable<Mute> = WakerTable::new();

impl Wake for Mute {
    fn table() -> &'static WakerTable<Self> {
        &MUTES
    }

    fn wake(_this: ArcBorrow<'_, Self>) {}
}

/// What was given up by those who have gone.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Given {
    granted: usize,
    waiting: usize,
}

impl Waited for Given {
    fn abandoned(&mut self, _line: &mut Line<'_>, amount: usize, granted: bool) {
        match granted {
            true => self.granted += amount,
            false => self.waiting += amount,
        }
    }
}

type Queue = Arc<WaitQueue<Given>>;

fn queue() -> Result<Queue> {
    Arc::pin_init(WaitQueue::new(Given::default()), GFP_KERNEL)
}

fn given(queue: &Queue) -> Given {
    queue.with(|given, _| *given)
}

fn first(queue: &Queue) -> Option<usize> {
    queue.with(|_, line| line.first())
}

fn grant(queue: &Queue) -> bool {
    queue.with(|_, line| line.grant())
}

/// Polls a waiter that is content once it was granted what it wants.
fn poll(waiter: Pin<&mut Waiter<'_, Given>>, waker: &Waker) -> Poll<()> {
    waiter.poll(waker, |_, _, place| (place == Place::Granted).then_some(()))
}

/// Who came first is served first, and nobody else is woken.
pub fn in_order() -> Result {
    let counter = Counter::new()?;
    let queue = queue()?;
    check!(queue.with(|_, line| line.is_empty()) && !grant(&queue));
    let bells = [
        Bell::new(&counter)?,
        Bell::new(&counter)?,
        Bell::new(&counter)?,
    ];
    let wakers = bells.each_ref().map(|bell| waker(bell.clone()));
    let mut one = pin!(Waiter::new(&queue, 1));
    let mut two = pin!(Waiter::new(&queue, 2));
    let mut three = pin!(Waiter::new(&queue, 3));
    check!(poll(one.as_mut(), &wakers[0]).is_pending());
    check!(poll(two.as_mut(), &wakers[1]).is_pending());
    check!(poll(three.as_mut(), &wakers[2]).is_pending());
    // Being polled again changes nobody's place.
    check!(poll(one.as_mut(), &wakers[0]).is_pending());
    check!(first(&queue) == Some(1));
    check!(grant(&queue) && first(&queue) == Some(2));
    check!(bells.each_ref().map(|bell| bell.rings()) == [1, 0, 0]);
    check!(poll(two.as_mut(), &wakers[1]).is_pending());
    check!(poll(one.as_mut(), &wakers[0]).is_ready());
    check!(grant(&queue) && grant(&queue) && !grant(&queue));
    check!(bells.each_ref().map(|bell| bell.rings()) == [1, 1, 1]);
    check!(poll(three.as_mut(), &wakers[2]).is_ready());
    check!(poll(two.as_mut(), &wakers[1]).is_ready());
    check!(queue.with(|_, line| line.is_empty()));
    // It may be used once more.
    check!(poll(one.as_mut(), &wakers[0]).is_pending());
    check!(first(&queue) == Some(1));
    Ok(())
}

/// Who gets a result when first polled was never in line.
pub fn at_once() -> Result {
    let counter = Counter::new()?;
    let queue = queue()?;
    let bell = Bell::new(&counter)?;
    let waker = waker(bell.clone());
    {
        let waiter = pin!(Waiter::new(&queue, 5));
        let place = waiter.poll(&waker, |_, line, place| line.is_empty().then_some(place));
        check!(place == Poll::Ready(Place::Outside));
        check!(first(&queue).is_none());
        let _never_polled = pin!(Waiter::new(&queue, 6));
    }
    check!(given(&queue) == Given::default());
    // Who is in line may have its result without a grant, and leaves the line with it.
    let mut waiter = pin!(Waiter::new(&queue, 7));
    check!(poll(waiter.as_mut(), &waker).is_pending());
    let place = waiter.as_mut().poll(&waker, |_, _, place| Some(place));
    check!(place == Poll::Ready(Place::Waiting));
    check!(first(&queue).is_none());
    check!(bell.rings() == 0);
    Ok(())
}

/// Waiters that are dropped, from the front, the middle and the end, leave the others in order.
pub fn dropped_in_line() -> Result {
    let counter = Counter::new()?;
    let bell = Bell::new(&counter)?;
    let waker = waker(bell.clone());
    for gone in 1..=4 {
        let queue = queue()?;
        let mut waiters = KVec::with_capacity(4, GFP_KERNEL)?;
        for amount in 1..=4 {
            let mut waiter = KBox::pin(Waiter::new(&queue, amount), GFP_KERNEL)?;
            check!(poll(waiter.as_mut(), &waker).is_pending());
            waiters.push(waiter, GFP_KERNEL)?;
        }
        drop(waiters.remove(gone - 1).map_err(|_| EINVAL)?);
        check!(
            given(&queue)
                == Given {
                    granted: 0,
                    waiting: gone
                }
        );
        for amount in (1..=4).filter(|&amount| amount != gone) {
            check!(first(&queue) == Some(amount));
            check!(grant(&queue));
        }
        check!(!grant(&queue));
        drop(waiters);
    }
    Ok(())
}

/// What was granted to a waiter that is dropped comes back, once.
pub fn dropped_with_grant() -> Result {
    let counter = Counter::new()?;
    let queue = queue()?;
    let bell = Bell::new(&counter)?;
    let waker = waker(bell.clone());
    {
        let mut taken = pin!(Waiter::new(&queue, 3));
        let mut left = pin!(Waiter::new(&queue, 4));
        check!(poll(taken.as_mut(), &waker).is_pending());
        check!(poll(left.as_mut(), &waker).is_pending());
        check!(grant(&queue) && grant(&queue));
        check!(poll(taken.as_mut(), &waker).is_ready());
    }
    check!(
        given(&queue)
            == Given {
                granted: 4,
                waiting: 0
            }
    );
    drop(waker);
    drop(bell);
    check!(counter.dropped() == 1);
    Ok(())
}

/// Who was granted something and cannot use it yet goes behind the others.
pub fn back_to_the_end() -> Result {
    let counter = Counter::new()?;
    let queue = queue()?;
    let bell = Bell::new(&counter)?;
    let waker = waker(bell.clone());
    let mut one = pin!(Waiter::new(&queue, 1));
    let mut two = pin!(Waiter::new(&queue, 2));
    check!(poll(one.as_mut(), &waker).is_pending());
    check!(poll(two.as_mut(), &waker).is_pending());
    check!(grant(&queue));
    check!(one.as_mut().poll(&waker, |_, _, _| None::<()>).is_pending());
    check!(first(&queue) == Some(2));
    check!(grant(&queue) && first(&queue) == Some(1));
    check!(grant(&queue) && !grant(&queue));
    Ok(())
}

/// The waker of the last poll is the one that counts, and none is kept for longer than needed.
pub fn wakers() -> Result {
    let counter = Counter::new()?;
    let queue = queue()?;
    let (old, new) = (Bell::new(&counter)?, Bell::new(&counter)?);
    let mut waiter = pin!(Waiter::new(&queue, 1));
    check!(poll(waiter.as_mut(), &waker(old.clone())).is_pending());
    check!(poll(waiter.as_mut(), &waker(new.clone())).is_pending());
    check!(counter.dropped() == 0);
    let seen = old.rings();
    drop(old);
    check!(seen == 0 && counter.dropped() == 1);
    check!(grant(&queue));
    check!(new.rings() == 1);
    check!(poll(waiter.as_mut(), &waker(new.clone())).is_ready());
    drop(new);
    check!(counter.dropped() == 2);
    Ok(())
}

/// A waker counts its references, wakes in both ways, and is known by its type.
pub fn targets() -> Result {
    let counter = Counter::new()?;
    let bell = Bell::new(&counter)?;
    let one = waker(bell.clone());
    let other = one.clone();
    check!(one.will_wake(&other));
    other.wake_by_ref();
    other.wake();
    check!(bell.rings() == 2);
    check!(target::<Bell>(&one).is_some_and(|found| core::ptr::eq(&*found, &*bell)));
    check!(target::<Mute>(&one).is_none());
    let mute = waker(Arc::new(Mute, GFP_KERNEL)?);
    check!(target::<Bell>(&mute).is_none() && target::<Mute>(&mute).is_some());
    check!(target::<Bell>(Waker::noop()).is_none());
    drop(bell);
    check!(counter.dropped() == 0);
    drop(one);
    check!(counter.dropped() == 1);
    Ok(())
}
