// SPDX-License-Identifier: GPL-2.0

//! The directories of storages, nodes and jobs under `/sys/devices`.
//!
//! `/sys/devices/STORAGE` exists from the moment the storage is added until it is deleted, the
//! nodes' directories in it from its start on, when it is known where each begins. A job's directory
//! in it comes with the job, and goes when another job begins after the job was forgotten, or with
//! the storage.

use super::{
    backend::Backend,
    files::{JobFiles, NodeFiles, StorageFiles},
};
use crate::{
    refuse,
    storage::config::{Name, StorageConfig},
    sys::{
        refusal::{Field, Refusal},
        sysfs::{self, Directory},
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{Arc, Mutex},
};

/// The directories of one storage.
struct Entry<B: Backend> {
    name: Name,
    // Before the directory that they are in.
    nodes: KVec<Directory<NodeFiles<B>>>,
    jobs: KVec<(u32, Directory<JobFiles<B>>)>,
    storage: Arc<Directory<StorageFiles<B>>>,
}

/// All directories.
///
/// One lock is held while storages are added and while directories are made and removed, so that
/// there is a directory for each storage and none without. The functions behind the files never
/// take it: removing a directory waits for those that run.
#[pin_data]
pub struct Directories<B: Backend> {
    backend: Arc<B>,
    #[pin]
    entries: Mutex<KVec<Entry<B>>>,
}

/// Whether something under `/sys/devices` is called `name`: the predicate that
/// [`crate::dst_core::names::check_storage`] asks for. May sleep.
pub fn name_taken(name: &str) -> bool {
    match CString::try_from_fmt(fmt!("{}", name)) {
        Ok(name) => sysfs::name_taken(&name),
        // Judged again, with an error, when the directory is made.
        Err(_) => false,
    }
}

impl<B: Backend> Directories<B> {
    pub(super) fn new(backend: Arc<B>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                backend,
                entries <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Adds a storage and makes its directory.
    pub(super) fn add_storage(&self, config: StorageConfig) -> core::result::Result<(), Refusal> {
        let name = config.name;
        let mut entries = self.entries.lock();
        if !self.backend.storage_add(config)? {
            return Ok(());
        }
        // Of a storage that was deleted just now, whose deleter waits for the lock.
        Self::remove(&mut entries, &name);
        self.make_storage(&mut entries, &name).inspect_err(|_| {
            // It has no disk yet, so nothing can be in its way.
            let _ = self.backend.storage_del(name.as_str(), true, None);
        })
    }

    fn make_storage(
        &self,
        entries: &mut KVec<Entry<B>>,
        name: &Name,
    ) -> core::result::Result<(), Refusal> {
        let path = CString::try_from_fmt(fmt!("{}", name.as_str())).map_err(Refusal::from)?;
        let files = StorageFiles::new(self.backend.clone(), *name);
        let storage = Directory::at_top(&path, files).map_err(|error| {
            refuse!(
                error,
                Field::Name,
                "/sys/devices/{} cannot be made (error {}); choose another name",
                name.as_str(),
                error.to_errno()
            )
        })?;
        let entry = Entry {
            name: *name,
            nodes: KVec::new(),
            jobs: KVec::new(),
            storage: Arc::new(storage, GFP_KERNEL)?,
        };
        entries.push(entry, GFP_KERNEL)?;
        Ok(())
    }

    /// Makes the directories of the nodes of a storage that has started; `anew` if it has just done so.
    ///
    /// The storage works without them, so what cannot be made is told to the log only.
    #[inline(never)]
    pub(super) fn add_nodes(&self, name: &Name, anew: bool) {
        let mut entries = self.entries.lock();
        // It may have been deleted since it started.
        let Some(entry) = entries.iter_mut().find(|entry| entry.name == *name) else {
            return;
        };
        if anew {
            entry.nodes.clear();
        }
        if let Err(error) = self.make_nodes(name, &entry.storage, &mut entry.nodes) {
            pr_warn!(
                "{}: not all nodes are shown in sysfs (error {})\n",
                name.as_str(),
                error.to_errno()
            );
        }
    }

    /// Makes the directory of a job that has begun, and removes those of jobs that were forgotten.
    ///
    /// The job works without it, so what cannot be made is told to the log only.
    #[inline(never)]
    pub(super) fn add_job(&self, storage: &Name, id: u32) {
        let mut entries = self.entries.lock();
        for entry in entries.iter_mut() {
            entry
                .jobs
                .retain(|(id, _)| self.backend.job_info(*id).is_ok());
        }
        // The storage may have been deleted since.
        let Some(entry) = entries.iter_mut().find(|entry| entry.name == *storage) else {
            return;
        };
        let made = CString::try_from_fmt(fmt!("job-{}", id));
        let made = made.and_then(|path| {
            let files = JobFiles::new(self.backend.clone(), id);
            let directory = Directory::within(&entry.storage, &path, files)?;
            Ok(entry.jobs.push((id, directory), GFP_KERNEL)?)
        });
        if let Err(error) = made {
            pr_warn!(
                "{}: job {} is not shown in sysfs (error {})\n",
                storage.as_str(),
                id,
                error.to_errno()
            );
        }
    }

    fn make_nodes(
        &self,
        name: &Name,
        storage: &Arc<Directory<StorageFiles<B>>>,
        nodes: &mut KVec<Directory<NodeFiles<B>>>,
    ) -> Result {
        // Where two nodes begin at the same sector (a mirror), they are told apart by the index.
        let mut starts: KVec<(u32, u64)> = KVec::new();
        let mut cursor = [0; 2];
        while let Some((next, info)) = self.backend.node_next(Some(name.as_str()), cursor) {
            cursor = next;
            let index = info.config.index.unwrap_or(0);
            starts.push((index, info.config.start.unwrap_or(0)), GFP_KERNEL)?;
        }
        let twice = starts
            .iter()
            .any(|(index, start)| starts.iter().any(|(i, s)| i != index && s == start));
        // Those that are there were made in the same order.
        for (index, start) in starts.iter().skip(nodes.len()) {
            let number = if twice { u64::from(*index) } else { *start };
            let path = CString::try_from_fmt(fmt!("n-{}", number))?;
            let files = NodeFiles::new(self.backend.clone(), *name, *index);
            nodes.push(Directory::within(storage, &path, files)?, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Removes the directories of a storage that was deleted.
    pub(super) fn storage_gone(&self, name: &Name) {
        let mut entries = self.entries.lock();
        // Another one may have been added since; then the directory is that one's.
        if self.backend.storage_info(name.as_str()).is_err() {
            Self::remove(&mut entries, name);
        }
    }

    fn remove(entries: &mut KVec<Entry<B>>, name: &Name) {
        entries.retain(|entry| entry.name != *name);
    }
}
