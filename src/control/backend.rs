// SPDX-License-Identifier: GPL-2.0

//! What the control layer needs of the layers below it.

use crate::export::config::{
    ConnectionInfo, ExportConfig, ExportInfo, ExportSelector, ListsChange,
};
use crate::jobs::config::{JobConfig, JobInfo, MigrateConfig, PaceChange};
use crate::storage::config::{
    Name, NodeConfig, NodeInfo, NodeSelector, StorageConfig, StorageInfo, Suspension, WorkersChange,
};
use crate::sys::refusal::Refusal;
use kernel::prelude::*;

/// A place in a list that is told in several messages.
///
/// Lists change between two messages, so a cursor does not count entries: it holds the key of
/// the last entry told (the number of the storage and the node's index, or the number of the
/// export or connection), and the next entry is the one with the least key above it. All zero
/// is the beginning; keys therefore begin with a number that is never 0 and never used again.
pub type Cursor = [u64; 2];

/// One entry and the cursor that comes after it.
pub type Next<T> = Option<(Cursor, T)>;

/// Which connections are wanted.
#[derive(Clone, Copy)]
pub enum ConnectionFilter {
    /// All.
    All,
    /// Those of the nodes of one storage.
    Storage(Name),
    /// Those of one export.
    Export(u32),
}

/// A pool of workers.
pub struct PoolInfo {
    /// Name.
    pub name: &'static str,
    /// Threads.
    pub workers: u32,
    /// Tasks that live on it.
    pub tasks: u32,
    /// How often a task was run.
    pub polls: u64,
}

/// What the module tells about itself.
pub struct ModuleInfo {
    /// Version of the module.
    pub version: &'static str,
    /// Oldest version of the wire protocol.
    pub protocol_min: u32,
    /// Newest version of the wire protocol.
    pub protocol_max: u32,
    /// Version of the label.
    pub label_version: u32,
    /// Bits of `feature` in the netlink specification.
    pub features: u32,
    /// Names of the algorithms.
    pub algorithms: &'static [&'static str],
    /// Port if none is given.
    pub default_port: u16,
    /// Most storages.
    pub max_storages: u32,
    /// Most nodes in one storage.
    pub max_nodes: u32,
    /// Most exports.
    pub max_exports: u32,
    /// Most bytes in one request.
    pub max_transfer: u32,
    /// Most requests in flight on one connection.
    pub max_queue_depth: u32,
    /// Storages now.
    pub storages: u32,
    /// Exports now.
    pub exports: u32,
    /// Pools of workers.
    pub pools: KVec<PoolInfo>,
}

/// The operations of the storage, export and job layers that an administrator can reach.
///
/// All are called in process context by the task that asked, may sleep, and may run at the same
/// time. Waiting is bounded and ends early when the task is killed. What was begun by a request
/// that is refused has been undone when the function returns. Names were not judged before: that
/// is the layers' own business, so that all ways to them are guarded.
pub trait Backend: Send + Sync + 'static {
    /// Adds a storage; opens and connects nothing, so it does not wait. `true` if it is new, `false` if an equal one was there and
    /// [`StorageConfig::reuse`] is set.
    fn storage_add(&self, config: StorageConfig) -> Result<bool, Refusal>;

    /// Deletes a storage; all of it is gone on success. `timeout` in milliseconds.
    fn storage_del(&self, name: &str, force: bool, timeout: Option<u32>) -> Result<(), Refusal>;

    /// Starts a storage; its disk is there on success. `timeout` in milliseconds.
    fn storage_start(&self, name: &str, force: bool, timeout: Option<u32>) -> Result<(), Refusal>;

    /// Changes the workers of a storage.
    fn storage_set(&self, name: &str, change: &WorkersChange) -> Result<(), Refusal>;

    /// Tells about a storage; `ENOENT`.
    fn storage_info(&self, name: &str) -> Result<StorageInfo, Refusal>;

    /// The storage behind `cursor`.
    fn storage_next(&self, cursor: Cursor) -> Next<StorageInfo>;

    /// Adds a node to a storage that is being configured; returns its index.
    fn node_add(&self, storage: &str, config: NodeConfig) -> Result<u32, Refusal>;

    /// Removes a node from a storage that is being configured.
    fn node_del(&self, storage: &str, which: &NodeSelector) -> Result<(), Refusal>;

    /// Removes all nodes from a storage that is being configured.
    fn node_del_all(&self, storage: &str) -> Result<(), Refusal>;

    /// Suspends a node of a running storage, and waits for what it was given before, for at most
    /// `timeout` milliseconds.
    fn node_suspend(
        &self,
        storage: &str,
        which: &NodeSelector,
        timeout: Option<u32>,
    ) -> Result<Suspension, Refusal>;

    /// Forgets the first write error of a node; returns its index.
    fn node_clear(&self, storage: &str, which: &NodeSelector) -> Result<u32, Refusal>;

    /// Lets a suspended node go on; returns its index.
    fn node_resume(&self, storage: &str, which: &NodeSelector) -> Result<u32, Refusal>;

    /// Tells about a node; `ENOENT`.
    fn node_info(&self, storage: &str, index: u32) -> Result<NodeInfo, Refusal>;

    /// The node behind `cursor`, of one storage or of all. A storage that is not there has none.
    fn node_next(&self, storage: Option<&str>, cursor: Cursor) -> Next<NodeInfo>;

    /// Adds an export; it listens on success. The information tells number and address.
    fn export_add(&self, config: ExportConfig) -> Result<ExportInfo, Refusal>;

    /// Deletes an export.
    fn export_del(&self, which: &ExportSelector, force: bool) -> Result<(), Refusal>;

    /// Replaces lists of an export.
    fn export_set(&self, which: &ExportSelector, change: ListsChange) -> Result<(), Refusal>;

    /// Tells about an export; `ENOENT`.
    fn export_info(&self, which: &ExportSelector) -> Result<ExportInfo, Refusal>;

    /// The export behind `cursor`.
    fn export_next(&self, cursor: Cursor) -> Next<ExportInfo>;

    /// The connection behind `cursor`.
    fn connection_next(&self, filter: &ConnectionFilter, cursor: Cursor) -> Next<ConnectionInfo>;

    /// Begins a job; returns its number.
    fn job_begin(&self, config: &JobConfig) -> Result<u32, Refusal>;

    /// Begins to move a node; returns the number of the job.
    fn node_migrate(&self, config: MigrateConfig) -> Result<u32, Refusal>;

    /// Lets a node go on at another place, if its disk is there, or begins to move it there: then the number of the job.
    fn node_replace(&self, config: MigrateConfig) -> Result<Option<u32>, Refusal>;

    /// Lets a job wait.
    fn job_pause(&self, id: u32) -> Result<(), Refusal>;

    /// Lets a job that was told to pause go on.
    fn job_resume(&self, id: u32) -> Result<(), Refusal>;

    /// Tells a job to end.
    fn job_cancel(&self, id: u32) -> Result<(), Refusal>;

    /// Changes how fast a job may be.
    fn job_set(&self, id: u32, change: &PaceChange) -> Result<(), Refusal>;

    /// Tells about a job; `ENOENT`.
    fn job_info(&self, id: u32) -> Result<JobInfo, Refusal>;

    /// The job behind `cursor`.
    fn job_next(&self, cursor: Cursor) -> Next<JobInfo>;

    /// Tells about the module.
    fn info(&self) -> Result<ModuleInfo, Refusal>;

    /// A number that changes whenever a storage, node, export, connection or job comes or goes, so
    /// that a list told in several messages can be marked as interrupted. Never 0.
    fn generation(&self) -> u32;
}
