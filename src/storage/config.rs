// SPDX-License-Identifier: GPL-2.0

//! What the administrator asks of a storage, and what a storage tells about itself.
//!
//! Plain values: the control layer fills the configurations from requests and formats the
//! information into replies; the storage layer takes the one and makes the other. Nothing here
//! depends on how a request travels.
//!
//! Numbers have the unit that their documentation says; a sector is 512 bytes. `Option` in a
//! configuration means "not asked for, choose".

pub use crate::net::config::{Name, Reason};

use crate::dst_core::text::Text;
use crate::sys::{net_namespace::Net, socket_address::SocketAddress};
use kernel::{str::CString, sync::Arc};

/// The name of an algorithm, at most 31 bytes.
pub type AlgorithmName = Text<31>;

/// The name of a disk without `/dev/`, at most 31 bytes.
pub type DiskName = Text<31>;

/// A list of CPUs such as `0-3,6`, at most 127 bytes; empty for any CPU.
pub type CpuList = Text<127>;

/// What is to be changed of the workers of a storage.
#[derive(Default)]
pub struct WorkersChange {
    /// How many.
    pub count: Option<u32>,
    /// Their nice level.
    pub nice: Option<i32>,
    /// Where they run.
    pub cpus: Option<CpuList>,
}

/// A storage that is to be added.
#[derive(Clone)]
pub struct StorageConfig {
    /// Unique name; also that of the directory under `/sys/devices`.
    pub name: Name,
    /// How the disk is laid out on the nodes, as it was given ("linear" or "alg_linear").
    pub algorithm: AlgorithmName,
    /// Name of the disk; not empty.
    pub disk: DiskName,
    /// Identity that the labels carry.
    pub uuid: Option<[u8; 16]>,
    /// The nodes carry no label.
    pub raw: bool,
    /// The disk refuses writes.
    pub read_only: bool,
    /// An equal storage that is being configured is not an error.
    pub reuse: bool,
    /// Where the sockets of its nodes are made.
    pub net: Net,
}

/// Where a node's data is.
pub enum Place {
    /// A block device of this machine, by its absolute path.
    Local(CString),
    /// An export.
    Remote {
        /// Where it listens.
        address: SocketAddress,
        /// Its name; empty asks for the only one there.
        export: Name,
    },
}

impl Place {
    /// Whether both are given in the same words.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(a), Self::Local(b)) => a.to_bytes() == b.to_bytes(),
            (
                Self::Remote { address, export },
                Self::Remote {
                    address: other,
                    export: named,
                },
            ) => address == other && export == named,
            _ => false,
        }
    }
}

/// The node in one line: `L: /dev/sdb` or `R: 192.168.4.80:1025`.
impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Local(path) => {
                f.write_str("L: ")?;
                for chunk in path.to_bytes().utf8_chunks() {
                    f.write_str(chunk.valid())?;
                    if !chunk.invalid().is_empty() {
                        f.write_str("?")?;
                    }
                }
                Ok(())
            }
            Self::Remote { address, .. } => write!(f, "R: {address}"),
        }
    }
}

crate::kernel_display!(Place);

/// A node that is to be added.
#[derive(Clone)]
pub struct NodeConfig {
    /// Place in the order; behind the last node if not given.
    pub index: Option<u32>,
    /// Where the data is.
    pub place: Arc<Place>,
    /// First sector of the storage on this node; behind the node before it if not given.
    pub start: Option<u64>,
    /// Sectors of the storage on this node; all that it has if not given. Never `Some(0)`.
    pub size: Option<u64>,
    /// Use the device although something else is on it.
    pub force: bool,
    /// Fail I/O while the node is away instead of waiting.
    pub fail_fast: bool,
    /// Number of connections, 1 to 16.
    pub connections: Option<u32>,
    /// Requests in flight, on all connections together, 1 to 4096.
    pub queue_depth: Option<u32>,
    /// Bytes of data in one request.
    pub max_transfer: Option<u32>,
    /// Milliseconds until a connection and its negotiation must be made.
    pub connect_timeout: Option<u32>,
    /// Milliseconds of silence until the peer is asked whether it is alive.
    pub keepalive: Option<u32>,
    /// Milliseconds for the answer to a request until its connection is given up; 0 for ever.
    pub request_timeout: Option<u32>,
    /// How often that may happen to a request before it ends in error; 0 for ever.
    pub request_tries: Option<u32>,
    /// Milliseconds until a lost node fails; for ever if not given. Never `Some(0)`.
    pub retry_limit: Option<u32>,
}

impl NodeConfig {
    /// This place for node `index`, which was added as `old`: what is not asked for stays as it was.
    pub fn instead_of(self, old: &Self, index: u32) -> Self {
        Self {
            index: Some(index),
            place: self.place,
            start: old.start,
            size: old.size,
            force: old.force,
            fail_fast: self.fail_fast || old.fail_fast,
            connections: self.connections.or(old.connections),
            queue_depth: self.queue_depth.or(old.queue_depth),
            max_transfer: self.max_transfer.or(old.max_transfer),
            connect_timeout: self.connect_timeout.or(old.connect_timeout),
            keepalive: self.keepalive.or(old.keepalive),
            request_timeout: self.request_timeout.or(old.request_timeout),
            request_tries: self.request_tries.or(old.request_tries),
            retry_limit: self.retry_limit.or(old.retry_limit),
        }
    }

    /// Whether connections to it are made and used as those of `other`.
    pub fn asks_for_the_same(&self, other: &Self) -> bool {
        let numbers = |config: &Self| {
            [
                config.connections,
                config.queue_depth,
                config.max_transfer,
                config.connect_timeout,
                config.keepalive,
                config.request_timeout,
                config.request_tries,
                config.retry_limit,
            ]
        };
        self.fail_fast == other.fail_fast && numbers(self) == numbers(other)
    }
}

/// Which node of a storage is meant. Everything that is given must match, and only one node may.
#[derive(Default)]
pub struct NodeSelector {
    /// Place in the order.
    pub index: Option<u32>,
    /// Path of a local node's device.
    pub path: Option<CString>,
    /// Address of a remote node.
    pub address: Option<SocketAddress>,
    /// First sector of the storage on the node.
    pub start: Option<u64>,
    /// Sectors of the storage on the node.
    pub size: Option<u64>,
}

/// What a suspended node still has to do.
#[derive(Clone, Copy)]
pub struct Suspension {
    /// Which node.
    pub index: u32,
    /// Transactions that were sent before and not answered.
    pub in_flight: u32,
    /// Transactions that wait.
    pub queued: u32,
}

/// What a storage is doing. The numbers are those of `storage-state` in the netlink
/// specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum StorageState {
    /// Nodes can be added and removed; there is no disk.
    Configuring = 0,
    /// Nodes are being opened and connected; there is no disk yet.
    Starting = 1,
    /// The disk is there, every node is up.
    Running = 2,
    /// The disk is there, some node is not up.
    Degraded = 3,
    /// The disk is there and fails all I/O.
    Failed = 4,
    /// Deletion is under way.
    Stopping = 5,
}

impl StorageState {
    /// The word for the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuring => "configuring",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
        }
    }

    /// Whether the disk is there.
    pub const fn has_started(self) -> bool {
        matches!(self, Self::Running | Self::Degraded | Self::Failed)
    }
}

/// What a node is doing. The numbers are those of `node-state` in the netlink specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum NodeState {
    /// Nothing was opened or connected yet.
    Configured = 0,
    /// The device is being opened, or the first connection made.
    Connecting = 1,
    /// The node serves I/O.
    Up = 2,
    /// The connection was lost and is tried again.
    Reconnecting = 3,
    /// The node cannot be used.
    Failed = 4,
    /// The node is being torn down.
    Stopping = 5,
    /// The administrator has suspended the node: I/O to it waits.
    Suspended = 6,
}

impl NodeState {
    /// The word for the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Reconnecting => "reconnecting",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Suspended => "suspended",
        }
    }
}

/// Counters of finished I/O.
#[derive(Clone, Copy, Default)]
pub struct IoCounters {
    /// Reads.
    pub read_ios: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Writes.
    pub write_ios: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Flushes.
    pub flush_ios: u64,
    /// Discard and write-zeroes requests.
    pub discard_ios: u64,
    /// Bytes discarded or zeroed.
    pub discard_bytes: u64,
    /// Requests that ended in an error.
    pub errors: u64,
}

/// What a storage tells about itself.
#[derive(Clone)]
pub struct StorageInfo {
    /// Name.
    pub name: Name,
    /// Algorithm, without a prefix.
    pub algorithm: AlgorithmName,
    /// Disk, without `/dev/`.
    pub disk: DiskName,
    /// Identity, once there is one.
    pub uuid: Option<[u8; 16]>,
    /// The nodes carry no label.
    pub raw: bool,
    /// The disk refuses writes.
    pub read_only: bool,
    /// What it is doing.
    pub state: StorageState,
    /// Why; may be empty.
    pub reason: Reason,
    /// What it waits for and for whom; empty if for nothing.
    pub waits_for: Reason,
    /// Milliseconds since the state was entered.
    pub since: u64,
    /// Size in sectors; 0 before it has started.
    pub sectors: u64,
    /// Bytes; 0 before it has started.
    pub logical_block: u32,
    /// Bytes; 0 before it has started.
    pub physical_block: u32,
    /// Major and minor number of the disk, once there is one.
    pub device_number: Option<(u32, u32)>,
    /// Number of the owner.
    pub epoch: u64,
    /// Nodes that were added.
    pub node_count: u32,
    /// How often the disk is open.
    pub openers: u32,
    /// Bios accepted and not completed.
    pub in_flight: u32,
    /// Finished I/O.
    pub io: IoCounters,
    /// Threads that issue I/O; before the start, how many there will be as things stand.
    pub workers: u32,
    /// Their nice level.
    pub worker_nice: i32,
    /// Where they run; empty for any CPU.
    pub worker_cpus: CpuList,
    /// Where the sockets are; events about the storage go there.
    pub net: Net,
}

/// What a node tells about itself.
#[derive(Clone)]
pub struct NodeInfo {
    /// Name of its storage.
    pub storage: Name,
    /// The configuration as it is in force: `index` and the limits are set; `start` and `size`
    /// are set once they are known.
    pub config: NodeConfig,
    /// The peer, or the device, takes no writes.
    pub read_only: bool,
    /// Nobody has asked for a number of connections.
    pub default_connections: bool,
    /// What it is doing.
    pub state: NodeState,
    /// Why; may be empty.
    pub reason: Reason,
    /// What it waits for; empty if for nothing.
    pub waits_for: Reason,
    /// Milliseconds since the state was entered.
    pub since: u64,
    /// Identity from the label, once it was read.
    pub uuid: Option<[u8; 16]>,
    /// Sectors that the node has for data; 0 if not known yet.
    pub device_sectors: u64,
    /// Bytes; 0 if not known yet.
    pub logical_block: u32,
    /// Transactions sent and not answered.
    pub in_flight: u32,
    /// Transactions that wait to be sent.
    pub queued: u32,
    /// Finished transactions.
    pub io: IoCounters,
    /// The first write or flush that ended in error since the administrator has cleared that: an
    /// errno (positive), the sector on the node, and milliseconds ago.
    pub write_error: Option<(u32, u64, u64)>,
    /// Transactions sent again.
    pub retries: u64,
    /// Connections made again after a loss.
    pub reconnects: u64,
    /// Connections that are established.
    pub established: u32,
    /// Where the sockets are; events about the node go there.
    pub net: Net,
}

/// Who is told when something about storages changes.
///
/// The functions never sleep and take no lock of these layers: they may be called in any context,
/// under any lock. What is told is what was given, not what is true some time later.
pub trait StorageObserver: Send + Sync {
    /// A storage came, changed its state, or went ([`StorageState::Stopping`]).
    fn storage_changed(&self, info: &StorageInfo);

    /// A node came, changed its state, or went ([`NodeState::Stopping`]).
    fn node_changed(&self, info: &NodeInfo);
}
