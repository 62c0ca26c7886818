// SPDX-License-Identifier: GPL-2.0

//! What the control layer works on: the storages, the exports and the jobs of the module.

use crate::{
    control::{
        backend::{self as control, ConnectionFilter, Cursor, ModuleInfo, Next, PoolInfo},
        events::Events,
    },
    dst_core::{
        label,
        map::MAX_NODES,
        wire::{MAX_QUEUE_DEPTH, MAX_TRANSFER, VERSION_MAX, VERSION_MIN},
    },
    exec::{Pool, Pools},
    export::{
        self,
        config::{ConnectionInfo, ExportConfig, ExportInfo, ExportSelector, ListsChange},
    },
    jobs::{
        self,
        config::{JobConfig, JobInfo, MigrateConfig, PaceChange},
    },
    storage::{
        self,
        config::{
            NodeConfig, NodeInfo, NodeSelector, StorageConfig, StorageInfo, Suspension,
            WorkersChange,
        },
    },
    sys::refusal::Refusal,
};
use kernel::{prelude::*, sync::Arc, ThisModule};

/// The version of the module.
const VERSION: &str = "0.1.0";

/// The port if none is given.
const DEFAULT_PORT: u16 = 1025;

/// `feature` of the netlink specification: all but encryption.
const FEATURES: u32 = 0x17f;

/// The names of the algorithms.
const ALGORITHMS: &[&str] = &["linear"];

/// In a cursor over connections: it is one of an export. Those of storages come first.
const OF_EXPORT: u64 = 1 << 63;

/// The parts of the module.
pub(crate) struct Backend {
    storages: Arc<storage::Registry>,
    exports: Arc<export::Registry>,
    // Behind the storages, which end all jobs.
    jobs: Arc<jobs::Registry>,
    pools: Arc<Pools>,
}

impl Backend {
    /// Makes all parts, empty. Disks pin `module`, tasks run on `pools`, `events` are told of
    /// changes. May sleep. Errors: `ENOMEM`.
    pub(crate) fn new(
        module: &'static ThisModule,
        pools: Arc<Pools>,
        events: &Arc<Events>,
    ) -> Result<Arc<Self>> {
        let storages = storage::Registry::new(module, pools.clone(), Some(events.clone()))?;
        let exports = export::Registry::new(pools.clone(), Some(events.clone()))?;
        let jobs = jobs::Registry::new(&pools, Some(events.clone()))?;
        let backend = Self {
            storages,
            exports,
            jobs,
            pools,
        };
        Ok(Arc::new(backend, GFP_KERNEL)?)
    }

    /// Deletes everything, by force; for the end of the module and of the machine. Storages
    /// first: their nodes may be exports of this machine.
    pub(crate) fn stop(&self) {
        self.storages.stop();
        self.exports.stop();
    }

    fn export_connection(&self, of: Option<u32>, after: u64) -> Next<ConnectionInfo> {
        let (cursor, info) = self.exports.connection_next(of, [after, 0])?;
        Some(([cursor[0] | OF_EXPORT, cursor[1]], info))
    }
}

fn pool_info(name: &'static str, pool: &Pool) -> PoolInfo {
    PoolInfo {
        name,
        workers: u32::try_from(pool.workers()).unwrap_or(u32::MAX),
        tasks: pool.tasks(),
        polls: pool.polls(),
    }
}

type Outcome<T = ()> = core::result::Result<T, Refusal>;

impl control::Backend for Backend {
    fn storage_add(&self, config: StorageConfig) -> Outcome<bool> {
        self.storages.storage_add(config)
    }

    fn storage_del(&self, name: &str, force: bool, timeout: Option<u32>) -> Outcome {
        self.storages.storage_del(name, force, timeout)
    }

    fn storage_start(&self, name: &str, force: bool, timeout: Option<u32>) -> Outcome {
        self.storages.storage_start(name, force, timeout)
    }

    fn storage_set(&self, name: &str, change: &WorkersChange) -> Outcome {
        self.storages.storage_set(name, change)
    }

    fn storage_info(&self, name: &str) -> Outcome<StorageInfo> {
        self.storages.storage_info(name)
    }

    fn storage_next(&self, cursor: Cursor) -> Next<StorageInfo> {
        self.storages.storage_next(cursor)
    }

    fn node_add(&self, storage: &str, config: NodeConfig) -> Outcome<u32> {
        self.storages.node_add(storage, config)
    }

    fn node_del(&self, storage: &str, which: &NodeSelector) -> Outcome {
        self.storages.node_del(storage, which)
    }

    fn node_del_all(&self, storage: &str) -> Outcome {
        self.storages.node_del_all(storage)
    }

    fn node_suspend(
        &self,
        storage: &str,
        which: &NodeSelector,
        timeout: Option<u32>,
    ) -> Outcome<Suspension> {
        self.storages.node_suspend(storage, which, timeout)
    }

    fn node_resume(&self, storage: &str, which: &NodeSelector) -> Outcome<u32> {
        self.storages.node_resume(storage, which)
    }

    fn node_clear(&self, storage: &str, which: &NodeSelector) -> Outcome<u32> {
        self.storages.node_clear(storage, which)
    }

    fn node_info(&self, storage: &str, index: u32) -> Outcome<NodeInfo> {
        self.storages.node_info(storage, index)
    }

    fn node_next(&self, storage: Option<&str>, cursor: Cursor) -> Next<NodeInfo> {
        self.storages.node_next(storage, cursor)
    }

    fn export_add(&self, config: ExportConfig) -> Outcome<ExportInfo> {
        self.exports.export_add(config)
    }

    fn export_del(&self, which: &ExportSelector, force: bool) -> Outcome {
        self.exports.export_del(which, force)
    }

    fn export_set(&self, which: &ExportSelector, change: ListsChange) -> Outcome {
        self.exports.export_set(which, change)
    }

    fn export_info(&self, which: &ExportSelector) -> Outcome<ExportInfo> {
        self.exports.export_info(which)
    }

    fn export_next(&self, cursor: Cursor) -> Next<ExportInfo> {
        self.exports.export_next(cursor)
    }

    fn connection_next(&self, filter: &ConnectionFilter, cursor: Cursor) -> Next<ConnectionInfo> {
        if cursor[0] & OF_EXPORT != 0 {
            let of = match filter {
                ConnectionFilter::Export(id) => Some(*id),
                _ => None,
            };
            return self.export_connection(of, cursor[0] & !OF_EXPORT);
        }
        match filter {
            ConnectionFilter::All => self
                .storages
                .connection_next(None, cursor)
                .or_else(|| self.export_connection(None, 0)),
            ConnectionFilter::Storage(name) => {
                self.storages.connection_next(Some(name.as_str()), cursor)
            }
            ConnectionFilter::Export(id) => self.export_connection(Some(*id), 0),
        }
    }

    fn job_begin(&self, config: &JobConfig) -> Outcome<u32> {
        self.jobs.begin(&self.storages, config)
    }

    fn node_migrate(&self, config: MigrateConfig) -> Outcome<u32> {
        self.jobs.migrate(&self.storages, config)
    }

    fn node_replace(&self, config: MigrateConfig) -> Outcome<Option<u32>> {
        self.jobs.replace(&self.storages, config)
    }

    fn job_pause(&self, id: u32) -> Outcome {
        self.jobs.pause(id)
    }

    fn job_resume(&self, id: u32) -> Outcome {
        self.jobs.resume(id)
    }

    fn job_cancel(&self, id: u32) -> Outcome {
        self.jobs.cancel(id)
    }

    fn job_set(&self, id: u32, change: &PaceChange) -> Outcome {
        self.jobs.set_pace(id, change)
    }

    fn job_info(&self, id: u32) -> Outcome<JobInfo> {
        self.jobs.info(id)
    }

    fn job_next(&self, cursor: Cursor) -> Next<JobInfo> {
        let info = self.jobs.next(u32::try_from(cursor[0]).ok()?)?;
        Some(([info.id.into(), 0], info))
    }

    fn info(&self) -> Outcome<ModuleInfo> {
        let mut pools = KVec::with_capacity(2, GFP_KERNEL)?;
        pools.push(pool_info("net", &self.pools.net), GFP_KERNEL)?;
        pools.push(pool_info("control", &self.pools.control), GFP_KERNEL)?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(ModuleInfo {
            version: VERSION,
            protocol_min: VERSION_MIN.into(),
            protocol_max: VERSION_MAX.into(),
            label_version: label::VERSION,
            features: FEATURES,
            algorithms: ALGORITHMS,
            default_port: DEFAULT_PORT,
            max_storages: count(storage::registry::MAX_STORAGES),
            max_nodes: count(MAX_NODES),
            max_exports: count(export::registry::MAX_EXPORTS),
            max_transfer: MAX_TRANSFER,
            max_queue_depth: MAX_QUEUE_DEPTH,
            storages: count(self.storages.len()),
            exports: count(self.exports.count()),
            pools,
        })
    }

    fn generation(&self) -> u32 {
        // All of them only grow, so the sum changes with each of them.
        let sum = self
            .storages
            .generation()
            .wrapping_add(self.exports.generation())
            .wrapping_add(self.jobs.generation());
        sum.max(1)
    }
}
