// SPDX-License-Identifier: GPL-2.0

//! A first-in first-out line of waiting futures, and the state that they wait for.
//!
//! The kernel's wait queues hold threads; this is their counterpart for futures. The links lie in
//! the futures, so waiting allocates nothing and a line has no limit. What a primitive promises to
//! the next in line is *granted* under the lock, so nobody overtakes; a grant that finds its
//! future dropped comes back through [`Waited::abandoned`].
//!
//! Locking: one spin lock for state and line, taken with interrupts off. Wakers are called under
//! it, and nothing else is.

use core::{
    cell::Cell,
    pin::Pin,
    ptr,
    task::{Poll, Waker},
};
use kernel::{new_spinlock_irq, prelude::*, sync::SpinLockIrq, types::Opaque};

/// The state that futures wait for.
pub trait Waited: Sized + Unpin {
    /// The future of a waiter that wanted `amount`, or was `granted` it, was dropped. What it was
    /// given is for whose turn it is now; if it was given nothing, it is in nobody's way any more.
    ///
    /// Called under the lock of the queue, in process context.
    fn abandoned(&mut self, line: &mut Line<'_>, amount: usize, granted: bool);
}

/// Waiting for an event alone, which everybody who waits is told of.
impl Waited for () {
    fn abandoned(&mut self, _line: &mut Line<'_>, _amount: usize, _granted: bool) {}
}

/// Where a waiter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Not in line: it is polled for the first time.
    Outside,
    /// In line.
    Waiting,
    /// It was given what it wants.
    Granted,
}

struct Node {
    previous: *mut Node,
    next: *mut Node,
    amount: usize,
    place: Place,
    waker: Option<Waker>,
}

/// # Invariants
///
/// From `first` by way of `next` to `last`, and back by way of `previous`, lie the nodes whose
/// place is `Waiting`: each inside a [`Waiter`] of this queue that is pinned and not dropped.
struct Links {
    first: *mut Node,
    last: *mut Node,
}

impl Links {
    /// # Safety
    ///
    /// `node` must lie in a pinned waiter of this queue and not be in line.
    unsafe fn append(&mut self, node: *mut Node) {
        // SAFETY: `node` is valid by the requirement, `last` by the type invariants; both are
        // accessed under the lock of the queue alone, which the caller's `&mut self` shows.
        unsafe {
            (*node).previous = self.last;
            (*node).next = ptr::null_mut();
            match self.last.is_null() {
                true => self.first = node,
                false => (*self.last).next = node,
            }
            (*node).place = Place::Waiting;
        }
        // INVARIANT: `node` follows what was the last; it is removed when its waiter is dropped.
        self.last = node;
    }

    /// # Safety
    ///
    /// `node` must be in this line.
    unsafe fn remove(&mut self, node: *mut Node) {
        // SAFETY: `node` and its neighbours are valid by the type invariants, and are accessed
        // under the lock of the queue alone.
        // INVARIANT: Its neighbours become neighbours of each other.
        unsafe {
            let (previous, next) = ((*node).previous, (*node).next);
            match previous.is_null() {
                true => self.first = next,
                false => (*previous).next = next,
            }
            match next.is_null() {
                true => self.last = previous,
                false => (*next).previous = previous,
            }
            (*node).place = Place::Outside;
        }
    }
}

/// The line of a queue whose lock is held.
pub struct Line<'a>(&'a mut Links);

impl Line<'_> {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.first.is_null()
    }

    /// What the first in line wants.
    pub fn first(&self) -> Option<usize> {
        // SAFETY: If it is not null it is valid by the type invariants of `Links`.
        unsafe { self.0.first.as_ref() }.map(|node| node.amount)
    }

    /// Gives the first in line what it wants: takes it out of the line and wakes it. Returns
    /// `false` if nobody waits.
    pub fn grant(&mut self) -> bool {
        match self.first() {
            Some(amount) => self.grant_amount(amount),
            None => false,
        }
    }

    /// As [`Self::grant`], but gives the first in line `amount`, whatever it wants: that is what
    /// comes back if its future is dropped.
    pub fn grant_amount(&mut self, amount: usize) -> bool {
        let node = self.0.first;
        if node.is_null() {
            return false;
        }
        // SAFETY: `node` is in line, so it is valid by the type invariants of `Links`, and this is
        // under the lock. The waker stays: dropping it is for its owner.
        unsafe {
            self.0.remove(node);
            (*node).place = Place::Granted;
            (*node).amount = amount;
            if let Some(waker) = &(*node).waker {
                waker.wake_by_ref();
            }
        }
        true
    }
}

struct Inner<S> {
    state: S,
    links: Links,
}

// SAFETY: The pointers lead to waiters, which may be sent to other threads themselves, and are
// followed under the lock of the queue alone. Wakers are `Send`.
unsafe impl<S: Send> Send for Inner<S> {}

/// A state and the line of those who wait for it.
#[pin_data]
pub struct WaitQueue<S> {
    #[pin]
    inner: SpinLockIrq<Inner<S>>,
}

impl<S: Waited> WaitQueue<S> {
    /// A queue where nobody waits.
    pub fn new(state: S) -> impl PinInit<Self> {
        // INVARIANT: No node is in line.
        let links = Links {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
        };
        pin_init!(Self {
            inner <- new_spinlock_irq!(Inner { state, links }, "dst_wait_queue"),
        })
    }

    /// Runs `change` under the lock, with interrupts off. Any context.
    pub fn with<R>(&self, change: impl FnOnce(&mut S, &mut Line<'_>) -> R) -> R {
        let mut inner = self.inner.lock();
        let Inner { state, links } = &mut *inner;
        change(state, &mut Line(links))
    }
}

/// One future's place in a queue, which lies in that future.
///
/// # Invariants
///
/// `node` is accessed under the lock of `queue`, but for the time before `entered` is set, when
/// nobody else knows it.
pub struct Waiter<'a, S: Waited> {
    queue: &'a WaitQueue<S>,
    node: Opaque<Node>,
    /// Whether the node was ever in line.
    entered: Cell<bool>,
}

// SAFETY: The queue may be used by several threads, the node is reached under its lock.
unsafe impl<S: Waited + Send> Send for Waiter<'_, S> {}

impl<'a, S: Waited> Waiter<'a, S> {
    /// A waiter that wants `amount`, outside of the line.
    pub fn new(queue: &'a WaitQueue<S>, amount: usize) -> Self {
        Self {
            queue,
            node: Opaque::new(Node {
                previous: ptr::null_mut(),
                next: ptr::null_mut(),
                amount,
                place: Place::Outside,
                waker: None,
            }),
            entered: Cell::new(false),
        }
    }

    /// Asks `attempt`, under the lock and with interrupts off, for the result. If there is none
    /// yet, the waiter takes its place in line, from where [`Line::grant`] wakes it; one that was
    /// granted something and has no result all the same goes to the end of the line.
    ///
    /// Process context: an old waker may be dropped.
    pub fn poll<R>(
        self: Pin<&mut Self>,
        waker: &Waker,
        attempt: impl FnOnce(&mut S, &mut Line<'_>, Place) -> Option<R>,
    ) -> Poll<R> {
        let node = self.node.get();
        let mut inner = self.queue.inner.lock();
        let Inner { state, links } = &mut *inner;
        // SAFETY: The node is ours; this is under the lock.
        let place = unsafe { (*node).place };
        let result = attempt(state, &mut Line(links), place);
        // SAFETY: As above. If its place is `Waiting` it is in this line, else it is not, and the
        // waiter that it lies in is pinned and leaves the line when it is dropped.
        let old = unsafe {
            match (&result, (*node).place) {
                (Some(_), place) => {
                    if place == Place::Waiting {
                        links.remove(node);
                    }
                    (*node).place = Place::Outside;
                    (*node).waker.take()
                }
                (None, place) => {
                    if place != Place::Waiting {
                        links.append(node);
                        self.entered.set(true);
                    }
                    match &(*node).waker {
                        Some(known) if known.will_wake(waker) => None,
                        // Cloning counts a reference, it does not allocate.
                        _ => (*node).waker.replace(waker.clone()),
                    }
                }
            }
        };
        // The last reference to a task may go with it: not under the lock.
        drop(inner);
        drop(old);
        result.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<S: Waited> Drop for Waiter<'_, S> {
    fn drop(&mut self) {
        if !self.entered.get() {
            return;
        }
        let node = self.node.get();
        let mut inner = self.queue.inner.lock();
        let Inner { state, links } = &mut *inner;
        // SAFETY: The node is ours; this is under the lock, and it is in line if it is waiting.
        let (place, amount, waker) = unsafe {
            let place = (*node).place;
            if place == Place::Waiting {
                links.remove(node);
            }
            (place, (*node).amount, (*node).waker.take())
        };
        if place != Place::Outside {
            state.abandoned(&mut Line(links), amount, place == Place::Granted);
        }
        drop(inner);
        drop(waker);
    }
}
