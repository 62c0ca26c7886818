// SPDX-License-Identifier: GPL-2.0

//! A node of a started storage, as the way of a bio sees it.

use super::{
    lane::{Admitted, Lane},
    local::Local,
    moving::{Moving, Passage},
    piece::Piece,
    remote::{Phase, Remote, Ticket},
};
use crate::{
    dst_core::migration::What,
    sys::bio::{Op, SECTOR_SHIFT},
};
use kernel::{
    pr_warn_once,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
};

/// Where the sectors of a node are.
#[derive(Clone)]
pub enum Target {
    /// On a block device of this machine.
    Local(Arc<Local>),
    /// Behind an export.
    Remote(Arc<Remote>),
    /// On one device and about to be on another one.
    Moving(Arc<Moving>),
}

/// The right to submit one piece to a node.
pub struct Permit {
    /// Goes into the piece.
    pub admitted: Admitted,
    /// Goes with it.
    pub room: Room,
}

/// Room for one piece at a node.
pub enum Room {
    /// At a device.
    At(Place),
    /// At the devices of a node that moves.
    Moving(Passage),
}

/// Room for one piece at a device.
pub enum Place {
    /// A local device takes any number.
    Local,
    /// A place in the table of transactions.
    Remote(Ticket),
}

/// Why a node does not answer now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// The administrator has suspended it.
    Suspended,
    /// There is no connection to it.
    Away,
    /// It was given up: it ends everything in error.
    Lost,
}

/// A member of a started storage.
pub struct Node {
    /// Where its sectors are.
    pub target: Target,
    /// Its counters.
    pub lane: Arc<Lane>,
    /// Whether acknowledged writes need a flush to be safe.
    pub volatile_cache: bool,
    /// The longest piece of reads and writes, in bytes; 0 for no limit.
    pub max_transfer: u32,
    /// Whether the node can discard. One that cannot lets discards pass without doing anything:
    /// they are hints.
    pub discard: bool,
    /// The longest discard in bytes; 0 for no limit of its own.
    pub max_discard: u32,
    /// The longest write-zeroes in bytes; 0 for no limit of its own.
    pub max_write_zeroes: u32,
    /// Another one has taken its place in the volume: whoever has this one still is to look there.
    retired: Atomic<bool>,
}

/// What `op` does to `bytes` at `sector` of a node, for a node that moves.
pub fn what(op: Op, sector: u64, bytes: u32) -> What {
    match op {
        Op::Write | Op::Discard | Op::WriteZeroes => {
            What::Change(sector, u64::from(bytes >> SECTOR_SHIFT))
        }
        Op::Flush => What::Flush,
        Op::Read | Op::Unsupported => What::Read,
    }
}

impl Node {
    /// A node without limits and cache that counts in `lane`.
    pub fn new(target: Target, lane: Arc<Lane>) -> Self {
        Self {
            target,
            lane,
            volatile_cache: false,
            max_transfer: 0,
            discard: false,
            max_discard: 0,
            max_write_zeroes: 0,
            retired: Atomic::new(false),
        }
    }

    /// Another node like this one, which is not retired.
    pub fn renewed(&self) -> Self {
        Self {
            target: self.target.clone(),
            lane: self.lane.clone(),
            retired: Atomic::new(false),
            ..*self
        }
    }

    /// Admits nothing more: another node has its place. Whoever is refused waits and looks for that one.
    pub fn retire(&self) {
        self.retired.store(true, ordering::Release);
    }

    /// The longest piece for `op` in bytes.
    pub fn max_bytes(&self, op: Op) -> u32 {
        let limit = match op {
            Op::Discard => self.max_discard,
            Op::WriteZeroes => self.max_write_zeroes,
            _ => self.max_transfer,
        };
        match limit {
            0 => u32::MAX,
            limit => limit,
        }
    }

    /// Asks for the right to submit a piece that does `what`. `bulk` leaves room for others: it is for the second
    /// and further pieces of a bio.
    pub fn admit(&self, bulk: bool, what: What) -> Option<Permit> {
        let admitted = self.lane.enter()?;
        // Ordered behind the look at the gate, which is shut while nodes are exchanged.
        if self.retired.load(ordering::Acquire) {
            return None;
        }
        let room = match &self.target {
            Target::Moving(moving) => Room::Moving(moving.admit(bulk, what)?),
            _ => Room::At(self.place(bulk)?),
        };
        Some(Permit { admitted, room })
    }

    /// Room for a piece at the device of a node that does not move.
    pub fn place(&self, bulk: bool) -> Option<Place> {
        match &self.target {
            Target::Local(_) => Some(Place::Local),
            Target::Remote(remote) => Some(Place::Remote(remote.reserve(bulk)?)),
            Target::Moving(_) => None,
        }
    }

    /// Whether it is worth asking for a permit now.
    pub fn has_room(&self) -> bool {
        if self.lane.is_shut() {
            return false;
        }
        // Who waits at a node that is retired is to go on at the one that has its place.
        self.retired.load(ordering::Acquire)
            || match &self.target {
                Target::Local(_) => true,
                Target::Remote(remote) => remote.has_room(),
                Target::Moving(moving) => moving.has_room(),
            }
    }

    /// What keeps the node from answering, if anything is known to. Any context.
    pub fn hindrance(&self) -> Option<Hindrance> {
        if self.lane.is_shut() {
            return Some(Hindrance::Suspended);
        }
        match &self.target {
            Target::Local(_) => None,
            Target::Remote(remote) => match remote.standing().phase {
                Phase::Connected => None,
                Phase::Failed => Some(Hindrance::Lost),
                Phase::Connecting | Phase::Waiting | Phase::Refused => Some(Hindrance::Away),
            },
            Target::Moving(moving) => moving.hindrance(),
        }
    }

    /// Whether submitting may sleep on storage: in the driver of a local device.
    pub fn may_sleep(&self) -> bool {
        match &self.target {
            Target::Local(_) => true,
            Target::Remote(_) => false,
            Target::Moving(moving) => moving.may_sleep(),
        }
    }

    /// The remote end of a node that does not move.
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        match &self.target {
            Target::Remote(remote) => Some(remote),
            _ => None,
        }
    }

    /// Submits `piece`. Process context; sleeps only for memory and, on a local node, in the
    /// device's driver.
    pub fn submit(&self, room: Room, piece: Piece) {
        match room {
            Room::At(place) => self.submit_at(place, piece),
            Room::Moving(passage) => passage.submit(piece),
        }
    }

    /// Submits `piece` to the device of a node that does not move, as [`Self::submit`].
    pub fn submit_at(&self, place: Place, piece: Piece) {
        match (&self.target, place) {
            (Target::Local(local), Place::Local) => local.submit(piece),
            (Target::Remote(remote), Place::Remote(ticket)) => remote.submit(ticket, piece),
            // A permit of another node: dropping the piece ends it in error.
            _ => pr_warn_once!("a permit was used with another node\n"),
        }
    }
}
