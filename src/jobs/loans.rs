// SPDX-License-Identifier: GPL-2.0

//! The pages of a job, on their way to nodes and back.
//!
//! A buffer is lent: it becomes the bio of a piece, and comes back when nobody can touch its pages any
//! more, in any context. Until then whoever works on it owns it; that the job waits for all of them
//! before it ends is the job's own affair, and a buffer that comes back to nobody is freed.

use super::job::Signal;
use crate::{
    dst_core::{wire::COPY_SOURCE_BYTES, write_back::Moment},
    storage::{
        node::{Node, Permit},
        parking::Parking,
        piece::Piece,
    },
    sys::{
        bio::{Status, SECTOR_SHIFT},
        device_bio::{DeviceBio, DeviceBioEnd, DeviceOp},
    },
};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{Arc, SpinLockIrq},
};

/// A buffer that came back.
pub struct Returned {
    /// The index of its place.
    pub index: usize,
    /// How the transfer went.
    pub status: Status,
    bio: DeviceBio<Loan>,
}

/// Where buffers come back to. May be dropped in any context.
#[pin_data]
struct Counter {
    signal: Arc<Signal>,
    #[pin]
    returned: SpinLockIrq<KVec<Returned>>,
}

/// What goes with a buffer.
pub struct Loan {
    counter: Arc<Counter>,
    index: usize,
}

impl DeviceBioEnd for Loan {
    fn end(self, bio: DeviceBio<Self>, status: Status) {
        let Self { counter, index } = self;
        let mut returned = counter.returned.lock();
        // There is room for all of them.
        let refused = returned.push_within_capacity(Returned { index, status, bio });
        drop(returned);
        drop(refused);
        counter.signal.send();
    }
}

/// The buffers of a job, one for each place of its window.
pub struct Loans {
    counter: Arc<Counter>,
    at_home: KVec<Option<DeviceBio<Loan>>>,
    lent: u32,
}

impl Loans {
    /// `count` buffers of `pages` pages each, and behind them as many as `flushes` for flushes. May sleep. Errors:
    /// `ENOMEM`.
    pub fn new(signal: Arc<Signal>, count: usize, pages: usize, flushes: usize) -> Result<Self> {
        let returned = KVec::with_capacity(count + flushes, GFP_KERNEL)?;
        let counter = Arc::pin_init(
            pin_init!(Counter {
                signal,
                returned <- new_spinlock_irq!(returned, "dst_job_returned"),
            }),
            GFP_KERNEL,
        )?;
        let mut at_home = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            at_home.push(Some(DeviceBio::new(pages)?), GFP_KERNEL)?;
        }
        for _ in 0..flushes {
            at_home.push(Some(DeviceBio::without_pages(0)?), GFP_KERNEL)?;
        }
        Ok(Self {
            counter,
            at_home,
            lent: 0,
        })
    }

    /// Buffers that are not here.
    pub fn lent(&self) -> u32 {
        self.lent
    }

    /// Takes a buffer that came back, and puts it in its place.
    pub fn collect(&mut self) -> Option<(usize, Status)> {
        let Returned { index, status, bio } = self.counter.returned.lock().pop()?;
        if let Some(place) = self.at_home.get_mut(index) {
            *place = Some(bio);
        }
        self.lent = self.lent.saturating_sub(1);
        Some((index, status))
    }

    /// Reads `sectors` at `sector` of `node` into buffer `index`. `false` if there is no such buffer,
    /// or not so large a one, which is a fault of the job's. Process context; sleeps for memory and,
    /// on a local node, in the device's driver. The buffer may have come back when this returns.
    #[must_use]
    pub fn read(
        &mut self,
        index: usize,
        node: &Node,
        permit: Permit,
        sector: u64,
        sectors: u32,
    ) -> bool {
        // A socket may still have what was written from there.
        if let Some(Some(buffer)) = self.at_home.get_mut(index) {
            if buffer.pages_busy() && buffer.refresh().is_err() {
                return false;
            }
        }
        let place = (index, sector, sectors);
        self.lend(DeviceOp::Read, place, node, permit, |piece| piece)
    }

    /// Writes `sectors` at `sector` of `node`, a device that a node moves to, from buffer `index`; otherwise as
    /// [`Self::read`].
    #[must_use]
    pub fn write(
        &mut self,
        index: usize,
        node: &Node,
        permit: Permit,
        sector: u64,
        sectors: u32,
    ) -> bool {
        let place = (index, sector, sectors);
        self.lend(DeviceOp::Write, place, node, permit, Piece::at_newcomer)
    }

    /// Has `node`, a remote device that a node moves to, copy `sectors` at `sector` from the other node that `source`
    /// names; otherwise as [`Self::write`].
    #[must_use]
    pub fn copy(
        &mut self,
        index: usize,
        node: &Node,
        permit: Permit,
        (sector, sectors): (u64, u32),
        source: &[u8; COPY_SOURCE_BYTES],
    ) -> bool {
        let Some(bytes) = sectors.checked_mul(1 << SECTOR_SHIFT) else {
            return false;
        };
        let Some(Some(buffer)) = self.at_home.get_mut(index) else {
            return false;
        };
        if buffer.pages_busy() && buffer.refresh().is_err() || buffer.write_at(0, source).is_err() {
            return false;
        }
        let place = (index, sector, (COPY_SOURCE_BYTES >> SECTOR_SHIFT) as u32);
        let copying = |piece: Piece| piece.at_newcomer().copying(bytes);
        self.lend(DeviceOp::Write, place, node, permit, copying)
    }

    /// Flushes `node`, of what has ended by `now`, with buffer `index`; a flush in `parking` tells if this one fails. Otherwise
    /// as [`Self::read`].
    #[must_use]
    pub fn flush(
        &mut self,
        index: usize,
        node: &Node,
        permit: Permit,
        now: Moment,
        parking: Option<Arc<Parking>>,
    ) -> bool {
        let unasked = |piece: Piece| piece.unasked(now, parking);
        self.lend(DeviceOp::Flush, (index, 0, 0), node, permit, unasked)
    }

    fn lend(
        &mut self,
        op: DeviceOp,
        (index, sector, sectors): (usize, u64, u32),
        node: &Node,
        permit: Permit,
        mark: impl FnOnce(Piece) -> Piece,
    ) -> bool {
        let place = self.at_home.get_mut(index);
        let Some((place, buffer)) = place.and_then(|place| place.take().map(|bio| (place, bio)))
        else {
            return false;
        };
        let loan = Loan {
            counter: self.counter.clone(),
            index,
        };
        let Some(bytes) = sectors.checked_mul(1 << SECTOR_SHIFT) else {
            *place = Some(buffer);
            return false;
        };
        match buffer.lend(op, sector, bytes, loan) {
            Ok(bio) => {
                self.lent = self.lent.saturating_add(1);
                let iter = bio.iter();
                let piece = Piece::new(bio.share(), iter, sector, permit.admitted).in_background();
                node.submit(permit.room, mark(piece));
                true
            }
            Err((buffer, loan)) => {
                *place = Some(buffer);
                drop(loan);
                false
            }
        }
    }
}
