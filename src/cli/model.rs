// SPDX-License-Identifier: GPL-2.0

//! What the module tells: storages, nodes, exports, connections, and about itself.
//!
//! The field names and their order are the program's JSON; `Documentation/admin/command-line.md`
//! describes them. A value that the module did not send is `null`.

use crate::netlink::codec::{Attr, Attrs, Malformed};
use crate::netlink::request::{flag_names, AF_INET, AF_INET6};
use crate::netlink::uapi::{self, attr};
use serde::Serialize;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Declares a record and how it is read from attributes.
macro_rules! record {
    ($(#[$m:meta])* $name:ident from $set:ident {
        $( $(#[$fm:meta])* $field:ident : $ty:ty = $attr:ident by $read:expr; )*
    }) => {
        $(#[$m])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize)]
        pub struct $name { $( $(#[$fm])* pub $field: $ty, )* }

        impl $name {
            /// Reads the attributes of a reply. Unknown ones are skipped.
            pub fn decode(attributes: &[u8]) -> Result<Self, Malformed> {
                let mut record = Self::default();
                for attribute in Attrs::new(attributes) {
                    let attribute = attribute?;
                    match attribute.kind {
                        $( attr::$set::$attr => Put::put(&mut record.$field, $read(&attribute)?), )*
                        _ => {}
                    }
                }
                Ok(record)
            }
        }
    };
}

/// Stores a value into a field; repeated attributes are appended to a list.
trait Put<T> {
    fn put(&mut self, value: T);
}

impl<T> Put<T> for Option<T> {
    fn put(&mut self, value: T) {
        *self = Some(value);
    }
}

impl Put<String> for String {
    fn put(&mut self, value: String) {
        *self = value;
    }
}

impl Put<u64> for u64 {
    fn put(&mut self, value: u64) {
        *self = value;
    }
}

impl<T> Put<T> for Vec<T> {
    fn put(&mut self, value: T) {
        self.push(value);
    }
}

/// A set of flags replaces the list, so it has a type of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct FlagSet(pub Vec<String>);

impl FlagSet {
    /// Whether the flag of that name is set.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|flag| flag == name)
    }
}

impl Put<Vec<String>> for FlagSet {
    fn put(&mut self, value: Vec<String>) {
        self.0 = value;
    }
}

type Read<T> = Result<T, Malformed>;

fn text(a: &Attr<'_>) -> Read<String> {
    Ok(a.text())
}

fn number(a: &Attr<'_>) -> Read<u64> {
    a.number()
}

fn signed(a: &Attr<'_>) -> Read<i64> {
    let bytes = a.value.try_into();
    let bytes = bytes.map_err(|_| Malformed("a signed number that has not four bytes"))?;
    Ok(i32::from_ne_bytes(bytes).into())
}

fn hex(a: &Attr<'_>) -> Read<String> {
    Ok(a.value.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn uuid(a: &Attr<'_>) -> Read<String> {
    let h = hex(a)?;
    if h.len() != 2 * uapi::UUID_LEN {
        return Err(Malformed("a uuid of odd length"));
    }
    Ok([&h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]].join("-"))
}

fn named(names: &'static [&'static str]) -> impl Fn(&Attr<'_>) -> Read<String> {
    move |a| {
        let n = a.number()?;
        let name = usize::try_from(n).ok().and_then(|i| names.get(i));
        Ok(name.map_or_else(|| n.to_string(), |s| (*s).to_string()))
    }
}

fn flagged(names: &'static [&'static str]) -> impl Fn(&Attr<'_>) -> Read<Vec<String>> {
    move |a| {
        let bits = u32::try_from(a.number()?).map_err(|_| Malformed("flags out of range"))?;
        Ok(flag_names(bits, names))
    }
}

fn ip(value: &[u8]) -> Read<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        return Ok(IpAddr::V4(Ipv4Addr::from(v4)));
    }
    let v6 = <[u8; 16]>::try_from(value).map_err(|_| Malformed("an address of odd length"))?;
    Ok(IpAddr::V6(Ipv6Addr::from(v6)))
}

/// Reads the address of a socket from its nest.
pub fn address(a: &Attr<'_>) -> Read<SocketAddr> {
    let (mut family, mut addr, mut port, mut scope) = (None, None, 0u16, 0u32);
    for field in a.nested() {
        let field = field?;
        match field.kind {
            attr::address::FAMILY => family = Some(field.number()?),
            attr::address::IP => addr = Some(ip(field.value)?),
            attr::address::PORT => {
                port = u16::try_from(field.number()?).map_err(|_| Malformed("port"))?;
            }
            attr::address::SCOPE_ID => {
                scope = u32::try_from(field.number()?).map_err(|_| Malformed("scope"))?;
            }
            _ => {}
        }
    }
    match (addr, family) {
        (Some(IpAddr::V4(v4)), None) => Ok(SocketAddr::from((v4, port))),
        (Some(IpAddr::V4(v4)), Some(f)) if f == u64::from(AF_INET) => Ok((v4, port).into()),
        (Some(IpAddr::V6(v6)), f) if f.is_none_or(|f| f == u64::from(AF_INET6)) => {
            Ok(SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope)))
        }
        _ => Err(Malformed("an address whose family and length differ")),
    }
}

pub mod export;
pub mod job;

pub use export::{allow, prefix, Export};
pub use job::Job;

record! {
    /// A storage.
    Storage from storage {
        /// Name.
        name: String = NAME by text;
        /// Algorithm.
        algorithm: Option<String> = ALGORITHM by text;
        /// Name of the disk without `/dev/`.
        disk: Option<String> = DISK by text;
        /// Identity in the nodes' labels.
        uuid: Option<String> = UUID by uuid;
        /// Flags that are set.
        flags: FlagSet = FLAGS by flagged(uapi::storage_flags::NAMES);
        /// State.
        state: String = STATE by named(uapi::storage_state::NAMES);
        /// Why it is in that state.
        reason: Option<String> = REASON by text;
        /// What it waits for.
        waits_for: Option<String> = WAITS_FOR by text;
        /// Milliseconds since the state was entered.
        since_ms: Option<u64> = SINCE by number;
        /// Size of the disk in sectors of 512 bytes.
        sectors: Option<u64> = SECTORS by number;
        /// Logical block in bytes.
        logical_block_bytes: Option<u64> = LOGICAL_BLOCK by number;
        /// Physical block in bytes.
        physical_block_bytes: Option<u64> = PHYSICAL_BLOCK by number;
        /// Device number of the disk.
        major: Option<u64> = MAJOR by number;
        /// Device number of the disk.
        minor: Option<u64> = MINOR by number;
        /// Number of the owner.
        epoch: Option<u64> = EPOCH by number;
        /// Number of nodes.
        node_count: Option<u64> = NODE_COUNT by number;
        /// How often the disk is open.
        openers: Option<u64> = OPENERS by number;
        /// Bios accepted and not completed.
        in_flight: Option<u64> = IN_FLIGHT by number;
        /// Reads completed.
        read_ios: u64 = READ_IOS by number;
        /// Bytes read.
        read_bytes: u64 = READ_BYTES by number;
        /// Writes completed.
        write_ios: u64 = WRITE_IOS by number;
        /// Bytes written.
        write_bytes: u64 = WRITE_BYTES by number;
        /// Flushes completed.
        flush_ios: u64 = FLUSH_IOS by number;
        /// Discards and write-zeroes completed.
        discard_ios: u64 = DISCARD_IOS by number;
        /// Bytes discarded or zeroed.
        discard_bytes: u64 = DISCARD_BYTES by number;
        /// Bios that ended in an error.
        errors: u64 = ERRORS by number;
        /// Threads that issue I/O.
        workers: Option<u64> = WORKERS by number;
        /// Nice level of these threads.
        worker_nice: Option<i64> = WORKER_NICE by signed;
        /// CPUs of these threads; any if not told.
        worker_cpus: Option<String> = WORKER_CPUS by text;
        /// Inode number of the network namespace.
        netns: Option<u64> = NETNS by number;
    }
}

record! {
    /// A node of a storage.
    Node from node {
        /// Name of its storage.
        storage: String = STORAGE by text;
        /// Place in the storage, from 0.
        index: u64 = INDEX by number;
        /// `local` or `remote`.
        kind: String = KIND by named(uapi::node_kind::NAMES);
        /// Device of a local node.
        path: Option<String> = PATH by text;
        /// Address of a remote node.
        address: Option<SocketAddr> = ADDRESS by address;
        /// Export asked for at the address.
        export: Option<String> = EXPORT by text;
        /// First sector of the storage on this node.
        start_sectors: Option<u64> = START by number;
        /// Sectors of the storage on this node.
        size_sectors: Option<u64> = SIZE by number;
        /// Flags that are set.
        flags: FlagSet = FLAGS by flagged(uapi::node_flags::NAMES);
        /// Connections wanted.
        connections: Option<u64> = CONNECTIONS by number;
        /// Most requests in flight on a connection.
        queue_depth: Option<u64> = QUEUE_DEPTH by number;
        /// Most bytes in one request.
        max_transfer_bytes: Option<u64> = MAX_TRANSFER by number;
        /// Limit for making a connection.
        connect_timeout_ms: Option<u64> = CONNECT_TIMEOUT by number;
        /// Silence after which the peer is asked.
        keepalive_ms: Option<u64> = KEEPALIVE by number;
        /// How long an answer is awaited before its connection is given up; 0 for ever.
        request_timeout_ms: Option<u64> = REQUEST_TIMEOUT by number;
        /// How often that may happen to a request; 0 for ever.
        request_tries: Option<u64> = REQUEST_TRIES by number;
        /// How long a lost node is tried again; 0 for ever.
        retry_limit_ms: Option<u64> = RETRY_LIMIT by number;
        /// One line as in sysfs: `R: address:port` or `L: path`.
        type_line: Option<String> = TYPE by text;
        /// State.
        state: String = STATE by named(uapi::node_state::NAMES);
        /// Why it is in that state.
        reason: Option<String> = REASON by text;
        /// What it waits for.
        waits_for: Option<String> = WAITS_FOR by text;
        /// Milliseconds since the state was entered.
        since_ms: Option<u64> = SINCE by number;
        /// Identity from its label.
        uuid: Option<String> = UUID by uuid;
        /// Sectors that it offers for data.
        device_sectors: Option<u64> = DEVICE_SECTORS by number;
        /// Logical block in bytes.
        logical_block_bytes: Option<u64> = LOGICAL_BLOCK by number;
        /// Transactions sent and not answered.
        in_flight: Option<u64> = IN_FLIGHT by number;
        /// Transactions that wait to be sent.
        queued: Option<u64> = QUEUED by number;
        /// Reads answered.
        read_ios: u64 = READ_IOS by number;
        /// Bytes read.
        read_bytes: u64 = READ_BYTES by number;
        /// Writes answered.
        write_ios: u64 = WRITE_IOS by number;
        /// Bytes written.
        write_bytes: u64 = WRITE_BYTES by number;
        /// Transactions that ended in an error.
        errors: u64 = ERRORS by number;
        /// Errno of the first write that ended in error since it was cleared.
        write_error_errno: Option<u64> = WRITE_ERROR by number;
        /// Where on the node.
        write_error_sector: Option<u64> = WRITE_ERROR_SECTOR by number;
        /// How long ago.
        write_error_ago_ms: Option<u64> = WRITE_ERROR_AGO by number;
        /// Transactions sent again.
        retries: u64 = RETRIES by number;
        /// Connections made again.
        reconnects: u64 = RECONNECTS by number;
        /// Connections established now.
        established: Option<u64> = ESTABLISHED by number;
    }
}

record! {
    /// A connection of a node or an export.
    Connection from connection {
        /// Number.
        id: u64 = ID by number;
        /// `node` or `export`.
        role: String = ROLE by named(uapi::connection_role::NAMES);
        /// State.
        state: String = STATE by named(uapi::connection_state::NAMES);
        /// Why it is in that state.
        reason: Option<String> = REASON by text;
        /// Milliseconds since the state was entered.
        since_ms: Option<u64> = SINCE by number;
        /// Storage, on a connection of a node.
        storage: Option<String> = STORAGE by text;
        /// Node, on a connection of a node.
        node_index: Option<u64> = NODE_INDEX by number;
        /// Export, on a connection of an export.
        export_id: Option<u64> = EXPORT_ID by number;
        /// Own address.
        local: Option<SocketAddr> = LOCAL by address;
        /// Address of the other side.
        peer: Option<SocketAddr> = PEER by address;
        /// What the client may do.
        access: Option<String> = ACCESS by named(uapi::access::NAMES);
        /// Version of the wire protocol.
        version: Option<u64> = VERSION by number;
        /// Identity of the session.
        session: Option<String> = SESSION by hex;
        /// Requests sent or in work.
        in_flight: Option<u64> = IN_FLIGHT by number;
        /// Requests answered.
        requests: u64 = REQUESTS by number;
        /// Requests refused.
        refused: u64 = REFUSED by number;
        /// Bytes sent.
        sent_bytes: u64 = SENT_BYTES by number;
        /// Bytes received.
        received_bytes: u64 = RECEIVED_BYTES by number;
    }
}

record! {
    /// A pool of worker threads.
    Pool from pool {
        /// Name.
        name: String = NAME by text;
        /// Threads.
        workers: u64 = WORKERS by number;
        /// Tasks that live on it.
        tasks: u64 = TASKS by number;
        /// How often a task was run.
        polls: u64 = POLLS by number;
    }
}

fn pool(a: &Attr<'_>) -> Read<Pool> {
    Pool::decode(a.value)
}

record! {
    /// The module.
    Info from info {
        /// Version.
        module_version: Option<String> = MODULE_VERSION by text;
        /// Oldest wire protocol.
        protocol_min: Option<u64> = PROTOCOL_MIN by number;
        /// Newest wire protocol.
        protocol_max: Option<u64> = PROTOCOL_MAX by number;
        /// Version of the label that is written.
        label_version: Option<u64> = LABEL_VERSION by number;
        /// Abilities.
        features: FlagSet = FEATURES by flagged(uapi::feature::NAMES);
        /// Algorithms.
        algorithms: Vec<String> = ALGORITHM by text;
        /// Port if none is given.
        default_port: Option<u64> = DEFAULT_PORT by number;
        /// Limit.
        max_storages: Option<u64> = MAX_STORAGES by number;
        /// Limit per storage.
        max_nodes: Option<u64> = MAX_NODES by number;
        /// Limit.
        max_exports: Option<u64> = MAX_EXPORTS by number;
        /// Limit that can be negotiated.
        max_transfer_bytes: Option<u64> = MAX_TRANSFER by number;
        /// Limit per connection.
        max_queue_depth: Option<u64> = MAX_QUEUE_DEPTH by number;
        /// Storages now.
        storages: u64 = STORAGES by number;
        /// Exports now.
        exports: u64 = EXPORTS by number;
        /// Worker pools.
        pools: Vec<Pool> = POOL by pool;
    }
}
