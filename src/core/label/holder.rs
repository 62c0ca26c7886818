// SPDX-License-Identifier: GPL-2.0

//! Which of the given devices hold the nodes of a storage.
//!
//! A start may be given a node's old device, its new one, or both, in any order. The labels of all of
//! them say which one holds the data ([`super::succession`]), or that one is missing that would
//! have to say so. Nothing is ever guessed: a device that may be out of date is refused.

use core::fmt;

use super::block::{state, Label};

/// What a device is to the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Holds its node.
    Holds,
    /// Holds its node since its partner says so, which is the device at this place in the list, and does
    /// not say so itself. Before it is used the partner's label is written again, in both
    /// places, and then its own ([`Change::TakenOver`](super::Change::TakenOver)).
    TakesOver(usize),
    /// Held its node once; not to be used.
    Replaced,
    /// Was to become a copy of its node; not to be used.
    Copy,
}

impl Role {
    /// Whether the data of the node is here.
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Holds | Self::TakesOver(_))
    }
}

/// What the labels of a storage say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holders {
    /// Nodes of the storage.
    pub node_count: u32,
    /// How many migrations it has seen.
    pub events: u64,
    /// The place in the list of a device that has taken over, or takes over now, while not all other
    /// nodes know. They are told, and then its label is [settled](super::Change::Settled),
    /// before another migration begins.
    pub unsettled: Option<usize>,
}

/// Why the devices are not a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// There is no device.
    Nothing,
    /// The device at this place belongs to another storage, or says that it has another number of nodes.
    Other(usize),
    /// No device has the node of this index.
    Missing(u32),
    /// The node has moved away from the device at this place, to one that is not among them.
    NeedsNew(usize, u32, &'a str),
    /// The device at this place may be a copy that was not finished; the old one has to say.
    NeedsOld(usize, u32, &'a str),
    /// The devices at these places say both that they hold the node, or are the same device.
    Two(usize, usize, u32),
    /// The device at this place has not seen what another node has: it is an image of earlier times.
    Behind(usize, u32),
}

impl Refusal<'_> {
    /// The places of the devices that it is about.
    pub const fn devices(&self) -> (Option<usize>, Option<usize>) {
        match *self {
            Self::Nothing | Self::Missing(_) => (None, None),
            Self::Two(one, other, _) => (Some(one), Some(other)),
            Self::Other(at)
            | Self::NeedsNew(at, ..)
            | Self::NeedsOld(at, ..)
            | Self::Behind(at, _) => (Some(at), None),
        }
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |place: &'_ str, f: &mut fmt::Formatter<'_>| match place {
            "" => Ok(()),
            place => write!(f, " ({place})"),
        };
        match self {
            Self::Nothing => f.write_str("the storage has no devices; add some first"),
            Self::Other(at) => write!(f, "device {at} belongs to another storage"),
            Self::Missing(index) => write!(
                f,
                "no device has node {index} of the storage (counted from 0); add the one that has it"
            ),
            Self::NeedsNew(at, index, place) => {
                write!(f, "node {index} has moved from device {at} to another one")?;
                known(place, f)?;
                f.write_str("; give that one, in its place or beside it")
            }
            Self::NeedsOld(at, index, place) => {
                write!(
                    f,
                    "device {at} is a copy of node {index} of which it is not known whether it was \
                     finished; add the device that it was made of"
                )?;
                known(place, f)?;
                f.write_str(", which says so")
            }
            Self::Two(one, other, index) => write!(
                f,
                "devices {one} and {other} both hold node {index}; one of them is a copy that was \
                 made behind the storage's back, or both are the same: leave it out"
            ),
            Self::Behind(at, index) => write!(
                f,
                "device {at} held node {index} at an earlier time, and a node of the storage has moved \
                 since; give the device that holds it now"
            ),
        }
    }
}

/// Decides which of the devices with these labels hold the storage's nodes; `roles`, as long as
/// `labels`, is told what each is. The places in a [`Refusal`] are those in `labels`.
///
/// It must be asked again with the labels that are there after the claim of the epoch: until then an
/// earlier owner may change them. These must have that epoch, or a later owner has claimed them since.
///
/// # Errors
///
/// Why they cannot be used as they are; `roles` means nothing then.
pub fn holders<'a>(labels: &[&'a Label], roles: &mut [Role]) -> Result<Holders, Refusal<'a>> {
    let first = labels.first().ok_or(Refusal::Nothing)?;
    // No node moves while the storage grows. So a device that was replaced before it grew says nothing new.
    let held = labels.iter().find(|label| label.state == state::IN_SYNC);
    let node_count = held.unwrap_or(first).node_count;
    let foreign = |label: &&&Label| {
        label.storage != first.storage
            || label.algorithm != first.algorithm
            || label.name != first.name
            || match label.state {
                state::REPLACED => label.node_count > node_count,
                _ => label.node_count != node_count,
            }
    };
    if let Some(at) = labels.iter().position(|label| foreign(&label)) {
        return Err(Refusal::Other(at));
    }
    for (role, label) in roles.iter_mut().zip(labels) {
        *role = match label.state {
            state::REPLACED => Role::Replaced,
            _ => Role::Copy,
        };
    }
    // Some index is missing if there are more nodes than labels, so this ends soon.
    for index in 0..node_count {
        let (at, role) = holder(labels, node_count, index)?;
        if let Some(place) = roles.get_mut(at) {
            *place = role;
        }
    }
    let events = labels.iter().filter(|label| label.state != state::COPY);
    let events = events.map(|label| label.events).max().unwrap_or(0);
    let unsettled = |(at, role): (usize, &Role)| {
        let label = labels.get(at)?;
        let open = match role {
            Role::TakesOver(_) => true,
            Role::Holds => label.partner.is_some(),
            _ => false,
        };
        (open && seen(labels, at, role) == events).then_some(at)
    };
    let unsettled = roles.iter().enumerate().find_map(unsettled);
    if let Some((at, label)) = stale(labels, roles, events, unsettled) {
        return Err(Refusal::Behind(at, label.index));
    }
    Ok(Holders {
        node_count,
        events,
        unsettled,
    })
}

/// A holder that has not seen what it would have if it were no image of earlier times.
///
/// Before a node begins to move all know of those that moved before, and others are told only when the new device
/// says that it has taken over.
fn stale<'a>(
    labels: &[&'a Label],
    roles: &[Role],
    events: u64,
    unsettled: Option<usize>,
) -> Option<(usize, &'a Label)> {
    let least = match unsettled {
        Some(_) => events.saturating_sub(1),
        None => events,
    };
    let taker = unsettled.filter(|at| matches!(roles.get(*at), Some(Role::TakesOver(_))));
    let at = roles.iter().enumerate().find_map(|(at, role)| {
        let seen = seen(labels, at, role);
        match taker {
            _ if !role.holds() => None,
            _ if seen < least => Some(at),
            Some(taker) if taker != at && seen >= events => Some(taker),
            _ => None,
        }
    })?;
    Some((at, *labels.get(at)?))
}

/// The device at this place in the list is one of the node with this index, and was given in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misplaced(pub usize, pub u32);

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at, index) = self;
        write!(
            f,
            "device {at} is one of node {index} (counted from 0): give it in that place, or behind all \
             nodes if the node's other device is in its place"
        )
    }
}

/// Tells which of the devices with these labels, and with the roles that [`holders`] has told, is used for each
/// node: its place in the list goes to `seats`, which is as long as there are nodes.
///
/// A device is given in the place of its node, or behind all nodes, beside the one that is there.
///
/// # Errors
///
/// The first device that is neither.
pub fn seat(labels: &[&Label], roles: &[Role], seats: &mut [usize]) -> Result<(), Misplaced> {
    for (at, (label, role)) in labels.iter().zip(roles).enumerate() {
        let index = label.index as usize;
        if at != index && at < seats.len() {
            return Err(Misplaced(at, label.index));
        }
        if let Some(seat) = seats.get_mut(index).filter(|_| role.holds()) {
            *seat = at;
        }
    }
    Ok(())
}

/// The migrations that the holder at `at` has seen.
fn seen(labels: &[&Label], at: usize, role: &Role) -> u64 {
    let witness = match role {
        Role::TakesOver(old) => *old,
        _ => at,
    };
    labels.get(witness).map_or(0, |label| label.events)
}

/// The device that holds the node with this index, of so many, and in which way.
fn holder<'a>(
    labels: &[&'a Label],
    node_count: u32,
    index: u32,
) -> Result<(usize, Role), Refusal<'a>> {
    let of_node = || {
        let all = labels.iter().copied().enumerate();
        all.filter(move |(_, label)| label.index == index && label.node_count == node_count)
    };
    for (at, label) in of_node() {
        let holds = |other: &Label| label.state == state::IN_SYNC && other.state == label.state;
        let other = of_node().find(|(_, other)| other.node == label.node || holds(other));
        match other {
            Some((first, _)) if first < at => return Err(Refusal::Two(first, at, index)),
            _ => {}
        }
    }
    // Of those that say who holds the node the one that has seen most.
    let says = of_node().filter(|(_, label)| label.state != state::COPY);
    let Some((says, label)) = says.max_by_key(|(_, label)| label.events) else {
        let (at, label) = of_node().next().ok_or(Refusal::Missing(index))?;
        return Err(Refusal::NeedsOld(at, index, place(label)));
    };
    let same = of_node().find(|(at, other)| {
        *at != says
            && other.state != state::COPY
            && other.events == label.events
            && names(other) != names(label)
    });
    if let Some((other, _)) = same {
        return Err(Refusal::Two(other.min(says), other.max(says), index));
    }
    let (at, holder) = of_node()
        .find(|(_, other)| other.node == names(label))
        .ok_or(Refusal::NeedsNew(says, index, place(label)))?;
    match holder.state {
        state::IN_SYNC => Ok((at, Role::Holds)),
        state::COPY => Ok((at, Role::TakesOver(says))),
        _ => Err(Refusal::Two(at.min(says), at.max(says), index)),
    }
}

/// The node that, as this label says, holds the data.
fn names(label: &Label) -> [u8; 16] {
    match &label.partner {
        Some(partner) if label.state == state::REPLACED => partner.node,
        _ => label.node,
    }
}

fn place(label: &Label) -> &str {
    label
        .partner
        .as_ref()
        .map_or("", |partner| partner.place.as_str())
}
