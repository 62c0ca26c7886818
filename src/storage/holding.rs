// SPDX-License-Identifier: GPL-2.0

//! Which of the devices that a start is given hold the storage's nodes.
//!
//! A node that has moved, or was about to move, has two devices. A start is given either or both: one in the node's
//! place, the other one there too or behind all nodes. What their labels say decides which one is used
//! ([`crate::dst_core::label::holder`]); the others are set aside, and are no part of the storage once it runs.
//!
//! Everything here reads what was found, and writes nothing.

use super::{
    config::StorageConfig,
    fault::{Fault, Outcome},
    member::Member,
    storage::Storage,
    survey::Found,
};
use crate::{
    dst_core::{
        label::{holders, seat, state, Holders, Label, Refusal, Role},
        map::Kind,
        text::Text,
    },
    fault,
};
use kernel::{fmt, prelude::*, sync::Arc};

/// A device that holds no node.
pub struct SetAside {
    /// The device.
    pub member: Arc<Member>,
    /// Its label.
    pub found: Found,
    /// The node that it is of.
    index: u32,
    /// What it is to that.
    role: Role,
}

impl SetAside {
    /// The node that it is of.
    pub fn index(&self) -> u32 {
        self.index
    }
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, index) = (self.member.place(), self.index);
        match self.role {
            Role::Replaced => write!(
                f,
                "{place} is not used: node {index} has moved from there to another device"
            ),
            _ => write!(
                f,
                "{place} is not used: it is a copy of node {index} that was not finished"
            ),
        }
    }
}

/// What is left to be done about a node that was moving; see [`Holders`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// How many migrations the storage has seen.
    pub events: u64,
    /// The node of which not all others know that it has moved.
    pub unsettled: Option<usize>,
    /// Its device does not say yet that it holds the node: that it does is known from the one that was set aside.
    pub takes_over: bool,
}

impl Moved {
    /// Of a storage in which nothing ever moved.
    pub const NOTHING: Self = Self {
        events: 0,
        unsettled: None,
        takes_over: false,
    };
}

/// The devices of a start.
pub struct Devices {
    /// Those of the nodes, in their order.
    pub members: KVec<Arc<Member>>,
    /// What was found there.
    pub found: KVec<Found>,
    /// Those that are not used.
    pub aside: KVec<SetAside>,
    /// Of these the one without whose word it would not be known which device holds its node.
    witness: Option<usize>,
    /// A node moves, or has moved: a storage that exists is meant, and no new one.
    pub moves: bool,
    /// Why the storage cannot be started with these devices.
    pub problem: Option<Fault>,
}

/// What a list of labels comes to.
struct Verdict {
    roles: KVec<Role>,
    holders: Holders,
}

impl Devices {
    /// Decides which of `members`, where this was `found`, hold the nodes. If that cannot be said since they are
    /// no nodes of the storage `config`, each counts as one. Errors: `ENOMEM`.
    #[inline(never)]
    pub fn sort(
        config: &StorageConfig,
        kind: Kind,
        members: KVec<Arc<Member>>,
        found: KVec<Found>,
    ) -> Outcome<Self> {
        let mut devices = Self::plain(members);
        devices.found = found;
        devices.moves = devices.are_moving(config);
        if !devices.are_ours(config, kind) {
            return Ok(devices);
        }
        let verdict = match judge(devices.found.iter(), devices.found.len())? {
            Ok(verdict) => verdict,
            Err(refusal) => {
                let problem = devices.explain(&refusal);
                devices.problem = problem;
                return Ok(devices);
            }
        };
        devices.arrange(&verdict)?;
        Ok(devices)
    }

    /// Whether all have a label of the storage, which was used.
    fn are_ours(&self, config: &StorageConfig, kind: Kind) -> bool {
        let known = known(&self.found, config, kind);
        let ours = |found: &Found| found.label().is_some_and(&known) && !found.is_blank(config);
        self.found.iter().all(ours)
    }

    /// Whether a node of a storage with this name moves or has moved: a label says so, or two devices are of one node.
    fn are_moving(&self, config: &StorageConfig) -> bool {
        let used = self.found.iter().filter(|found| !found.is_blank(config));
        let named = |label: &&Label| label.name.as_str() == config.name.as_str();
        let labels = || used.clone().filter_map(Found::label).filter(named);
        labels().enumerate().any(|(at, label)| {
            let same = |other: &Label| other.storage == label.storage && other.index == label.index;
            label.state != state::IN_SYNC
                || label.partner.is_some()
                || labels().skip(at + 1).any(same)
        })
    }

    /// What is wrong in words; `None` for what is told in other words if the devices are nodes that never moved.
    fn explain(&self, refusal: &Refusal<'_>) -> Option<Fault> {
        let plain = |found: &Found| {
            let label = found.label();
            label.is_some_and(|label| label.state == state::IN_SYNC && label.partner.is_none())
        };
        let told_elsewhere = match refusal {
            // One that grows, or nodes of which some are missing.
            Refusal::Other(_) => true,
            Refusal::Missing(_) => self.found.iter().all(plain),
            _ => false,
        };
        if told_elsewhere {
            return None;
        }
        let (first, second) = refusal.devices();
        let place = |at: Option<usize>| Known(at, at.and_then(|at| self.members.get(at)));
        Some(fault!(
            EINVAL,
            None,
            "{}{}{}",
            format_args!("{refusal}"),
            place(first),
            place(second)
        ))
    }

    /// Puts the devices that hold nodes in their places, and the others aside.
    fn arrange(&mut self, verdict: &Verdict) -> Outcome {
        let nodes = verdict.holders.node_count as usize;
        let mut seats: KVec<usize> = KVec::with_capacity(nodes, GFP_KERNEL)?;
        seats.resize(nodes, 0, GFP_KERNEL)?;
        let labels = labels(self.found.iter(), self.found.len())?;
        if let Err(misplaced) = seat(&labels, &verdict.roles, &mut seats) {
            // In a storage as large as what was given that is an order like any other that is wrong.
            if labels.len() > nodes {
                let place = Known(Some(misplaced.0), self.members.get(misplaced.0));
                let text: Text<200> = Text::from_display(&misplaced);
                self.problem = Some(fault!(EINVAL, None, "{}{}", text.as_str(), place));
            }
            return Ok(());
        }
        drop(labels);
        let mut slots = KVec::with_capacity(self.members.len(), GFP_KERNEL)?;
        let mut members = KVec::with_capacity(nodes, GFP_KERNEL)?;
        let mut found = KVec::with_capacity(nodes, GFP_KERNEL)?;
        let mut aside = KVec::with_capacity(self.members.len(), GFP_KERNEL)?;
        let given = core::mem::replace(&mut self.members, KVec::new());
        let what = core::mem::replace(&mut self.found, KVec::new());
        for pair in given.into_iter().zip(what) {
            slots.push(Some(pair), GFP_KERNEL)?;
        }
        let mut taker = None;
        for at in &seats {
            if let Some((member, label)) = slots.get_mut(*at).and_then(Option::take) {
                members.push(member, GFP_KERNEL)?;
                found.push(label, GFP_KERNEL)?;
            }
            if let Some(Role::TakesOver(old)) = verdict.roles.get(*at) {
                if taker.replace(*old).is_some() {
                    self.problem = Some(fault!(
                        EINVAL,
                        None,
                        "two nodes were moving at once, which does not happen: some of the devices are \
                         images of earlier times"
                    ));
                }
            }
        }
        for (at, slot) in slots.into_iter().enumerate() {
            let (Some((member, found)), Some(role)) = (slot, verdict.roles.get(at)) else {
                continue;
            };
            if taker == Some(at) {
                self.witness = Some(aside.len());
            }
            let device = SetAside {
                index: found.label().map_or(0, |label| label.index),
                member,
                found,
                role: *role,
            };
            aside.push(device, GFP_KERNEL)?;
        }
        self.members = members;
        self.found = found;
        self.aside = aside;
        Ok(())
    }

    /// The nodes of a storage without labels.
    pub fn plain(members: KVec<Arc<Member>>) -> Self {
        Self {
            members,
            found: KVec::new(),
            aside: KVec::new(),
            witness: None,
            moves: false,
            problem: None,
        }
    }

    /// The sizes of the nodes in sectors, as far as the labels that were `found` there say so and the devices have
    /// the room. Errors: `ENOMEM`.
    pub fn sizes(
        &self,
        config: &StorageConfig,
        kind: Kind,
        found: &[Found],
    ) -> Result<KVec<Option<u64>>> {
        let known = known(found, config, kind);
        let mut sizes = KVec::with_capacity(self.members.len(), GFP_KERNEL)?;
        for (member, found) in self.members.iter().zip(found) {
            let label = found.label().filter(|_| !found.is_blank(config));
            let size = label.filter(|label| known(label)).map(|label| label.size);
            let fits = |size: &u64| *size <= member.facts().sectors;
            sizes.push(size.filter(fits), GFP_KERNEL)?;
        }
        Ok(sizes)
    }

    /// The device on whose word another one is used.
    pub fn witness(&self) -> Option<&SetAside> {
        self.aside.get(self.witness?)
    }
}

impl Storage {
    /// The storage runs on these devices, and lets go of those that were set aside.
    pub(super) fn adopt(&self, devices: Devices) {
        let Devices { members, aside, .. } = devices;
        if aside.is_empty() {
            return;
        }
        for device in &aside {
            pr_info!("{}: {}\n", self.config().name.as_str(), device);
            self.removed(&device.member);
        }
        let moved = || {
            members
                .iter()
                .zip(0..)
                .filter(|(member, index)| member.index() != *index)
        };
        for (member, _) in moved() {
            // Under this number there is nothing any more.
            self.removed(member);
        }
        let mut state = self.state();
        for (member, index) in moved() {
            member.learn(|facts| facts.index = Some(index));
        }
        let given = core::mem::replace(&mut state.members, members);
        drop(state);
        drop(given);
    }
}

/// Whether a label is one of the storage, which is the one that the first label with its name is of unless it is
/// known.
fn known<'a>(
    found: &'a [Found],
    config: &'a StorageConfig,
    kind: Kind,
) -> impl Fn(&Label) -> bool + 'a {
    let named = |label: &&Label| label.name.as_str() == config.name.as_str();
    let first = found.iter().filter_map(Found::label).find(named);
    let storage = config.uuid.or(first.map(|label| label.storage));
    move |label| {
        storage == Some(label.storage) && named(&label) && label.algorithm.as_str() == kind.name()
    }
}

/// A device's place in brackets.
struct Known<'a>(Option<usize>, Option<&'a Arc<Member>>);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(at), Some(member)) => write!(f, " (device {at} is {})", member.place()),
            _ => Ok(()),
        }
    }
}

fn labels<'a>(found: impl Iterator<Item = &'a Found>, count: usize) -> Result<KVec<&'a Label>> {
    let mut labels = KVec::with_capacity(count, GFP_KERNEL)?;
    for label in found.filter_map(Found::label) {
        labels.push(label, GFP_KERNEL)?;
    }
    Ok(labels)
}

/// The outer error is `ENOMEM`.
fn judge<'a>(
    found: impl Iterator<Item = &'a Found>,
    count: usize,
) -> Result<core::result::Result<Verdict, Refusal<'a>>> {
    let labels = labels(found, count)?;
    let mut roles = KVec::with_capacity(labels.len(), GFP_KERNEL)?;
    roles.resize(labels.len(), Role::Copy, GFP_KERNEL)?;
    Ok(holders(&labels, &mut roles).map(|holders| Verdict { roles, holders }))
}

/// What is left to be done, as these labels have it: those of the nodes in their order, and that of the
/// device on whose word one of them is used. Errors: `ENOMEM`; `EAGAIN` if they are not what they were when the devices were
/// sorted.
#[inline(never)]
pub fn what_moved(found: &[Found], witness: Option<&Found>) -> Outcome<Moved> {
    let changed = || {
        fault!(
            EAGAIN,
            None,
            "another machine has moved a node of the storage meanwhile; look where its nodes are now"
        )
    };
    let Verdict { roles, holders } =
        judge(Iterator::chain(found.iter(), witness), found.len() + 1)?.map_err(|_| changed())?;
    let mut moved = Moved {
        events: holders.events,
        unsettled: holders.unsettled,
        takes_over: false,
    };
    for (at, role) in roles.iter().enumerate().take(found.len()) {
        match role {
            Role::Holds => {}
            Role::TakesOver(old) if *old == found.len() && holders.unsettled == Some(at) => {
                moved.takes_over = true;
            }
            _ => return Err(changed()),
        }
    }
    Ok(moved)
}
