// SPDX-License-Identifier: GPL-2.0

//! Limits of block devices, and how those of a storage follow from its nodes'.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::bdev::BlockDevice;
use core::mem::MaybeUninit;
use kernel::{bindings, block::SECTOR_SHIFT, ffi::c_int};

// The C structures contain empty ones, which Rust calls not FFI-safe; no such value is passed.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_limits_stack_device(
        top: *mut bindings::queue_limits,
        bdev: *mut bindings::block_device,
    ) -> c_int;
}

/// `BLK_FEAT_*`, checked in `limits.c`.
const WRITE_CACHE: bindings::blk_features_t = 1 << 0;
const FUA: bindings::blk_features_t = 1 << 1;
const ROTATIONAL: bindings::blk_features_t = 1 << 2;
const IO_STAT: bindings::blk_features_t = 1 << 4;
const STABLE_WRITES: bindings::blk_features_t = 1 << 5;
const NOWAIT: bindings::blk_features_t = 1 << 7;

/// What a device can do. All sizes are in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Smallest unit of a transfer.
    pub logical_block: u32,
    /// Smallest unit written without reading first.
    pub physical_block: u32,
    /// Smallest preferred size.
    pub io_min: u32,
    /// Preferred size, 0 if there is none.
    pub io_opt: u32,
    /// Largest transfer of the hardware, 0 if there is no limit. The block layer splits larger
    /// bios on their way to the device, so this is advice.
    pub max_transfer: u64,
    /// Largest discard, 0 if discard is not supported. The block layer splits larger ones.
    pub max_discard: u64,
    /// Unit of discarding, 0 if discard is not supported.
    pub discard_granularity: u32,
    /// Offset of the first whole unit of discarding.
    pub discard_alignment: u32,
    /// Largest write-zeroes, 0 if it is not supported. Whoever asks for more must split it.
    pub max_write_zeroes: u64,
    /// Bits that must be zero in the memory address and length of each segment.
    pub dma_alignment: u32,
    /// Has a volatile cache.
    pub write_cache: bool,
    /// Can force single writes through that cache.
    pub fua: bool,
    /// Seeks are expensive.
    pub rotational: bool,
    /// Refuses writes.
    pub read_only: bool,
    /// Pages under write must not be changed.
    pub stable_writes: bool,
    /// Supports bios that must not wait.
    pub nowait: bool,
    /// Is a zoned device.
    pub zoned: bool,
    /// Keeps integrity metadata.
    pub integrity: bool,
}

/// The block layer's `struct queue_limits` for a disk that is put together from others.
///
/// Start with [`QueueLimits::new`], stack each node with [`QueueLimits::stack_device`] or
/// [`QueueLimits::stack`], then override what the storage decides itself. The block layer checks
/// the result when the disk is made.
#[derive(Clone)]
pub struct QueueLimits(bindings::queue_limits);

impl QueueLimits {
    /// No limits but 512 byte blocks; I/O statistics and nowait on, discard off, write-zeroes of
    /// any size.
    ///
    /// Stacking narrows that: discard is on if one node has it, write-zeroes if all have it,
    /// nowait if all devices of this machine have it.
    pub fn new() -> Self {
        let mut raw = MaybeUninit::<bindings::queue_limits>::uninit();
        // SAFETY: The function initialises all of its argument.
        let mut raw = unsafe {
            bindings::blk_set_stacking_limits(raw.as_mut_ptr());
            raw.assume_init()
        };
        raw.features |= IO_STAT | NOWAIT;
        Self(raw)
    }

    /// Narrows the limits to what a device of this machine can do. False if it is not aligned
    /// with what has been stacked before (slower, not wrong).
    pub fn stack_device(&mut self, device: &BlockDevice) -> bool {
        // SAFETY: The limits are initialised and the device is open.
        let aligned = unsafe { dst_blk_limits_stack_device(&mut self.0, device.as_ptr()) == 0 };
        // A device's chunks say nothing about other places of the storage.
        self.0.chunk_sectors = 0;
        aligned
    }

    /// Narrows the limits to what a node elsewhere can do. False as for
    /// [`QueueLimits::stack_device`].
    ///
    /// `nowait`, `zoned`, `integrity` and `read_only` of the node have no influence.
    pub fn stack(&mut self, node: &Limits) -> bool {
        let mut below = Self::new()
            .logical_block_size(node.logical_block.max(512))
            .physical_block_size(node.physical_block.max(512))
            .io_min(node.io_min)
            .io_opt(node.io_opt)
            .discard(node.max_discard, node.discard_granularity)
            .write_zeroes(node.max_write_zeroes)
            .dma_alignment(node.dma_alignment)
            .write_cache(node.write_cache)
            .fua(node.fua)
            .rotational(node.rotational)
            .stable_writes(node.stable_writes);
        below.0.discard_alignment = node.discard_alignment;
        // A device's own limits are known after validation only; nothing above depends on it but
        // this one.
        below.0.max_discard_sectors = below.0.max_hw_discard_sectors;
        // SAFETY: Both are initialised.
        unsafe { bindings::blk_stack_limits(&mut self.0, &mut below.0, 0) == 0 }
    }

    fn feature(mut self, feature: bindings::blk_features_t, on: bool) -> Self {
        if on {
            self.0.features |= feature;
        } else {
            self.0.features &= !feature;
        }
        self
    }

    /// Smallest unit of a transfer: a power of two from 512 on.
    pub fn logical_block_size(mut self, bytes: u32) -> Self {
        self.0.logical_block_size = bytes;
        self
    }

    /// Smallest unit written without reading first: a power of two from 512 on.
    pub fn physical_block_size(mut self, bytes: u32) -> Self {
        self.0.physical_block_size = bytes;
        self
    }

    /// Smallest preferred size.
    pub fn io_min(mut self, bytes: u32) -> Self {
        self.0.io_min = bytes;
        self
    }

    /// Preferred size, 0 for none. Read-ahead becomes twice as much.
    pub fn io_opt(mut self, bytes: u32) -> Self {
        self.0.io_opt = bytes;
        self
    }

    /// Largest discard and its unit; 0 turns discard off.
    pub fn discard(mut self, max_bytes: u64, granularity: u32) -> Self {
        self.0.max_hw_discard_sectors = sectors(max_bytes);
        self.0.discard_granularity = if max_bytes == 0 { 0 } else { granularity };
        self
    }

    /// Largest write-zeroes; 0 turns it off, and the block layer then writes zero pages.
    pub fn write_zeroes(mut self, max_bytes: u64) -> Self {
        self.0.max_write_zeroes_sectors = sectors(max_bytes);
        // The promise that blocks are unmapped by it is not made.
        self.0.max_hw_wzeroes_unmap_sectors = 0;
        self
    }

    /// The disk has a volatile cache: it gets flushes and, with [`QueueLimits::fua`], forced
    /// writes. Without it the block layer sends neither.
    pub fn write_cache(self, on: bool) -> Self {
        self.feature(WRITE_CACHE, on)
    }

    /// The disk can force single writes through its cache.
    pub fn fua(self, on: bool) -> Self {
        self.feature(FUA, on)
    }

    /// Seeks are expensive.
    pub fn rotational(self, on: bool) -> Self {
        self.feature(ROTATIONAL, on)
    }

    /// Pages under write must not be changed (data is read more than once).
    pub fn stable_writes(self, on: bool) -> Self {
        self.feature(STABLE_WRITES, on)
    }

    /// The disk takes bios that must not wait.
    pub fn nowait(self, on: bool) -> Self {
        self.feature(NOWAIT, on)
    }

    /// Bits that must be zero in the memory address and length of each segment; at least 511, so
    /// that segments are whole sectors.
    pub fn dma_alignment(mut self, mask: u32) -> Self {
        self.0.dma_alignment = mask.max(511);
        self
    }

    /// What the limits say so far.
    pub fn limits(&self) -> Limits {
        let raw = &self.0;
        let bytes = |sectors: u32| u64::from(sectors) << SECTOR_SHIFT;
        Limits {
            logical_block: raw.logical_block_size,
            physical_block: raw.physical_block_size,
            io_min: raw.io_min,
            io_opt: raw.io_opt,
            max_transfer: bytes(raw.max_hw_sectors),
            max_discard: bytes(raw.max_hw_discard_sectors),
            discard_granularity: raw.discard_granularity,
            discard_alignment: raw.discard_alignment,
            max_write_zeroes: bytes(raw.max_write_zeroes_sectors),
            dma_alignment: raw.dma_alignment,
            write_cache: raw.features & WRITE_CACHE != 0,
            fua: raw.features & FUA != 0,
            rotational: raw.features & ROTATIONAL != 0,
            read_only: false,
            stable_writes: raw.features & STABLE_WRITES != 0,
            nowait: raw.features & NOWAIT != 0,
            zoned: false,
            integrity: raw.integrity.metadata_size != 0,
        }
    }

    /// For the creation of a disk.
    pub(super) fn as_mut_ptr(&mut self) -> *mut bindings::queue_limits {
        &mut self.0
    }
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// Whole sectors of a number of bytes, as far as the field reaches.
fn sectors(bytes: u64) -> u32 {
    u32::try_from(bytes >> SECTOR_SHIFT).unwrap_or(u32::MAX)
}
