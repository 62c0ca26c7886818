// SPDX-License-Identifier: GPL-2.0

//! What the module tells about exports.

use super::{address, flagged, ip, named, number, text, FlagSet, Put, Read};
use crate::access::{from_number, Access, Allow};
use crate::netlink::codec::{Attr, Attrs, Malformed};
use crate::netlink::uapi::{self, attr};
use dst_core::access::Prefix;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

record! {
    /// A local device that is served to other machines.
    Export from export {
        /// Number.
        id: u64 = ID by number;
        /// Name that clients may ask for.
        name: Option<String> = NAME by text;
        /// The device.
        path: Option<String> = PATH by text;
        /// Where it listens.
        address: Option<SocketAddr> = ADDRESS by address;
        /// Flags that are set.
        flags: FlagSet = FLAGS by flagged(uapi::export_flags::NAMES);
        /// Who may connect.
        allow: Vec<Allow> = ALLOW by allow;
        /// From which machines' exports it may copy.
        copy_from: Vec<String> = COPY_FROM by prefix;
        /// Most connections that wait to be accepted.
        backlog: Option<u64> = BACKLOG by number;
        /// Most requests in work on a connection.
        queue_depth: Option<u64> = QUEUE_DEPTH by number;
        /// Most bytes in one request.
        max_transfer_bytes: Option<u64> = MAX_TRANSFER by number;
        /// Most connections.
        max_clients: Option<u64> = MAX_CLIENTS by number;
        /// Most memory for the data of one client.
        client_memory_bytes: Option<u64> = CLIENT_MEMORY by number;
        /// Time for the negotiation.
        hello_timeout_ms: Option<u64> = HELLO_TIMEOUT by number;
        /// Silence after which a client counts as dead.
        idle_timeout_ms: Option<u64> = IDLE_TIMEOUT by number;
        /// State.
        state: String = STATE by named(uapi::export_state::NAMES);
        /// Why it is in that state.
        reason: Option<String> = REASON by text;
        /// Milliseconds since the state was entered.
        since_ms: Option<u64> = SINCE by number;
        /// Size of the device in sectors of 512 bytes.
        sectors: Option<u64> = SECTORS by number;
        /// Logical block in bytes.
        logical_block_bytes: Option<u64> = LOGICAL_BLOCK by number;
        /// Connections now.
        clients: Option<u64> = CLIENTS by number;
        /// Sessions that may write now.
        writers: Option<u64> = WRITERS by number;
        /// Requests in work.
        in_flight: Option<u64> = IN_FLIGHT by number;
        /// Reads served.
        read_ios: u64 = READ_IOS by number;
        /// Bytes sent as data.
        read_bytes: u64 = READ_BYTES by number;
        /// Writes served.
        write_ios: u64 = WRITE_IOS by number;
        /// Bytes received as data.
        write_bytes: u64 = WRITE_BYTES by number;
        /// Requests that ended in an error of the device.
        errors: u64 = ERRORS by number;
        /// Connections and requests refused.
        refused: u64 = REFUSED by number;
        /// Inode number of the network namespace.
        netns: Option<u64> = NETNS by number;
    }
}

/// The prefix of so many bits; of all of the address without a number.
fn bits(ip: Option<IpAddr>, bits: Option<u32>) -> Read<Prefix> {
    let ip = ip.ok_or(Malformed("a list's entry without an address"))?;
    let all = if ip.is_ipv4() { 32 } else { 128 };
    Prefix::new(ip, bits.unwrap_or(all)).map_err(|_| Malformed("an entry whose prefix is none"))
}

/// Reads an entry of an access list from its nest.
pub fn allow(a: &Attr<'_>) -> Read<Allow> {
    let (mut addr, mut length, mut access) = (None, None, Access::ReadOnly);
    for field in a.nested() {
        let field = field?;
        match field.kind {
            attr::allow::IP => addr = Some(ip(field.value)?),
            attr::allow::PREFIX_LEN => length = u32::try_from(field.number()?).ok(),
            attr::allow::ACCESS => access = from_number(field.number()?),
            _ => {}
        }
    }
    let prefix = bits(addr, length)?;
    Ok(Allow { prefix, access })
}

/// Reads an entry of a list of prefixes from its nest.
pub fn prefix(a: &Attr<'_>) -> Read<String> {
    let (mut addr, mut length) = (None, None);
    for field in a.nested() {
        let field = field?;
        match field.kind {
            attr::prefix::IP => addr = Some(ip(field.value)?),
            attr::prefix::PREFIX_LEN => length = u32::try_from(field.number()?).ok(),
            _ => {}
        }
    }
    Ok(bits(addr, length)?.to_string())
}
