// SPDX-License-Identifier: GPL-2.0

//! A storage that runs gets one more node, behind the others.
//!
//! Everything is checked first, and the labels are written in the order that
//! [`crate::dst_core::label::growth`] needs: the node's own, then those of the others, so that a start
//! can finish the growth or take it back, whenever it is cut short. Then the epoch is claimed on the node, which
//! cannot be taken back, its parts are made, the map that has it is put in the place of the one that is
//! there, and only after that the disk becomes larger. An error on the way takes the labels back; I/O goes on all the
//! time.

use super::{
    assembly::lay_out,
    config::NodeConfig,
    fault::Outcome,
    growth_labels::GrowthLabels,
    judgement::check_unused,
    labelling::Owned,
    member::Member,
    node::Hindrance,
    running::{Arriving, Running},
    seed::{make_node, run_node},
    storage::Storage,
    survey::{probe, survey, Found},
    volume::StorageLayout,
    wait::{Deadline, Patience},
};
use crate::{
    dst_core::{
        label::{state, Growth, Label, Newest},
        map::{stack_limits, Kind, Layout, Stacked},
        migration::check_fit,
        text::Text,
    },
    fault,
    sys::{clock::seconds_since_1970, random, refusal::Field},
};
use kernel::{prelude::*, sync::Arc};

/// Milliseconds for the node and the labels of all nodes.
const LABELS_MS: u32 = 60_000;

/// A node that is about to join.
struct Newcomer {
    member: Arc<Member>,
    /// The map with it.
    layout: StorageLayout,
    found: Found,
}

impl Storage {
    /// Adds a node to the storage while it runs; returns its index. The operation lock is held. Waits for
    /// all nodes, as each of them has to know.
    ///
    /// Errors: why it cannot; the storage is as it was, but for a label on the device, which does not
    /// count, if the node was taken back.
    #[inline(never)]
    pub(super) fn grow(&self, config: NodeConfig) -> Outcome<u32> {
        let running = self.running_parts()?;
        self.check_growable(&config)?;
        self.check_reachable(&running)?;
        check_still(&running)?;
        let deadline = Deadline::after(LABELS_MS);
        let member = self.open_node(config, &deadline)?;
        let grown = self
            .examine_newcomer(member.clone(), self.patience(&deadline))
            .and_then(|newcomer| self.take_in(&running, newcomer, self.patience(&deadline)));
        self.wait_for(None);
        grown?;
        self.context().changed();
        self.announce_node(member.index());
        self.announce();
        Ok(member.index())
    }

    fn check_growable(&self, config: &NodeConfig) -> Outcome {
        let state = self.state();
        let name = self.config().name.as_str();
        if self.kind() != Kind::Linear {
            return Err(fault!(
                EOPNOTSUPP,
                None,
                "the storage \"{}\" runs, and only linear ones can grow then",
                name
            ));
        }
        if state.read_only {
            return Err(fault!(
                EROFS,
                None,
                "the storage \"{}\" is read-only, and its labels have to be written",
                name
            ));
        }
        if config.start.is_some_and(|start| start != state.sectors) {
            return Err(fault!(
                EINVAL,
                Field::Start,
                "the storage runs, and a node can only come behind its end, at sector {}",
                state.sectors
            ));
        }
        Ok(())
    }

    /// All nodes record the growth.
    fn check_reachable(&self, running: &Running) -> Outcome {
        let Some(volume) = running.volume().get() else {
            return Ok(());
        };
        for (index, node) in volume.nodes().iter().enumerate() {
            let words = match node.hindrance() {
                None => continue,
                Some(Hindrance::Suspended) => "is suspended; let it go on first",
                Some(Hindrance::Away) => "is away; wait until it is connected",
                Some(Hindrance::Lost) => "was given up",
            };
            return Err(fault!(
                EAGAIN,
                None,
                "all nodes record that there is one more, and node {} {}",
                index,
                words
            ));
        }
        Ok(())
    }

    /// The nodes and the newcomer behind them.
    fn members_with(&self, newcomer: &Arc<Member>) -> Outcome<KVec<Arc<Member>>> {
        let state = self.state();
        let mut members = KVec::with_capacity(state.members.len() + 1, GFP_KERNEL)?;
        for member in &state.members {
            members.push(member.clone(), GFP_KERNEL)?;
        }
        members.push(newcomer.clone(), GFP_KERNEL)?;
        Ok(members)
    }

    /// Looks whether `member` can become the last node. Writes nothing.
    #[inline(never)]
    fn examine_newcomer(&self, member: Arc<Member>, patience: Patience<'_>) -> Outcome<Newcomer> {
        let members = self.members_with(&member)?;
        if member.index() as usize + 1 != members.len() {
            return Err(fault!(
                EINVAL,
                Field::Index,
                "the storage runs, and its next node is number {}",
                members.len() - 1
            ));
        }
        let (end, shown) = {
            let state = self.state();
            (state.sectors, state.shown)
        };
        let (shown, alignment) = shown.ok_or(EINVAL)?;
        stack_limits(members.iter().map(|member| member.facts().limits))
            .map_err(|error| fault!(EOPNOTSUPP, None, "{}", format_args!("{error}")))?;
        let layout = lay_out(self, &members, &shown, &[], Some(end))?;
        let (start, size) = layout.range_of(member.index() as usize).ok_or(EINVAL)?;
        if start != end {
            return Err(fault!(
                EINVAL,
                Field::Start,
                "the node would begin at sector {}, and the storage ends at {}",
                start,
                end
            ));
        }
        check_fits(&member, (&shown, alignment), (start, size))?;
        let found = self.survey_newcomer(&member, patience)?;
        Ok(Newcomer {
            member,
            layout,
            found,
        })
    }

    /// Looks at what is on the device. Writes nothing.
    fn survey_newcomer(&self, member: &Arc<Member>, patience: Patience<'_>) -> Outcome<Found> {
        let force = member.config.force;
        if self.config().raw {
            probe(member, !force, patience)?;
            if !force {
                check_unused(member, &Found::None, patience)?;
            }
            return Ok(Found::None);
        }
        let found = survey(member, patience)?;
        let epoch = self.state().epoch;
        let in_force = member.facts().epoch;
        if member.address().is_some() && in_force >= epoch {
            return Err(fault!(
                ESTALE,
                None,
                "{}: epoch {} is in force at the export, and the storage is owned in epoch {}; stop \
                 to export the device, wipe its label, and export it again",
                member.place(),
                in_force,
                epoch
            ));
        }
        self.check_takeable(member, &found, None, patience)?;
        Ok(found)
    }

    /// Refuses to overwrite what was `found` on a device that is to join, but by force. A label of the storage `moves`
    /// is no hindrance if the device does not hold one of its nodes.
    pub(super) fn check_takeable(
        &self,
        member: &Arc<Member>,
        found: &Found,
        moves: Option<[u8; 16]>,
        patience: Patience<'_>,
    ) -> Outcome {
        let aside = |label: &Label| Some(label.storage) == moves && label.state != state::IN_SYNC;
        match found {
            _ if member.config.force => Ok(()),
            _ if found.is_blank(self.config()) => check_unused(member, found, patience),
            Found::None => Ok(()),
            Found::Label(choice) if aside(&choice.label) => Ok(()),
            Found::Label(choice) => Err(fault!(
                EEXIST,
                None,
                "{}: the device carries a label of the storage \"{}\"; use --force to overwrite it",
                member.place(),
                choice.label.name
            )),
            Found::Unusable(reason) => Err(fault!(
                EEXIST,
                None,
                "{}: {}; use --force to overwrite it",
                member.place(),
                reason.as_str()
            )),
        }
    }

    /// Labels all nodes and makes the newcomer one of them.
    #[inline(never)]
    fn take_in(
        &self,
        running: &Arc<Running>,
        newcomer: Newcomer,
        patience: Patience<'_>,
    ) -> Outcome {
        let member = newcomer.member.clone();
        let labels = match self.config().raw {
            true => None,
            false => Some(self.label_all(&newcomer, patience)?),
        };
        let joined = self.join(running, newcomer);
        if joined.is_err() {
            // Its connections, if it got as far as that, have ended.
            member.renew_session();
            if let Some(labels) = &labels {
                labels.take_back();
            }
        } else if let Some(labels) = &labels {
            self.state().newest = labels.newest();
        }
        joined
    }

    /// Writes the labels; takes them back on an error.
    #[inline(never)]
    fn label_all(&self, newcomer: &Newcomer, patience: Patience<'_>) -> Outcome<GrowthLabels<'_>> {
        let member = &newcomer.member;
        let members = self.members_with(member)?;
        let count = u32::try_from(members.len()).map_err(|_| EINVAL)?;
        let identity = random::identity();
        let (owned, newest) = {
            let state = self.state();
            let owned = Owned {
                storage: state.uuid.ok_or(EINVAL)?,
                epoch: state.epoch,
            };
            (owned, state.newest)
        };
        let labels = GrowthLabels {
            storage: self,
            owned,
            members,
            before: Growth::TakeBack(count - 1, newest),
            after: Growth::Finish(count, Some(Newest::after(newest, identity))),
        };
        labels.change_all(&labels.before, patience)?;
        let own = self.newcomer_label(newcomer, identity, count, labels.newest())?;
        let written = labels.write(&own, &newcomer.found, patience);
        labels.hang_up();
        match written {
            Ok(()) => {
                member.learn(|facts| facts.uuid = Some(identity));
                Ok(labels)
            }
            Err(fault) => {
                labels.take_back();
                Err(fault)
            }
        }
    }

    /// On the heap, as labels are large and there is little stack to spare here.
    #[inline(never)]
    fn newcomer_label(
        &self,
        newcomer: &Newcomer,
        identity: [u8; 16],
        count: u32,
        newest: Option<Newest>,
    ) -> Outcome<KBox<Label>> {
        let facts = newcomer.member.facts();
        let (start, size) = newcomer
            .layout
            .range_of(newcomer.member.index() as usize)
            .ok_or(EINVAL)?;
        let now = seconds_since_1970();
        let old = newcomer.found.label().map_or(0, |label| label.sequence);
        let (storage, events) = {
            let state = self.state();
            (state.uuid.ok_or(EINVAL)?, state.events)
        };
        let label = Label {
            compat: 0,
            ro_compat: 0,
            incompat: 0,
            storage,
            node: identity,
            name: self.config().name,
            algorithm: Text::from_display(&self.kind()),
            index: newcomer.member.index(),
            node_count: count,
            start,
            size,
            device_sectors: facts.device_sectors,
            data_sectors: facts.sectors,
            epoch: 0,
            events,
            state: state::IN_SYNC,
            sequence: old.saturating_add(1),
            created: now,
            updated: now,
            partner: None,
            newest: None,
        };
        Ok(KBox::new(label.grown(count, newest), GFP_KERNEL)?)
    }

    /// Makes the parts of the new node, and lets I/O reach it. Everything that can fail comes first.
    #[inline(never)]
    fn join(&self, running: &Arc<Running>, newcomer: Newcomer) -> Outcome {
        let Newcomer { member, layout, .. } = newcomer;
        let index = member.index() as usize;
        let deleted = || fault!(ECANCELED, Field::Name, "the storage is being deleted");
        let volume = running.volume().get().ok_or_else(deleted)?;
        let issuers = running.issuers().ok_or_else(deleted)?;
        let (storage, epoch) = {
            let state = self.state();
            (state.uuid.unwrap_or([0; 16]), state.epoch)
        };
        let epoch = match self.config().raw {
            true => member.facts().epoch,
            false => epoch,
        };
        let sectors = layout.sectors();
        member.learn(|facts| facts.range = layout.range_of(index));
        let (node, seed) = make_node(&member, storage, epoch, volume.moments(), None)?;
        let node = Arc::new(node, GFP_KERNEL)?;
        let members = self.members_with(&member)?;
        // The issue task looks at the map that is there, and finds nothing to do before that has the node.
        let (active, issue) = run_node(self, running.volume(), &issuers, index, seed)?;
        if member.address().is_none() {
            // One worker for each local node, and one more.
            let local = self.state().local_nodes();
            issuers.require(local.saturating_add(2))?;
        }
        let volume = volume
            .with_node(layout, node)
            .inspect_err(|_| active.stop())?;
        // From here on nothing fails. A deletion waits for what is at nodes that it knows of.
        running.add_node(active, issue);
        {
            let mut state = self.state();
            let former = core::mem::replace(&mut state.members, members);
            state.sectors = sectors;
            drop(state);
            drop(former);
        }
        running.volume().replace(volume);
        running.with_disk(|disk| disk.set_capacity(sectors));
        running.settle();
        Ok(())
    }
}

/// Checks that a device can take these sectors (the first, how many) of a disk that was shown with these limits and
/// this alignment of memory.
pub(super) fn check_fits(
    member: &Member,
    (shown, alignment): (&Stacked, u32),
    (start, size): (u64, u64),
) -> Outcome {
    let own = member.facts();
    check_fit(shown, start, size, own.sectors, &own.limits).map_err(|unfit| {
        fault!(
            EINVAL,
            None,
            "{} cannot join the storage while it runs: {}",
            member.place(),
            format_args!("{unfit}")
        )
    })?;
    if own.dma_alignment & !alignment != 0 {
        return Err(fault!(
            EINVAL,
            None,
            "{} cannot join the storage while it runs: memory has to be aligned for it to {} \
             bytes, and the disk was shown with {}",
            member.place(),
            own.dma_alignment + 1,
            alignment + 1
        ));
    }
    Ok(())
}

/// No node may be moving: what the labels say of growth and of a move is not made for both at once. Nor may one have been
/// left on its way.
pub(super) fn check_still(running: &Running) -> Outcome {
    match running.arriving() {
        Arriving::None => Ok(()),
        Arriving::To(_) => Err(fault!(
            EBUSY,
            None,
            "a node of the storage is being moved; wait for that job, or end it (dst job list)"
        )),
        Arriving::Lost => Err(fault!(
            ESTALE,
            None,
            "another machine has taken the storage over while a node was being moved, and it can only be deleted here \
             (dst delete --force)"
        )),
    }
}
