// SPDX-License-Identifier: GPL-2.0

//! The way of requests to a node that moves from one device to another.
//!
//! What goes where, and what has to wait, is decided in [`crate::dst_core::migration`]. A request that goes to both
//! devices becomes two pieces of its bio: the bio ends when both have, as the devices read the same
//! pages. Only the old device's answer is the bio's; an error of the new one ends the migration.
//!
//! # Locking
//!
//! One spin lock for the machine, interrupts disabled, and one for the devices; nothing is taken inside the first, and inside
//! the second the remote nodes' own. Wakers are called outside of both.
//!
//! # Lifetime
//!
//! Pieces keep this, and may be dropped in any context. So the devices are taken out
//! ([`Moving::leave`]) by whoever ends the migration; before that nobody drops the last reference to one of
//! them.

mod passage;

use super::{
    lane::Lane,
    moments::Moments,
    node::{Hindrance, Node},
    parking::Parking,
};
use crate::{
    dst_core::{
        migration::{
            shift_for, words, Admission, Copied, Copy, Copying, Extents, Migration, Outcome, Pause,
            Phase, Reason, Request, Route, Side, Task, Ticket, Way, What,
        },
        write_back::Life,
    },
    sys::bio::Status,
};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{Arc, SpinLockIrq},
};
use passage::Seat;
pub use passage::{Part, Passage};

/// Requests that may be under way.
const REQUESTS: usize = 256;

/// Extents that are copied at the same time.
pub const COPIES: usize = 8;

/// Words of 64 bits, 1 MiB of them at most, for the extents that were copied: 8 TiB in extents of 1 MiB, more in larger
/// ones.
pub const MOST_WORDS: u64 = 1 << 17;

type Machine = Migration<KVVec<u64>, KVec<Copying>, KVec<Request>>;

/// Who goes on with the migration when something has changed.
pub trait Watcher: Send + Sync {
    /// Something has. Any context.
    fn moved_on(&self);
}

/// A request that goes to both devices, until both have answered.
#[derive(Clone, Copy)]
struct Pair {
    left: u8,
    /// For a write that is lost with a device's cache: the lives in which they were acknowledged.
    lives: [Option<Life>; 2],
}

impl Pair {
    const FREE: Self = Self {
        left: 0,
        lives: [None; 2],
    };
}

struct Inner {
    machine: Machine,
    pairs: KVec<Pair>,
    /// Somebody was told to wait since something happened last.
    blocked: bool,
    /// The watcher waits for something to happen.
    watched: bool,
    watcher: Option<Arc<dyn Watcher>>,
    /// Pieces at the new device that are copies of what the old one has.
    at_new: u32,
    /// The first error of the new device, and at which sector of the node.
    failure: Option<(Status, u64)>,
}

/// A node that moves.
#[pin_data]
pub struct Moving {
    lane: Arc<Lane>,
    parking: Arc<Parking>,
    may_sleep: bool,
    #[pin]
    inner: SpinLockIrq<Inner>,
    /// The old device and the new one.
    #[pin]
    sides: SpinLockIrq<Option<[Arc<Node>; 2]>>,
}

impl Inner {
    /// Whoever waits may ask again: wakes them outside of the lock.
    fn happened(&mut self) -> (bool, Option<Arc<dyn Watcher>>) {
        let watched = core::mem::take(&mut self.watched);
        let watcher = self.watcher.clone().filter(|_| watched);
        (core::mem::take(&mut self.blocked), watcher)
    }

    /// Requests that ended without the new device: their bios end when it has let go of their pages.
    fn forget_ended(&mut self) {
        while self.machine.take_ended().is_some() {}
    }
}

impl Moving {
    /// A node of `sectors` that moves from the first of these devices to the second, copied in this `way`. Nothing is at the first.
    /// May sleep. Errors: `ENOMEM`.
    pub fn new(
        sides: [Arc<Node>; 2],
        parking: Arc<Parking>,
        sectors: u64,
        way: Way,
    ) -> Result<Arc<Self>> {
        let shift = shift_for(sectors, MOST_WORDS);
        let count = words(sectors, shift).ok_or(EINVAL)?;
        let bits = KVVec::from_elem(0, usize::try_from(count).map_err(|_| EINVAL)?, GFP_KERNEL)?;
        let extents = Extents::new(bits, sectors, shift).ok_or(EINVAL)?;
        let machine = Migration::new(
            extents,
            KVec::from_elem(Copying::FREE, COPIES, GFP_KERNEL)?,
            KVec::from_elem(Request::FREE, REQUESTS, GFP_KERNEL)?,
            way,
        );
        let inner = Inner {
            machine,
            pairs: KVec::from_elem(Pair::FREE, REQUESTS, GFP_KERNEL)?,
            blocked: false,
            watched: false,
            watcher: None,
            at_new: 0,
            failure: None,
        };
        let may_sleep = sides.iter().any(|side| side.may_sleep());
        let lane = sides[0].lane.clone();
        Arc::pin_init(
            pin_init!(Self {
                lane,
                parking,
                may_sleep,
                inner <- new_spinlock_irq!(inner, "dst_moving"),
                sides <- new_spinlock_irq!(Some(sides), "dst_moving_sides"),
            }),
            GFP_KERNEL,
        )
    }

    /// The old device and the new one, while the node moves. Process context.
    pub fn sides(&self) -> Option<[Arc<Node>; 2]> {
        self.sides.lock().clone()
    }

    /// Takes the devices out: the node has moved, or stays where it is, and another one has its place in the
    /// volume. Process context.
    pub fn leave(&self) -> Option<[Arc<Node>; 2]> {
        let watcher = self.inner.lock().watcher.take();
        drop(watcher);
        self.sides.lock().take()
    }

    /// Has `watcher` told of what happens, once each time it has asked for something that was not there.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        let former = self.inner.lock().watcher.replace(watcher);
        drop(former);
    }

    /// The clock of the storage.
    pub fn moments(&self) -> &Moments {
        self.parking.moments()
    }

    /// Where the storage's bios wait.
    pub fn parking(&self) -> &Arc<Parking> {
        &self.parking
    }

    /// Whether the new device has nothing of what goes to both, and is not about to get it.
    pub fn is_left_alone(&self) -> bool {
        self.inner.lock().at_new == 0
    }

    /// Whether no request that goes to both devices is under way at either.
    pub fn has_settled(&self) -> bool {
        self.inner.lock().pairs.iter().all(|pair| pair.left == 0)
    }

    /// Whether submitting may sleep on storage.
    pub fn may_sleep(&self) -> bool {
        self.may_sleep
    }

    /// What keeps the device that is used from answering.
    pub fn hindrance(&self) -> Option<Hindrance> {
        let moved = matches!(
            self.phase(),
            Phase::Telling | Phase::Settling | Phase::Moved
        );
        // The new device's absence is not the node's before that.
        let [old, new] = self.sides()?;
        match moved {
            true => new.hindrance(),
            false => old.hindrance(),
        }
    }

    /// Whether it is worth asking for room now.
    pub fn has_room(&self) -> bool {
        let used = {
            let inner = self.inner.lock();
            if inner.blocked {
                return false;
            }
            inner.machine.used()
        };
        // A table of a device that is away may stay full until it is back.
        self.sides().is_none_or(|sides| {
            let mut sides = sides.iter().zip(used);
            sides.all(|(side, used)| !used || side.has_room())
        })
    }

    /// Asks for room for a piece that does `what`. Process context.
    pub fn admit(self: &Arc<Self>, bulk: bool, what: What) -> Option<Passage> {
        let [old, new] = self.sides()?;
        let mut passage = Passage::new(self.clone());
        let route = {
            let mut inner = self.inner.lock();
            let inner = &mut *inner;
            let pair = inner.pairs.iter().position(|pair| pair.left == 0);
            let admission = match pair {
                Some(_) => inner.machine.admit(what),
                None => Admission::Wait,
            };
            match (admission, pair) {
                (Admission::Go(ticket, route), Some(at)) => {
                    passage.ticket = ticket;
                    if let (Route::Both, Some(pair)) = (route, inner.pairs.get_mut(at)) {
                        *pair = Pair {
                            left: 2,
                            lives: [None; 2],
                        };
                        passage.pair = Some(at);
                        inner.at_new += 1;
                    }
                    route
                }
                // It ends in error without room.
                (Admission::Lost, _) => return Some(passage),
                _ => {
                    inner.blocked = true;
                    return None;
                }
            }
        };
        // If one has no room the other's is given back with the ticket.
        if route != Route::New {
            let place = old.place(bulk)?;
            passage.old = Some(Seat { node: old, place });
        }
        if route != Route::Old {
            let place = new.place(bulk)?;
            passage.new = Some(Seat { node: new, place });
        }
        if route == Route::Both {
            passage.second = Some(self.lane.enter()?);
        }
        Some(passage)
    }

    /// Wakes whoever may ask again.
    fn wake(&self, (waiting, watcher): (bool, Option<Arc<dyn Watcher>>)) {
        if waiting {
            self.lane.issuer.wake();
        }
        if let Some(watcher) = watcher {
            watcher.moved_on();
        }
    }

    /// A device has answered a piece. Any context.
    fn ended(&self, part: Part, status: Status, sector: u64) {
        let mut inner = self.inner.lock();
        if part.side == Side::New {
            inner.at_new = inner.at_new.saturating_sub(1);
            // What was ended because it is away says nothing.
            if !status.is_ok() && !inner.machine.is_away() {
                inner.failure.get_or_insert((status, sector));
            }
        }
        let mut lives = [None; 2];
        if let Some(pair) = part.pair.and_then(|at| inner.pairs.get_mut(at)) {
            let at = usize::from(part.side == Side::New);
            if let Some(place) = pair.lives.get_mut(at) {
                *place = part.life;
            }
            pair.left = pair.left.saturating_sub(1);
            if pair.left == 0 {
                lives = pair.lives;
            }
        }
        inner
            .machine
            .answered(part.ticket, part.side, status.is_ok());
        inner.forget_ended();
        let waiting = inner.happened();
        drop(inner);
        if lives.iter().any(Option::is_some) {
            self.count(lives);
        }
        self.wake(waiting);
    }

    /// A write has ended that both devices have acknowledged: it counts when its caller is told, not before.
    fn count(&self, lives: [Option<Life>; 2]) {
        let at = self.moments().write_ends();
        // Not cloned: this may be a context in which none of them may be dropped.
        let sides = self.sides.lock();
        let Some(sides) = &*sides else {
            return;
        };
        for (side, life) in sides.iter().zip(lives) {
            if let (Some(remote), Some(life)) = (side.remote(), life) {
                remote.wrote(life, at);
            }
        }
    }

    /// Does something with the machine after which others may go on.
    fn change<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        let mut inner = self.inner.lock();
        let result = change(&mut inner.machine);
        inner.forget_ended();
        // Who calls this goes on by itself.
        let (waiting, _) = inner.happened();
        drop(inner);
        self.wake((waiting, None));
        result
    }

    /// Where the migration is.
    pub fn phase(&self) -> Phase {
        self.inner.lock().machine.phase()
    }

    /// Why nothing is copied.
    pub fn paused(&self) -> Option<Pause> {
        self.inner.lock().machine.paused()
    }

    /// Whether the new device is away.
    pub fn is_away(&self) -> bool {
        self.inner.lock().machine.is_away()
    }

    /// About how many sectors are copied: in whole extents, of which the last one may be shorter.
    pub fn copied_sectors(&self) -> u64 {
        let inner = self.inner.lock();
        let extents = inner.machine.extents();
        let (_, sectors) = extents.range(0);
        extents.copied().saturating_mul(sectors)
    }

    /// The first error of the new device, and at which sector of the node.
    pub fn failure(&self) -> Option<(Status, u64)> {
        self.inner.lock().failure
    }

    /// See [`Migration::copy`]. The watcher is told when there may be one.
    pub fn copy(&self) -> Option<Copy> {
        let mut inner = self.inner.lock();
        let copy = inner.machine.copy();
        if copy.is_none() {
            inner.watched = true;
        }
        copy
    }

    /// See [`Migration::wants`].
    pub fn wants(&self, ticket: Ticket) -> bool {
        self.inner.lock().machine.wants(ticket)
    }

    /// See [`Migration::copied`].
    pub fn copied(&self, ticket: Ticket, result: Copied) {
        self.change(|machine| machine.copied(ticket, result));
    }

    /// See [`Migration::way`].
    pub fn way(&self) -> Way {
        self.inner.lock().machine.way()
    }

    /// See [`Migration::is_direct`].
    pub fn is_direct(&self) -> bool {
        self.inner.lock().machine.is_direct()
    }

    /// See [`Migration::try_again`].
    pub fn try_again(&self) -> bool {
        self.inner.lock().machine.try_again()
    }

    /// See [`Migration::pause`].
    pub fn pause(&self) {
        self.change(|machine| machine.pause());
    }

    /// See [`Migration::resume`].
    pub fn resume(&self) {
        self.change(|machine| machine.resume());
    }

    /// See [`Migration::switch`].
    pub fn switch(&self) -> bool {
        self.change(|machine| machine.switch())
    }

    /// See [`Migration::next_step`]. The watcher is told when there may be one.
    pub fn next_step(&self) -> Option<Task> {
        let mut inner = self.inner.lock();
        let task = inner.machine.next_step();
        if task.is_none() {
            inner.watched = true;
        }
        let (waiting, _) = match task {
            Some(_) => inner.happened(),
            // It may have gone back to copying.
            None => (core::mem::take(&mut inner.blocked), None),
        };
        drop(inner);
        self.wake((waiting, None));
        task
    }

    /// See [`Migration::done`].
    pub fn done(&self, task: Task, outcome: Outcome) {
        self.change(|machine| machine.done(task, outcome));
    }

    /// See [`Migration::flush_failed`].
    pub fn flush_failed(&self, side: Side) {
        self.change(|machine| machine.flush_failed(side));
    }

    /// See [`Migration::give_up`].
    pub fn give_up(&self, reason: Reason) -> bool {
        self.change(|machine| machine.give_up(reason))
    }

    /// See [`Migration::detach`].
    pub fn detach(&self) {
        self.change(|machine| machine.detach());
    }

    /// See [`Migration::attach`].
    pub fn attach(&self) {
        self.change(|machine| machine.attach());
    }

    /// See [`Migration::lost_cache`].
    pub fn lost_cache(&self, side: Side) -> bool {
        self.change(|machine| machine.lost_cache(side))
    }
}
