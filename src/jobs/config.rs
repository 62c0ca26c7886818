// SPDX-License-Identifier: GPL-2.0

//! What the administrator asks of jobs, and what a job tells about itself: plain values.

pub use crate::{
    dst_core::job::state::State,
    net::config::{Name, Reason},
};

use crate::{storage::config::NodeConfig, sys::net_namespace::Net};

/// The lowest rate that can be asked for, in bytes in a second: with less, an extent takes minutes.
pub const MIN_RATE: u64 = 4096;

/// What a job does. The numbers are those of `job-kind` in the netlink specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum JobKind {
    /// Reads every sector.
    Verify = 0,
    /// Moves a node to another device.
    Migrate = 1,
}

impl JobKind {
    /// The word for the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Migrate => "migrate",
        }
    }
}

/// A job that is to begin.
pub struct JobConfig {
    /// What it does.
    pub kind: JobKind,
    /// On which storage.
    pub storage: Name,
    /// On which of its nodes; on all if not given.
    pub node: Option<u32>,
    /// How fast.
    pub pace: PaceChange,
}

/// A node that is to move.
pub struct MigrateConfig {
    /// Of which storage.
    pub storage: Name,
    /// Where to; the index is that of the node.
    pub device: NodeConfig,
    /// How fast.
    pub pace: PaceChange,
}

/// How fast a job may be, as far as it is to be changed.
#[derive(Clone, Copy, Default)]
pub struct PaceChange {
    /// Most bytes in a second; `Some(None)` for no limit.
    pub limit: Option<Option<u64>>,
    /// Bytes in a second that it may read however busy the application is.
    pub floor: Option<u64>,
}

/// A sector that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSector {
    /// The node that it is on.
    pub node: u32,
    /// Which sector of the storage it is.
    pub sector: u64,
}

/// What a job tells about itself.
#[derive(Clone)]
pub struct JobInfo {
    /// Number, never used again.
    pub id: u32,
    /// What it does.
    pub kind: JobKind,
    /// On which storage.
    pub storage: Name,
    /// On which of its nodes; all if not given.
    pub node: Option<u32>,
    /// What it is doing.
    pub state: State,
    /// Why; may be empty.
    pub reason: Reason,
    /// What it waits for; may be empty.
    pub waits_for: Reason,
    /// Which way its data goes, if there are several; may be empty.
    pub way: Reason,
    /// Milliseconds since the state was entered.
    pub since: u64,
    /// Milliseconds from its beginning to now, or to its end.
    pub elapsed: u64,
    /// Bytes that are done.
    pub done: u64,
    /// Bytes that there are.
    pub total: u64,
    /// Bytes in a second, of the last seconds; over all of its time if it has ended.
    pub rate: u64,
    /// Milliseconds that it will take, if that can be said.
    pub left: Option<u64>,
    /// Most bytes in a second.
    pub limit: Option<u64>,
    /// Bytes in a second that it may read however busy the application is.
    pub floor: u64,
    /// Extents in flight.
    pub in_flight: u32,
    /// The first sector that cannot be read, once it was found.
    pub bad: Option<BadSector>,
    /// Events about it go there.
    pub net: Net,
}

/// Who is told when a job changes its state.
///
/// The function never sleeps and takes no lock of these layers: it may be called in any context,
/// under any lock.
pub trait JobObserver: Send + Sync {
    /// A job began, or changed its state.
    fn job_changed(&self, info: &JobInfo);
}
