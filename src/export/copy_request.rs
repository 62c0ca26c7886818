// SPDX-License-Identifier: GPL-2.0

//! A copy-from-peer, from the receiving task to the copier.

use super::{
    connection::Connection,
    copier::{Copier, Wanted},
    reply::{Finished, Slot},
};
use crate::{
    dst_core::wire::{self, CopySource, Message as WireMessage, COPY_SOURCE_BYTES},
    exec::Timer,
};
use kernel::{page::PAGE_SIZE, prelude::*, sync::Arc};

impl Connection {
    /// Accepts a copy-from-peer whose payload is in `slot`. May sleep.
    #[inline(never)]
    pub(super) fn accept_copy(self: &Arc<Self>, message: WireMessage, slot: Slot) {
        let mut payload = [0; COPY_SOURCE_BYTES];
        let named = match slot.read_at(0, &mut payload) {
            Ok(()) => CopySource::parse(&payload).map_err(|_| wire::Status::Invalid),
            Err(_) => Err(wire::Status::Invalid),
        };
        let named = named.and_then(|named| match self.export.may_copy_from(named.address) {
            true => Ok(named),
            false => Err(wire::Status::PeerNotAllowed),
        });
        let copier = named.and_then(|named| match self.copier() {
            Ok(copier) => Ok((copier, named)),
            Err(_) => Err(wire::Status::NoMemory),
        });
        let unused = |slot, status| {
            self.finished.push(Finished {
                header: None,
                request: message,
                status,
                slot: Some(slot),
                payload: 0,
            });
        };
        match copier {
            Ok((copier, named)) => {
                let wanted = Wanted {
                    message,
                    slot,
                    named,
                };
                if let Err(wanted) = copier.push(wanted) {
                    unused(wanted.slot, wire::Status::NoMemory);
                }
            }
            Err(status) => unused(slot, status),
        }
    }

    /// The copier, made if there is none yet. May sleep. Errors: `ENOMEM`.
    fn copier(self: &Arc<Self>) -> Result<Arc<Copier>> {
        let mut place = self.copier.lock();
        if let Some(copier) = &*place {
            return Ok(copier.clone());
        }
        let transfer = self.negotiated.max_transfer as usize;
        let depth = self.negotiated.queue_depth as usize;
        let copier = Copier::new(depth, self.copies, transfer.div_ceil(PAGE_SIZE))?;
        let name = self.peer.task_name(c"export-copy", &self.export)?;
        let mut tasks = self.peer.tasks.lock();
        tasks.reserve(1, GFP_KERNEL)?;
        let task = copier.clone().spawn(self.clone(), name, Timer::new()?)?;
        tasks.push(task, GFP_KERNEL)?;
        *place = Some(copier.clone());
        Ok(copier)
    }
}
