// SPDX-License-Identifier: GPL-2.0

//! Writing the label of a node: on a device of this machine, or through its export.
//!
//! What is written is durable, in both places, when these functions return. A node of a running storage
//! is asked over a connection of its own beside those of its I/O, which the caller closes when he is done
//! ([`Member::hang_up`]). All of this waits for the node, in process context, with the storage's
//! operation lock held, so that nobody else on this machine changes a label meanwhile. Other machines
//! are kept out by the epoch.

use super::{
    errand::Request,
    fault::{Fault, Outcome},
    member::Member,
    survey::{area_of, io_fault, survey, Found},
    wait::Patience,
};
use crate::{
    device::label::{self, Block},
    dst_core::label::{Foreign, Label},
    fault,
    sys::clock::seconds_since_1970,
};
use kernel::prelude::*;

/// Writes `label` in place of what was `found`.
#[inline(never)]
pub fn write_label(
    member: &Member,
    label: &Label,
    found: &Found,
    patience: Patience<'_>,
) -> Outcome {
    match member.device() {
        None => {
            let block = Block::of(label)?;
            let force = !matches!(found, Found::None);
            member
                .call(patience, Request::WriteLabel(block, force))
                .map_err(|error| member.refusal(&error))?;
        }
        Some(device) => {
            let current = match found {
                Found::Label(choice) => Some(&**choice),
                _ => None,
            };
            label::write(&device, &area_of(member)?, current, label)
                .map_err(|error| io_fault(member, "write the label", error))?;
        }
    }
    member.learn(|facts| facts.sequence = label.sequence);
    Ok(())
}

/// Makes this machine the owner of the node in `epoch`.
#[inline(never)]
pub fn claim(member: &Member, epoch: u64, patience: Patience<'_>) -> Outcome {
    let Some(device) = member.device() else {
        member
            .call(patience, Request::Claim(epoch))
            .map_err(|error| member.refusal(&error))?;
        // It records that in the label that was read or written before.
        member.learn(|facts| facts.sequence = facts.sequence.saturating_add(1));
        return Ok(());
    };
    let area = area_of(member)?;
    let current = label::read(&device, &area)
        .map_err(|error| io_fault(member, "read the label", error))?
        .map_err(|error| fault!(EIO, None, "{}: {}", member.place(), format_args!("{error}")))?;
    let owned = owned(&current.label, epoch)?;
    label::write(&device, &area, Some(&current), &owned)
        .map_err(|error| io_fault(member, "write the label", error))?;
    member.learn(|facts| facts.sequence = owned.sequence);
    Ok(())
}

/// Apart, as labels are large.
#[inline(never)]
fn owned(label: &Label, epoch: u64) -> Outcome<KBox<Label>> {
    let mut owned = KBox::new(label.next(seconds_since_1970()), GFP_KERNEL)?;
    owned.epoch = epoch;
    Ok(owned)
}

/// A storage that this machine owns.
#[derive(Clone, Copy)]
pub struct Owned {
    /// Its identity.
    pub storage: [u8; 16],
    /// The epoch in which it is owned.
    pub epoch: u64,
}

/// A change of a label. One that gives the same label changes nothing.
pub type Change<'a> = &'a dyn Fn(&Label) -> Result<Label, Foreign>;

/// A label that could not be changed.
pub struct NotUpdated {
    /// Why.
    pub fault: Fault,
    /// It may have been written all the same, in one of its places or in both.
    pub doubt: bool,
}

/// Changes the label of a device, unless it is as it should be. Errors: `ESTALE` if another
/// machine owns the storage now, or has changed the label; `EIO` if there is no label of the node.
#[inline(never)]
pub fn update_label(
    member: &Member,
    owned: &Owned,
    patience: Patience<'_>,
    change: Change<'_>,
) -> Outcome {
    try_update_label(member, owned, patience, change).map_err(|error| error.fault)
}

/// The same, and tells in an error whether the label may have been changed.
#[inline(never)]
pub fn try_update_label(
    member: &Member,
    owned: &Owned,
    patience: Patience<'_>,
    change: Change<'_>,
) -> Result<(), NotUpdated> {
    let told = |doubt| move |fault| NotUpdated { fault, doubt };
    let found = survey(member, patience).map_err(told(false))?;
    let label = check_owned(member, owned, &found).map_err(told(false))?;
    match changed(member, label, change).map_err(told(false))? {
        Some(label) => write_label(member, &label, &found, patience).map_err(told(true)),
        None => Ok(()),
    }
}

/// Apart, as labels are large.
#[inline(never)]
fn changed(member: &Member, label: &Label, change: Change<'_>) -> Outcome<Option<KBox<Label>>> {
    let changed = change(label).map_err(|problem| {
        fault!(
            ESTALE,
            None,
            "{}: {}",
            member.place(),
            format_args!("{problem}")
        )
    })?;
    if changed == *label {
        return Ok(None);
    }
    let next = changed.next(seconds_since_1970());
    Ok(Some(KBox::new(next, GFP_KERNEL)?))
}

/// The label that was `found`, if it is that of the member, which this machine owns.
pub fn check_owned<'a>(member: &Member, owned: &Owned, found: &'a Found) -> Outcome<&'a Label> {
    let label = found.label().filter(|label| {
        let known = member.facts().uuid;
        label.storage == owned.storage && known.is_none_or(|known| known == label.node)
    });
    match label {
        None => Err(fault!(
            EIO,
            None,
            "{}: the label is damaged, or that of another node: it is not the device that it was",
            member.place()
        )),
        Some(label) if label.epoch != owned.epoch => Err(fault!(
            ESTALE,
            None,
            "{}: the label says epoch {}, and this machine owns the storage in epoch {}: another \
             machine has taken it over",
            member.place(),
            label.epoch,
            owned.epoch
        )),
        Some(label) => Ok(label),
    }
}
