// SPDX-License-Identifier: GPL-2.0

//! What a node counts, and the waker of the task that goes on with parked work.

use crate::{exec::WakerCell, sys::bio::Op};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
};

/// Counters of one node. Shared with every piece on its way, so it must stay free of anything
/// that may not be dropped in an interrupt.
#[pin_data]
pub struct Lane {
    /// Pieces given to the node that have not ended.
    in_flight: Atomic<u32>,
    /// Bios and cursors parked for this node. Changed under the parking's lock.
    pub(super) waiting: Atomic<u32>,
    /// Bytes read, of pieces that ended well.
    read_bytes: Atomic<u64>,
    /// Bytes written, of pieces that ended well.
    write_bytes: Atomic<u64>,
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
                read_bytes: Atomic::new(0),
                write_bytes: Atomic::new(0),
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
                Op::Read => self.read_bytes.fetch_add(bytes.into(), ordering::Relaxed),
                Op::Write => self.write_bytes.fetch_add(bytes.into(), ordering::Relaxed),
                _ => 0,
            };
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

    /// Bytes read.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(ordering::Relaxed)
    }

    /// Bytes written.
    pub fn write_bytes(&self) -> u64 {
        self.write_bytes.load(ordering::Relaxed)
    }

    /// Pieces that ended in error.
    pub fn errors(&self) -> u64 {
        self.errors.load(ordering::Relaxed)
    }
}
