// SPDX-License-Identifier: GPL-2.0

//! What connections tell about themselves, whichever side they are on, and the texts that storages
//! and exports share.

use crate::{
    dst_core::{access::Access, text::Text},
    sys::{net_namespace::Net, socket_address::SocketAddress},
};

/// The name of a storage or an export, at most 63 bytes.
pub type Name = Text<63>;

/// Why something is in its state, or what it waits for.
pub type Reason = Text<160>;

/// What a connection is doing. The numbers are those of `connection-state` in the netlink
/// specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ConnectionState {
    /// The transport connection is being made.
    Connecting = 0,
    /// The peers are negotiating.
    Handshake = 1,
    /// Requests can be sent.
    Established = 2,
    /// Requests in flight are being finished.
    Draining = 3,
    /// It is gone.
    Closed = 4,
}

/// To whom a connection belongs.
#[derive(Clone, Copy)]
pub enum ConnectionOwner {
    /// To a node: this machine is the client.
    Node {
        /// Name of the storage.
        storage: Name,
        /// Place of the node in it.
        index: u32,
    },
    /// To an export: this machine serves.
    Export {
        /// Number of the export.
        id: u32,
    },
}

/// What a connection tells about itself.
#[derive(Clone)]
pub struct ConnectionInfo {
    /// Number, unique while the module is loaded and never 0.
    pub id: u64,
    /// To whom it belongs.
    pub owner: ConnectionOwner,
    /// What it is doing.
    pub state: ConnectionState,
    /// Why; may be empty.
    pub reason: Reason,
    /// Milliseconds since the state was entered.
    pub since: u64,
    /// Own address, once there is one.
    pub local: Option<SocketAddress>,
    /// Address of the other side.
    pub peer: Option<SocketAddress>,
    /// What the client may do, once that was negotiated.
    pub access: Option<Access>,
    /// Version of the wire protocol; 0 before it was negotiated.
    pub version: u32,
    /// Identity of the session, once there is one.
    pub session: Option<[u8; 16]>,
    /// Requests sent or in work.
    pub in_flight: u32,
    /// Requests answered.
    pub requests: u64,
    /// Requests refused.
    pub refused: u64,
    /// Bytes given to the socket.
    pub sent_bytes: u64,
    /// Bytes taken from the socket.
    pub received_bytes: u64,
    /// Where the socket is; events about the connection go there.
    pub net: Net,
}
