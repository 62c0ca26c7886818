// SPDX-License-Identifier: GPL-2.0

//! What a node counts, the gate before it, and the waker of the task that goes on with parked work.
//!
//! Whoever is about to give the node a piece first counts himself and then looks whether the gate
//! is open; whoever shuts it does so first and then looks at the count. So once the gate is shut
//! and the count is zero, nothing is at the node and nothing is on its way there.

use super::{config::IoCounters, parking::Parking};
use crate::{
    dst_core::write_back::{Promise, Since, Verdict},
    exec::WakerCell,
    sys::bio::{Op, Status},
};
use kernel::{
    new_spinlock, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, SpinLock, SpinLockIrq,
    },
    time::{BootTime, Instant},
};

/// Pieces of one kind that ended well, and their bytes.
struct Done {
    ios: Atomic<u64>,
    bytes: Atomic<u64>,
}

impl Done {
    const fn new() -> Self {
        Self {
            ios: Atomic::new(0),
            bytes: Atomic::new(0),
        }
    }

    fn count(&self, bytes: u32) {
        self.ios.fetch_add(1, ordering::Relaxed);
        self.bytes.fetch_add(bytes.into(), ordering::Relaxed);
    }

    fn load(&self) -> (u64, u64) {
        (
            self.ios.load(ordering::Relaxed),
            self.bytes.load(ordering::Relaxed),
        )
    }
}

/// A write that ended in error: data that was to be on the node may not be there.
#[derive(Clone, Copy)]
pub struct WriteError {
    /// How it ended.
    pub status: Status,
    /// Where on the node it was to begin, in sectors of 512 bytes; 0 for a flush.
    pub sector: u64,
    /// When.
    pub when: Instant<BootTime>,
}

/// Counters of one node. Shared with every piece on its way, so it must stay free of anything
/// that may not be dropped in an interrupt.
#[pin_data]
pub struct Lane {
    /// Pieces given to the node that have not ended.
    in_flight: Atomic<u32>,
    /// Bios and cursors parked for this node. Changed under the parking's lock.
    pub(super) waiting: Atomic<u32>,
    /// What ended well.
    reads: Done,
    writes: Done,
    flushes: Done,
    discards: Done,
    /// What jobs did, which is no I/O of the disk.
    background: Done,
    /// Pieces that ended in error.
    errors: Atomic<u64>,
    /// The first write that ended in error since the administrator has looked.
    #[pin]
    write_error: SpinLockIrq<Option<WriteError>>,
    /// Nobody is admitted.
    shut: Atomic<bool>,
    /// Since when the administrator has suspended the node.
    #[pin]
    suspended: SpinLock<Option<Instant<BootTime>>>,
    /// All that was acknowledged was stable when the node was suspended.
    stable: Atomic<bool>,
    /// A flush has failed that nobody had asked for: one that is asked for since then is to tell.
    #[pin]
    untold: SpinLockIrq<Option<Since>>,
    /// The task that goes on with parked work.
    #[pin]
    pub(super) issuer: WakerCell,
}

/// One that was let through the gate, counted as in flight until it is dropped. Any context.
pub struct Admitted {
    lane: Arc<Lane>,
}

impl Admitted {
    /// The lane that counts.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.lane.in_flight.fetch_sub(1, ordering::Release);
    }
}

impl Lane {
    /// Counters at zero. May sleep. Errors: `ENOMEM`.
    pub fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                in_flight: Atomic::new(0),
                waiting: Atomic::new(0),
                reads: Done::new(),
                writes: Done::new(),
                flushes: Done::new(),
                discards: Done::new(),
                background: Done::new(),
                errors: Atomic::new(0),
                write_error <- new_spinlock_irq!(None, "dst_lane_write_error"),
                shut: Atomic::new(false),
                suspended <- new_spinlock!(None, "dst_lane_suspended"),
                stable: Atomic::new(false),
                untold <- new_spinlock_irq!(None, "dst_lane_untold"),
                issuer <- WakerCell::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Counts one more piece, if the gate is open. Any context.
    pub fn enter(self: &Arc<Self>) -> Option<Admitted> {
        let admitted = Admitted { lane: self.clone() };
        // Ordered before the look at the gate.
        self.in_flight.fetch_add(1, ordering::Full);
        (!self.is_shut()).then_some(admitted)
    }

    /// Counts work at the node that is no piece, whether the gate is open or not: whoever waits until nothing is
    /// there waits for it too. Any context.
    pub fn hold(self: &Arc<Self>) -> Admitted {
        self.in_flight.fetch_add(1, ordering::Full);
        Admitted { lane: self.clone() }
    }

    /// Whether nobody is admitted.
    pub fn is_shut(&self) -> bool {
        self.shut.load(ordering::Acquire)
    }

    /// Admits nobody from now on. Who was admitted before is still counted.
    pub fn shut(&self) {
        self.shut.xchg(true, ordering::Full);
    }

    /// Admits again, unless the administrator has suspended the node, and lets parked work go on.
    pub fn open(&self) {
        if self.suspended().is_none() {
            // Ordered before the look at what is parked: whoever parks looks at the gate after that.
            self.shut.xchg(false, ordering::Full);
            self.issuer.wake();
        }
    }

    /// Since when the administrator has suspended the node, if he has.
    pub fn suspended(&self) -> Option<Instant<BootTime>> {
        *self.suspended.lock()
    }

    /// Shuts the gate for the administrator; `false` if he has done so before.
    pub fn suspend(&self) -> bool {
        let mut suspended = self.suspended.lock();
        if suspended.is_some() {
            return false;
        }
        *suspended = Some(Instant::now());
        self.stable.store(false, ordering::Relaxed);
        drop(suspended);
        self.shut();
        true
    }

    /// Opens the gate for the administrator; `false` if he had not shut it.
    pub fn resume(&self) -> bool {
        if self.suspended.lock().take().is_none() {
            return false;
        }
        self.open();
        true
    }

    /// Notes that all that was acknowledged is stable, as long as the node stays suspended.
    pub fn note_stable(&self) {
        self.stable.store(true, ordering::Relaxed);
    }

    /// Whether all that was acknowledged is known to be stable.
    pub fn is_stable(&self) -> bool {
        self.suspended().is_some() && self.stable.load(ordering::Relaxed)
    }

    /// Notes that a flush has failed of which nobody is told. Any context.
    pub fn note_untold(&self, parking: &Parking) {
        // Locked before the era begins: what is asked for in it finds this.
        let mut untold = self.untold.lock();
        *untold = Some(parking.failed_in_silence());
    }

    /// Whether a flush has failed and no other has told of that.
    pub fn has_untold(&self) -> bool {
        self.untold.lock().is_some()
    }

    /// What a flush with this promise has to tell of one that has failed in silence. Any context.
    pub(super) fn judge_flush(&self, promise: &Promise) -> Verdict {
        let mut untold = self.untold.lock();
        match *untold {
            None => Verdict::Sound,
            Some(since) if promise.is_since(since) => {
                *untold = None;
                Verdict::Tells
            }
            Some(_) => Verdict::Fails,
        }
    }

    pub(super) fn count(&self, op: Op, bytes: u32, ok: bool) {
        if !ok {
            self.errors.fetch_add(1, ordering::Relaxed);
        } else {
            match op {
                Op::Read => self.reads.count(bytes),
                Op::Write => self.writes.count(bytes),
                Op::Flush => self.flushes.count(bytes),
                _ => self.discards.count(bytes),
            }
        }
    }

    /// Notes that a write, or a flush, has ended in error; the first is kept. Any context.
    pub(super) fn note_write_error(&self, status: Status, sector: u64) {
        self.write_error.lock().get_or_insert_with(|| WriteError {
            status,
            sector,
            when: Instant::now(),
        });
    }

    /// The first write that ended in error.
    pub fn write_error(&self) -> Option<WriteError> {
        *self.write_error.lock()
    }

    /// Forgets it; `false` if there was none.
    pub fn clear_write_error(&self) -> bool {
        self.write_error.lock().take().is_some()
    }

    pub(super) fn count_background(&self, bytes: u32, ok: bool) {
        if ok {
            self.background.count(bytes);
        } else {
            self.errors.fetch_add(1, ordering::Relaxed);
        }
    }

    /// Pieces of jobs that ended well, and their bytes.
    pub fn background(&self) -> (u64, u64) {
        self.background.load()
    }

    /// Whether parked work waits for this node.
    pub fn has_waiting(&self) -> bool {
        self.waiting.load(ordering::Relaxed) > 0
    }

    /// Pieces that have not ended.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(ordering::Acquire)
    }

    /// What ended well, but for what jobs did.
    pub fn io(&self) -> IoCounters {
        let (read_ios, read_bytes) = self.reads.load();
        let (write_ios, write_bytes) = self.writes.load();
        let (flush_ios, _) = self.flushes.load();
        let (discard_ios, discard_bytes) = self.discards.load();
        IoCounters {
            read_ios,
            read_bytes,
            write_ios,
            write_bytes,
            flush_ios,
            discard_ios,
            discard_bytes,
            errors: self.errors(),
        }
    }

    /// Pieces that ended in error.
    pub fn errors(&self) -> u64 {
        self.errors.load(ordering::Relaxed)
    }
}
