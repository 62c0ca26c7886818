// SPDX-License-Identifier: GPL-2.0

//! Stacking of block limits.

use dst_core::map::{stack_limits, BlockLimits, LimitsError};
use proptest::prelude::*;

const SSD: BlockLimits = BlockLimits {
    logical_block: 512,
    physical_block: 4096,
    io_min: 4096,
    io_opt: 65536,
    max_discard: 1 << 30,
    discard_granularity: 4096,
    max_write_zeroes: 1 << 20,
    volatile_cache: true,
    fua: true,
    ..BlockLimits::PLAIN
};

#[test]
fn one_node_keeps_its_limits() {
    let stacked = stack_limits([SSD]).unwrap();
    assert_eq!(stacked.logical_block, 512);
    assert_eq!(stacked.physical_block, 4096);
    assert_eq!((stacked.io_min, stacked.io_opt), (4096, 65536));
    assert_eq!(
        (stacked.max_discard, stacked.discard_granularity),
        (1 << 30, 4096)
    );
    assert_eq!(stacked.max_write_zeroes, 1 << 20);
    assert!(stacked.volatile_cache && stacked.fua);
    assert!(!stacked.read_only && !stacked.rotational && !stacked.stable_writes);
}

#[test]
fn the_stricter_counts() {
    let disk = BlockLimits {
        logical_block: 4096,
        physical_block: 4096,
        io_opt: 98304,
        rotational: true,
        ..BlockLimits::PLAIN
    };
    let stacked = stack_limits([SSD, disk]).unwrap();
    assert_eq!(
        (stacked.logical_block, stacked.physical_block),
        (4096, 4096)
    );
    assert_eq!(stacked.io_opt, 196_608);
    // Only the first can discard; both would have to write zeroes.
    assert_eq!(
        (stacked.max_discard, stacked.discard_granularity),
        (1 << 30, 4096)
    );
    assert_eq!(stacked.max_write_zeroes, 0);
    // The disk has no cache, so it does not spoil FUA.
    assert!(stacked.volatile_cache && stacked.fua && stacked.rotational);
    let no_fua = BlockLimits { fua: false, ..SSD };
    assert!(!stack_limits([SSD, no_fua]).unwrap().fua);
    let read_only = BlockLimits {
        read_only: true,
        ..SSD
    };
    assert!(stack_limits([SSD, read_only, SSD]).unwrap().read_only);
}

#[test]
fn what_cannot_be_stacked_is_named() {
    let zoned = BlockLimits { zoned: true, ..SSD };
    let integrity = BlockLimits {
        integrity: true,
        ..SSD
    };
    let block = |logical_block| BlockLimits {
        logical_block,
        ..SSD
    };
    let physical = BlockLimits {
        physical_block: 256,
        ..SSD
    };
    for (nodes, error) in [
        (vec![], LimitsError::NoNodes),
        (vec![SSD, zoned], LimitsError::Zoned(1)),
        (vec![integrity], LimitsError::Integrity(0)),
        (vec![SSD, SSD, block(0)], LimitsError::LogicalBlock(2, 0)),
        (vec![block(768)], LimitsError::LogicalBlock(0, 768)),
        (vec![block(256)], LimitsError::LogicalBlock(0, 256)),
        (vec![block(1 << 17)], LimitsError::LogicalBlock(0, 1 << 17)),
        (vec![physical], LimitsError::PhysicalBlock(0, 256)),
    ] {
        assert_eq!(stack_limits(nodes), Err(error));
        assert!(!error.to_string().is_empty());
    }
}

fn limits() -> impl Strategy<Value = BlockLimits> {
    let blocks = (9_u32..17, 0_u32..4);
    let sizes = (
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
    );
    (blocks, sizes, any::<[bool; 5]>()).prop_map(|((log, more), sizes, flags)| BlockLimits {
        logical_block: 1 << log,
        physical_block: 1 << (log + more),
        io_min: sizes.0,
        io_opt: sizes.1,
        max_discard: sizes.2 * u32::from(flags[0]),
        discard_granularity: sizes.3,
        max_write_zeroes: sizes.4,
        volatile_cache: flags[1],
        fua: flags[2],
        read_only: flags[3],
        rotational: flags[4],
        stable_writes: flags[0],
        zoned: false,
        integrity: false,
    })
}

proptest! {
    #![proptest_config(crate::fixed(2000, 6))]

    #[test]
    fn stacking_is_safe_for_every_node(nodes in proptest::collection::vec(limits(), 1..8)) {
        let stacked = stack_limits(nodes.iter().copied()).unwrap();
        prop_assert!(stacked.physical_block >= stacked.logical_block);
        prop_assert!(stacked.io_min >= stacked.physical_block);
        for node in &nodes {
            prop_assert_eq!(stacked.logical_block % node.logical_block, 0);
            prop_assert!(stacked.max_write_zeroes <= node.max_write_zeroes);
            if node.max_discard != 0 {
                prop_assert!(stacked.max_discard <= node.max_discard);
                prop_assert!(stacked.discard_granularity >= node.discard_granularity);
            }
            if stacked.io_opt != 0 && node.io_opt != 0 {
                prop_assert_eq!(stacked.io_opt % node.io_opt, 0);
            }
            prop_assert!(stacked.volatile_cache || !node.volatile_cache);
            prop_assert!(!stacked.fua || node.fua || !node.volatile_cache);
            prop_assert!(stacked.read_only || !node.read_only);
        }
        // Discard and its unit come together.
        prop_assert_eq!(stacked.max_discard == 0, stacked.discard_granularity == 0);
        // The order of the nodes does not matter.
        let reversed = stack_limits(nodes.iter().rev().copied()).unwrap();
        prop_assert_eq!(reversed, stacked);
    }
}
