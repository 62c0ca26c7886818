// SPDX-License-Identifier: GPL-2.0

//! What the labels say while a storage gets one more node, and after that.
//!
//! The node is labelled first, as the last of one more, and names itself as the *newest*. Then the labels
//! of the others are told the new number of nodes and the newest one, in any order; when all of them say
//! so, the disk becomes larger, and only then anything is kept on the node. Until then the growth can be
//! finished or taken back, whatever was written of it: [`judge_growth`] says which a start has to do.
//!
//! The name of the newest node, and of the one that was that before, is how a device is recognised that was
//! labelled for a growth that never ended, after the storage has grown by others.

use core::fmt;

use super::block::{features, state, Label};
use super::succession::Foreign;

/// The node that came last while the storage was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its identity, not zero.
    pub node: [u8; 16],
    /// Identity of the one that was the newest before it came; zero if there was none.
    pub before: [u8; 16],
}

impl Newest {
    /// The node `node` that comes to a storage whose newest node is `known`.
    pub fn after(known: Option<Self>, node: [u8; 16]) -> Self {
        Self {
            node,
            before: Self::identity(known),
        }
    }

    /// Its identity; zero for none.
    fn identity(newest: Option<Self>) -> [u8; 16] {
        newest.map_or([0; 16], |newest| newest.node)
    }
}

/// What a start has to do about a growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Nothing: all labels say the same.
    None,
    /// To tell those labels that do not say so that there are so many nodes, and which is the newest one.
    Finish(u32, Option<Newest>),
    /// Likewise: to take back what was written of a growth by a node that is not given.
    TakeBack(u32, Option<Newest>),
}

impl Growth {
    /// The label as it has to be. The caller takes its [`next`](Label::next).
    ///
    /// # Errors
    ///
    /// It is not that of a device that holds a node.
    pub fn change(&self, label: &Label) -> Result<Label, Foreign> {
        match *self {
            _ if label.state != state::IN_SYNC => Err(Foreign),
            Self::None => Ok(*label),
            Self::Finish(count, newest) | Self::TakeBack(count, newest) => {
                Ok(label.grown(count, newest))
            }
        }
    }
}

/// Why the given devices are not all of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// The device at this place was to become the last node of the storage, which then got another one.
    Abandoned(usize),
    /// What the devices at these places say of the newest node does not go together.
    Contradiction(usize, usize),
    /// The device at this place says that there are so many nodes, and others were given.
    Count(usize, u32, usize),
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abandoned(at) => write!(
                f,
                "the storage was once about to get the device of node {at}, and has got another one or \
                 none; give the device that is node {at} now, if there is one"
            ),
            Self::Contradiction(one, other) => write!(
                f,
                "the labels of nodes {one} and {other} name different nodes as the newest one; one of the \
                 devices is an image of earlier times"
            ),
            Self::Count(_, label, given) => write!(
                f,
                "the node's storage has {label} nodes, but {given} were given"
            ),
        }
    }
}

impl Label {
    /// This label in a storage with so many nodes, the newest of which is this one.
    #[must_use]
    pub fn grown(&self, node_count: u32, newest: Option<Newest>) -> Self {
        let mut label = *self;
        label.node_count = node_count;
        label.newest = newest;
        label.incompat &= !features::GROWTH;
        if newest.is_some() {
            label.incompat |= features::GROWTH;
        }
        label
    }
}

/// Judges the labels of all devices that are given for a storage, in the order of its nodes; that each
/// belongs to the storage and to its place is the caller's to check.
///
/// A growth that was cut short is finished if the node that was to come is given, and taken back if it is
/// not. Neither loses anything: the disk has not been larger before all labels had said so.
///
/// # Errors
///
/// Why the devices are not all of the storage, or not of the same one.
pub fn judge_growth(labels: &[&Label]) -> Result<Growth, Unfinished> {
    let given = labels.len();
    let count = u32::try_from(given).unwrap_or(u32::MAX);
    let says = |count: Option<u32>| {
        let all = labels.iter().copied().enumerate();
        all.filter(move |(_, label)| Some(label.node_count) == count)
    };
    // Those that know nothing of a growth, or no more.
    let (fewer, same, more) = (count.checked_sub(1), Some(count), count.checked_add(1));
    for among in [fewer, same, more] {
        let mut named = says(among).map(|(at, label)| (at, label.newest));
        let first = named.next();
        let other = first.and_then(|(_, newest)| named.find(|(_, other)| *other != newest));
        if let (Some((first, _)), Some((other, _))) = (first, other) {
            return Err(contradiction(labels, first, other));
        }
    }
    let known = |(at, label): (usize, &Label)| {
        let known = [fewer, same, more].contains(&Some(label.node_count));
        (!known).then_some((at, label.node_count))
    };
    if let Some((at, says)) = labels.iter().copied().enumerate().find_map(known) {
        return Err(Unfinished::Count(at, says, given));
    }
    let newest = |count| says(count).next().map(|(at, label)| (at, label.newest));
    match (newest(fewer), newest(same), newest(more)) {
        (None, Some(_), None) | (None, None, None) => Ok(Growth::None),
        (Some(known), Some(told), None) if comes(labels, told.1) => {
            follows(labels, known, told)?;
            Ok(Growth::Finish(count, told.1))
        }
        (None, Some(known), Some(told)) => {
            follows(labels, known, told)?;
            Ok(Growth::TakeBack(count, known.1))
        }
        (fewer_say, ..) => {
            let wrong = if fewer_say.is_some() { fewer } else { more };
            let (at, says) = says(wrong)
                .next()
                .map_or((0, count), |(at, label)| (at, label.node_count));
            Err(Unfinished::Count(at, says, given))
        }
    }
}

/// Checks that the growth of which one label tells is the next one for the storage that the other knows.
fn follows(
    labels: &[&Label],
    (known_at, known): (usize, Option<Newest>),
    (told_at, told): (usize, Option<Newest>),
) -> Result<(), Unfinished> {
    match told {
        Some(told) if told.before == Newest::identity(known) => Ok(()),
        _ => Err(contradiction(labels, told_at, known_at)),
    }
}

/// Whether the last device is the one that these labels name as the newest.
fn comes(labels: &[&Label], newest: Option<Newest>) -> bool {
    labels
        .last()
        .is_some_and(|last| Newest::identity(newest) == last.node && last.state == state::IN_SYNC)
}

/// Two labels do not go together. A device that names itself as the newest, and is not, was to come once.
fn contradiction(labels: &[&Label], first: usize, other: usize) -> Unfinished {
    let itself = |at: &usize| {
        let label = labels.get(*at);
        label.is_some_and(|label| Newest::identity(label.newest) == label.node)
    };
    match [other, first].into_iter().find(itself) {
        Some(at) => Unfinished::Abandoned(at),
        None => Unfinished::Contradiction(first, other),
    }
}
