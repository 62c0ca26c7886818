// SPDX-License-Identifier: GPL-2.0

//! The pools of the module.

use super::Pool;
use crate::sys::kthread::Reclaim;
use kernel::prelude::*;

/// All workers. Which pool a task belongs to follows from what it may wait for: a task never
/// waits for something that only a task of its own pool can bring about.
pub struct Pools {
    /// Tasks that drive sockets. They never sleep on storage. Dirty pages may wait for them, so
    /// reclaim does not come back to storage; sending itself may use the memory reserves.
    pub net: Pool,
    /// Tasks that submit to block devices, which may sleep in a device's driver. What they
    /// allocate comes from reserves of its own (bio sets); the common reserves are left to those
    /// who have none, and reclaim does not come back to storage.
    pub io: Pool,
    /// Tasks that submit what clients ask for to exported devices. Apart from [`Self::io`]: an
    /// exported device may be a storage of this machine, whose parked bios need a task there.
    pub export: Pool,
    /// Tasks that read and write labels, and wait for that. Apart from [`Self::export`]: the
    /// device may be a storage of this machine, whose data may come through an export of it.
    pub label: Pool,
    /// Tasks that are in no bio's way: they watch, and may wait for tasks of the other pools.
    pub control: Pool,
}

impl Pools {
    /// Starts the threads: `workers` for sockets, as many for devices and for exports, one
    /// each for labels and control.
    ///
    /// May sleep. Errors: `EINVAL` for no workers; `ENOMEM`; `EINTR` when the caller was killed.
    pub fn new(workers: usize) -> Result<Self> {
        Ok(Self {
            net: Pool::new(c"dst_net", workers, Reclaim::NoIo)?,
            io: Pool::new(c"dst_io", workers, Reclaim::NoIo)?,
            export: Pool::new(c"dst_export", workers, Reclaim::NoIo)?,
            label: Pool::new(c"dst_label", 1, Reclaim::NoIo)?,
            control: Pool::new(c"dst_ctl", 1, Reclaim::NoIo)?,
        })
    }
}
