// SPDX-License-Identifier: GPL-2.0

//! Whether a device that is given for a node of a running storage is the node's own one, at another place.
//!
//! A disk that is carried to another machine, or whose machine has another address, has the node's label, and
//! nothing is to be copied. But an image of the disk from earlier times has that too. It is told by the label
//! as far as that can be: the owner writes every label of his storage, so he knows what the newest one says.

use core::fmt;

use super::super::units::Sectors;
use super::block::{state, Label};

/// What the owner of a storage knows of one of its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Identity of the storage.
    pub storage: [u8; 16],
    /// Identity of the node.
    pub node: [u8; 16],
    /// The node's place in the order.
    pub index: u32,
    /// The first sector of the storage on the node, and how many.
    pub range: (u64, u64),
    /// The epoch in which he owns the storage.
    pub epoch: u64,
    /// How many migrations the storage has seen.
    pub events: u64,
    /// The sequence number of the label that he wrote last.
    pub sequence: u64,
}

/// What a device is to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    /// It holds the node.
    Own,
    /// Another one, to which the node can move as far as its label is concerned.
    Other,
}

/// Why a device cannot be used in the place of the node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlike {
    /// It holds another node of the storage, with this index.
    OtherNode(u32),
    /// It held the node before that moved to the device that it is on.
    Former,
    /// Another machine owns the storage there (the label's epoch, the storage's).
    TakenOver(u64, u64),
    /// It is an image from before the storage was started (the label's epoch, the storage's).
    OldEpoch(u64, u64),
    /// It is an image from before the label was written last (the label's sequence number, the last one).
    OldSequence(u64, u64),
    /// Its label says that it does not hold the node's data.
    NotHeld,
    /// The label gives the node another place in the storage.
    Moved,
    /// The device has not as many sectors of data as its label says (has, label's).
    Size(u64, u64),
    /// The label has features of a newer version, which let this one only read.
    Newer,
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherNode(index) => write!(f, "it holds node {index} of this storage, which is another one"),
            Self::Former => f.write_str(
                "it held the node at an earlier time, before that moved to another device, and its label does \
                 not know of that: it is an image of earlier times",
            ),
            Self::TakenOver(label, own) => write!(
                f,
                "its label says epoch {label}, and this machine owns the storage in epoch {own}: another \
                 machine has taken it over"
            ),
            Self::OldEpoch(label, own) => write!(
                f,
                "it carries the node's label of epoch {label}, and the storage was started in epoch {own}: it is \
                 an image of earlier times"
            ),
            Self::OldSequence(label, own) => write!(
                f,
                "it carries the node's label number {label}, and number {own} was written since: it is an \
                 image of earlier times"
            ),
            Self::NotHeld => f.write_str(
                "it carries the node's label, which says that the data is not there, or not any more",
            ),
            Self::Moved => f.write_str("its label gives the node another place in the storage"),
            Self::Size(has, label) => write!(
                f,
                "it has room for {} of data, and its label says {}: the device has another size",
                Sectors(*has),
                Sectors(*label)
            ),
            Self::Newer => {
                f.write_str("its label asks for a newer version of DST; this one can only read it")
            }
        }
    }
}

/// Judges a device with this label and so many sectors of data.
///
/// # Errors
///
/// Why neither the node can go on there nor its data may be overwritten.
pub fn recognise(label: &Label, data_sectors: u64, held: &Held) -> Result<Kin, Unlike> {
    if label.storage != held.storage {
        return Ok(Kin::Other);
    }
    if label.node != held.node {
        // With epoch 0 it was never used, and with another state it says itself that it holds nothing.
        return match label.state {
            state::IN_SYNC if label.epoch == 0 => Ok(Kin::Other),
            state::IN_SYNC if label.index == held.index => Err(Unlike::Former),
            state::IN_SYNC => Err(Unlike::OtherNode(label.index)),
            _ => Ok(Kin::Other),
        };
    }
    let faults = [
        (label.read_only(), Unlike::Newer),
        (label.state != state::IN_SYNC, Unlike::NotHeld),
        (
            label.epoch > held.epoch,
            Unlike::TakenOver(label.epoch, held.epoch),
        ),
        (
            label.epoch < held.epoch,
            Unlike::OldEpoch(label.epoch, held.epoch),
        ),
        (
            label.sequence < held.sequence,
            Unlike::OldSequence(label.sequence, held.sequence),
        ),
        (
            label.index != held.index
                || (label.start, label.size) != held.range
                || label.events != held.events,
            Unlike::Moved,
        ),
        (
            label.data_sectors != data_sectors,
            Unlike::Size(data_sectors, label.data_sectors),
        ),
    ];
    match faults.iter().find(|(wrong, _)| *wrong) {
        Some((_, unlike)) => Err(*unlike),
        None => Ok(Kin::Own),
    }
}
