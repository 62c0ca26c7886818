// SPDX-License-Identifier: GPL-2.0

//! What the labels say while a node moves from one device to another, and after that.
//!
//! The node moves from the *old* device to the *new* one. The label of the old device alone decides
//! which of the two holds the data, so the move is one step: the update that says [`state::REPLACED`]
//! there. Neither the new device nor other nodes can decide it, as the old one may be started without them.
//!
//! ```text
//!                         old device              new device                      other nodes
//!   plain                 IN_SYNC  events e       -                               events e
//!   copying               IN_SYNC  events e       COPY     of old    events e     events e
//!   recorded  (the step)  REPLACED by new  e+1    COPY     of old    events e     events e
//!   taken over            REPLACED by new  e+1    IN_SYNC  of old    events e+1   events e
//!   told                  REPLACED by new  e+1    IN_SYNC  of old    events e+1   events e+1
//!   settled               REPLACED by new  e+1    IN_SYNC            events e+1   events e+1
//! ```
//!
//! `events` is how a device is recognised that comes back with a label from before the step, of an
//! image or a clone: the others are ahead of it, and none of them says that not all know.
//!
//! Each of these labels but the last names a partner, and has [`features::MIGRATION`], so that an older
//! version leaves the device alone. In the end only the old device keeps it.

use core::fmt;

use super::super::text::Text;
use super::block::{features, state, Label};

/// The other device of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Identity of the node on it.
    pub node: [u8; 16],
    /// Where it is, for people: as the machine called it that has written this. May be empty.
    pub place: Text<63>,
}

/// An update of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The old device: the new one holds the data now. The step.
    Replaced {
        /// The new device.
        by: Partner,
        /// How many migrations the storage has seen with this one.
        events: u64,
    },
    /// The old device: it holds the data still. Takes [`Change::Replaced`] back, as long as the new
    /// device has not taken over.
    Kept {
        /// The new device.
        by: [u8; 16],
        /// How many migrations the storage has seen without this one.
        events: u64,
    },
    /// The new device: it holds the data, and not all other nodes know.
    TakenOver {
        /// How many migrations the storage has seen with this one.
        events: u64,
    },
    /// Another node: the storage has seen so many migrations.
    Told {
        /// So many.
        events: u64,
    },
    /// The new device: all know.
    Settled,
}

/// The label is not one that this update is for: somebody else has changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the label is not the one that was to be changed; somebody else has changed it")
    }
}

/// Why a device cannot become a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCopy {
    /// What would be copied does not hold the data, or is the same device.
    Source,
    /// The device holds data of this storage.
    Holds,
    /// The device is in this epoch, which is higher than the storage's.
    Ahead(u64),
}

impl fmt::Display for NoCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("the node is not on the device that would be copied"),
            Self::Holds => f.write_str("the device holds a node of this storage"),
            Self::Ahead(epoch) => write!(
                f,
                "the device is in epoch {epoch}, which is later than the storage's: another machine owns \
                 it, or has owned it; start the storage again with this device beside the others"
            ),
        }
    }
}

impl Label {
    /// The label of a new device, `node`, that becomes a copy of the one with this label, which is at
    /// `place` and has the owner's epoch. `device_sectors` and `data_sectors` are those of the new device,
    /// `there` is the label that it has, `in_force` the epoch in which it is; the label is written in that epoch.
    /// Its own is that of the label there, if that is of this storage, otherwise 0, as for any new label; if it
    /// is not the owner's, the owner claims it.
    ///
    /// # Errors
    ///
    /// Why the device cannot become a copy; nothing may be written there. An owner that has been replaced and does
    /// not know it would otherwise take the label from under its successor's copy.
    pub fn copy(
        &self,
        node: [u8; 16],
        place: Text<63>,
        (device_sectors, data_sectors): (u64, u64),
        there: Option<&Self>,
        in_force: u64,
        now: u64,
    ) -> Result<Self, NoCopy> {
        let ours = |there: &&Self| there.storage == self.storage;
        let epoch = there.filter(ours).map_or(0, |there| there.epoch);
        let holds = |there: &Self| there.state == state::IN_SYNC && there.epoch != 0;
        if self.state != state::IN_SYNC || self.node == node {
            return Err(NoCopy::Source);
        }
        if there.filter(ours).is_some_and(holds) {
            return Err(NoCopy::Holds);
        }
        if epoch.max(in_force) > self.epoch {
            return Err(NoCopy::Ahead(epoch.max(in_force)));
        }
        Ok(Self {
            incompat: self.incompat | features::MIGRATION,
            node,
            device_sectors,
            data_sectors,
            epoch,
            state: state::COPY,
            sequence: there.map_or(1, |there| there.sequence.saturating_add(1)),
            created: now,
            updated: now,
            partner: Some(Partner {
                node: self.node,
                place,
            }),
            ..*self
        })
    }

    /// This label of `node` with `change`; the caller takes its [`next`](Label::next). Repeating a
    /// change that is there already gives the same label.
    ///
    /// # Errors
    ///
    /// It is not the label that the change is for.
    pub fn change(&self, node: [u8; 16], change: &Change) -> Result<Self, Foreign> {
        if self.node != node {
            return Err(Foreign);
        }
        let names = |other| self.partner.is_some_and(|partner| partner.node == other);
        let mut label = *self;
        match *change {
            Change::Replaced { by, events } => {
                let again = self.state == state::REPLACED && names(by.node);
                if self.state != state::IN_SYNC && !again {
                    return Err(Foreign);
                }
                label.state = state::REPLACED;
                label.partner = Some(by);
                label.events = events;
            }
            Change::Kept { by, events } => {
                let ours = self.state == state::REPLACED && names(by);
                if self.state != state::IN_SYNC && !ours {
                    return Err(Foreign);
                }
                if ours {
                    label.partner = None;
                    label.events = events;
                }
                label.state = state::IN_SYNC;
            }
            Change::TakenOver { events } => {
                if self.state == state::REPLACED || self.partner.is_none() {
                    return Err(Foreign);
                }
                label.state = state::IN_SYNC;
                label.events = events;
            }
            Change::Told { events } => label.events = label.events.max(events),
            Change::Settled => {
                if self.state != state::IN_SYNC {
                    return Err(Foreign);
                }
                label.partner = None;
            }
        }
        label.incompat &= !features::MIGRATION;
        if label.partner.is_some() {
            label.incompat |= features::MIGRATION;
        }
        Ok(label)
    }
}
