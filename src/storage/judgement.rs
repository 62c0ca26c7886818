// SPDX-License-Identifier: GPL-2.0

//! What the labels of all nodes of a start come to: a new storage, one that is started again, or a refusal.
//!
//! Nothing here writes.

use super::{
    config::StorageConfig,
    fault::{Fault, Outcome},
    holding::{what_moved, Moved, SetAside},
    member::Member,
    survey::{find_signature, Found},
    volume::StorageLayout,
    wait::Patience,
};
use crate::{
    dst_core::{
        label::{check_membership, judge_growth, Expected, Growth, Label, Mismatch, Unfinished},
        map::{Kind, Layout},
        text::Text,
    },
    fault,
    sys::refusal::{Field, Refusal},
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
    /// The device on whose word that of a node is used.
    pub witness: Option<&'a SetAside>,
    /// The devices that hold no node.
    pub aside: &'a [SetAside],
    /// A node moves, or has moved, so no new storage is made of the devices.
    pub moves: bool,
    /// Its map.
    pub layout: &'a StorageLayout,
    /// Whether other storages' labels and foreign data may be overwritten on all nodes.
    pub force: bool,
    /// Nothing is to be written.
    pub read_only: bool,
}

/// What is to be done about labels that do not all say the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// About a growth that was cut short.
    pub growth: Growth,
    /// About a migration.
    pub moved: Moved,
}

impl Judgement {
    /// Whether the storage can be read although the labels are left as they are.
    pub fn can_be_read(&self) -> bool {
        self.growth == Growth::None && !self.moved.takes_over
    }
}

impl Wanted<'_> {
    fn is_forced(&self, member: &Member) -> bool {
        self.force || member.config.force
    }

    /// The highest epoch that is recorded, or in force at an export.
    pub fn highest_epoch(&self, found: &[Found]) -> u64 {
        let aside = self.aside.iter().map(|device| &device.found);
        let labels = Iterator::chain(found.iter(), aside).filter_map(Found::label);
        let recorded = labels.map(|label| label.epoch);
        let aside = self.aside.iter().map(|device| &device.member);
        let members = Iterator::chain(self.members.iter(), aside);
        let in_force = members.map(|member| member.facts().epoch);
        Iterator::chain(recorded, in_force).fold(0, u64::max)
    }

    /// What the labels of a storage that exists come to; `None` if a new storage is made of the
    /// nodes. Errors: why it can be neither made nor started again.
    pub fn known(&self, found: &[Found], problem: Option<Fault>) -> Outcome<Option<Judgement>> {
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
        let judged = match problem {
            Some(problem) => Err(problem),
            None => self.check_all(found).and_then(|()| {
                self.check_witness()?;
                let witness = self.witness.map(|witness| &witness.found);
                self.judge(found, witness)
            }),
        };
        let problem = match judged {
            Ok(judgement) => return Ok(Some(judgement)),
            Err(problem) => problem,
        };
        let takeable = self
            .members
            .iter()
            .zip(found)
            .all(|(member, found)| found.is_blank(self.config) || self.is_forced(member));
        match problem.error() {
            // Force overrides what was found on the devices, not that it could not be looked at.
            EINVAL | EROFS if takeable && !self.moves => Ok(None),
            error @ (EINVAL | EROFS) if takeable => Err(fault!(
                error,
                None,
                "{}; force takes them only after you wipe their labels (dst label --wipe)",
                Refusal::from(problem)
            )),
            _ => Err(problem),
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

    /// What has to be done, as these labels have it, each of which is in its place.
    pub fn judge(&self, found: &[Found], witness: Option<&Found>) -> Outcome<Judgement> {
        let growth = self.growth(found)?;
        let moved = match growth {
            Growth::None => what_moved(found, witness)?,
            _ => self.check_settled(found)?,
        };
        Ok(Judgement { growth, moved })
    }

    /// While the storage grows no node moves, and all that moved before is known to all.
    fn check_settled(&self, found: &[Found]) -> Outcome<Moved> {
        let labels = || found.iter().filter_map(Found::label);
        let events = labels().map(|label| label.events).fold(0, u64::max);
        let differs = |label: &Label| label.events != events || label.partner.is_some();
        let Some(at) = labels().position(differs) else {
            return Ok(Moved {
                events,
                ..Moved::NOTHING
            });
        };
        let place = self.members.get(at).map(|member| member.place());
        Err(fault!(
            EINVAL,
            None,
            "node {} ({}): it has not seen that a node of the storage has moved, which was settled before the storage \
             began to grow: it is an image of earlier times; give the device that holds it now",
            at,
            place.ok_or(EINVAL)?
        ))
    }

    /// The device on whose word another one is used has to record who is the owner, so that nobody takes the word back.
    fn check_witness(&self) -> Outcome {
        let Some(witness) = self.witness.filter(|_| !self.read_only) else {
            return Ok(());
        };
        let place = witness.member.place();
        if witness.found.label().is_some_and(Label::read_only) {
            return Err(fault!(
                EROFS,
                None,
                "{}: its label asks for a newer version of DST; this one can only read it",
                place
            ));
        }
        if witness.member.facts().limits.read_only {
            return Err(fault!(
                EROFS,
                None,
                "{}: node {} was about to move from there, and the device has to record that it has; make it \
                 writable for this start",
                place,
                witness.index()
            ));
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
            holds: self
                .witness
                .is_some_and(|witness| witness.index() == label.index),
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
                // That would be the data, or a copy of it.
                Mismatch::Replaced(_) | Mismatch::Copy(_) => {
                    fault!(
                        EINVAL,
                        None,
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
    pub fn check_takeable(
        &self,
        member: &Member,
        found: &Found,
        patience: Patience<'_>,
    ) -> Outcome {
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
