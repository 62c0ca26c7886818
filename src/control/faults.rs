// SPDX-License-Identifier: GPL-2.0

//! From refusals of the layers below to faults in a netlink request.

use super::uapi::{attr, cmd};
use crate::sys::{
    genl::{At, Attributes, Fault},
    refusal::{Field, Refusal},
};
use kernel::prelude::*;

/// The fault that a refusal is in a request: its attribute is the one that holds the field.
pub fn fault(command: u8, attributes: &Attributes<'_>, refusal: &Refusal) -> Fault {
    let at = refusal
        .field()
        .and_then(|field| attribute(command, field))
        .and_then(|kind| attributes.get(kind))
        .map_or(At::Request, |attribute| attribute.at());
    Fault::new(refusal.error(), at, fmt!("{}", refusal.text()))
}

/// The attribute in requests of type `command` that holds `field`, if any does.
fn attribute(command: u8, field: Field) -> Option<u16> {
    match command {
        cmd::STORAGE_ADD
        | cmd::STORAGE_DEL
        | cmd::STORAGE_START
        | cmd::STORAGE_SET
        | cmd::STORAGE_GET => storage(command, field),
        cmd::NODE_ADD
        | cmd::NODE_DEL
        | cmd::NODE_GET
        | cmd::NODE_SUSPEND
        | cmd::NODE_RESUME
        | cmd::NODE_CLEAR
        | cmd::NODE_MIGRATE
        | cmd::NODE_REPLACE => node(field),
        cmd::EXPORT_ADD | cmd::EXPORT_DEL | cmd::EXPORT_SET | cmd::EXPORT_GET => {
            export(command, field)
        }
        cmd::JOB_BEGIN
        | cmd::JOB_GET
        | cmd::JOB_PAUSE
        | cmd::JOB_RESUME
        | cmd::JOB_CANCEL
        | cmd::JOB_SET => job(field),
        _ => None,
    }
}

fn job(field: Field) -> Option<u16> {
    use attr::job as a;
    Some(match field {
        Field::Id => a::ID,
        Field::Name => a::STORAGE,
        Field::Index => a::NODE_INDEX,
        Field::RateLimit => a::RATE_LIMIT,
        Field::MinRate => a::MIN_RATE,
        _ => return None,
    })
}

fn storage(command: u8, field: Field) -> Option<u16> {
    use attr::storage as a;
    Some(match field {
        Field::Name => a::NAME,
        Field::Algorithm => a::ALGORITHM,
        Field::Disk => a::DISK,
        Field::Uuid => a::UUID,
        Field::Timeout => a::TIMEOUT,
        Field::Workers => a::WORKERS,
        Field::WorkerNice => a::WORKER_NICE,
        Field::WorkerCpus => a::WORKER_CPUS,
        Field::Flags => match command {
            cmd::STORAGE_DEL => a::DEL_FLAGS,
            cmd::STORAGE_START => a::START_FLAGS,
            _ => a::FLAGS,
        },
        _ => return None,
    })
}

fn node(field: Field) -> Option<u16> {
    use attr::node as a;
    Some(match field {
        Field::Name => a::STORAGE,
        Field::Index => a::INDEX,
        Field::Path => a::PATH,
        Field::Address => a::ADDRESS,
        Field::Export => a::EXPORT,
        Field::Start => a::START,
        Field::Size => a::SIZE,
        Field::Flags => a::FLAGS,
        Field::Connections => a::CONNECTIONS,
        Field::Keepalive => a::KEEPALIVE,
        Field::RequestTimeout => a::REQUEST_TIMEOUT,
        Field::RequestTries => a::REQUEST_TRIES,
        Field::QueueDepth => a::QUEUE_DEPTH,
        Field::MaxTransfer => a::MAX_TRANSFER,
        Field::Timeout => a::CONNECT_TIMEOUT,
        Field::RateLimit => a::RATE_LIMIT,
        Field::MinRate => a::MIN_RATE,
        _ => return None,
    })
}

fn export(command: u8, field: Field) -> Option<u16> {
    use attr::export as a;
    Some(match field {
        Field::Id => a::ID,
        Field::Name => a::NAME,
        Field::Path => a::PATH,
        Field::Address => a::ADDRESS,
        Field::Flags if command == cmd::EXPORT_DEL => a::DEL_FLAGS,
        Field::Flags => a::FLAGS,
        Field::Allow => a::ALLOW,
        Field::QueueDepth => a::QUEUE_DEPTH,
        Field::MaxTransfer => a::MAX_TRANSFER,
        Field::MaxClients => a::MAX_CLIENTS,
        Field::ClientMemory => a::CLIENT_MEMORY,
        Field::Timeout => a::HELLO_TIMEOUT,
        _ => return None,
    })
}
