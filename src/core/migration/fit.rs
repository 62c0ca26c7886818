// SPDX-License-Identifier: GPL-2.0

//! Whether a device can take a node's place in a storage that runs.

use core::fmt;

use super::super::{
    map::{BlockLimits, Stacked},
    units::Sectors,
};

/// Why a device cannot take a node's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its data area is smaller than the node (has, needed; sectors).
    TooSmall(u64, u64),
    /// It may not be written.
    ReadOnly,
    /// It is zoned.
    Zoned,
    /// It has integrity metadata.
    Integrity,
    /// Its logical block is larger than the storage's (has, storage's; bytes).
    LogicalBlock(u32, u32),
    /// The start or the size of the node is no multiple of its logical block.
    Unaligned(u32),
    /// It has a volatile cache, and the storage was shown without one.
    VolatileCache,
    /// It cannot write through its cache, and the storage was shown with that.
    NoFua,
    /// Data must not change on its way there, and the storage was shown without that.
    StableWrites,
    /// It zeroes less at once than the storage was shown with (has, storage's; bytes).
    WriteZeroes(u32, u32),
    /// It discards less at once, or in larger units, than the storage was shown with.
    Discard,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall(has, needed) => write!(
                f,
                "the device has room for {} of data, the node has {}",
                Sectors(*has),
                Sectors(*needed)
            ),
            Self::ReadOnly => f.write_str("the device cannot be written"),
            Self::Zoned => f.write_str("the device is zoned and must be written in order"),
            Self::Integrity => f.write_str("the device has integrity metadata, which would not be protected"),
            Self::LogicalBlock(has, storage) => write!(
                f,
                "the device has a logical block of {has} bytes, the storage one of {storage}"
            ),
            Self::Unaligned(block) => write!(
                f,
                "the node does not begin and end at a multiple of the device's logical block of {block} bytes"
            ),
            Self::VolatileCache => f.write_str(
                "the device has a volatile cache, and the storage was started without one; export it \
                 with write-through, or start the storage again",
            ),
            Self::NoFua => f.write_str("the device cannot write through its cache, as the storage does"),
            Self::StableWrites => f.write_str(
                "data must not change on its way to the device, and the storage was started without that",
            ),
            Self::WriteZeroes(has, storage) => write!(
                f,
                "the device zeroes {has} bytes at once, the storage {storage}"
            ),
            Self::Discard => f.write_str("the device discards less at once, or in larger units, than the storage"),
        }
    }
}

/// Checks that a device with `data_sectors` of data and these limits can take the place of a node of
/// `size` sectors that begins at `start`, in a storage that was shown with `storage`'s limits.
/// A device that cannot discard can: discards are hints.
///
/// # Errors
///
/// The first reason why it cannot.
pub fn check_fit(
    storage: &Stacked,
    start: u64,
    size: u64,
    data_sectors: u64,
    limits: &BlockLimits,
) -> Result<(), Unfit> {
    let block = limits.logical_block;
    let sectors = u64::from(block >> 9).max(1);
    let discards = limits.max_discard > 0 && storage.max_discard > 0;
    let coarse = |storage: u32, own: u32| own == 0 || storage % own != 0;
    let faults = [
        (data_sectors < size, Unfit::TooSmall(data_sectors, size)),
        (limits.read_only && !storage.read_only, Unfit::ReadOnly),
        (limits.zoned, Unfit::Zoned),
        (limits.integrity, Unfit::Integrity),
        (
            block > storage.logical_block,
            Unfit::LogicalBlock(block, storage.logical_block),
        ),
        (
            start % sectors != 0 || size % sectors != 0,
            Unfit::Unaligned(block),
        ),
        (
            limits.volatile_cache && !storage.volatile_cache,
            Unfit::VolatileCache,
        ),
        (
            limits.volatile_cache && !limits.fua && storage.fua,
            Unfit::NoFua,
        ),
        (
            limits.stable_writes && !storage.stable_writes,
            Unfit::StableWrites,
        ),
        (
            limits.max_write_zeroes < storage.max_write_zeroes,
            Unfit::WriteZeroes(limits.max_write_zeroes, storage.max_write_zeroes),
        ),
        (
            discards
                && (limits.max_discard < storage.max_discard
                    || coarse(storage.discard_granularity, limits.discard_granularity)),
            Unfit::Discard,
        ),
    ];
    match faults.iter().find(|(wrong, _)| *wrong) {
        Some((_, unfit)) => Err(*unfit),
        None => Ok(()),
    }
}
