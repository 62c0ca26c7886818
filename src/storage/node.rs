// SPDX-License-Identifier: GPL-2.0

//! A node of a started storage, as the way of a bio sees it.

use super::{
    lane::{Admitted, Lane},
    local::Local,
    piece::Piece,
    remote::{Phase, Remote, Ticket},
};
use crate::sys::bio::Op;
use kernel::pr_warn_once;
use kernel::sync::Arc;

/// Where the sectors of a node are.
pub enum Target {
    /// On a block device of this machine.
    Local(Local),
    /// Behind an export.
    Remote(Arc<Remote>),
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
}

impl Node {
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

    /// Asks for the right to submit a piece. `bulk` leaves room for others: it is for the second
    /// and further pieces of a bio.
    pub fn admit(&self, bulk: bool) -> Option<Permit> {
        let admitted = self.lane.enter()?;
        let room = match &self.target {
            Target::Local(_) => Room::Local,
            Target::Remote(remote) => Room::Remote(remote.reserve(bulk)?),
        };
        Some(Permit { admitted, room })
    }

    /// Whether a permit would be given now.
    pub fn has_room(&self) -> bool {
        !self.lane.is_shut()
            && match &self.target {
                Target::Local(_) => true,
                Target::Remote(remote) => remote.has_room(),
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
        }
    }

    /// Whether submitting may sleep on storage: in the driver of a local device.
    pub fn may_sleep(&self) -> bool {
        matches!(self.target, Target::Local(_))
    }

    /// Submits `piece`. Process context; sleeps only for memory and, on a local node, in the
    /// device's driver.
    pub fn submit(&self, room: Room, piece: Piece) {
        match (&self.target, room) {
            (Target::Local(local), Room::Local) => local.submit(piece),
            (Target::Remote(remote), Room::Remote(ticket)) => remote.submit(ticket, piece),
            // A permit of another node: dropping the piece ends it in error.
            _ => pr_warn_once!("a permit was used with another node\n"),
        }
    }
}
