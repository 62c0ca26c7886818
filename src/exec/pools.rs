// SPDX-License-Identifier: GPL-2.0

//! The pools that the whole module shares, and the making of those that belong to one storage or
//! export.

use super::{Pool, Settings};
use crate::sys::kthread::Reclaim;
use kernel::{prelude::*, str::CString};

/// Shared workers. Which pool a task belongs to follows from what it may wait for: a task never
/// waits for something that only a task of its own pool can bring about.
///
/// Tasks that sleep on storage have no shared pool. A device may be a storage of this machine, or
/// lie on one by way of other drivers, or hang: each storage and each export has threads of its
/// own for that ([`Pools::devices`]), so that no level of a tree and no sound device waits for
/// another one.
pub struct Pools {
    /// Tasks that drive sockets. They never sleep on storage. Dirty pages may wait for them, so
    /// reclaim does not come back to storage; sending itself may use the memory reserves.
    pub net: Pool,
    /// Tasks that are in no bio's way: they watch, and may wait for tasks of the other pools.
    pub control: Pool,
    /// Threads in [`Self::net`], and in the pool of each export.
    pub workers: u32,
}

impl Pools {
    /// Starts the threads: `workers` for sockets, one for control.
    ///
    /// May sleep. Errors: `EINVAL` for no workers; `ENOMEM`; `EINTR` when the caller was killed.
    pub fn new(workers: u32) -> Result<Self> {
        Ok(Self {
            net: Pool::new(c"dst_net", workers, Reclaim::NoIo)?,
            control: Pool::new(c"dst_ctl", 1, Reclaim::NoIo)?,
            workers,
        })
    }

    /// Starts a pool of threads named `dst_<what>-<owner>/<n>` for tasks that submit to
    /// block devices and may sleep in a device's driver. What they allocate comes from reserves of
    /// its own (bio sets); the common reserves are left to those who have none, and reclaim is not
    /// to come back to storage ([`Reclaim::NoIo`]).
    ///
    /// May sleep. Errors as [`Self::new`].
    pub fn devices(
        what: &str,
        owner: &dyn kernel::fmt::Display,
        settings: Settings,
    ) -> Result<Pool> {
        let name = CString::try_from_fmt(fmt!("dst_{}-{}", what, owner))?;
        Pool::with_settings(&name, settings)
    }
}
