// SPDX-License-Identifier: GPL-2.0

//! DST: one block device out of disks on several machines.
//!
//! Layers, each of which uses only those above it:
//!
//! | module      | what it is                                                            |
//! |-------------|-----------------------------------------------------------------------|
//! | `dst_core`  | pure decisions: protocol, labels, maps; also a host crate             |
//! | `sys`       | safe types over kernel interfaces; the only unsafe code               |
//! | `exec`      | the executor: worker pools, tasks, timers                             |
//! | `net`       | asynchronous sockets and sessions                                     |
//! | `device`    | block devices as nodes: labels                                        |
//! | `storage`   | disks made of nodes: the way of a bio                                 |
//! | `export`    | the serving side                                                      |
//! | `jobs`      | long work on the nodes of storages                                    |
//! | `control`   | generic netlink and sysfs                                             |
//!
//! Start: worker pools, the registries of storages and exports, then control, which lets
//! administrators in. Stop is the reverse: nobody can ask for anything any more, then exports and
//! storages go, then the workers.

#![deny(unsafe_code)]
// What refuses a request owns its text, so that refusing allocates nothing. It is made on the
// administrator's way only.
#![allow(clippy::result_large_err)]

#[path = "core/lib.rs"]
pub mod dst_core;

#[allow(unsafe_code)]
pub mod sys;

pub mod exec;

pub mod net;

pub mod device;

pub mod storage;

pub mod export;

pub mod jobs;

pub mod control;

mod backend;

use crate::{
    backend::Backend,
    control::{events::Events, Control},
    exec::{Pools, TasksFile},
};
use kernel::{prelude::*, sync::Arc};

module! {
    type: Module,
    name: "dst_blk",
    authors: ["DST developers"],
    description: "DST: distributed storage, one block device out of disks on several machines",
    license: "GPL",
    params: {
        workers: u32 {
            default: 0,
            description: "Threads for sockets, and as many for each export; 0 for one per CPU",
        },
    },
}

/// The loaded module.
struct Module {
    // Fields are dropped in this order.
    control: Option<Control<Backend>>,
    backend: Arc<Backend>,
    _pools: Arc<Pools>,
    _tasks: TasksFile,
}

impl kernel::Module for Module {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let workers = match module_parameters::workers.value() {
            0 => sys::cpu::online(),
            workers => workers.min(exec::pool::MAX_WORKERS),
        };
        let tasks = TasksFile::new(c"dst")?;
        let pools = Arc::new(Pools::new(workers)?, GFP_KERNEL)?;
        let events = Events::new()?;
        let backend = Backend::new(module, pools.clone(), &events)?;
        let control = Control::start(backend.clone(), &events)?;
        pr_info!(
            "loaded, threads for sockets and for each export: {}\n",
            workers
        );
        Ok(Self {
            control: Some(control),
            backend,
            _pools: pools,
            _tasks: tasks,
        })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // Nobody can ask for anything after this.
        self.control = None;
        self.backend.stop();
        pr_info!("unloaded\n");
    }
}
