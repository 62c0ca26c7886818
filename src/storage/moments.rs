// SPDX-License-Identifier: GPL-2.0

//! The clock by which a storage measures what its flushes promise ([`crate::dst_core::write_back`]).

use crate::dst_core::write_back::Moment;
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
};

/// The clock of a storage that has nodes with a volatile cache: it counts the writes that have ended.
pub struct Moments {
    writes: Atomic<u64>,
}

impl Moments {
    /// No write has ended. May sleep. Errors: `ENOMEM`.
    pub fn new() -> Result<Arc<Self>> {
        let writes = Atomic::new(0);
        Ok(Arc::new(Self { writes }, GFP_KERNEL)?)
    }

    /// A write ends, and its caller is told after this. Any context.
    pub fn write_ends(&self) -> Moment {
        Moment::after(self.writes.fetch_add(1, ordering::Full) + 1)
    }

    /// Now. Any context.
    pub fn now(&self) -> Moment {
        Moment::after(self.writes.load(ordering::Acquire))
    }
}
