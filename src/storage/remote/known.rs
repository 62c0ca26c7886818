// SPDX-License-Identifier: GPL-2.0

//! Is what answers after a reconnect the node that was lost?
//!
//! Unanswered writes are sent again only to the same data: the same label, the same size and
//! blocks, abilities not less than before. Otherwise two disks that swapped places behind an
//! address would take each other's writes.

use crate::{
    device::label::Block,
    dst_core::wire::{export_flags, HelloReply, Negotiated, Reason},
    net::client::{Client, ClientError},
};

/// What must stay the same for a node.
#[derive(Clone, Copy)]
pub struct Known {
    reply: HelloReply,
    negotiated: Negotiated,
    /// Storage and node as the label says; `None` without a label.
    label: Option<([u8; 16], [u8; 16])>,
}

/// Flags of an export that must not change.
const FIXED: u32 = export_flags::READ_ONLY | export_flags::RAW | export_flags::VOLATILE_CACHE;

impl Known {
    /// What `client` is connected to; reads the label unless the node is used raw.
    pub async fn learn(client: &mut Client) -> core::result::Result<Self, ClientError> {
        let mut label = None;
        if !client.negotiated().has(export_flags::RAW) {
            let mut block = Block::new()?;
            if client.read_label(block.bytes_mut()).await? {
                label = block.label().ok().map(|label| (label.storage, label.node));
            }
        }
        Ok(Self::of(client, label))
    }

    /// What `client` is connected to, where the label says that this storage and node are.
    pub fn of(client: &Client, label: Option<([u8; 16], [u8; 16])>) -> Self {
        Self {
            reply: *client.reply(),
            negotiated: *client.negotiated(),
            label,
        }
    }

    /// Whether `now` is the same node; what differs otherwise.
    pub fn compare(&self, now: &Self) -> core::result::Result<(), Reason> {
        let (old, new) = (&self.negotiated, &now.negotiated);
        let text = |text: core::fmt::Arguments<'_>| Err(Reason::from_display(&text));
        if self.label != now.label {
            return text(format_args!(
                "another node answers: its label is not the one before"
            ));
        }
        if old.size != new.size {
            return text(format_args!(
                "the size was {} bytes and is {} now",
                old.size, new.size
            ));
        }
        if old.logical_block != new.logical_block {
            return text(format_args!(
                "the logical block was {} bytes and is {} now",
                old.logical_block, new.logical_block
            ));
        }
        if old.flags & FIXED != new.flags & FIXED {
            return text(format_args!(
                "the export's abilities have changed (flags {:#x}, before {:#x})",
                new.flags, old.flags
            ));
        }
        if new.max_transfer < old.max_transfer
            || new.max_discard < old.max_discard
            || new.max_write_zeroes < old.max_write_zeroes
        {
            return text(format_args!(
                "the export takes only shorter requests than before"
            ));
        }
        if self.reply.epoch != now.reply.epoch {
            return text(format_args!(
                "epoch {} is in force, the storage has {}",
                now.reply.epoch, self.reply.epoch
            ));
        }
        Ok(())
    }

    /// The identity that the server has given the device.
    pub fn device(&self) -> [u8; 16] {
        self.reply.device
    }

    /// The identity of the server's cache.
    pub fn cache(&self) -> ([u8; 16], u64) {
        (self.reply.boot, self.reply.cache)
    }
}
