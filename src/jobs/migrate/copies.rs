// SPDX-License-Identifier: GPL-2.0

//! The extents of a node that moves, on their way from the old device to the new one.

use super::{super::job::Order, Copier, CHUNK, RETRY};
use crate::{
    dst_core::{
        job::state::State,
        migration::{Copied, Copy, What},
        units::{sectors_to_bytes, SECTOR_BYTES},
    },
    storage::{
        moving::{Moving, COPIES},
        node::{Hindrance, Node},
    },
    sys::bio::{Op, Status, SECTOR_SHIFT},
};

/// An extent that is being copied, chunk by chunk.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) copy: Option<Copy>,
    /// Sectors of it that are copied.
    done: u64,
    /// Sectors of the chunk in the buffer, or on its way there; 0 if there is none.
    chunk: u32,
    /// The chunk was read.
    pub(super) read: bool,
    /// The buffer is away.
    pub(super) lent: bool,
}

impl Slot {
    pub(super) const FREE: Self = Self {
        copy: None,
        done: 0,
        chunk: 0,
        read: false,
        lent: false,
    };
}

impl Copier {
    /// A buffer came back.
    pub(super) fn returned(&mut self, index: usize, status: Status) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        slot.lent = false;
        let Some(copy) = slot.copy else {
            return;
        };
        let moving = self.mover.moving();
        let end = match (slot.read, status) {
            (false, Status::Ok) => {
                slot.read = true;
                return;
            }
            (true, Status::Ok) => {
                slot.done += u64::from(slot.chunk);
                slot.read = false;
                let bytes = u64::from(slot.chunk).saturating_mul(SECTOR_BYTES);
                slot.chunk = 0;
                self.pace.count(bytes);
                if slot.done < copy.sectors {
                    return;
                }
                Copied::Done
            }
            // The way there has failed; it may come back.
            (_, Status::Transport | Status::Resource | Status::WouldBlock)
                if !is_lost(moving, slot.read) =>
            {
                self.not_before = self.job.now().saturating_add(RETRY);
                return;
            }
            (false, _) => Copied::ReadFailed,
            (true, _) => {
                let sector = copy.first.saturating_add(slot.done);
                self.failure.get_or_insert((status, sector));
                Copied::WriteFailed
            }
        };
        *slot = Slot::FREE;
        moving.copied(copy.ticket, end);
    }

    /// Copies what may be copied now.
    pub(super) fn copy(&mut self, order: &Order, old: &Node, new: &Node, now: u64) {
        for index in 0..COPIES {
            if !self.step_slot(index, order, old, new, now) {
                return;
            }
        }
    }

    /// Goes on with a slot; `false` if nothing more can be done for any of them now.
    fn step_slot(&mut self, index: usize, order: &Order, old: &Node, new: &Node, now: u64) -> bool {
        let Some(mut slot) = self.slots.get(index).copied().filter(|slot| !slot.lent) else {
            return true;
        };
        let moving = self.mover.moving().clone();
        if let Some(copy) = slot.copy {
            let wanted = moving.wants(copy.ticket);
            if wanted && !order.state.issues() {
                // Writes wait for it.
                moving.copied(copy.ticket, Copied::Left);
            }
            if !wanted || !order.state.issues() {
                slot = Slot::FREE;
                self.keep(index, slot);
            }
        }
        if now < self.not_before || !order.state.issues() {
            return order.state == State::Pausing;
        }
        if slot.copy.is_none() {
            slot.copy = self.begin_extent(&moving, now);
            self.keep(index, slot);
        }
        let Some(copy) = slot.copy else {
            return true;
        };
        if slot.chunk == 0 {
            let left = copy.sectors.saturating_sub(slot.done);
            let most = u64::from(self.chunk(old, new) >> SECTOR_SHIFT);
            slot.chunk = u32::try_from(left.min(most)).unwrap_or(u32::MAX);
            self.keep(index, slot);
        }
        let first = copy.first.saturating_add(slot.done);
        let gone = match slot.read {
            false => self.read(index, old, first, slot.chunk, now),
            true => self.write(index, new, first, slot.chunk),
        };
        if gone {
            if let Some(slot) = self.slots.get_mut(index) {
                slot.lent = true;
            }
        }
        gone
    }

    fn keep(&mut self, index: usize, slot: Slot) {
        if let Some(place) = self.slots.get_mut(index) {
            *place = slot;
        }
    }

    /// An extent that may be copied now. Its bytes are taken from the pace at once: writes to it wait until it is copied.
    fn begin_extent(&mut self, moving: &Moving, now: u64) -> Option<Copy> {
        if let Err(wait) = self.pace.take(now, 0) {
            self.not_before = now.saturating_add(wait);
            return None;
        }
        let copy = moving.copy()?;
        let bytes = sectors_to_bytes(copy.sectors).unwrap_or(u64::MAX);
        // There is credit, and any number may go then.
        let _ = self
            .pace
            .take(now, u32::try_from(bytes).unwrap_or(u32::MAX));
        Some(copy)
    }

    fn read(&mut self, index: usize, old: &Node, first: u64, sectors: u32, now: u64) -> bool {
        let permit = old.admit(true, What::Read);
        // Who stops the job looks at what is at the node after he has done so.
        let Some(permit) = permit.filter(|_| self.job.order().state.issues()) else {
            self.not_before = now.saturating_add(RETRY);
            return false;
        };
        self.loans.read(index, old, permit, first, sectors)
    }

    fn write(&mut self, index: usize, new: &Node, first: u64, sectors: u32) -> bool {
        // What was read is written also when it was told to pause: the extent is locked until then.
        let permit = new.admit(true, What::Change(first, sectors.into()));
        let stopped = self.mover.is_interrupted();
        let Some(permit) = permit.filter(|_| !stopped) else {
            self.not_before = self.job.now().saturating_add(RETRY);
            return false;
        };
        self.loans.write(index, new, permit, first, sectors)
    }

    /// Bytes that are copied at a time: whole blocks.
    fn chunk(&self, old: &Node, new: &Node) -> u32 {
        let most = old.max_bytes(Op::Read).min(new.max_bytes(Op::Write));
        let most = most.min(CHUNK);
        let block = self.block.get().saturating_mul(SECTOR_BYTES as u32);
        most.saturating_sub(most.checked_rem(block).unwrap_or(0))
            .max(block)
    }
}

/// Whether the device that was asked, the new one or the old one, was given up.
fn is_lost(moving: &Moving, new: bool) -> bool {
    let Some(sides) = moving.sides() else {
        return true;
    };
    let node = sides.get(usize::from(new));
    node.is_none_or(|node| node.hindrance() == Some(Hindrance::Lost))
}
