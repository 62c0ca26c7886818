// SPDX-License-Identifier: GPL-2.0

//! From what the layers tell about themselves to netlink attributes.
//!
//! Values that are not known yet are left out rather than told as 0.

use super::{
    backend::ModuleInfo,
    uapi::{attr, connection_role, export_flags, node_flags, node_kind, storage_flags},
};
use crate::{
    export::config::{Access, ConnectionInfo, ConnectionOwner, ExportInfo, Prefix, Rule},
    jobs::config::JobInfo,
    storage::config::{NodeInfo, Place, StorageInfo},
    sys::{genl::Message, socket_address::SocketAddress},
};
use core::net::IpAddr;
use kernel::prelude::*;

/// `bit` if `on`.
const fn bit(on: bool, bit: u32) -> u32 {
    if on {
        bit
    } else {
        0
    }
}

/// The number for an access.
const fn access(access: Access) -> u32 {
    match access {
        Access::ReadOnly => super::uapi::access::READ_ONLY,
        Access::ReadWrite => super::uapi::access::READ_WRITE,
    }
}

fn address(message: &mut Message<'_>, kind: u16, address: &SocketAddress) -> Result {
    use attr::address as a;
    message.put_nest(kind, |message| {
        // The families' numbers are small.
        message.put_u16(a::FAMILY, address.family() as u16)?;
        match address {
            SocketAddress::V4 { address, .. } => message.put_bytes(a::IP, address)?,
            SocketAddress::V6 {
                address, scope_id, ..
            } => {
                message.put_bytes(a::IP, address)?;
                if *scope_id != 0 {
                    message.put_u32(a::SCOPE_ID, *scope_id)?;
                }
            }
        }
        message.put_u16(a::PORT, address.port())
    })
}

/// A storage.
pub fn storage(message: &mut Message<'_>, info: &StorageInfo) -> Result {
    use attr::storage as a;
    message.put_text(a::NAME, info.name.as_str())?;
    message.put_text(a::ALGORITHM, info.algorithm.as_str())?;
    message.put_text(a::DISK, info.disk.as_str())?;
    if let Some(uuid) = &info.uuid {
        message.put_bytes(a::UUID, uuid)?;
    }
    let flags = bit(info.raw, storage_flags::RAW) | bit(info.read_only, storage_flags::READ_ONLY);
    message.put_u32(a::FLAGS, flags)?;
    message.put_u32(a::STATE, info.state as u32)?;
    message.put_some_text(a::REASON, info.reason.as_str())?;
    message.put_some_text(a::WAITS_FOR, info.waits_for.as_str())?;
    message.put_uint(a::SINCE, info.since)?;
    if let Some((major, minor)) = info.device_number {
        message.put_uint(a::SECTORS, info.sectors)?;
        message.put_u32(a::LOGICAL_BLOCK, info.logical_block)?;
        message.put_u32(a::PHYSICAL_BLOCK, info.physical_block)?;
        message.put_u32(a::MAJOR, major)?;
        message.put_u32(a::MINOR, minor)?;
    }
    message.put_uint(a::EPOCH, info.epoch)?;
    message.put_u32(a::NODE_COUNT, info.node_count)?;
    message.put_u32(a::OPENERS, info.openers)?;
    message.put_u32(a::IN_FLIGHT, info.in_flight)?;
    message.put_uint(a::READ_IOS, info.io.read_ios)?;
    message.put_uint(a::READ_BYTES, info.io.read_bytes)?;
    message.put_uint(a::WRITE_IOS, info.io.write_ios)?;
    message.put_uint(a::WRITE_BYTES, info.io.write_bytes)?;
    message.put_uint(a::FLUSH_IOS, info.io.flush_ios)?;
    message.put_uint(a::DISCARD_IOS, info.io.discard_ios)?;
    message.put_uint(a::DISCARD_BYTES, info.io.discard_bytes)?;
    message.put_uint(a::ERRORS, info.io.errors)?;
    message.put_u32(a::WORKERS, info.workers)?;
    message.put_i32(a::WORKER_NICE, info.worker_nice)?;
    message.put_some_text(a::WORKER_CPUS, info.worker_cpus.as_str())?;
    message.put_u32(a::NETNS, info.net.number())
}

/// A node.
pub fn node(message: &mut Message<'_>, info: &NodeInfo) -> Result {
    use attr::node as a;
    let config = &info.config;
    message.put_text(a::STORAGE, info.storage.as_str())?;
    node_config(message, info)?;
    message.put_fmt(a::TYPE, fmt!("{}", *config.place))?;
    message.put_u32(a::STATE, info.state as u32)?;
    message.put_some_text(a::REASON, info.reason.as_str())?;
    message.put_some_text(a::WAITS_FOR, info.waits_for.as_str())?;
    message.put_uint(a::SINCE, info.since)?;
    if let Some(uuid) = &info.uuid {
        message.put_bytes(a::UUID, uuid)?;
    }
    if info.device_sectors != 0 {
        message.put_uint(a::DEVICE_SECTORS, info.device_sectors)?;
    }
    if info.logical_block != 0 {
        message.put_u32(a::LOGICAL_BLOCK, info.logical_block)?;
    }
    message.put_u32(a::IN_FLIGHT, info.in_flight)?;
    message.put_u32(a::QUEUED, info.queued)?;
    message.put_uint(a::READ_IOS, info.io.read_ios)?;
    message.put_uint(a::READ_BYTES, info.io.read_bytes)?;
    message.put_uint(a::WRITE_IOS, info.io.write_ios)?;
    message.put_uint(a::WRITE_BYTES, info.io.write_bytes)?;
    message.put_uint(a::ERRORS, info.io.errors)?;
    if let Some((errno, sector, ago)) = info.write_error {
        message.put_u32(a::WRITE_ERROR, errno)?;
        message.put_uint(a::WRITE_ERROR_SECTOR, sector)?;
        message.put_uint(a::WRITE_ERROR_AGO, ago)?;
    }
    message.put_uint(a::RETRIES, info.retries)?;
    message.put_uint(a::RECONNECTS, info.reconnects)?;
    message.put_u32(a::ESTABLISHED, info.established)
}

/// What was configured of a node.
fn node_config(message: &mut Message<'_>, info: &NodeInfo) -> Result {
    use attr::node as a;
    let config = &info.config;
    let numbers = [
        (a::INDEX, config.index),
        (a::CONNECTIONS, config.connections),
        (a::QUEUE_DEPTH, config.queue_depth),
        (a::MAX_TRANSFER, config.max_transfer),
        (a::CONNECT_TIMEOUT, config.connect_timeout),
        (a::KEEPALIVE, config.keepalive),
        (a::RETRY_LIMIT, config.retry_limit),
        (a::REQUEST_TIMEOUT, config.request_timeout),
        (a::REQUEST_TRIES, config.request_tries),
    ];
    for (kind, value) in numbers {
        if let Some(value) = value {
            message.put_u32(kind, value)?;
        }
    }
    match &*config.place {
        Place::Local(path) => {
            message.put_u32(a::KIND, node_kind::LOCAL)?;
            message.put_string(a::PATH, path.to_bytes())?;
        }
        Place::Remote {
            address: peer,
            export,
        } => {
            message.put_u32(a::KIND, node_kind::REMOTE)?;
            address(message, a::ADDRESS, peer)?;
            message.put_some_text(a::EXPORT, export.as_str())?;
        }
    }
    if let Some(start) = config.start {
        message.put_uint(a::START, start)?;
    }
    if let Some(size) = config.size {
        message.put_uint(a::SIZE, size)?;
    }
    let flags = bit(config.fail_fast, node_flags::FAIL_FAST)
        | bit(info.read_only, node_flags::READ_ONLY)
        | bit(info.default_connections, node_flags::DEFAULT_CONNECTIONS);
    message.put_u32(a::FLAGS, flags)
}

fn allow(message: &mut Message<'_>, rule: &Rule) -> Result {
    use attr::allow as a;
    message.put_nest(attr::export::ALLOW, |message| {
        match rule.prefix.address() {
            IpAddr::V4(ip) => message.put_bytes(a::IP, &ip.octets())?,
            IpAddr::V6(ip) => message.put_bytes(a::IP, &ip.octets())?,
        }
        message.put_u8(a::PREFIX_LEN, rule.prefix.bits())?;
        message.put_u32(a::ACCESS, access(rule.access))
    })
}

fn prefix(message: &mut Message<'_>, prefix: &Prefix) -> Result {
    use attr::prefix as a;
    message.put_nest(attr::export::COPY_FROM, |message| {
        match prefix.address() {
            IpAddr::V4(ip) => message.put_bytes(a::IP, &ip.octets())?,
            IpAddr::V6(ip) => message.put_bytes(a::IP, &ip.octets())?,
        }
        message.put_u8(a::PREFIX_LEN, prefix.bits())
    })
}

/// Number and address of an export: the answer to the request that made it.
pub fn new_export(message: &mut Message<'_>, info: &ExportInfo) -> Result {
    message.put_u32(attr::export::ID, info.id)?;
    address(message, attr::export::ADDRESS, &info.address)
}

/// Bytes that an export with so many entries in its lists needs; 0 if that is not much.
pub fn export_room(entries: usize) -> usize {
    // Header of the nest, address of 16 bytes, prefix length, access.
    const ENTRY: usize = 4 + 20 + 8 + 8;
    // The longest path and name, and everything else.
    const REST: usize = 2048;
    if entries < 16 {
        return 0;
    }
    entries.saturating_mul(ENTRY).saturating_add(REST)
}

/// An export.
pub fn export(message: &mut Message<'_>, info: &ExportInfo) -> Result {
    use attr::export as a;
    message.put_u32(a::ID, info.id)?;
    message.put_some_text(a::NAME, info.name.as_str())?;
    message.put_string(a::PATH, info.path.to_bytes())?;
    address(message, a::ADDRESS, &info.address)?;
    let flags = bit(info.read_only, export_flags::READ_ONLY)
        | bit(info.write_back, export_flags::WRITE_BACK)
        | bit(info.shared_writers, export_flags::SHARED_WRITERS)
        | bit(info.address.is_unspecified(), export_flags::ANY_ADDRESS);
    message.put_u32(a::FLAGS, flags)?;
    for rule in info.allow.iter() {
        allow(message, rule)?;
    }
    message.put_u32(a::BACKLOG, info.backlog)?;
    message.put_u32(a::QUEUE_DEPTH, info.queue_depth)?;
    message.put_u32(a::MAX_TRANSFER, info.max_transfer)?;
    message.put_u32(a::MAX_CLIENTS, info.max_clients)?;
    message.put_uint(a::CLIENT_MEMORY, info.client_memory)?;
    message.put_u32(a::HELLO_TIMEOUT, info.hello_timeout)?;
    message.put_u32(a::IDLE_TIMEOUT, info.idle_timeout)?;
    message.put_u32(a::STATE, info.state as u32)?;
    message.put_some_text(a::REASON, info.reason.as_str())?;
    message.put_uint(a::SINCE, info.since)?;
    message.put_uint(a::SECTORS, info.sectors)?;
    message.put_u32(a::LOGICAL_BLOCK, info.logical_block)?;
    message.put_u32(a::CLIENTS, info.clients)?;
    message.put_u32(a::WRITERS, info.writers)?;
    message.put_u32(a::IN_FLIGHT, info.in_flight)?;
    message.put_uint(a::READ_IOS, info.read_ios)?;
    message.put_uint(a::READ_BYTES, info.read_bytes)?;
    message.put_uint(a::WRITE_IOS, info.write_ios)?;
    message.put_uint(a::WRITE_BYTES, info.write_bytes)?;
    message.put_uint(a::ERRORS, info.errors)?;
    message.put_uint(a::REFUSED, info.refused)?;
    message.put_u32(a::NETNS, info.net.number())?;
    for entry in info.copy_from.iter() {
        prefix(message, entry)?;
    }
    Ok(())
}

/// A connection.
pub fn connection(message: &mut Message<'_>, info: &ConnectionInfo) -> Result {
    use attr::connection as a;
    message.put_uint(a::ID, info.id)?;
    match &info.owner {
        ConnectionOwner::Node { storage, index } => {
            message.put_u32(a::ROLE, connection_role::NODE)?;
            message.put_text(a::STORAGE, storage.as_str())?;
            message.put_u32(a::NODE_INDEX, *index)?;
        }
        ConnectionOwner::Export { id } => {
            message.put_u32(a::ROLE, connection_role::EXPORT)?;
            message.put_u32(a::EXPORT_ID, *id)?;
        }
    }
    message.put_u32(a::STATE, info.state as u32)?;
    message.put_some_text(a::REASON, info.reason.as_str())?;
    message.put_uint(a::SINCE, info.since)?;
    if let Some(local) = &info.local {
        address(message, a::LOCAL, local)?;
    }
    if let Some(peer) = &info.peer {
        address(message, a::PEER, peer)?;
    }
    if let Some(granted) = info.access {
        message.put_u32(a::ACCESS, access(granted))?;
    }
    if info.version != 0 {
        message.put_u32(a::VERSION, info.version)?;
    }
    if let Some(session) = &info.session {
        message.put_bytes(a::SESSION, session)?;
    }
    message.put_u32(a::IN_FLIGHT, info.in_flight)?;
    message.put_uint(a::REQUESTS, info.requests)?;
    message.put_uint(a::REFUSED, info.refused)?;
    message.put_uint(a::SENT_BYTES, info.sent_bytes)?;
    message.put_uint(a::RECEIVED_BYTES, info.received_bytes)
}

/// A job.
pub fn job(message: &mut Message<'_>, info: &JobInfo) -> Result {
    use attr::job as a;
    message.put_u32(a::ID, info.id)?;
    message.put_u32(a::KIND, info.kind as u32)?;
    message.put_text(a::STORAGE, info.storage.as_str())?;
    if let Some(node) = info.node {
        message.put_u32(a::NODE_INDEX, node)?;
    }
    message.put_u32(a::STATE, info.state as u32)?;
    message.put_some_text(a::REASON, info.reason.as_str())?;
    message.put_some_text(a::WAITS_FOR, info.waits_for.as_str())?;
    message.put_some_text(a::WAY, info.way.as_str())?;
    message.put_uint(a::SINCE, info.since)?;
    message.put_uint(a::ELAPSED, info.elapsed)?;
    message.put_uint(a::DONE, info.done)?;
    message.put_uint(a::TOTAL, info.total)?;
    message.put_uint(a::RATE, info.rate)?;
    if let Some(left) = info.left {
        message.put_uint(a::TIME_LEFT, left)?;
    }
    if let Some(limit) = info.limit {
        message.put_uint(a::RATE_LIMIT, limit)?;
    }
    message.put_uint(a::MIN_RATE, info.floor)?;
    message.put_u32(a::IN_FLIGHT, info.in_flight)?;
    if let Some(bad) = info.bad {
        message.put_uint(a::BAD_SECTOR, bad.sector)?;
        message.put_u32(a::BAD_NODE, bad.node)?;
    }
    Ok(())
}

/// The module.
pub fn module(message: &mut Message<'_>, info: &ModuleInfo) -> Result {
    use attr::info as a;
    message.put_text(a::MODULE_VERSION, info.version)?;
    message.put_u32(a::PROTOCOL_MIN, info.protocol_min)?;
    message.put_u32(a::PROTOCOL_MAX, info.protocol_max)?;
    message.put_u32(a::LABEL_VERSION, info.label_version)?;
    message.put_u32(a::FEATURES, info.features)?;
    for algorithm in info.algorithms {
        message.put_text(a::ALGORITHM, algorithm)?;
    }
    message.put_u16(a::DEFAULT_PORT, info.default_port)?;
    message.put_u32(a::MAX_STORAGES, info.max_storages)?;
    message.put_u32(a::MAX_NODES, info.max_nodes)?;
    message.put_u32(a::MAX_EXPORTS, info.max_exports)?;
    message.put_u32(a::MAX_TRANSFER, info.max_transfer)?;
    message.put_u32(a::MAX_QUEUE_DEPTH, info.max_queue_depth)?;
    message.put_u32(a::STORAGES, info.storages)?;
    message.put_u32(a::EXPORTS, info.exports)?;
    for pool in &info.pools {
        message.put_nest(a::POOL, |message| {
            message.put_text(attr::pool::NAME, pool.name)?;
            message.put_u32(attr::pool::WORKERS, pool.workers)?;
            message.put_u32(attr::pool::TASKS, pool.tasks)?;
            message.put_uint(attr::pool::POLLS, pool.polls)
        })?;
    }
    Ok(())
}
