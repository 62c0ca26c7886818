// SPDX-License-Identifier: GPL-2.0

//! The labels of all nodes at the start: they are read and judged, and then name this machine as the owner.
//!
//! Nothing is written before everything on all nodes was read and judged ([`Membership::examine`]).
//! Then [`Membership::take`] labels the nodes of a new storage, with epoch 0, and after that makes
//! this machine the owner: each node records the new epoch, and an export refuses the former owner
//! from then on. A label with epoch 0 is therefore one of a start that was cut short, with no data
//! behind it; the next start treats it as if it were not there.

use super::{
    fault::{Fault, Outcome},
    holding::Moved,
    judgement::{Judgement, Wanted},
    labelling::{check_owned, claim, update_label, write_label, Owned},
    member::Member,
    survey::{survey, Found},
    wait::Patience,
};
use crate::{
    dst_core::{
        label::{state, Change, Growth, Label, Newest},
        map::Layout,
        text::Text,
    },
    fault,
    sys::{clock::seconds_since_1970, random},
};
use kernel::prelude::*;

/// The judgement on the labels of all nodes.
pub struct Membership {
    /// Identity of the storage.
    pub storage: [u8; 16],
    /// The epoch in which it will be owned; of a storage that is only read, the highest found.
    pub epoch: u64,
    found: KVec<Found>,
    /// `None` for a new storage.
    judgement: Option<Judgement>,
}

impl Membership {
    /// Decides from what [`survey`] has found on all nodes what the storage is: a new one, or one
    /// that is started again. `problem` is why it cannot be started again, as far as that is known. Writes
    /// nothing. Waits for the nodes.
    ///
    /// Errors: the first node that does not belong to the storage, and why; what is on a node
    /// that would be overwritten.
    pub fn examine(
        wanted: &Wanted<'_>,
        found: KVec<Found>,
        problem: Option<Fault>,
        patience: Patience<'_>,
    ) -> Outcome<Self> {
        let judgement = wanted.known(&found, problem)?;
        if wanted.read_only && judgement.is_some_and(|known| !known.can_be_read()) {
            return Err(fault!(
                EROFS,
                None,
                "the storage was about to get one more node, or a node was about to move, when that was cut \
                 short; start it writable once, so that its labels can be put in order"
            ));
        }
        let known = found.iter().find_map(|found| Some(found.label()?.storage));
        let storage = match (judgement, known) {
            (Some(_), Some(storage)) => storage,
            _ => wanted.config.uuid.unwrap_or_else(random::identity),
        };
        let highest = wanted.highest_epoch(&found);
        let epoch = if wanted.read_only {
            highest
        } else {
            highest.checked_add(1).ok_or_else(|| {
                fault!(EOVERFLOW, None, "the storage's epoch cannot grow any more")
            })?
        };
        if judgement.is_none() {
            for (member, found) in wanted.members.iter().zip(&found) {
                wanted.check_takeable(member, found, patience)?;
            }
        }
        Ok(Self {
            storage,
            epoch,
            found,
            judgement,
        })
    }

    /// The newest node, if the storage has grown, once [`Self::take`] is done.
    pub fn newest(&self) -> Option<Newest> {
        match self.judgement?.growth {
            Growth::None => self.found.iter().find_map(Found::label)?.newest,
            Growth::Finish(_, newest) | Growth::TakeBack(_, newest) => newest,
        }
    }

    /// How many migrations the storage has seen.
    pub fn events(&self) -> u64 {
        self.judgement.map_or(0, |known| known.moved.events)
    }

    /// Whether the storage is a new one.
    pub fn is_new(&self) -> bool {
        self.judgement.is_none()
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
            for (index, (member, found)) in nodes(remote).filter(|_| self.is_new()) {
                let label = self.new_label(wanted, index, member, found)?;
                write_label(member, &label, found, patience)?;
            }
        }
        if wanted.read_only {
            self.learn_identities(wanted);
            return Ok(());
        }
        for remote in [true, false] {
            for (_, (member, _)) in nodes(remote) {
                claim(member, self.epoch, patience)?;
            }
        }
        // What it says must not be changed any more either, and is to be in both of its places.
        if let Some(witness) = wanted.witness {
            claim(&witness.member, self.epoch, patience)?;
        }
        self.learn_identities(wanted);
        self.settle(wanted, patience)
    }

    /// From now on a device with another label is another device.
    fn learn_identities(&self, wanted: &Wanted<'_>) {
        if self.is_new() {
            return;
        }
        let witness = wanted
            .witness
            .map(|witness| (&witness.member, &witness.found));
        let nodes = wanted.members.iter().zip(&self.found);
        for (member, found) in Iterator::chain(nodes, witness) {
            if let Some(label) = found.label() {
                member.learn(|facts| facts.uuid = Some(label.node));
            }
        }
    }

    /// Brings to an end what was cut short, now that nobody else changes the labels.
    fn settle(&self, wanted: &Wanted<'_>, patience: Patience<'_>) -> Outcome {
        let Some(judgement) = self.judgement else {
            return Ok(());
        };
        let owned = Owned {
            storage: self.storage,
            epoch: self.epoch,
        };
        if wanted.judge_again(&owned, patience)? != judgement {
            return Err(fault!(
                EAGAIN,
                None,
                "another machine has added a node to the storage, or has moved one, meanwhile; give the nodes \
                 that it has now"
            ));
        }
        wanted.settle_growth(judgement.growth, &owned, patience)?;
        wanted.settle_move(judgement.moved, &owned, patience)
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
    /// Until the epoch was claimed an earlier owner may have changed the labels.
    #[inline(never)]
    fn judge_again(&self, owned: &Owned, patience: Patience<'_>) -> Outcome<Judgement> {
        let read = |member: &Member| {
            let now = survey(member, patience)?;
            check_owned(member, owned, &now)?;
            Ok::<_, Fault>(now)
        };
        let mut found = KVec::with_capacity(self.members.len(), GFP_KERNEL)?;
        for member in self.members {
            found.push(read(member)?, GFP_KERNEL)?;
        }
        let witness = match self.witness {
            Some(witness) => Some(read(&witness.member)?),
            None => None,
        };
        self.judge(&found, witness.as_ref())
    }

    /// Brings a growth that was cut short to its end.
    fn settle_growth(&self, growth: Growth, owned: &Owned, patience: Patience<'_>) -> Outcome {
        let (words, count) = match growth {
            Growth::None => return Ok(()),
            Growth::Finish(count, _) => ("finished", count),
            Growth::TakeBack(count, _) => ("taken back", count),
        };
        for member in self.members {
            update_label(member, owned, patience, &|label| growth.change(label))?;
        }
        pr_info!(
            "{}: a growth that was cut short is {}: the storage has {} nodes\n",
            self.config.name.as_str(),
            words,
            count
        );
        Ok(())
    }

    /// Brings the end of a migration to its end: the node's device says that it holds the node, the others that
    /// one has moved, and then it that all know.
    fn settle_move(&self, moved: Moved, owned: &Owned, patience: Patience<'_>) -> Outcome {
        let Some((index, holder)) = moved
            .unsettled
            .and_then(|index| Some((index, self.members.get(index)?)))
        else {
            return Ok(());
        };
        let events = moved.events;
        let change = |member: &Member, change: &Change| {
            let node = member.facts().uuid.unwrap_or([0; 16]);
            update_label(member, owned, patience, &|label| label.change(node, change))
        };
        if moved.takes_over {
            change(holder, &Change::TakenOver { events })?;
        }
        for (other, member) in self.members.iter().enumerate() {
            if other != index {
                change(member, &Change::Told { events })?;
            }
        }
        change(holder, &Change::Settled)?;
        pr_info!(
            "{}: a migration that was cut short is finished: node {} is on {}\n",
            self.config.name.as_str(),
            index,
            holder.place()
        );
        Ok(())
    }
}
