// SPDX-License-Identifier: GPL-2.0

//! The files of storages, nodes and jobs in sysfs.
//!
//! They are described in `Documentation/ABI/testing/sysfs-devices-dst`. A file asks the backend
//! by name each time that it is read, so a directory keeps nothing alive that it tells of.

use super::backend::Backend;
use crate::{
    jobs::config::{JobInfo, PaceChange},
    storage::config::{CpuList, Name, NodeInfo, StorageInfo, WorkersChange},
    sys::sysfs::{Access, File, Files, Page},
};
use kernel::{prelude::*, sync::Arc};

/// An identity as text; empty if there is none.
struct Uuid(Option<[u8; 16]>);

impl core::fmt::Display for Uuid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, byte) in self.0.iter().flatten().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

crate::kernel_display!(Uuid);

/// What is behind the files of a storage.
pub struct StorageFiles<B: Backend> {
    backend: Arc<B>,
    name: Name,
}

impl<B: Backend> StorageFiles<B> {
    /// Files of the storage `name`.
    pub fn new(backend: Arc<B>, name: Name) -> Self {
        Self { backend, name }
    }

    fn info(&self) -> Result<StorageInfo> {
        self.backend
            .storage_info(self.name.as_str())
            .map_err(|refusal| refusal.error())
    }

    /// "sectors (start [size]): 0 [800] | 800 [800]"; a dash where it is not known yet.
    fn nodes(&self, page: &mut Page<'_>) -> Result {
        page.put(fmt!("sectors (start [size]):"))?;
        let mut cursor = [0; 2];
        let mut separator = " ";
        while let Some((next, info)) = self.backend.node_next(Some(self.name.as_str()), cursor) {
            cursor = next;
            page.put(fmt!("{}", separator))?;
            separator = " | ";
            match info.config.start {
                Some(start) => page.put(fmt!("{}", start))?,
                None => page.put(fmt!("-"))?,
            }
            match info.config.size {
                Some(size) => page.put(fmt!(" [{}]", size))?,
                None => page.put(fmt!(" [-]"))?,
            }
        }
        page.put(fmt!("\n"))
    }

    /// Whatever is written.
    fn remove_all_nodes(&self, _text: &[u8]) -> Result {
        self.backend
            .node_del_all(self.name.as_str())
            .map_err(|refusal| refusal.error())
    }
}

impl<B: Backend> StorageFiles<B> {
    /// Changes the workers as `text` says, the line that was written.
    fn change(&self, text: &[u8], read: fn(&str) -> Result<WorkersChange>) -> Result {
        let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
        let change = read(text.trim())?;
        self.backend
            .storage_set(self.name.as_str(), &change)
            .map_err(|refusal| refusal.error())
    }

    fn set_workers(&self, text: &[u8]) -> Result {
        self.change(text, |text| {
            Ok(WorkersChange {
                count: Some(text.parse().map_err(|_| EINVAL)?),
                ..WorkersChange::default()
            })
        })
    }

    fn set_worker_nice(&self, text: &[u8]) -> Result {
        self.change(text, |text| {
            Ok(WorkersChange {
                nice: Some(text.parse().map_err(|_| EINVAL)?),
                ..WorkersChange::default()
            })
        })
    }

    fn set_worker_cpus(&self, text: &[u8]) -> Result {
        self.change(text, |text| {
            let cpus = CpuList::from_display(&text);
            if cpus.as_str() != text {
                return Err(EINVAL);
            }
            Ok(WorkersChange {
                cpus: Some(cpus),
                ..WorkersChange::default()
            })
        })
    }
}

/// A file that shows one expression of the information.
macro_rules! shows {
    ($name:literal, $info:ident => $value:expr) => {
        File {
            name: $name,
            access: Access::Read(|files, page| {
                let $info = files.info()?;
                page.put(fmt!("{}\n", $value))
            }),
        }
    };
}

/// A file that shows one expression of the information, and takes a new value.
macro_rules! changes {
    ($name:literal, $info:ident => $value:expr, $write:expr) => {
        File {
            name: $name,
            access: Access::ReadWrite(
                |files, page| {
                    let $info = files.info()?;
                    page.put(fmt!("{}\n", $value))
                },
                $write,
            ),
        }
    };
}

impl<B: Backend> Files for StorageFiles<B> {
    const FILES: &'static [File<Self>] = &[
        shows!(c"alg", info => info.algorithm.as_str()),
        shows!(c"name", info => info.name.as_str()),
        File {
            name: c"nodes",
            access: Access::Read(Self::nodes),
        },
        File {
            name: c"remove_all_nodes",
            access: Access::Write(Self::remove_all_nodes),
        },
        shows!(c"disk", info => info.disk.as_str()),
        shows!(c"size", info => info.sectors),
        shows!(c"state", info => info.state.as_str()),
        shows!(c"reason", info => info.reason.as_str()),
        shows!(c"waits_for", info => info.waits_for.as_str()),
        shows!(c"uuid", info => Uuid(info.uuid)),
        shows!(c"epoch", info => info.epoch),
        shows!(c"raw", info => u32::from(info.raw)),
        shows!(c"ro", info => u32::from(info.read_only)),
        shows!(c"openers", info => info.openers),
        shows!(c"in_flight", info => info.in_flight),
        shows!(c"read_ios", info => info.io.read_ios),
        shows!(c"read_bytes", info => info.io.read_bytes),
        shows!(c"write_ios", info => info.io.write_ios),
        shows!(c"write_bytes", info => info.io.write_bytes),
        shows!(c"errors", info => info.io.errors),
        changes!(c"workers", info => info.workers, Self::set_workers),
        changes!(c"worker_nice", info => info.worker_nice, Self::set_worker_nice),
        changes!(c"worker_cpus", info => info.worker_cpus.as_str(), Self::set_worker_cpus),
    ];
}

/// What is behind the files of a node.
pub struct NodeFiles<B: Backend> {
    backend: Arc<B>,
    storage: Name,
    index: u32,
}

impl<B: Backend> NodeFiles<B> {
    /// Files of node `index` of a storage.
    pub fn new(backend: Arc<B>, storage: Name, index: u32) -> Self {
        Self {
            backend,
            storage,
            index,
        }
    }

    fn info(&self) -> Result<NodeInfo> {
        self.backend
            .node_info(self.storage.as_str(), self.index)
            .map_err(|refusal| refusal.error())
    }
}

impl<B: Backend> Files for NodeFiles<B> {
    const FILES: &'static [File<Self>] = &[
        shows!(c"type", info => *info.config.place),
        shows!(c"start", info => info.config.start.unwrap_or(0)),
        shows!(c"size", info => info.config.size.unwrap_or(0)),
        shows!(c"index", info => info.config.index.unwrap_or(0)),
        shows!(c"state", info => info.state.as_str()),
        shows!(c"reason", info => info.reason.as_str()),
        shows!(c"waits_for", info => info.waits_for.as_str()),
        shows!(c"since", info => info.since),
        shows!(c"uuid", info => Uuid(info.uuid)),
        shows!(c"in_flight", info => info.in_flight),
        shows!(c"queued", info => info.queued),
        shows!(c"read_ios", info => info.io.read_ios),
        shows!(c"read_bytes", info => info.io.read_bytes),
        shows!(c"write_ios", info => info.io.write_ios),
        shows!(c"write_bytes", info => info.io.write_bytes),
        shows!(c"errors", info => info.io.errors),
        File {
            name: c"write_error",
            access: Access::Read(|files, page| match files.info()?.write_error {
                Some((errno, sector, _)) => page.put(fmt!("{} {}\n", errno, sector)),
                None => page.put(fmt!("\n")),
            }),
        },
        shows!(c"retries", info => info.retries),
        shows!(c"reconnects", info => info.reconnects),
    ];
}

/// What is behind the files of a job.
pub struct JobFiles<B: Backend> {
    backend: Arc<B>,
    id: u32,
}

/// A number that may not be known; empty then.
struct Known(Option<u64>);

impl core::fmt::Display for Known {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.map_or(Ok(()), |value| write!(f, "{value}"))
    }
}

crate::kernel_display!(Known);

/// The rate that was written to a file.
fn rate(text: &[u8]) -> Result<u64> {
    let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
    text.trim().parse().map_err(|_| EINVAL)
}

impl<B: Backend> JobFiles<B> {
    /// Files of job `id`.
    pub fn new(backend: Arc<B>, id: u32) -> Self {
        Self { backend, id }
    }

    fn info(&self) -> Result<JobInfo> {
        self.backend
            .job_info(self.id)
            .map_err(|refusal| refusal.error())
    }

    fn request(&self, text: &[u8]) -> Result {
        let done = match text.trim_ascii() {
            b"pause" => self.backend.job_pause(self.id),
            b"resume" => self.backend.job_resume(self.id),
            b"cancel" => self.backend.job_cancel(self.id),
            _ => return Err(EINVAL),
        };
        done.map_err(|refusal| refusal.error())
    }

    fn change(&self, change: &PaceChange) -> Result {
        self.backend
            .job_set(self.id, change)
            .map_err(|refusal| refusal.error())
    }

    fn set_limit(&self, text: &[u8]) -> Result {
        let limit = rate(text)?;
        self.change(&PaceChange {
            limit: Some((limit != 0).then_some(limit)),
            floor: None,
        })
    }

    fn set_floor(&self, text: &[u8]) -> Result {
        self.change(&PaceChange {
            limit: None,
            floor: Some(rate(text)?),
        })
    }
}

impl<B: Backend> Files for JobFiles<B> {
    const FILES: &'static [File<Self>] = &[
        shows!(c"kind", info => info.kind.as_str()),
        changes!(c"state", info => info.state.as_str(), Self::request),
        shows!(c"reason", info => info.reason.as_str()),
        shows!(c"waits_for", info => info.waits_for.as_str()),
        shows!(c"way", info => info.way.as_str()),
        shows!(c"node", info => Known(info.node.map(u64::from))),
        shows!(c"since", info => info.since),
        shows!(c"elapsed", info => info.elapsed),
        shows!(c"done", info => info.done),
        shows!(c"total", info => info.total),
        shows!(c"rate", info => info.rate),
        shows!(c"time_left", info => Known(info.left)),
        changes!(c"rate_limit", info => info.limit.unwrap_or(0), Self::set_limit),
        changes!(c"min_rate", info => info.floor, Self::set_floor),
        shows!(c"in_flight", info => info.in_flight),
        shows!(c"bad_sector", info => Known(info.bad.map(|bad| bad.sector))),
    ];
}
