// SPDX-License-Identifier: GPL-2.0

//! Looking at a node before the start: its label, and what else its device holds.

use super::{
    config::{Reason, StorageConfig},
    errand::{is_lost, Answer, Request},
    fault::{Fault, Outcome},
    member::Member,
    wait::Patience,
};
use crate::{
    device::label::{self, Block},
    dst_core::{
        label::{Choice, Copy as Place, Label, LabelError, MetadataArea},
        signature,
        text::Text,
        units::{round_down, round_up, SECTOR_SHIFT},
        wire,
    },
    fault,
    net::client::ClientError,
    sys::{bdev::BlockDevice, refusal::Field},
};
use kernel::prelude::*;

/// What was found where a node's label is.
pub enum Found {
    /// No label.
    None,
    /// A label.
    Label(KBox<Choice>),
    /// A label that this version cannot use, or damage.
    Unusable(KBox<Reason>),
}

impl Found {
    /// The label, if one was found that can be used.
    pub fn label(&self) -> Option<&Label> {
        match self {
            Self::Label(choice) => Some(&choice.label),
            _ => None,
        }
    }

    /// Whether the node can become part of a new storage without anything being lost.
    pub fn is_blank(&self, config: &StorageConfig) -> bool {
        match self {
            Self::None => true,
            Self::Label(choice) => {
                // One that was labelled for a growth, or as a copy, belongs to a storage that exists.
                choice.label.epoch == 0
                    && choice.label.newest.is_none()
                    && choice.label.partner.is_none()
                    && choice.label.name.as_str() == config.name.as_str()
            }
            Self::Unusable(_) => false,
        }
    }
}

/// The metadata area of a node's device.
pub fn area_of(member: &Member) -> Outcome<MetadataArea> {
    MetadataArea::for_device(member.facts().device_sectors).map_err(|error| {
        fault!(
            ENOSPC,
            None,
            "{}: {}",
            member.place(),
            format_args!("{error}")
        )
    })
}

/// An error of a node's device.
pub fn io_fault(member: &Member, what: &str, error: Error) -> Fault {
    fault!(
        error,
        None,
        "{}: cannot {} (error {})",
        member.place(),
        what,
        error.to_errno()
    )
}

fn unusable(reason: &dyn core::fmt::Display) -> Outcome<Found> {
    Ok(Found::Unusable(KBox::new(
        Text::from_display(reason),
        GFP_KERNEL,
    )?))
}

/// Reads the label of a local device. The outer error is of the device.
#[inline(never)]
fn read_local(member: &Member, device: &BlockDevice) -> Outcome<Found> {
    let read = label::read(device, &area_of(member)?)
        .map_err(|error| io_fault(member, "read the label", error))?;
    match read {
        Ok(choice) => Ok(Found::Label(choice)),
        Err(LabelError::None) => Ok(Found::None),
        Err(error) => unusable(&error),
    }
}

/// What the label in `block`, of an export, says.
#[inline(never)]
fn decode(mut block: Block) -> Outcome<Found> {
    match block.label() {
        Ok(label) => {
            let choice = Choice {
                label,
                // The export knows which of the two copies is better.
                place: Place::A,
                other_stale: false,
            };
            Ok(Found::Label(KBox::new(choice, GFP_KERNEL)?))
        }
        Err(LabelError::None) => Ok(Found::None),
        Err(error) => unusable(&error),
    }
}

/// Reads a node's label, over a new connection if the old one was lost. Waits for the node.
pub fn survey(member: &Member, patience: Patience<'_>) -> Outcome<Found> {
    let found = read(member, patience)?;
    if let Some(label) = found.label() {
        member.learn(|facts| facts.sequence = label.sequence);
    }
    Ok(found)
}

fn read(member: &Member, patience: Patience<'_>) -> Outcome<Found> {
    if let Some(device) = member.device() {
        return read_local(member, &device);
    }
    let connected = member.is_connected();
    let mut answer = member.call(patience, Request::ReadLabel);
    if connected && answer.as_ref().is_err_and(is_lost) {
        answer = member.call(patience, Request::ReadLabel);
    }
    match answer {
        Ok(Answer::Label(Some(block))) => decode(block),
        Ok(_) => Ok(Found::None),
        Err(ClientError::Refused(wire::Status::LabelMismatch, reason)) => unusable(&reason),
        Err(error) => Err(member.refusal(&error)),
    }
}

/// Makes sure that the node of a storage without labels can be read, and, if `keep_label`, that it
/// has no label that its data would overwrite. An export looks after its own label.
pub fn probe(member: &Member, keep_label: bool, patience: Patience<'_>) -> Outcome {
    if let Some(device) = member.device() {
        // A device without room for a label has none.
        if keep_label && area_of(member).is_ok() {
            if let Found::Label(choice) = read_local(member, &device)? {
                return Err(fault!(
                    EEXIST,
                    Field::Path,
                    "{}: the device carries a label of storage \"{}\" that raw use would \
                     overwrite; wipe it first, or use --force",
                    member.place(),
                    choice.label.name
                ));
            }
        }
        return Ok(());
    }
    let connected = member.is_connected();
    let read = || Request::Read(0, member.facts().limits.logical_block as usize);
    let mut answer = member.call(patience, read());
    if connected && answer.as_ref().is_err_and(is_lost) {
        answer = member.call(patience, read());
    }
    answer.map(|_| ()).map_err(|error| member.refusal(&error))
}

/// What the device of an unlabelled node holds, as far as it can be read: of an export the data
/// area.
pub fn find_signature(
    member: &Member,
    found: &Found,
    patience: Patience<'_>,
) -> Outcome<Option<&'static str>> {
    let facts = member.facts();
    let device = member.device();
    let bytes = facts.device_sectors << SECTOR_SHIFT;
    let readable = match device {
        Some(_) => bytes,
        None => facts.sectors << SECTOR_SHIFT,
    };
    let block = u64::from(facts.limits.logical_block);
    // A device without room for a label has none.
    let area = area_of(member).ok();
    let own = [Place::A, Place::B].map(|copy| {
        let area = area.as_ref();
        area.map(|area| area.copy_sector(copy) << SECTOR_SHIFT)
    });
    let mut buffer = KVVec::new();
    for window in signature::windows(bytes) {
        // An abandoned label of our own is nothing to be kept.
        if matches!(found, Found::Label(_)) && own.contains(&Some(window.offset)) {
            continue;
        }
        let start = round_down(window.offset, block);
        let end = window.offset + u64::from(window.length);
        let Some(end) = round_up(end, block).filter(|end| *end <= readable) else {
            continue;
        };
        let length = (end - start) as usize;
        match &device {
            Some(device) => {
                buffer.resize(length, 0, GFP_KERNEL)?;
                device
                    .read_exact_at(start, &mut buffer)
                    .map_err(|error| io_fault(member, "look at what is on it", error))?;
            }
            None => match member.call(patience, Request::Read(start, length)) {
                Ok(Answer::Data(data)) => buffer = data,
                Ok(_) => continue,
                Err(error) => return Err(member.refusal(&error)),
            },
        }
        let skip = (window.offset - start) as usize;
        let shown = buffer
            .get(skip..)
            .and_then(|part| part.get(..window.length as usize));
        let name = shown.and_then(|shown| signature::recognise(bytes, &window, shown));
        if name.is_some() {
            return Ok(name);
        }
    }
    Ok(None)
}
