// SPDX-License-Identifier: GPL-2.0

//! Where bios wait that a node cannot take yet.
//!
//! A bio of which no piece was issued waits in a list linked through the bios, without bound and
//! without memory. A bio that was begun has a [`Cursor`], which says how far it got; cursors live
//! in a table made with the storage. A bio that needs a cursor while its lane has none waits as
//! if it had not been begun, so a node that does not answer holds cursors of its own lane only.
//!
//! Locking: one spin lock, interrupts disabled, nothing is taken inside it. Ending a bio, which
//! runs foreign code, is done outside.

use super::{lane::Lane, moments::Moments};
use crate::{
    dst_core::write_back::{Endings, Moment, Promise, Since},
    sys::bio::{Bio, BioIter, BioList, Op, SharedBio, Status},
};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, SpinLockIrq,
    },
};

/// Cursors for each node: so many bios that are larger than a piece, cross a node boundary or
/// flush can be under way at once.
const CURSORS_PER_NODE: usize = 64;

const NONE: u32 = u32::MAX;

/// The place of a cursor in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CursorId(u32);

/// What a cursor does next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Flush the nodes with a volatile cache, from this one on.
    Flush(usize),
    /// Issue the rest of the data.
    Data,
}

/// A bio under way and how far it got. One that is dropped before [`Cursor::finish`] fails its
/// bio: what was not issued must not pass for done.
pub struct Cursor {
    /// The place reserved for it.
    pub id: CursorId,
    /// Keeps the bio from ending.
    pub bio: SharedBio,
    /// What was not issued yet.
    pub iter: BioIter,
    /// What to do next.
    pub step: Step,
    /// What its flushes promise.
    pub promise: Promise,
    finished: bool,
}

impl Cursor {
    fn new(id: CursorId, bio: Bio, promise: Promise) -> Self {
        let flush = bio.op() == Op::Flush || bio.flags().preflush();
        Self {
            id,
            iter: bio.iter(),
            bio: bio.share(),
            step: if flush { Step::Flush(0) } else { Step::Data },
            promise,
            finished: false,
        }
    }

    /// All of the bio was issued. It ends here if all of its pieces have.
    pub fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if !self.finished {
            self.bio.fail(Status::Offline);
        }
    }
}

/// Something that was parked.
pub enum Parked {
    /// A bio of which nothing was issued.
    Bio(Bio),
    /// A bio that was begun.
    Cursor(Cursor),
}

struct Place {
    cursor: Option<Cursor>,
    next: u32,
    lane: u32,
    /// Flushes under way, and one more while they are being issued.
    flushes: u32,
    /// A flush has failed because acknowledged writes are lost, and the bio tells so.
    tells: bool,
}

struct Queue {
    /// The cursors of bios that begin on the node.
    places: KVVec<Place>,
    /// Bios that wait for the node to admit a piece.
    bios: BioList,
    /// Bios that wait for a cursor; others may pass them.
    cursorless: BioList,
    /// How many bios have come to wait for a cursor, how many have got one, and how many had come
    /// when the present era began.
    cursorless_in: u64,
    cursorless_out: u64,
    cursorless_past: u64,
    head: u32,
    tail: u32,
    free: u32,
    lane: Arc<Lane>,
}

struct Tables {
    queues: KVec<Queue>,
    flushing: u32,
    endings: Endings,
}

/// The parking of one storage.
#[pin_data]
pub struct Parking {
    #[pin]
    tables: SpinLockIrq<Tables>,
    moments: Arc<Moments>,
    failing: Atomic<bool>,
}

impl Queue {
    /// The queue of node `number`. May sleep. Errors: `ENOMEM`.
    fn new(number: usize, lane: Arc<Lane>) -> Result<Self> {
        let mut places = KVVec::with_capacity(CURSORS_PER_NODE, GFP_KERNEL)?;
        let mut free = NONE;
        for at in 0..CURSORS_PER_NODE {
            let place = Place {
                cursor: None,
                next: free,
                lane: number as u32,
                flushes: 0,
                tells: false,
            };
            places.push(place, GFP_KERNEL)?;
            free = (number * CURSORS_PER_NODE + at) as u32;
        }
        Ok(Self {
            places,
            bios: BioList::new(),
            cursorless: BioList::new(),
            cursorless_in: 0,
            cursorless_out: 0,
            cursorless_past: 0,
            head: NONE,
            tail: NONE,
            free,
            lane,
        })
    }
}

impl Tables {
    fn place(&mut self, id: u32) -> Option<&mut Place> {
        let id = id as usize;
        let queue = self.queues.get_mut(id / CURSORS_PER_NODE)?;
        queue.places.get_mut(id % CURSORS_PER_NODE)
    }

    fn reserve(&mut self, lane: usize) -> Option<CursorId> {
        let id = self.queues.get(lane)?.free;
        let place = self.place(id)?;
        let next = core::mem::replace(&mut place.next, NONE);
        self.queues.get_mut(lane)?.free = next;
        Some(CursorId(id))
    }

    /// What has come to wait for a cursor belongs to the past.
    fn close_era(&mut self) {
        for queue in self.queues.iter_mut() {
            queue.cursorless_past = queue.cursorless_in;
        }
    }

    /// A bio has ended in error.
    fn failed(&mut self, tells: bool) {
        if tells {
            self.close_era();
        }
        self.endings.failed(tells);
    }

    /// Gives a place to the next bio that waits for one, or frees it. Returns the lane whose task
    /// has to go on.
    fn release(&mut self, id: CursorId, failed: bool) -> Option<Arc<Lane>> {
        let place = self.place(id.0)?;
        let tells = core::mem::replace(&mut place.tells, false);
        if failed || tells {
            self.failed(tells);
        }
        let place = self.place(id.0)?;
        place.flushes = 0;
        let node = place.lane as usize;
        let queue = self.queues.get_mut(node)?;
        let lane = queue.lane.clone();
        match queue.cursorless.pop() {
            Some(bio) => {
                let past = queue.cursorless_out < queue.cursorless_past;
                queue.cursorless_out += 1;
                // Nobody has noted when it came, so its flushes cover nothing for certain.
                let promise = match past {
                    true => Endings::unknown(),
                    false => self.endings.promise(Moment::BEFORE_ALL),
                };
                // The node exists, as its queue does.
                drop(self.park(node, Cursor::new(id, bio, promise)).err());
                Some(lane)
            }
            None => {
                let next = core::mem::replace(&mut queue.free, id.0);
                self.place(id.0)?.next = next;
                None
            }
        }
    }

    fn park(&mut self, node: usize, cursor: Cursor) -> Result<(), Cursor> {
        let id = cursor.id.0;
        let Some(queue) = self.queues.get_mut(node) else {
            return Err(cursor);
        };
        let tail = core::mem::replace(&mut queue.tail, id);
        queue.lane.waiting.fetch_add(1, ordering::Full);
        if tail == NONE {
            queue.head = id;
        } else if let Some(place) = self.place(tail) {
            place.next = id;
        }
        if let Some(place) = self.place(id) {
            place.next = NONE;
            place.cursor = Some(cursor);
        }
        Ok(())
    }

    fn next_cursor(&mut self, node: usize) -> Option<Cursor> {
        let head = self.queues.get(node)?.head;
        let place = self.place(head)?;
        let next = core::mem::replace(&mut place.next, NONE);
        let cursor = place.cursor.take();
        let queue = self.queues.get_mut(node)?;
        queue.head = next;
        if queue.head == NONE {
            queue.tail = NONE;
        }
        queue.lane.waiting.fetch_sub(1, ordering::Relaxed);
        cursor
    }
}

impl Parking {
    /// A parking for a storage without nodes. May sleep. Errors: `ENOMEM`.
    pub fn new(moments: Arc<Moments>) -> Result<Arc<Self>> {
        let tables = Tables {
            queues: KVec::new(),
            flushing: 0,
            endings: Endings::new(),
        };
        Arc::pin_init(
            pin_init!(Self {
                tables <- new_spinlock_irq!(tables, "dst_parking"),
                moments,
                failing: Atomic::new(false),
            }),
            GFP_KERNEL,
        )
    }

    /// Makes room for one more node, the last one from now on, which counts in `lane`. One task at a
    /// time. May sleep. Errors: `ENOMEM`; then nothing has changed.
    pub fn add_node(&self, lane: Arc<Lane>) -> Result {
        let number = self.tables.lock().queues.len();
        let queue = Queue::new(number, lane)?;
        let mut longer = KVec::with_capacity(number + 1, GFP_KERNEL)?;
        let mut tables = self.tables.lock();
        for queue in tables.queues.drain_all() {
            // There is room.
            drop(longer.push_within_capacity(queue).err());
        }
        drop(longer.push_within_capacity(queue).err());
        let shorter = core::mem::replace(&mut tables.queues, longer);
        drop(tables);
        drop(shorter);
        Ok(())
    }

    /// The clock of the storage.
    pub fn moments(&self) -> &Arc<Moments> {
        &self.moments
    }

    /// Whether everything ends in error. Any context.
    pub fn is_failing(&self) -> bool {
        self.failing.load(ordering::Acquire)
    }

    /// Lets everything end in error from now on, and ends what is parked. Process context.
    pub fn fail(&self) {
        self.failing.store(true, ordering::Release);
        self.fail_all();
    }

    /// Makes a cursor for a bio that begins on node `lane`. If there is none, the bio waits and
    /// goes on by itself as soon as there is.
    pub fn begin(&self, lane: usize, bio: Bio) -> Option<Cursor> {
        let mut tables = self.tables.lock();
        if let Some(id) = tables.reserve(lane) {
            let promise = tables.endings.promise(self.moments.now());
            drop(tables);
            return Some(Cursor::new(id, bio, promise));
        }
        match tables.queues.get_mut(lane) {
            Some(queue) => {
                queue.cursorless_in += 1;
                queue.cursorless.push_back(bio);
            }
            None => {
                // Ending the bio runs foreign code.
                drop(tables);
                drop(bio);
            }
        }
        None
    }

    /// A flush for the cursor `id` has failed because acknowledged writes are lost: its bio tells so.
    /// Any context.
    pub fn tells(&self, id: CursorId) {
        let mut tables = self.tables.lock();
        let Some(place) = tables.place(id.0) else {
            return;
        };
        if !core::mem::replace(&mut place.tells, true) {
            tables.endings.tells();
        }
    }

    /// A flush has failed of which nobody is told. Any context.
    pub fn failed_in_silence(&self) -> Since {
        let mut tables = self.tables.lock();
        tables.close_era();
        tables.endings.failed_in_silence()
    }

    /// Whether a flush with this promise may succeed, as far as others have told, or will tell, of
    /// losses. Any context.
    pub fn holds(&self, promise: &Promise) -> bool {
        self.tables.lock().endings.holds(promise)
    }

    /// Gives a place back whose bio has ended; `failed`: in error. Any context.
    pub fn release(&self, id: CursorId, failed: bool) {
        let mut tables = self.tables.lock();
        let lane = tables.release(id, failed);
        drop(tables);
        if let Some(lane) = lane {
            lane.issuer.wake();
        }
    }

    /// Parks a bio behind the others that wait for `node`, or before them.
    pub fn park_bio(&self, node: usize, bio: Bio, front: bool) {
        let mut tables = self.tables.lock();
        let Some(queue) = tables.queues.get_mut(node) else {
            // Dropping the bio ends it in error.
            drop(tables);
            return;
        };
        if front {
            queue.bios.push_front(bio);
        } else {
            queue.bios.push_back(bio);
        }
        queue.lane.waiting.fetch_add(1, ordering::Full);
    }

    /// Parks a cursor behind the others that wait for `node`. Any context.
    pub fn park(&self, node: usize, cursor: Cursor) {
        let id = cursor.id;
        let refused = self.tables.lock().park(node, cursor).err();
        if let Some(cursor) = refused {
            drop(cursor);
            self.release(id, true);
        }
    }

    /// Takes what has waited longest for `node`: cursors first, as they hold places.
    pub fn next(&self, node: usize) -> Option<Parked> {
        let mut tables = self.tables.lock();
        if let Some(cursor) = tables.next_cursor(node) {
            return Some(Parked::Cursor(cursor));
        }
        let queue = tables.queues.get_mut(node)?;
        let bio = queue.bios.pop()?;
        queue.lane.waiting.fetch_sub(1, ordering::Relaxed);
        Some(Parked::Bio(bio))
    }

    /// Counts a flush that is about to be issued for the cursor `id`.
    pub fn flush_begins(&self, id: CursorId) {
        if let Some(place) = self.tables.lock().place(id.0) {
            // Counts from one while flushes are being issued.
            place.flushes = place.flushes.max(1) + 1;
        }
    }

    /// Leaves `cursor` until its flushes have ended; gives it back if they have. It counts as
    /// waiting for the node where its bio begins.
    pub fn await_flushes(&self, cursor: Cursor) -> Option<Cursor> {
        let mut tables = self.tables.lock();
        let Some(place) = tables.place(cursor.id.0) else {
            return Some(cursor);
        };
        place.flushes = place.flushes.saturating_sub(1);
        if place.flushes == 0 {
            return Some(cursor);
        }
        place.cursor = Some(cursor);
        tables.flushing += 1;
        None
    }

    /// Cursors that wait for their flushes.
    pub fn flushing(&self) -> u32 {
        self.tables.lock().flushing
    }

    /// A flush for the cursor `id` has ended. Any context. The last one lets the cursor go on,
    /// in the task of the node where its bio begins.
    pub fn flush_ended(&self, id: CursorId) {
        let mut tables = self.tables.lock();
        let Some(place) = tables.place(id.0) else {
            return;
        };
        place.flushes = place.flushes.saturating_sub(1);
        if place.flushes > 0 {
            return;
        }
        let node = place.lane as usize;
        let Some(cursor) = place.cursor.take() else {
            return;
        };
        tables.flushing = tables.flushing.saturating_sub(1);
        let refused = tables.park(node, cursor).err();
        let lane = tables.queues.get(node).map(|queue| queue.lane.clone());
        drop(tables);
        drop(refused);
        if let Some(lane) = lane {
            lane.issuer.wake();
        }
    }

    /// Ends everything that is parked, in error. Process context.
    pub fn fail_all(&self) {
        for node in 0.. {
            let cursorless = match self.tables.lock().queues.get_mut(node) {
                Some(queue) => queue.cursorless.take(),
                None => return,
            };
            drop(cursorless);
            while let Some(parked) = self.next(node) {
                match parked {
                    Parked::Bio(bio) => bio.end(Status::Offline),
                    Parked::Cursor(cursor) => {
                        let id = cursor.id;
                        drop(cursor);
                        self.release(id, true);
                    }
                }
            }
        }
    }
}
