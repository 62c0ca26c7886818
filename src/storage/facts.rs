// SPDX-License-Identifier: GPL-2.0

//! What is known of a configured node: from its device, or from its export's hello.

use super::{
    config::{NodeConfig, Place},
    fault::Outcome,
};
use crate::{
    dst_core::{
        label::{MetadataArea, AREA_MAX_BYTES, AREA_MIN_BYTES},
        map::BlockLimits,
        units::SECTOR_SHIFT,
        wire::{export_flags, features},
    },
    fault,
    net::client::Client,
    sys::{bdev::BlockDevice, limits::Limits, refusal::Field},
};
use kernel::prelude::*;

/// What is known of an opened or connected node. Sectors are of 512 bytes.
#[derive(Clone, Copy)]
pub struct Facts {
    /// The device's limits.
    pub limits: BlockLimits,
    /// Bits that must be zero in the memory address and length of each segment.
    pub dma_alignment: u32,
    /// Sectors for data.
    pub sectors: u64,
    /// Sectors of the whole device; of a remote one as far as its data area tells.
    pub device_sectors: u64,
    /// Bytes in one transfer; 0 for no limit.
    pub max_transfer: u32,
    /// Requests in flight; 0 for no limit.
    pub queue_depth: u32,
    /// The epoch in force at the export.
    pub epoch: u64,
    /// Version of the wire protocol; 0 for a local node.
    pub version: u16,
    /// Whether the export copies from other nodes, as far as its machine lets it.
    pub copies: bool,
    /// Identity of a remote device, all zero if it has none.
    pub device: [u8; 16],
    /// The session of a remote node's connections.
    pub session: Option<[u8; 16]>,
    /// The label's identity of the node, once there is a label.
    pub uuid: Option<[u8; 16]>,
    /// The sequence number of the label that was read or written last; 0 before that.
    pub sequence: u64,
    /// First sector and sectors of the storage on the node, once it was placed.
    pub range: Option<(u64, u64)>,
    /// The node that it is, if it was given behind all nodes, beside another device of that.
    pub index: Option<u32>,
}

impl Facts {
    /// Of a node that was not looked at yet.
    pub const UNKNOWN: Self = Self {
        limits: BlockLimits::PLAIN,
        dma_alignment: 0,
        sectors: 0,
        device_sectors: 0,
        max_transfer: 0,
        queue_depth: 0,
        epoch: 0,
        version: 0,
        copies: false,
        device: [0; 16],
        session: None,
        uuid: None,
        sequence: 0,
        range: None,
        index: None,
    };
}

/// Bytes as the 32 bits of a limit, in whole blocks.
fn limit_of(bytes: u64, block: u32) -> u32 {
    let most = u32::try_from(bytes).unwrap_or(u32::MAX);
    most - most.checked_rem(block).unwrap_or(0)
}

/// The limits of a device of this machine.
fn limits_of(limits: &Limits) -> BlockLimits {
    BlockLimits {
        logical_block: limits.logical_block,
        physical_block: limits.physical_block,
        io_min: limits.io_min,
        io_opt: limits.io_opt,
        max_discard: limit_of(limits.max_discard, limits.logical_block),
        discard_granularity: limits.discard_granularity,
        max_write_zeroes: limit_of(limits.max_write_zeroes, limits.logical_block),
        volatile_cache: limits.write_cache,
        fua: limits.fua,
        read_only: limits.read_only,
        rotational: limits.rotational,
        stable_writes: limits.stable_writes,
        zoned: limits.zoned,
        integrity: limits.integrity,
    }
}

/// What a device of this machine is.
pub fn device_facts(device: &BlockDevice, place: &Place, raw: bool) -> Outcome<Facts> {
    let limits = device.limits();
    let unsupported = |what: &str| {
        fault!(
            EOPNOTSUPP,
            Field::Path,
            "{}: {} are not supported; use another",
            place,
            what
        )
    };
    if limits.zoned {
        return Err(unsupported("zoned devices"));
    }
    if limits.integrity {
        return Err(unsupported("devices with integrity metadata"));
    }
    let device_sectors = device.sectors();
    let sectors = if raw {
        device_sectors
    } else {
        MetadataArea::for_device(device_sectors)
            .map_err(|error| {
                fault!(
                    ENOSPC,
                    Field::Path,
                    "{}: {}",
                    place,
                    format_args!("{error}")
                )
            })?
            .data_sectors
    };
    Ok(Facts {
        limits: limits_of(&limits),
        dma_alignment: limits.dma_alignment,
        sectors,
        device_sectors,
        max_transfer: 0,
        queue_depth: 0,
        epoch: 0,
        version: 0,
        copies: false,
        device: [0; 16],
        session: None,
        uuid: None,
        sequence: 0,
        range: None,
        index: None,
    })
}

/// The sectors of a device with so many sectors of data and a metadata area, up to the 4096 bytes
/// to which a device is rounded down.
fn whole_device(data_sectors: u64) -> u64 {
    let step = AREA_MIN_BYTES >> SECTOR_SHIFT;
    (1..=AREA_MAX_BYTES / AREA_MIN_BYTES)
        .map(|steps| data_sectors.saturating_add(steps * step))
        .find(|sectors| {
            MetadataArea::for_device(*sectors).is_ok_and(|area| area.data_sectors == data_sectors)
        })
        .unwrap_or(data_sectors)
}

/// What an export has told.
pub fn export_facts(client: &Client, config: &NodeConfig, raw: bool) -> Facts {
    let (negotiated, reply) = (client.negotiated(), client.reply());
    let sectors = negotiated.size >> SECTOR_SHIFT;
    let wanted = config.max_transfer.unwrap_or(negotiated.max_transfer);
    let whole = wanted - wanted.checked_rem(negotiated.logical_block).unwrap_or(0);
    Facts {
        limits: BlockLimits {
            logical_block: negotiated.logical_block,
            physical_block: negotiated.physical_block,
            io_min: negotiated.io_min,
            io_opt: negotiated.io_opt,
            max_discard: negotiated.max_discard,
            discard_granularity: negotiated.discard_granularity,
            max_write_zeroes: negotiated.max_write_zeroes,
            volatile_cache: negotiated.has(export_flags::VOLATILE_CACHE),
            fua: negotiated.has(export_flags::FUA),
            read_only: !negotiated.write,
            rotational: negotiated.has(export_flags::ROTATIONAL),
            // Pages are given to TCP by reference.
            stable_writes: true,
            zoned: false,
            integrity: false,
        },
        dma_alignment: 0,
        sectors,
        device_sectors: if raw { sectors } else { whole_device(sectors) },
        max_transfer: whole.clamp(negotiated.logical_block, negotiated.max_transfer),
        queue_depth: negotiated.queue_depth,
        epoch: reply.epoch,
        version: negotiated.version,
        copies: negotiated.features & features::COPY_FROM_PEER != 0,
        device: reply.device,
        session: None,
        uuid: None,
        sequence: 0,
        range: None,
        index: None,
    }
}
