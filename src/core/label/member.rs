// SPDX-License-Identifier: GPL-2.0

//! Does a labelled node belong where the administrator puts it?

use core::fmt;

use super::super::units::Sectors;
use super::block::{state, Label};

/// What the configuration of a storage says about one node. `None`: it does not say, and whatever
/// the label says is right.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Identity of the storage, known once the first label was read.
    pub storage: Option<[u8; 16]>,
    /// Name of the storage.
    pub name: &'a str,
    /// Name of the algorithm.
    pub algorithm: &'a str,
    /// Place in the order of the nodes, from 0.
    pub index: u32,
    /// How many nodes the storage has.
    pub node_count: Option<u32>,
    /// First sector in the storage.
    pub start: Option<u64>,
    /// Sectors in the storage.
    pub size: Option<u64>,
    /// Sectors of the node's data area as it is now.
    pub data_sectors: Option<u64>,
    /// The node is on this device, whatever its state says: its [other device](super::holder) says so.
    pub holds: bool,
}

/// How label and configuration disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch<'a> {
    /// Another storage (label's name, wanted name).
    Name(&'a str, &'a str),
    /// A storage of the same name, but another one.
    Storage(&'a str),
    /// The node is not there any more (where it is, as far as is known).
    Replaced(&'a str),
    /// The node is not there yet (where it is, as far as is known).
    Copy(&'a str),
    /// Another algorithm (label's, wanted).
    Algorithm(&'a str, &'a str),
    /// Another place in the order (label's, wanted).
    Index(u32, u32),
    /// Another number of nodes (label's, wanted).
    NodeCount(u32, u32),
    /// Another start (label's, wanted).
    Start(u64, u64),
    /// Another size (label's, wanted).
    Size(u64, u64),
    /// The data area has another size than when the node was labelled (label's, found).
    DataSectors(u64, u64),
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(label, wanted) => write!(
                f,
                "the node belongs to storage \"{label}\", not to \"{wanted}\""
            ),
            Self::Storage(name) => write!(
                f,
                "the node belongs to another storage that is also called \"{name}\" \
                 (their identities differ)"
            ),
            Self::Replaced(place) => write!(
                f,
                "the node has moved from this device to another one{}; give that one in its place",
                Known(place)
            ),
            Self::Copy(place) => write!(
                f,
                "the device is a copy of the node that was not finished; the node is on another \
                 device{}: give that one in its place, or finish the migration",
                Known(place)
            ),
            Self::Algorithm(label, wanted) => write!(
                f,
                "the node was set up for algorithm \"{label}\", not for \"{wanted}\""
            ),
            Self::Index(label, wanted) => write!(
                f,
                "the node is number {label} of its storage (counted from 0), \
                 but was given as number {wanted}; give the nodes in their order"
            ),
            Self::NodeCount(label, wanted) => write!(
                f,
                "the node's storage has {label} nodes, but {wanted} were given"
            ),
            Self::Start(label, wanted) => write!(
                f,
                "the node holds the storage from sector {label} on, \
                 but was given a start of {wanted}"
            ),
            Self::Size(label, wanted) => write!(
                f,
                "the node holds {} of the storage, but was given a size of {}",
                Sectors(*label),
                Sectors(*wanted)
            ),
            Self::DataSectors(label, found) => write!(
                f,
                "the node had room for {} of data when it was labelled and has room for {} now; \
                 its device was resized or exported differently",
                Sectors(*label),
                Sectors(*found)
            ),
        }
    }
}

/// A device's place in brackets, if it is known.
struct Known<'a>(&'a str);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            place => write!(f, " ({place})"),
        }
    }
}

/// Checks that a labelled node belongs to this storage and to this place in it.
///
/// # Errors
///
/// The first disagreement, the most telling one first.
pub fn check_membership<'a>(label: &'a Label, expected: &Expected<'a>) -> Result<(), Mismatch<'a>> {
    let name = label.name.as_str();
    if name != expected.name {
        return Err(Mismatch::Name(name, expected.name));
    }
    if expected.storage.is_some_and(|id| id != label.storage) {
        return Err(Mismatch::Storage(name));
    }
    let place = || match &label.partner {
        Some(partner) => partner.place.as_str(),
        None => "",
    };
    match label.state {
        _ if expected.holds => {}
        state::REPLACED => return Err(Mismatch::Replaced(place())),
        state::COPY => return Err(Mismatch::Copy(place())),
        _ => {}
    }
    let algorithm = label.algorithm.as_str();
    if algorithm != expected.algorithm {
        return Err(Mismatch::Algorithm(algorithm, expected.algorithm));
    }
    if label.index != expected.index {
        return Err(Mismatch::Index(label.index, expected.index));
    }
    differs(label.node_count, expected.node_count, Mismatch::NodeCount)?;
    differs(label.start, expected.start, Mismatch::Start)?;
    differs(label.size, expected.size, Mismatch::Size)?;
    differs(
        label.data_sectors,
        expected.data_sectors,
        Mismatch::DataSectors,
    )
}

fn differs<'a, T: PartialEq + Copy>(
    label: T,
    expected: Option<T>,
    mismatch: fn(T, T) -> Mismatch<'a>,
) -> Result<(), Mismatch<'a>> {
    match expected {
        Some(wanted) if wanted != label => Err(mismatch(label, wanted)),
        _ => Ok(()),
    }
}
