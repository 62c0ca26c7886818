// SPDX-License-Identifier: GPL-2.0

//! Local nodes: block devices of this machine.

use super::piece::Piece;
use crate::sys::{
    bdev::BlockDevice,
    bio::{Op, SharedBio, Status},
    bio_set::{BioSet, CloneEnd, Keep},
};
use kernel::{prelude::*, sync::Arc};

/// Bios that are set aside for each local node, so that I/O goes on when memory is short.
const RESERVE: u32 = 16;

impl CloneEnd for Piece {
    fn end(self, _source: Option<SharedBio>, status: Status) {
        Piece::end(self, status);
    }
}

/// A block device that takes pieces at once, whatever their number: the device's own driver
/// limits what is in flight.
pub struct Local {
    bios: BioSet<Piece>,
}

impl Local {
    /// Prepares `device` for pieces. May sleep. Errors: `ENOMEM`.
    pub fn new(device: Arc<BlockDevice>) -> Result<Self> {
        Ok(Self {
            bios: BioSet::new(device, RESERVE)?,
        })
    }

    /// The device.
    pub fn device(&self) -> &Arc<BlockDevice> {
        self.bios.device()
    }

    /// Sends `piece` to the device. Process context; may sleep in the device's driver. The piece
    /// may have ended when this returns.
    pub fn submit(&self, piece: Piece) {
        let source = piece.bio().clone();
        if piece.op() == Op::Flush {
            self.bios.submit_flush(Some(source), piece);
            return;
        }
        // The flush before a write was done apart, on all nodes.
        let keep = Keep {
            nowait: piece.nowait(),
            ..Keep::DATA
        };
        let (iter, sector) = (piece.iter(), piece.sector());
        if let Err(refused) = self.bios.submit_clone(source, iter, sector, keep, piece) {
            refused.context.end(Status::WouldBlock);
        }
    }
}
