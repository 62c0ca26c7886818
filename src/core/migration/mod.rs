// SPDX-License-Identifier: GPL-2.0

//! A node moves from one device to another while it is used.
//!
//! The *old* device holds the data; the *new* one becomes a copy of it, and then takes over in one step,
//! which is an update of the old device's [label](super::label::succession). Everything before
//! that step can end at any time without harm, since nobody believes the new device anything;
//! after it nobody believes the old one.
//!
//! # The copy
//!
//! The node is cut into [`Extents`]. One that is being copied is *locked*: writes that overlap it wait,
//! and it is not read before those have ended that were under way. So what is read is what the
//! old device keeps, unless somebody writes it to both.
//!
//! A write that touches a copied extent goes to both devices, and ends when both have answered. Any other
//! goes to the old one alone. Of two writes that overlap, one of which goes to both, the second waits for
//! the first: else the devices could carry them out in different orders. Reads go to the
//! old device. A flush goes to both.
//!
//! An extent is no longer copied when the old device has failed to write to it, when one of the
//! devices has lost acknowledged writes, or when it is written while the new device is *away*. An error of
//! the new device ends the migration; its absence does not.
//!
//! # The switch
//!
//! When all is copied nothing more is admitted, and when what is under way has ended both devices are
//! flushed. From here on they are equal and stay so whatever crashes. Then come the
//! [`Step`]s that change labels. If it is not known whether the old device's label was changed, it is
//! changed again: to say the same, or to take it back. What nobody can have seen can be taken back,
//! and another owner cannot have seen it without an epoch that refuses this one's updates. Nothing
//! is admitted before that is settled and the new device's label says that it has taken over.
//!
//! # Who does what
//!
//! The caller sends requests, copies extents, writes labels and tells what came of it. It must
//! have drained the node before it makes a [`Migration`], so that all that is under way is known here. What
//! has to wait is its own to keep; it asks again, in the same order, after every event. What it sends
//! to a device on a connection that is lost it sends again behind the fence
//! ([`super::transaction`]); what it then no longer wants has no effect behind the fence either. So
//! when a migration is given up, the connection to the new device is closed: a copy that is under way on it
//! must not land in the next one. Tickets and tasks begin anew with each migration, so what comes of those of an
//! earlier one is not told to the next. What was read for a copy is written only if it [is wanted](Migration::wants) still.
//!
//! With volatile caches, [`super::write_back`] is kept for both devices. A write counts there, at both, when the
//! request has ended, not when the first of them has answered; if a device has lost its cache meanwhile, that is a
//! loss like any other. What the old device has is [unknown](super::write_back::WriteBack::unsure) at the begin, as an earlier
//! owner may not have flushed it, and whenever a write there has failed: it may be copied, and be lost
//! at the old device after that. When the new device takes over it
//! [inherits](super::write_back::WriteBack::inherit) what no flush has told of.
//!
//! Nothing here allocates: the caller gives the memory.

mod extents;
mod fit;
mod machine;
mod requests;
mod switch;

pub use extents::{shift_for, words, Extents, MIN_SHIFT};
pub use fit::{check_fit, Unfit};
pub use machine::Migration;
pub use requests::{Copying, Request, Ticket};
pub use switch::{Outcome, Step, Task};

/// One of the two devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The one that is left.
    Old,
    /// The one that is moved to.
    New,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the old device.
    Old,
    /// To both; it ends when both have answered.
    Both,
    /// To the new device.
    New,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// To read.
    Read,
    /// To write, discard or zero sectors: the first, and how many.
    Change(u64, u64),
    /// To make stable what has ended.
    Flush,
}

impl What {
    /// Whether it changes one of these sectors.
    pub const fn changes(&self, first: u64, sectors: u64) -> bool {
        match *self {
            Self::Change(own, count) => {
                own < first.saturating_add(sectors) && first < own.saturating_add(count)
            }
            _ => false,
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It goes to the devices; each answer is told with the ticket. Without a ticket nothing is to be told.
    Go(Option<Ticket>, Route),
    /// It waits for something that ends, or for a place; to be asked again.
    Wait,
    /// Another owner has the storage.
    Lost,
}

/// How an extent is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The new device's machine reads it from the old one's.
    Direct,
    /// The owner reads and writes it.
    Through,
}

impl Way {
    /// How it is tried first: directly if both are remote and the new device's machine can do that. Whether
    /// it may is for both to say, and told by [`Copied::Refused`].
    pub const fn first(old_is_remote: bool, new_is_remote: bool, feature: bool) -> Self {
        match old_is_remote && new_is_remote && feature {
            true => Self::Direct,
            false => Self::Through,
        }
    }
}

/// An extent that is to be copied now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// For [`Migration::copied`].
    pub ticket: Ticket,
    /// The first sector.
    pub first: u64,
    /// How many.
    pub sectors: u64,
    /// How.
    pub way: Way,
}

/// What came of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// It is done.
    Done,
    /// The old device could not be read: the migration pauses.
    ReadFailed,
    /// The new device could not be written: the migration ends.
    WriteFailed,
    /// It was not done, and nothing is on its way to the new device: it is for later, when whoever copies may go on.
    Left,
    /// One of the machines does not do it directly, or cannot reach the other: it goes through the owner
    /// from now on, until [`Migration::try_again`].
    Refused,
}

/// Why nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Somebody wants it so.
    Asked,
    /// The old device cannot be read, from this sector on.
    Unreadable(u64),
    /// The old device cannot be flushed.
    NotFlushed,
    /// The old device's machine refuses to record the switch.
    NotRecorded,
}

/// Why a migration has ended and the old device stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody wanted it so.
    Cancelled,
    /// The new device, or its machine, does not take the label.
    NotPrepared,
    /// The new device has failed.
    NewFailed,
}

/// Where a migration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The new device gets its label.
    Preparing,
    /// Extents are copied, or could be; also when all of them are.
    Copying,
    /// All is copied; what is under way ends, and nothing is admitted.
    Draining,
    /// Both devices are flushed.
    Flushing,
    /// The old device's label is told that it is replaced; nobody knows yet whether it knows.
    Recording,
    /// The old device's label is told that it is not replaced.
    Revoking,
    /// The new device's label is told that it holds the data. There is no way back.
    TakingOver,
    /// The new device holds the data and is used; other nodes' labels are told.
    Telling,
    /// The new device's label is told that all know.
    Settling,
    /// The node has moved.
    Moved,
    /// The old device stays.
    Ended(Reason),
    /// Another owner has the storage, and what the labels say is its affair.
    Lost,
}
