// SPDX-License-Identifier: GPL-2.0

//! The disk of a storage that starts.

use super::{fault::Outcome, running::Running, storage::Storage, volume::VolumeDisk};
use crate::{
    dst_core::map::stack_limits,
    fault,
    sys::{
        disk::{Disk, DiskBuilder},
        limits::QueueLimits,
        refusal::Field,
    },
};
use kernel::prelude::*;

/// Shows the disk. The kernel looks for partitions on it meanwhile, through the network below
/// this call: there is little stack to spare here.
#[inline(never)]
pub fn make_disk(
    storage: &Storage,
    running: &Running,
    sectors: u64,
    read_only: bool,
) -> Outcome<Disk<VolumeDisk>> {
    let name = &storage.config().disk;
    prepare_disk(storage, sectors, read_only)?
        .add::<VolumeDisk>(storage.context().module, None, running.volume().clone())
        .map_err(|error| {
            fault!(
                error,
                Field::Disk,
                "the disk /dev/{} cannot be made (error {})",
                name.as_str(),
                error.to_errno()
            )
        })
}

#[inline(never)]
fn prepare_disk(storage: &Storage, sectors: u64, read_only: bool) -> Outcome<KBox<DiskBuilder>> {
    let builder = DiskBuilder::new(storage.config().disk.as_str())?
        .capacity(sectors)
        .limits(queue_limits(storage))
        .read_only(read_only);
    Ok(KBox::new(builder, GFP_KERNEL)?)
}

/// The limits of the disk.
#[inline(never)]
fn queue_limits(storage: &Storage) -> QueueLimits {
    let state = storage.state();
    let facts = || state.members.iter().map(|member| member.facts());
    let Ok(stacked) = stack_limits(facts().map(|facts| facts.limits)) else {
        return QueueLimits::new();
    };
    QueueLimits::new()
        .logical_block_size(stacked.logical_block)
        .physical_block_size(stacked.physical_block)
        .io_min(stacked.io_min)
        .io_opt(stacked.io_opt)
        .discard(stacked.max_discard.into(), stacked.discard_granularity)
        .write_zeroes(stacked.max_write_zeroes.into())
        .write_cache(stacked.volatile_cache)
        .fua(stacked.volatile_cache && stacked.fua)
        .rotational(stacked.rotational)
        .stable_writes(stacked.stable_writes)
        .nowait(true)
        .dma_alignment(facts().map(|facts| facts.dma_alignment).fold(0, u32::max))
}
