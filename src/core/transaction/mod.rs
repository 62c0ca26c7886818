// SPDX-License-Identifier: GPL-2.0

//! Transactions: requests to a node, which outlive the connections that they travel on.
//!
//! A request has a place in a [`Table`] from its admission until it has ended and nothing of it can
//! reach the device any more. The number of the place and its generation are the [`Tag`] on the
//! wire, so a reply finds its request at once and a late one is recognised.
//!
//! # Exposure and fences
//!
//! When a connection is lost, what was sent on it is *exposed*: the server may carry it out at any
//! time, until the hello of the connection's next incarnation tells that all earlier ones have
//! drained. That hello is the fence. Before it
//!
//! - an exposed request is not sent again, on whatever connection;
//! - nothing that changes sectors goes out if it overlaps an exposed one;
//! - nothing at all goes out if it overlaps an exposed one that has ended in error (a *ghost*): its
//!   owner believes it over, and what is read now must not change later.
//!
//! Only requests that change sectors are ever exposed: a read or a flush that is carried out late
//! does no harm. Those that wait and change the same sectors go out in the order of admission.
//!
//! # Whose the pieces are
//!
//! `P` is what has to end: a piece of a bio. It is moved to whoever works on it, the sender while
//! its data is read, the receiver while its data is written, and is in the table otherwise. So it
//! cannot end while somebody works on it.
//!
//! The table allocates nothing: it works on the places that it is given. As long as nothing waits
//! and nothing is exposed, no operation looks at more than one place.

mod outcome;
mod place;
mod recovery;
mod table;

pub use outcome::{Answered, Begin, Counts, Expired, Given, Sent};
pub use place::Place;
pub use table::Table;

/// The most connections of one node.
pub const MAX_CONNECTIONS: usize = 16;

/// Names a transaction: the place in the table, and how often the place was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(u64);

impl Tag {
    pub(in super::transaction) const fn new(index: u32, generation: u32) -> Self {
        Self(((index as u64) << 32) | generation as u64)
    }

    /// From the wire.
    pub const fn from_wire(tag: u64) -> Self {
        Self(tag)
    }

    /// For the wire.
    pub const fn to_wire(self) -> u64 {
        self.0
    }

    /// The number of the place.
    pub const fn index(self) -> usize {
        (self.0 >> 32) as usize
    }

    /// How often the place was used before.
    pub const fn generation(self) -> u32 {
        self.0 as u32
    }
}

/// What a request does to the sectors that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It names none: a flush.
    Nothing,
    /// Reads them.
    Reads,
    /// Writes, discards or zeroes them.
    Changes,
}

/// What a request does, and where: sectors of 512 bytes on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first sector.
    pub first: u64,
    /// How many; 0 only for [`Effect::Nothing`].
    pub sectors: u64,
    /// What is done to them.
    pub effect: Effect,
}

impl Extent {
    /// That of a flush.
    pub const FLUSH: Self = Self {
        first: 0,
        sectors: 0,
        effect: Effect::Nothing,
    };

    /// Whether both name a sector.
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.first < other.first.saturating_add(other.sectors)
            && other.first < self.first.saturating_add(self.sectors)
    }

    /// Whether sectors are changed.
    pub const fn changes(&self) -> bool {
        matches!(self.effect, Effect::Changes)
    }
}

/// One incarnation of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which of the node's connections.
    pub connection: u16,
    /// Counts its incarnations, so that what belongs to an earlier one is recognised.
    pub number: u32,
}

impl Link {
    /// None that ever stands.
    pub(in super::transaction) const NOWHERE: Self = Self {
        connection: u16::MAX,
        number: 0,
    };
}
