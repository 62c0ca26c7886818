// SPDX-License-Identifier: GPL-2.0

//! Work on the nodes of a started storage beside the I/O of its disk.
//!
//! Jobs are a layer above; a storage knows of them that they have to end before it does. What they
//! read and write goes to the nodes as everything else does: pieces with a [`super::node::Permit`],
//! which wait, fail and are counted there. So a suspended node makes a job wait, a lost connection
//! too, and a forced deletion ends what it has in flight.

use super::{
    config::{Name, NodeSelector},
    fault::Outcome,
    running::Running,
    storage::Storage,
    volume::Volume,
    wait::Deadline,
};
use crate::{fault, sys::net_namespace::Net, sys::refusal::Field};
use kernel::{prelude::*, sync::Arc};

/// Milliseconds for a beginning to wait for another request.
const BEGIN_MS: u32 = 8_000;

/// Work that ends with its storage. Called in process context.
///
/// Whoever works asks for a permit first and then looks whether he was stopped; whoever stops him
/// does so first and then looks what is at the nodes. So once he was stopped and nothing is at a
/// node, nothing is on its way there.
pub trait Beside: Send + Sync {
    /// Tells the work to end, at any time, any number of times. Does not wait.
    fn stop(&self);

    /// Waits until it has ended and keeps nothing of the storage. It was stopped, and nothing of it is
    /// at a node.
    fn join(&self);

    /// Whether it has ended.
    fn has_ended(&self) -> bool;
}

/// What work on the nodes of a storage is given.
pub struct Site {
    /// The number of the storage, never used again.
    pub number: u64,
    /// Its name.
    pub name: Name,
    /// Where events about it go.
    pub net: Net,
    /// What the work attaches itself to ([`Running::attach`]) before it keeps the volume.
    pub running: Arc<Running>,
    /// The nodes and the map onto them.
    pub volume: Arc<Volume>,
    /// Bytes of a logical block of the disk.
    pub logical_block: u32,
}

impl Storage {
    /// Lets `begin` start work on all nodes or on `node`, which is there. The storage is not deleted
    /// while that runs.
    pub fn work_beside<T>(
        &self,
        node: Option<u32>,
        begin: impl FnOnce(&Site) -> Outcome<T>,
    ) -> Outcome<T> {
        let _operation = self.lock_operation(&Deadline::after(BEGIN_MS))?;
        if let Some(index) = node {
            let which = NodeSelector {
                index: Some(index),
                ..NodeSelector::default()
            };
            self.position(&self.state(), &which)?;
        }
        let site = self.site()?;
        let begun = begin(&site);
        // Under the lock still: a deletion counts on its being gone.
        drop(site);
        begun
    }

    /// What work on the nodes is given. The operation lock is held.
    pub(super) fn site(&self) -> Outcome<Site> {
        let running = self.running_parts()?;
        let deleted = || fault!(ECANCELED, Field::Name, "the storage is being deleted");
        let volume = running.volume().get().ok_or_else(deleted)?;
        if running.is_failing() {
            return Err(deleted());
        }
        let config = self.config();
        Ok(Site {
            number: self.number(),
            name: config.name,
            net: config.net.clone(),
            running,
            volume,
            logical_block: self.state().logical_block,
        })
    }
}
