// SPDX-License-Identifier: GPL-2.0

//! Stacking the limits of block devices.

use crate::{
    check,
    sys::limits::{Limits, QueueLimits},
};
use kernel::prelude::*;

/// The largest size that a number of sectors in 32 bits reaches.
const MOST: u64 = (u32::MAX as u64) << 9;

/// A node as most are: 4 KiB blocks, with discard and a cache.
const NODE: Limits = Limits {
    logical_block: 4096,
    physical_block: 4096,
    io_min: 4096,
    io_opt: 8192,
    max_transfer: 1 << 20,
    max_discard: 1 << 20,
    discard_granularity: 4096,
    discard_alignment: 0,
    max_write_zeroes: 1 << 16,
    dma_alignment: 511,
    write_cache: true,
    fua: true,
    rotational: true,
    read_only: true,
    stable_writes: false,
    nowait: false,
    zoned: true,
    integrity: true,
};

/// Where stacking begins.
pub fn defaults() -> Result {
    let expected = Limits {
        logical_block: 512,
        physical_block: 512,
        io_min: 512,
        max_transfer: MOST,
        discard_granularity: 512,
        max_write_zeroes: MOST,
        dma_alignment: 511,
        nowait: true,
        ..Limits::default()
    };
    check!(QueueLimits::new().limits() == expected);
    let all = QueueLimits::new()
        .write_cache(true)
        .fua(true)
        .rotational(true)
        .stable_writes(true)
        .nowait(false)
        .dma_alignment(7)
        .limits();
    check!(all.write_cache && all.fua && all.rotational && all.stable_writes && !all.nowait);
    // Segments are whole sectors.
    check!(all.dma_alignment == 511);
    let none = QueueLimits::new()
        .fua(true)
        .fua(false)
        .dma_alignment(4095)
        .limits();
    check!(!none.fua && none.dma_alignment == 4095);
    Ok(())
}

/// What one node lacks the storage lacks, or what one node has it has, as each limit is meant.
pub fn stacking() -> Result {
    let mut top = QueueLimits::new();
    check!(top.stack(&NODE));
    let one = top.limits();
    check!(one.logical_block == 4096 && one.physical_block == 4096 && one.io_min == 4096);
    check!(one.io_opt == 8192 && one.max_discard == 1 << 20 && one.discard_granularity == 4096);
    check!(one.max_write_zeroes == 1 << 16 && one.dma_alignment == 511);
    check!(one.write_cache && one.fua && one.rotational && !one.stable_writes);
    // A node elsewhere has no say in these.
    check!(one.nowait && !one.read_only && !one.zoned && !one.integrity);
    let bare = Limits {
        logical_block: 512,
        physical_block: 512,
        io_min: 512,
        io_opt: 12288,
        dma_alignment: 4095,
        stable_writes: true,
        ..Limits::default()
    };
    check!(top.stack(&bare));
    let both = top.limits();
    check!(both.logical_block == 4096 && both.physical_block == 4096 && both.io_min == 4096);
    check!(both.io_opt == 24576 && both.dma_alignment == 4095);
    check!(both.write_cache && both.fua && both.stable_writes);
    check!(both.max_discard == 1 << 20 && both.discard_granularity == 4096);
    check!(both.max_write_zeroes == 0);
    Ok(())
}

/// The largest discards, and none.
pub fn discards() -> Result {
    let limits = |max, unit| QueueLimits::new().discard(max, unit).limits();
    check!(limits(0, 4096).max_discard == 0 && limits(0, 4096).discard_granularity == 0);
    check!(limits(4096, 4096).max_discard == 4096);
    check!(limits(u64::MAX, 512).max_discard == MOST);
    check!(
        QueueLimits::new()
            .write_zeroes(u64::MAX)
            .limits()
            .max_write_zeroes
            == MOST
    );
    check!(
        QueueLimits::new()
            .write_zeroes(1023)
            .limits()
            .max_write_zeroes
            == 512
    );
    let mut top = QueueLimits::new();
    for (max, expected) in [(0, 0), (1 << 30, 1 << 30), (1 << 20, 1 << 20), (0, 1 << 20)] {
        let node = Limits {
            max_discard: max,
            ..NODE
        };
        check!(top.stack(&node));
        check!(top.limits().max_discard == expected);
    }
    Ok(())
}

/// Sizes that do not fit each other are told, and give way.
pub fn misaligned() -> Result {
    let mut top = QueueLimits::new();
    let odd = Limits {
        io_min: 6144,
        ..NODE
    };
    check!(!top.stack(&odd));
    check!(top.limits().io_min == 4096);
    let mut top = QueueLimits::new();
    let odd = Limits {
        io_opt: 10000,
        ..NODE
    };
    check!(!top.stack(&odd));
    check!(top.limits().io_opt == 0);
    Ok(())
}
