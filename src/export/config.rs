// SPDX-License-Identifier: GPL-2.0

//! What the administrator asks of an export, and what exports and connections tell about
//! themselves.
//!
//! Plain values, as in [`crate::storage::config`]: control fills and formats them, the export
//! layer takes and makes them.

pub use crate::dst_core::access::{Access, Prefix, Rule};
pub use crate::net::config::{ConnectionInfo, ConnectionOwner, ConnectionState};
use crate::net::config::{Name, Reason};
use crate::sys::{net_namespace::Net, socket_address::SocketAddress};
use kernel::{prelude::*, str::CString, sync::Arc};

/// An export that is to be added.
pub struct ExportConfig {
    /// Name that clients may ask for; may be empty.
    pub name: Name,
    /// The device, by its absolute path.
    pub path: CString,
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddress,
    /// Nobody may write.
    pub read_only: bool,
    /// Complete writes from the device's cache.
    pub write_back: bool,
    /// Several sessions may write.
    pub shared_writers: bool,
    /// Use the device although something else is on it.
    pub force: bool,
    /// Who may connect; nobody if empty. No prefix is there twice.
    pub allow: KVec<Rule>,
    /// Which machines' exports it may copy from; none if empty. No prefix is there twice.
    pub copy_from: KVec<Prefix>,
    /// Connections that wait to be accepted, 1 to 4096.
    pub backlog: Option<u32>,
    /// Requests in work per connection, 1 to 4096.
    pub queue_depth: Option<u32>,
    /// Bytes of data in one request.
    pub max_transfer: Option<u32>,
    /// Connections at the same time.
    pub max_clients: Option<u32>,
    /// Bytes of memory for the data of one client.
    pub client_memory: Option<u64>,
    /// Milliseconds that a new connection has for its negotiation.
    pub hello_timeout: Option<u32>,
    /// Milliseconds of silence until a client counts as dead; `Some(0)`: never.
    pub idle_timeout: Option<u32>,
    /// Where the sockets are made.
    pub net: Net,
}

/// Lists of an export that are to be replaced, as far as they are given.
#[derive(Default)]
pub struct ListsChange {
    /// Who may connect.
    pub allow: Option<KVec<Rule>>,
    /// Which machines' exports it may copy from.
    pub copy_from: Option<KVec<Prefix>>,
}

/// Which export is meant. Everything that is given must match, and only one export may.
pub struct ExportSelector {
    /// Number.
    pub id: Option<u32>,
    /// Name.
    pub name: Option<Name>,
    /// Path of the device.
    pub path: Option<CString>,
    /// Where it listens.
    pub address: Option<SocketAddress>,
    /// Unless the number is given, only exports of this namespace are looked at.
    pub net: Net,
}

/// What an export is doing. The numbers are those of `export-state` in the netlink
/// specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ExportState {
    /// The device is open, the socket does not listen yet.
    Starting = 0,
    /// Clients can connect.
    Listening = 1,
    /// Clients are not served.
    Failed = 2,
    /// The export is being deleted.
    Stopping = 3,
}

/// What an export tells about itself.
pub struct ExportInfo {
    /// Number, never 0.
    pub id: u32,
    /// Name; may be empty.
    pub name: Name,
    /// The device's path as it was given.
    pub path: Arc<CString>,
    /// Where it listens.
    pub address: SocketAddress,
    /// Nobody may write.
    pub read_only: bool,
    /// Writes complete from the device's cache.
    pub write_back: bool,
    /// Several sessions may write.
    pub shared_writers: bool,
    /// Who may connect.
    pub allow: Arc<KVec<Rule>>,
    /// Which machines' exports it may copy from.
    pub copy_from: Arc<KVec<Prefix>>,
    /// Limits in force, see [`ExportConfig`].
    pub backlog: u32,
    /// See [`ExportConfig`].
    pub queue_depth: u32,
    /// See [`ExportConfig`].
    pub max_transfer: u32,
    /// See [`ExportConfig`].
    pub max_clients: u32,
    /// See [`ExportConfig`].
    pub client_memory: u64,
    /// See [`ExportConfig`].
    pub hello_timeout: u32,
    /// See [`ExportConfig`].
    pub idle_timeout: u32,
    /// What it is doing.
    pub state: ExportState,
    /// Why; may be empty.
    pub reason: Reason,
    /// Milliseconds since the state was entered.
    pub since: u64,
    /// Size of the device in sectors.
    pub sectors: u64,
    /// Bytes.
    pub logical_block: u32,
    /// Connections now.
    pub clients: u32,
    /// Sessions that may write now.
    pub writers: u32,
    /// Requests in work.
    pub in_flight: u32,
    /// Reads served.
    pub read_ios: u64,
    /// Bytes sent as data.
    pub read_bytes: u64,
    /// Writes served.
    pub write_ios: u64,
    /// Bytes received as data.
    pub write_bytes: u64,
    /// Requests that ended in an error of the device.
    pub errors: u64,
    /// Connections and requests that were refused.
    pub refused: u64,
    /// Where the sockets are; events about the export go there.
    pub net: Net,
}

/// Who is told when something about exports and connections changes.
///
/// The same rules as for [`crate::storage::config::StorageObserver`].
pub trait ExportObserver: Send + Sync {
    /// An export came, changed its state, or went ([`ExportState::Stopping`]).
    fn export_changed(&self, info: &ExportInfo);

    /// A connection was established, refused or closed.
    fn connection_changed(&self, info: &ConnectionInfo);
}
