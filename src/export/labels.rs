// SPDX-License-Identifier: GPL-2.0

//! Requests about an export's label. They are rare and done one after the other, by the
//! submitting task, which may sleep.

use super::{
    exported::Export,
    peer::Peer,
    reply::{Finished, Slot},
};
use crate::{
    device::label::{self, Block},
    dst_core::{
        label::{Choice, LabelError},
        wire::{self, Message, Reason, Request, LABEL_BYTES},
    },
    sys::clock::seconds_since_1970,
};
use kernel::{prelude::*, sync::Arc};

type Outcome = core::result::Result<u32, (wire::Status, Reason)>;

fn refuse<T>(
    status: wire::Status,
    text: kernel::fmt::Arguments<'_>,
) -> core::result::Result<T, (wire::Status, Reason)> {
    Err((status, Reason::from_display(&text)))
}

/// Does what `request` asks for and makes the answer, with a reason if it is refused.
pub async fn perform(
    export: &Arc<Export>,
    peer: &Arc<Peer>,
    request: Request,
    message: Message,
    mut slot: Slot,
) -> Finished {
    let outcome = match request {
        Request::LabelRead => read(export, &mut slot),
        Request::LabelWrite { force } => write(export, &slot, message.epoch, force),
        Request::ClaimEpoch(epoch) => match claim(export, peer, epoch) {
            Ok(_) => match export.others_drained(peer).await {
                Ok(true) => record(export, epoch),
                Ok(false) => refuse(
                    wire::Status::Draining,
                    fmt!("requests of the former owner are still at the device"),
                ),
                Err(error) => device_error(error),
            },
            refused => refused,
        },
        _ => refuse(
            wire::Status::Unsupported,
            fmt!("not a request about a label"),
        ),
    };
    let (status, payload) = match outcome {
        Ok(payload) => (wire::Status::Ok, payload),
        Err((status, reason)) => {
            let text = reason.as_str().as_bytes();
            match slot.write_at(0, text) {
                Ok(()) => (status, text.len() as u32),
                Err(_) => (status, 0),
            }
        }
    };
    Finished {
        header: None,
        request: message,
        status,
        slot: Some(slot),
        payload,
    }
}

fn device_error<T>(error: Error) -> core::result::Result<T, (wire::Status, Reason)> {
    refuse(
        wire::Status::from_errno(error.to_errno()),
        fmt!("the label cannot be accessed: error {}", error.to_errno()),
    )
}

/// The label that is there now; `None` if there is none.
fn current(export: &Export) -> core::result::Result<Option<KBox<Choice>>, (wire::Status, Reason)> {
    let Some(area) = export.area() else {
        return refuse(
            wire::Status::NoSpace,
            fmt!("the device has no room for a label"),
        );
    };
    match label::read(export.device(), area) {
        Ok(Ok(choice)) => Ok(Some(choice)),
        Ok(Err(LabelError::None)) => Ok(None),
        Ok(Err(error)) => refuse(wire::Status::LabelMismatch, fmt!("{}", error)),
        Err(error) => device_error(error),
    }
}

fn read(export: &Export, slot: &mut Slot) -> Outcome {
    let _guard = export.label_lock().lock();
    let Some(choice) = current(export)? else {
        return refuse(wire::Status::NoLabel, fmt!("the device has no label"));
    };
    let block = Block::of(&choice.label).or_else(device_error)?;
    slot.write_at(0, block.bytes()).or_else(device_error)?;
    Ok(LABEL_BYTES)
}

fn store(
    export: &Export,
    current: Option<&Choice>,
    label: &crate::dst_core::label::Label,
) -> Outcome {
    let Some(area) = export.area() else {
        return refuse(
            wire::Status::NoSpace,
            fmt!("the device has no room for a label"),
        );
    };
    match label::write(export.device(), area, current, label) {
        Ok(()) => Ok(0),
        Err(error) => {
            // It was to be made stable, and the rest with it.
            export.cache().is_lost();
            device_error(error)
        }
    }
}

fn write(export: &Export, slot: &Slot, epoch: u64, force: bool) -> Outcome {
    // Reading, deciding and writing belong together.
    let _guard = export.label_lock().lock();
    // Somebody may have claimed the storage since the request was received. Under the lock, which a claim has too: nothing of
    // an earlier owner is written after the record of a later one.
    if epoch != export.epoch() {
        return refuse(
            wire::Status::StaleEpoch,
            fmt!(
                "epoch {} in the request, {} is in force",
                epoch,
                export.epoch()
            ),
        );
    }
    let mut block = Block::new().or_else(device_error)?;
    slot.read_at(0, block.bytes_mut()).or_else(device_error)?;
    let label = match block.label() {
        Ok(label) => label,
        Err(error) => return refuse(wire::Status::Invalid, fmt!("not a valid label: {}", error)),
    };
    let old = match current(export) {
        Ok(old) => old,
        // A damaged or newer label is replaced only on demand.
        Err(_) if force => None,
        Err(error) => return Err(error),
    };
    if let Some(old) = &old {
        if old.label.storage != label.storage && !force {
            return refuse(
                wire::Status::LabelMismatch,
                fmt!("the device belongs to storage \"{}\"", old.label.name),
            );
        }
        if label.sequence <= old.label.sequence {
            return refuse(
                wire::Status::LabelMismatch,
                fmt!("the label on the device is newer than the one to be written"),
            );
        }
    }
    let outcome = store(export, old.as_deref(), &label);
    if outcome.is_ok() {
        export.labelled(label.storage);
    }
    outcome
}

/// Makes `epoch` the one in force: requests of an older one are refused from here on.
fn claim(export: &Arc<Export>, peer: &Arc<Peer>, epoch: u64) -> Outcome {
    let _guard = export.label_lock().lock();
    let Some(old) = current(export)? else {
        return refuse(
            wire::Status::NoLabel,
            fmt!("the device has no label that could record an owner"),
        );
    };
    let session = peer
        .session
        .lock()
        .as_ref()
        .map_or([0; 16], |session| session.told.id);
    if epoch <= old.label.epoch.max(export.epoch()) && export.owner() != (session, epoch) {
        return refuse(
            wire::Status::StaleEpoch,
            fmt!(
                "epoch {} is not above the last one, {}",
                epoch,
                old.label.epoch
            ),
        );
    }
    if old.label.read_only() {
        return refuse(
            wire::Status::ReadOnly,
            fmt!("the label has features of a newer version, which allow it to read only"),
        );
    }
    export.set_owner(session, epoch);
    Ok(0)
}

/// Records `epoch` in the label, once nothing of an older one is at the device.
fn record(export: &Export, epoch: u64) -> Outcome {
    let _guard = export.label_lock().lock();
    let Some(old) = current(export)? else {
        return refuse(wire::Status::NoLabel, fmt!("the label is gone"));
    };
    if export.epoch() != epoch {
        return refuse(
            wire::Status::StaleEpoch,
            fmt!("somebody else has claimed the storage"),
        );
    }
    let mut label = old.label.next(seconds_since_1970());
    label.epoch = epoch;
    store(export, Some(&old), &label)
}
