// SPDX-License-Identifier: GPL-2.0

//! The extents of a node that moves, on their way from the old device to the new one.

use super::{super::job::Order, Copier, CHUNK, DIRECT_AGAIN, DIRECT_PAUSE, RETRY, TRIAL_MS};
use crate::{
    dst_core::{
        job::state::State,
        migration::{Copied, Copy, Way, What},
        units::{sectors_to_bytes, SECTOR_BYTES},
        wire::CopySource,
    },
    storage::{
        moving::{Moving, COPIES},
        node::{Hindrance, Node},
    },
    sys::bio::{Op, Status, SECTOR_SHIFT},
};
use kernel::prelude::*;

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
    /// The new device's machine was asked to copy the chunk.
    pub(super) asked: bool,
}

impl Slot {
    pub(super) const FREE: Self = Self {
        copy: None,
        done: 0,
        chunk: 0,
        read: false,
        lent: false,
        asked: false,
    };
}

impl Copier {
    /// A buffer came back.
    pub(super) fn returned(&mut self, index: usize, status: Status) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        slot.lent = false;
        let asked = core::mem::take(&mut slot.asked);
        let Some(copy) = slot.copy else {
            return;
        };
        let moving = self.mover.moving();
        let end = match (slot.read || asked, status) {
            (false, Status::Ok) => {
                slot.read = true;
                return;
            }
            (true, Status::Ok) => {
                slot.done += u64::from(slot.chunk);
                slot.read = false;
                if asked {
                    self.no_direct = None;
                    self.direct_pause = DIRECT_AGAIN;
                }
                let bytes = u64::from(slot.chunk).saturating_mul(SECTOR_BYTES);
                slot.chunk = 0;
                self.pace.count(bytes);
                if slot.done < copy.sectors {
                    return;
                }
                Copied::Done
            }
            // It takes memory that it does not take to write there.
            (true, Status::Resource | Status::WouldBlock) if asked => Copied::Refused,
            // Writes wait for the extent, and are to fail as soon as the node is away.
            (false, Status::Transport) if fails_fast(moving) && !is_lost(moving, false) => {
                self.not_before = self.job.now().saturating_add(RETRY);
                Copied::Left
            }
            // The way there has failed; it may come back.
            (_, Status::Transport | Status::Resource | Status::WouldBlock)
                if !is_lost(moving, slot.read || asked) =>
            {
                self.not_before = self.job.now().saturating_add(RETRY);
                return;
            }
            // What is wrong is found by copying it in the other way.
            (true, _) if asked => Copied::Refused,
            (false, _) => Copied::ReadFailed,
            (true, _) => {
                let sector = copy.first.saturating_add(slot.done);
                self.failure.get_or_insert((status, sector));
                Copied::WriteFailed
            }
        };
        *slot = Slot::FREE;
        moving.copied(copy.ticket, end);
        if end == Copied::Refused {
            self.refused();
        }
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
        let direct = copy.way == Way::Direct;
        let gone = match slot.read {
            false if direct => match self.may_ask(old, first, slot.chunk) {
                None => self.ask(index, [old, new], first, slot.chunk),
                Some(end) => {
                    self.keep(index, Slot::FREE);
                    moving.copied(copy.ticket, end);
                    if end == Copied::Refused {
                        self.refused();
                    }
                    self.not_before = now.saturating_add(RETRY);
                    return true;
                }
            },
            false => self.read(index, old, first, slot.chunk, now),
            true => self.write(index, new, first, slot.chunk),
        };
        if gone {
            if let Some(slot) = self.slots.get_mut(index) {
                slot.lent = true;
                slot.asked = direct;
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

    /// Whether the other machine may read a chunk; if not, what becomes of the extent, for which writes wait.
    fn may_ask(&self, old: &Node, first: u64, sectors: u32) -> Option<Copied> {
        let remote = old.remote()?;
        match old.hindrance() {
            // It is found out and told where the data goes through this machine.
            Some(Hindrance::Lost) => Some(Copied::Refused),
            Some(Hindrance::Away) if remote.fails_fast() => Some(Copied::Left),
            // What was sent to the old device and may still land there is fenced by a connection of ours, not by the other
            // machine's.
            _ if remote.is_exposed(first, sectors.into()) => Some(Copied::Left),
            _ => None,
        }
    }

    /// Has the new device's machine copy a chunk.
    fn ask(&mut self, index: usize, [old, new]: [&Node; 2], first: u64, sectors: u32) -> bool {
        let source = self.source.and_then(|source| {
            let remote = old.remote()?;
            // The other machine's connections must not take the place of ours there.
            let settled = old.hindrance().is_none();
            settled.then_some(CopySource {
                device: remote.device(),
                wait_ms: match self.moving().is_direct() {
                    true => source.wait_ms,
                    false => source.wait_ms.min(TRIAL_MS),
                },
                ..source
            })
        });
        let goes_on = self.job.order().state.issues() && !self.mover.is_interrupted();
        let source = source.filter(|_| goes_on);
        let admit = |source| {
            Some((
                source,
                new.admit(true, What::Change(first, sectors.into()))?,
            ))
        };
        let Some((source, permit)) = source.and_then(admit) else {
            self.not_before = self.job.now().saturating_add(RETRY);
            return false;
        };
        let source = source.encode();
        self.loans
            .copy(index, new, permit, (first, sectors), &source)
    }

    /// The new device's machine does not copy from the old one's. Extents go through this one for a while.
    fn refused(&mut self) {
        let Some([_, new]) = self.moving().sides() else {
            return;
        };
        let now = self.job.now();
        if now >= self.direct_again {
            // Others were under way at the same time.
            self.direct_again = now.saturating_add(self.direct_pause);
            self.direct_pause = self.direct_pause.saturating_mul(2).min(DIRECT_PAUSE);
        }
        let why = new.remote().and_then(|remote| remote.take_copy_refusal());
        if why.is_none() || why == self.no_direct {
            return;
        }
        self.no_direct = why;
        self.explain_way();
        pr_warn!(
            "storage {}: node {}: copied {}\n",
            self.job.begun().storage.as_str(),
            self.mover.index(),
            self.way
        );
    }

    /// Lets the new device's machine try again.
    pub(super) fn try_direct(&mut self, now: u64) {
        if now >= self.direct_again {
            self.moving().try_again();
        }
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

/// Whether the old device lets I/O fail as soon as it is away.
fn fails_fast(moving: &Moving) -> bool {
    let sides = moving.sides();
    let old = sides.as_ref().and_then(|[old, _]| old.remote());
    old.is_some_and(|old| old.fails_fast())
}
