// SPDX-License-Identifier: GPL-2.0

//! Who belongs to a storage: the labels of all its nodes at the start.
//!
//! Nothing is written before everything on all nodes was read and judged ([`Membership::examine`]).
//! Then [`Membership::take`] labels the nodes of a new storage, with epoch 0, and after that makes
//! this machine the owner: each node records the new epoch, and an export refuses the former owner
//! from then on. A label with epoch 0 is therefore one of a start that was cut short, with no data
//! behind it; the next start treats it as if it were not there.

use super::{
    config::StorageConfig,
    fault::Outcome,
    labelling::{check_owned, claim, update_label, write_label, Owned},
    member::Member,
    survey::{find_signature, survey, Found},
    volume::StorageLayout,
    wait::Patience,
};
use crate::{
    dst_core::{
        label::{
            check_membership, judge_growth, state, Expected, Growth, Label, Mismatch, Newest,
            Unfinished,
        },
        map::{Kind, Layout},
        text::Text,
    },
    fault,
    sys::{clock::seconds_since_1970, random, refusal::Field},
};
use kernel::{prelude::*, sync::Arc};

/// What is asked for.
pub struct Wanted<'a> {
    /// The storage.
    pub config: &'a StorageConfig,
    /// Its algorithm.
    pub kind: Kind,
    /// Its nodes in their order.
    pub members: &'a [Arc<Member>],
    /// Its map.
    pub layout: &'a StorageLayout,
    /// Whether other storages' labels and foreign data may be overwritten on all nodes.
    pub force: bool,
    /// Nothing is to be written.
    pub read_only: bool,
}

/// The judgement on the labels of all nodes.
pub struct Membership {
    /// Identity of the storage.
    pub storage: [u8; 16],
    /// The epoch in which it will be owned; of a storage that is only read, the highest found.
    pub epoch: u64,
    found: KVec<Found>,
    fresh: bool,
    growth: Growth,
}

impl Membership {
    /// Decides from what [`survey`] has found on all nodes what the storage is: a new one, or one
    /// that is started again. Writes nothing. Waits for the nodes.
    ///
    /// Errors: the first node that does not belong to the storage, and why; what is on a node
    /// that would be overwritten.
    pub fn examine(
        wanted: &Wanted<'_>,
        found: KVec<Found>,
        patience: Patience<'_>,
    ) -> Outcome<Self> {
        let recorded = found
            .iter()
            .filter_map(Found::label)
            .map(|label| label.epoch);
        let in_force = wanted.members.iter().map(|member| member.facts().epoch);
        let highest = recorded.fold(in_force.fold(0, u64::max), u64::max);
        let (fresh, growth) = match wanted.known(&found)? {
            Some(growth) => (false, growth),
            None => (true, Growth::None),
        };
        if growth != Growth::None && wanted.read_only {
            return Err(fault!(
                EROFS,
                None,
                "the storage was about to get one more node when that was cut short; start it \
                 writable once, so that its labels can be put in order"
            ));
        }
        let known = found.iter().find_map(|found| Some(found.label()?.storage));
        let storage = match (fresh, known) {
            (false, Some(storage)) => storage,
            _ => wanted.config.uuid.unwrap_or_else(random::identity),
        };
        let epoch = if wanted.read_only {
            highest
        } else {
            highest.checked_add(1).ok_or_else(|| {
                fault!(EOVERFLOW, None, "the storage's epoch cannot grow any more")
            })?
        };
        if fresh {
            for (member, found) in wanted.members.iter().zip(&found) {
                wanted.check_takeable(member, found, patience)?;
            }
        }
        Ok(Self {
            storage,
            epoch,
            found,
            fresh,
            growth,
        })
    }

    /// The newest node, if the storage has grown, once [`Self::take`] is done.
    pub fn newest(&self) -> Option<Newest> {
        match self.growth {
            Growth::None if self.fresh => None,
            Growth::None => self.found.iter().find_map(Found::label)?.newest,
            Growth::Finish(_, newest) | Growth::TakeBack(_, newest) => newest,
        }
    }

    /// Whether the storage is a new one.
    pub fn is_new(&self) -> bool {
        self.fresh
    }

    /// Labels the nodes of a new storage and makes this machine the owner of the storage.
    ///
    /// Exports first: they can refuse. Waits for the nodes. On an error some nodes may have
    /// recorded the new epoch already, which does no harm.
    pub fn take(&self, wanted: &Wanted<'_>, patience: Patience<'_>) -> Outcome {
        let nodes = |remote: bool| {
            let all = wanted.members.iter().zip(&self.found).enumerate();
            all.filter(move |(_, (member, _))| member.address().is_some() == remote)
        };
        for remote in [true, false] {
            for (index, (member, found)) in nodes(remote).filter(|_| self.fresh) {
                let label = self.new_label(wanted, index, member, found)?;
                write_label(member, &label, found, patience)?;
            }
        }
        for remote in [true, false] {
            for (_, (member, _)) in nodes(remote).filter(|_| !wanted.read_only) {
                claim(member, self.epoch, patience)?;
            }
        }
        self.settle(wanted, patience)?;
        for (index, member) in wanted.members.iter().enumerate() {
            let known = self.found.get(index).and_then(Found::label);
            if let Some(label) = known.filter(|_| !self.fresh) {
                member.learn(|facts| facts.uuid = Some(label.node));
            }
        }
        Ok(())
    }

    /// Brings a growth that was cut short to its end, now that nobody else changes the labels.
    fn settle(&self, wanted: &Wanted<'_>, patience: Patience<'_>) -> Outcome {
        if self.fresh || wanted.read_only {
            return Ok(());
        }
        let owned = Owned {
            storage: self.storage,
            epoch: self.epoch,
        };
        if self.judge_again(wanted, &owned, patience)? != self.growth {
            return Err(fault!(
                EAGAIN,
                None,
                "another machine has added a node to the storage meanwhile; give all of its nodes"
            ));
        }
        let (words, count) = match self.growth {
            Growth::None => return Ok(()),
            Growth::Finish(count, _) => ("finished", count),
            Growth::TakeBack(count, _) => ("taken back", count),
        };
        for member in wanted.members {
            update_label(member, &owned, patience, &|label| self.growth.change(label))?;
        }
        pr_info!(
            "{}: a growth that was cut short is {}: the storage has {} nodes\n",
            wanted.config.name.as_str(),
            words,
            count
        );
        Ok(())
    }

    /// Until the epoch was claimed an earlier owner may have changed the labels.
    #[inline(never)]
    fn judge_again(
        &self,
        wanted: &Wanted<'_>,
        owned: &Owned,
        patience: Patience<'_>,
    ) -> Outcome<Growth> {
        let mut found = KVec::with_capacity(wanted.members.len(), GFP_KERNEL)?;
        for member in wanted.members {
            let now = survey(member, patience)?;
            check_owned(member, owned, &now)?;
            found.push(now, GFP_KERNEL)?;
        }
        wanted.growth(&found)
    }

    /// The epoch that requests to node `index` carry.
    pub fn epoch_of(&self, index: usize, member: &Member, read_only: bool) -> u64 {
        if !read_only {
            return self.epoch;
        }
        // Whoever only reads claims nothing, and follows each node's own epoch.
        let label = self.found.get(index).and_then(Found::label);
        match member.address() {
            Some(_) => member.facts().epoch,
            None => label.map_or(0, |label| label.epoch),
        }
    }

    fn new_label(
        &self,
        wanted: &Wanted<'_>,
        index: usize,
        member: &Member,
        found: &Found,
    ) -> Outcome<Label> {
        let facts = member.facts();
        let (start, size) = wanted.layout.range_of(index).ok_or(EINVAL)?;
        let now = seconds_since_1970();
        let node = random::identity();
        member.learn(|facts| facts.uuid = Some(node));
        let old = found.label().map_or(0, |label| label.sequence);
        Ok(Label {
            compat: 0,
            ro_compat: 0,
            incompat: 0,
            storage: self.storage,
            node,
            name: wanted.config.name,
            algorithm: Text::from_display(&wanted.kind),
            index: u32::try_from(index).map_err(|_| EINVAL)?,
            node_count: u32::try_from(wanted.members.len()).map_err(|_| EINVAL)?,
            start,
            size,
            device_sectors: facts.device_sectors,
            data_sectors: facts.sectors,
            epoch: 0,
            events: 0,
            state: state::IN_SYNC,
            sequence: old.saturating_add(1),
            created: now,
            updated: now,
            partner: None,
            newest: None,
        })
    }
}

impl Wanted<'_> {
    fn is_forced(&self, member: &Member) -> bool {
        self.force || member.config.force
    }

    /// What has to be done about a growth of a storage that exists; `None` if a new storage is made of the
    /// nodes. Errors: why it can be neither made nor started again.
    fn known(&self, found: &[Found]) -> Outcome<Option<Growth>> {
        if found.iter().all(|found| found.is_blank(self.config)) {
            // Who gives an identity means a storage that exists: these are the wrong nodes, or
            // their labels are lost, and a new storage would be an empty one.
            let forced = self.members.iter().all(|member| self.is_forced(member));
            if self.config.uuid.is_some() && !forced {
                return Err(fault!(
                    ENODATA,
                    None,
                    "no node carries a label, and the storage with the given identity exists; \
                     look whether these are its nodes, or use --force or no identity to make a \
                     new storage"
                ));
            }
            return Ok(None);
        }
        let problem = match self.check_all(found).and_then(|()| self.growth(found)) {
            Ok(growth) => return Ok(Some(growth)),
            Err(problem) => problem,
        };
        let takeable = self
            .members
            .iter()
            .zip(found)
            .all(|(member, found)| found.is_blank(self.config) || self.is_forced(member));
        if takeable {
            Ok(None)
        } else {
            Err(problem)
        }
    }

    /// Checks that every node has a label that puts it where it was given.
    fn check_all(&self, found: &[Found]) -> Outcome {
        // A label of this storage says which identity it has, whatever lies on the nodes before.
        let ours = |label: &&Label| label.name.as_str() == self.config.name.as_str();
        let first = found.iter().filter_map(Found::label).find(ours);
        let storage = self.config.uuid.or(first.map(|label| label.storage));
        for (index, (member, found)) in self.members.iter().zip(found).enumerate() {
            match found {
                _ if found.is_blank(self.config) => {
                    return Err(fault!(
                        EINVAL,
                        None,
                        "node {} ({}): it has no label, but other nodes belong to a storage \
                         already; give the nodes that belong together, or use --force to make a \
                         new storage of all of them",
                        index,
                        member.place()
                    ))
                }
                Found::Label(choice) => self.check_label(index, member, &choice.label, storage)?,
                Found::Unusable(reason) => {
                    return Err(fault!(
                        EINVAL,
                        None,
                        "node {} ({}): {}",
                        index,
                        member.place(),
                        reason.as_str()
                    ))
                }
                Found::None => {}
            }
        }
        Ok(())
    }

    /// What has to be done about a growth, as these labels have it, each of which is in its place.
    fn growth(&self, found: &[Found]) -> Outcome<Growth> {
        let mut labels = KVec::with_capacity(found.len(), GFP_KERNEL)?;
        for label in found.iter().filter_map(Found::label) {
            labels.push(label, GFP_KERNEL)?;
        }
        judge_growth(&labels).map_err(|problem| {
            let (Unfinished::Abandoned(at)
            | Unfinished::Contradiction(_, at)
            | Unfinished::Count(at, ..)) = problem;
            match self.members.get(at) {
                Some(member) => fault!(
                    EINVAL,
                    None,
                    "node {} ({}): {}; --force overwrites it",
                    at,
                    member.place(),
                    format_args!("{problem}")
                ),
                None => EINVAL.into(),
            }
        })
    }

    fn check_label(
        &self,
        index: usize,
        member: &Member,
        label: &Label,
        storage: Option<[u8; 16]>,
    ) -> Outcome {
        let range = self.layout.range_of(index);
        let expected = Expected {
            storage,
            name: self.config.name.as_str(),
            algorithm: self.kind.name(),
            index: u32::try_from(index).map_err(|_| EINVAL)?,
            // Judged for all nodes together.
            node_count: None,
            start: range.map(|(start, _)| start),
            size: range.map(|(_, size)| size),
            data_sectors: Some(member.facts().sectors),
        };
        check_membership(label, &expected).map_err(|mismatch| {
            let text: Text<200> = Text::from_display(&mismatch);
            let text = text.as_str();
            match mismatch {
                Mismatch::Index(..) => {
                    fault!(
                        EINVAL,
                        Field::Index,
                        "node {} ({}): {}",
                        index,
                        member.place(),
                        text
                    )
                }
                _ => fault!(
                    EINVAL,
                    None,
                    "node {} ({}): {}; --force overwrites it",
                    index,
                    member.place(),
                    text
                ),
            }
        })?;
        if label.read_only() && !self.read_only {
            return Err(fault!(
                EROFS,
                None,
                "node {} ({}): its label asks for a newer version of DST; \
                 this one can only read it",
                index,
                member.place()
            ));
        }
        Ok(())
    }

    /// Checks that a node can be labelled for a new storage.
    fn check_takeable(&self, member: &Member, found: &Found, patience: Patience<'_>) -> Outcome {
        if self.read_only {
            return Err(fault!(
                EROFS,
                None,
                "the nodes have no labels yet, and a storage that is read-only, or has a \
                 read-only node, cannot get any; make it writable, or use it raw"
            ));
        }
        if self.is_forced(member) {
            return Ok(());
        }
        check_unused(member, found, patience)
    }
}

/// Checks that nothing that is known is on a device that is about to be labelled.
pub fn check_unused(member: &Member, found: &Found, patience: Patience<'_>) -> Outcome {
    match find_signature(member, found, patience)? {
        None => Ok(()),
        Some(name) => Err(fault!(
            EEXIST,
            None,
            "{}: the device holds {}; use --force to overwrite it",
            member.place(),
            name
        )),
    }
}
