// SPDX-License-Identifier: GPL-2.0

//! What a node counts, and the waker of the task that goes on with parked work.

use super::config::IoCounters;
use crate::{exec::WakerCell, sys::bio::Op};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
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
    /// Pieces that ended in error.
    errors: Atomic<u64>,
    /// The task that goes on with parked work.
    #[pin]
    pub(super) issuer: WakerCell,
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
                errors: Atomic::new(0),
                issuer <- WakerCell::new(),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, ordering::Relaxed);
    }

    pub(super) fn end(&self, op: Op, bytes: u32, ok: bool) {
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
        self.in_flight.fetch_sub(1, ordering::Release);
    }

    /// Whether parked work waits for this node.
    pub fn has_waiting(&self) -> bool {
        self.waiting.load(ordering::Relaxed) > 0
    }

    /// Pieces that have not ended.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(ordering::Acquire)
    }

    /// What ended well.
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
