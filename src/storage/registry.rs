// SPDX-License-Identifier: GPL-2.0

//! All storages of the module.
//!
//! The list's lock is held for moments; a request that waits for a node holds only its own
//! storage's operation lock, so storages do not wait for each other.

use super::{
    beside::Site,
    config::{
        NodeConfig, NodeInfo, NodeSelector, StorageConfig, StorageInfo, StorageObserver,
        StorageState, Suspension, WorkersChange,
    },
    fault::{Fault, Outcome},
    mover::Mover,
    storage::{Context, Storage},
};
use crate::{
    dst_core::{
        map::Kind,
        names::{check_disk, check_storage, disks_collide, NameError},
    },
    exec::Pools,
    fault,
    net::config::ConnectionInfo,
    sys::refusal::{Field, Refusal},
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, Mutex,
    },
    ThisModule,
};

/// Enough for the number of a connection of a node.
pub const CONNECTION_BITS: u32 = 8;

/// The most storages.
pub const MAX_STORAGES: usize = 256;

/// What a request comes to.
pub type Answer<T = ()> = core::result::Result<T, Refusal>;

/// The key of an entry in a list, and the entry.
pub type Next<T> = Option<([u64; 2], T)>;

struct List {
    /// Sorted by number.
    storages: KVec<Arc<Storage>>,
    next_number: u64,
}

/// The storages of the module.
#[pin_data]
pub struct Registry {
    context: Arc<Context>,
    #[pin]
    list: Mutex<List>,
}

impl Registry {
    /// A registry without storages. Disks pin `module`, tasks run on `pools`, `observer` is told
    /// of changes. May sleep. Errors: `ENOMEM`.
    pub fn new(
        module: &'static ThisModule,
        pools: Arc<Pools>,
        observer: Option<Arc<dyn StorageObserver>>,
    ) -> Result<Arc<Self>> {
        let context = Arc::new(
            Context {
                module,
                pools,
                observer,
                generation: Atomic::new(1),
            },
            GFP_KERNEL,
        )?;
        Arc::pin_init(
            pin_init!(Self {
                context,
                list <- new_mutex!(
                    List { storages: KVec::new(), next_number: 1 },
                    "dst_storages"
                ),
            }),
            GFP_KERNEL,
        )
    }

    /// Changes whenever a storage or node comes or goes; never 0.
    pub fn generation(&self) -> u32 {
        self.context.generation.load(ordering::Relaxed).max(1)
    }

    /// The number of storages.
    pub fn len(&self) -> usize {
        self.list.lock().storages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, name: &str) -> Outcome<Arc<Storage>> {
        let list = self.list.lock();
        list.storages
            .iter()
            .find(|storage| storage.config().name.as_str() == name)
            .cloned()
            .ok_or_else(|| {
                fault!(
                    ENOENT,
                    Field::Name,
                    "there is no storage \"{}\"; dst status shows those that are",
                    name
                )
            })
    }

    /// Adds a storage; tells whether it is new. May sleep.
    ///
    /// Errors: `EINVAL` for names and algorithms that cannot be, `EEXIST` for those in use,
    /// `ENOSPC` for too many.
    pub fn storage_add(&self, config: StorageConfig) -> Answer<bool> {
        let kind = algorithm(&config)?;
        let mut list = self.list.lock();
        let name = config.name.as_str();
        let same = list
            .storages
            .iter()
            .find(|storage| storage.config().name.as_str() == name)
            .cloned();
        if let Some(same) = same {
            drop(list);
            return Ok(reuse(&same, &config, kind).map(|()| false)?);
        }
        check_names(&list.storages, &config)?;
        if list.storages.len() >= MAX_STORAGES {
            return Err(fault!(ENOSPC, None, "there are {} storages already", MAX_STORAGES).into());
        }
        list.storages.reserve(1, GFP_KERNEL)?;
        let number = list.next_number;
        let storage = Storage::new(number, config, kind, self.context.clone())?;
        list.next_number += 1;
        list.storages.push(storage.clone(), GFP_KERNEL)?;
        drop(list);
        self.context.changed();
        storage.announce();
        Ok(true)
    }

    /// Deletes a storage, within `timeout` milliseconds: see [`Storage::delete`].
    pub fn storage_del(&self, name: &str, force: bool, timeout: Option<u32>) -> Answer {
        let storage = self.find(name)?;
        storage.delete(force, timeout)?;
        self.forget(&storage);
        Ok(())
    }

    fn forget(&self, storage: &Arc<Storage>) {
        let mut list = self.list.lock();
        list.storages.retain(|other| !Arc::ptr_eq(other, storage));
        drop(list);
        self.context.changed();
    }

    /// Starts a storage, within `timeout` milliseconds: see [`Storage::start`].
    pub fn storage_start(&self, name: &str, force: bool, timeout: Option<u32>) -> Answer {
        Ok(self.find(name)?.start(force, timeout)?)
    }

    /// Changes the workers of a storage: see [`Storage::set_workers`].
    pub fn storage_set(&self, name: &str, change: &WorkersChange) -> Answer {
        Ok(self.find(name)?.set_workers(change)?)
    }

    /// Tells about a storage. Errors: `ENOENT`.
    pub fn storage_info(&self, name: &str) -> Answer<StorageInfo> {
        Ok(self.find(name)?.info())
    }

    /// The storage with the least number above that in `cursor`.
    pub fn storage_next(&self, cursor: [u64; 2]) -> Next<StorageInfo> {
        let storage = self.least_from(cursor[0].checked_add(1)?)?;
        Some(([storage.number(), 0], storage.info()))
    }

    fn least_from(&self, least: u64) -> Option<Arc<Storage>> {
        let list = self.list.lock();
        list.storages
            .iter()
            .find(|storage| storage.number() >= least)
            .cloned()
    }

    /// Adds a node to a storage; returns its index. Waits for the node.
    pub fn node_add(&self, storage: &str, config: NodeConfig) -> Answer<u32> {
        Ok(self.find(storage)?.node_add(config)?)
    }

    /// Removes a node from a storage that was not started.
    pub fn node_del(&self, storage: &str, which: &NodeSelector) -> Answer {
        Ok(self.find(storage)?.node_del(which)?)
    }

    /// Removes all nodes from a storage that was not started.
    pub fn node_del_all(&self, storage: &str) -> Answer {
        Ok(self.find(storage)?.node_del_all()?)
    }

    /// Suspends a node of a running storage: see [`Storage::node_suspend`].
    pub fn node_suspend(
        &self,
        storage: &str,
        which: &NodeSelector,
        timeout: Option<u32>,
    ) -> Answer<Suspension> {
        Ok(self.find(storage)?.node_suspend(which, timeout)?)
    }

    /// Begins work on the nodes of a running storage: see [`Storage::work_beside`].
    pub fn work_beside<T>(
        &self,
        storage: &str,
        node: Option<u32>,
        begin: impl FnOnce(&Site) -> Outcome<T>,
    ) -> Answer<T> {
        Ok(self.find(storage)?.work_beside(node, begin)?)
    }

    /// Lets a node begin to move: see [`Storage::migrate`].
    pub fn migrate<T>(
        &self,
        storage: &str,
        index: u32,
        device: NodeConfig,
        begin: impl FnOnce(&Site, Arc<Mover>) -> Outcome<T>,
    ) -> Answer<T> {
        Ok(self.find(storage)?.migrate(index, device, begin)?)
    }

    /// Lets a node go on at another place, if it is there: see [`Storage::replace`].
    pub fn replace(
        &self,
        storage: &str,
        index: u32,
        device: NodeConfig,
        idle: impl FnOnce(&Site) -> Outcome,
    ) -> Answer<bool> {
        Ok(self.find(storage)?.replace(index, device, idle)?)
    }

    /// Lets a suspended node go on; returns its index.
    pub fn node_resume(&self, storage: &str, which: &NodeSelector) -> Answer<u32> {
        Ok(self.find(storage)?.node_resume(which)?)
    }

    /// Forgets the write error of a node; returns its index.
    pub fn node_clear(&self, storage: &str, which: &NodeSelector) -> Answer<u32> {
        Ok(self.find(storage)?.node_clear(which)?)
    }

    /// Tells about a node. Errors: `ENOENT`.
    pub fn node_info(&self, storage: &str, index: u32) -> Answer<NodeInfo> {
        let missing = || {
            fault!(
                ENOENT,
                Field::Index,
                "the storage \"{}\" has no node {}",
                storage,
                index
            )
        };
        Ok(self.find(storage)?.node_info(index).ok_or_else(missing)?)
    }

    /// The entry with the least key (number of the storage, index of the node) above `cursor`
    /// for which `tell` has something, in the storage `only` or in all.
    fn next_of<T>(
        &self,
        only: Option<&str>,
        cursor: [u64; 2],
        tell: impl Fn(&Storage, u32) -> Option<T>,
    ) -> Next<T> {
        let [mut number, index] = cursor;
        let mut index = match (number, u32::try_from(index)) {
            // The beginning of the list is before node 0.
            (0, _) => 0,
            (_, Ok(index)) => index.checked_add(1)?,
            (_, Err(_)) => return None,
        };
        loop {
            let storage = self.least_from(number)?;
            if storage.number() != number {
                number = storage.number();
                index = 0;
            }
            let wanted = only.is_none_or(|name| storage.config().name.as_str() == name);
            while let Some(found) = storage.index_from(index).filter(|_| wanted) {
                if let Some(entry) = tell(&storage, found) {
                    return Some(([number, found.into()], entry));
                }
                index = found.checked_add(1)?;
            }
            number = number.checked_add(1)?;
            index = 0;
        }
    }

    /// The node behind `cursor`, of the storage `only` or of all.
    pub fn node_next(&self, only: Option<&str>, cursor: [u64; 2]) -> Next<NodeInfo> {
        self.next_of(only, cursor, Storage::node_info)
    }

    /// The connection of a node behind `cursor`, of the storage `only` or of all.
    pub fn connection_next(&self, only: Option<&str>, cursor: [u64; 2]) -> Next<ConnectionInfo> {
        // The key's second part is the node's index and, in its lowest bits, which connection.
        let [number, key] = cursor;
        if number != 0 {
            let (index, at) = (key >> CONNECTION_BITS, key & ((1 << CONNECTION_BITS) - 1));
            let storage = self
                .least_from(number)
                .filter(|found| found.number() == number);
            let next = storage.and_then(|storage| {
                storage.connection_info(u32::try_from(index).ok()?, at as u16 + 1)
            });
            if let Some(info) = next {
                return Some(([number, key + 1], info));
            }
        }
        let cursor = [number, key >> CONNECTION_BITS];
        let first = |storage: &Storage, index| storage.connection_info(index, 0);
        let ([number, index], info) = self.next_of(only, cursor, first)?;
        Some(([number, index << CONNECTION_BITS], info))
    }

    /// Deletes all storages by force; for the end of the module and of the machine. Sleeps for
    /// at most about ten seconds for each.
    pub fn stop(&self) {
        let mut least = 0;
        while let Some(storage) = self.least_from(least) {
            match storage.delete(true, None) {
                Ok(()) => self.forget(&storage),
                Err(fault) => pr_warn!("{}\n", Refusal::from(fault)),
            }
            least = storage.number() + 1;
        }
    }
}

/// The algorithm that was asked for.
fn algorithm(config: &StorageConfig) -> Outcome<Kind> {
    let name = config.algorithm.as_str();
    Kind::by_name(name).ok_or_else(|| {
        let mut known = crate::dst_core::text::Text::<120>::new();
        for kind in Kind::ALL {
            let comma = if known.is_empty() { "" } else { ", " };
            // Writing to a text cannot fail.
            let _ = core::fmt::Write::write_fmt(&mut known, format_args!("{comma}{kind}"));
        }
        fault!(
            EINVAL,
            Field::Algorithm,
            "there is no algorithm \"{}\"; known are: {}",
            name,
            known.as_str()
        )
    })
}

/// Judges a request to add a storage of which there is one.
fn reuse(same: &Storage, config: &StorageConfig, kind: Kind) -> Outcome {
    let other = same.config();
    let state = same.info().state;
    let name = config.name.as_str();
    if !config.reuse || state != StorageState::Configuring {
        return Err(fault!(
            EEXIST,
            Field::Name,
            "there is a storage \"{}\" already, and it is {}",
            name,
            state.as_str()
        ));
    }
    let differs = |field, what: &str| {
        Err(fault!(
            EEXIST,
            field,
            "there is a storage \"{}\" already, with another {}; delete it first",
            name,
            what
        ))
    };
    if same.kind() != kind {
        return differs(Field::Algorithm, "algorithm");
    }
    if other.disk != config.disk {
        return differs(Field::Disk, "disk");
    }
    if config.uuid.is_some() && other.uuid != config.uuid {
        return differs(Field::Uuid, "identity");
    }
    if (other.raw, other.read_only) != (config.raw, config.read_only) {
        return differs(Field::Flags, "choice of raw or read-only");
    }
    if other.net != config.net {
        return differs(Field::Name, "network namespace");
    }
    Ok(())
}

fn check_names(storages: &[Arc<Storage>], config: &StorageConfig) -> Outcome {
    let name = config.name.as_str();
    check_storage(name, |_| false).map_err(|error| {
        fault!(
            EINVAL,
            Field::Name,
            "storage \"{}\": {}",
            name,
            format_args!("{error}")
        )
    })?;
    let disk = config.disk.as_str();
    let mut owner = None;
    let checked = check_disk(disk, |disk| {
        owner = storages
            .iter()
            .find(|storage| disks_collide(storage.config().disk.as_str(), disk));
        owner.is_some()
    });
    checked.map_err(|error| disk_refusal(disk, error, owner))
}

fn disk_refusal(disk: &str, error: NameError, owner: Option<&Arc<Storage>>) -> Fault {
    match owner.map(|storage| storage.config()) {
        Some(other) if other.disk.as_str() == disk => fault!(
            EEXIST,
            Field::Disk,
            "/dev/{} belongs to the storage \"{}\"; give another name with -f",
            disk,
            other.name.as_str()
        ),
        Some(other) => fault!(
            EEXIST,
            Field::Disk,
            "/dev/{} and partitions of /dev/{} (storage \"{}\") would have the same names; give \
             another name with -f",
            disk,
            other.disk.as_str(),
            other.name.as_str()
        ),
        None => fault!(
            EINVAL,
            Field::Disk,
            "disk \"{}\": {}",
            disk,
            format_args!("{error}")
        ),
    }
}
