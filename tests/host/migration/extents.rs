// SPDX-License-Identifier: GPL-2.0

//! The map of what is copied.

use dst_core::migration::{shift_for, words, Extents, MIN_SHIFT};
use std::collections::BTreeSet;

use crate::Random;

#[test]
fn extents_of_a_node() {
    let extents = Extents::new(vec![7; 1], 20, 3).unwrap();
    assert_eq!((extents.count(), extents.copied()), (3, 0));
    assert_eq!(extents.range(0), (0, 8));
    assert_eq!(extents.range(2), (16, 4));
    assert_eq!(extents.of(7, 2), 0..2);
    assert_eq!(extents.of(8, 8), 1..2);
    assert_eq!(extents.of(0, 0), 0..0);
    assert_eq!(extents.of(16, u64::MAX), 2..3);
    assert!(Extents::new(vec![0; 1], 65 * 8, 3).is_none());
    assert!(Extents::new(vec![0; 2], 65 * 8, 3).is_some());
    assert!(Extents::new(vec![0; 2], 8, 64).is_none());
}

#[test]
fn the_smallest_extent_for_some_memory() {
    assert_eq!(words(20, 3), Some(1));
    assert_eq!(words(64 << 11, 11), Some(1));
    assert_eq!(words((64 << 11) + 1, 11), Some(2));
    assert_eq!(words(1, 64), None);
    // A small node has extents of a MiB.
    assert_eq!(shift_for(1000, 1), MIN_SHIFT);
    assert_eq!(shift_for(64 << 11, 1), 11);
    assert_eq!(shift_for((64 << 11) + 1, 1), 12);
    for shift in 0..54 {
        let sectors = (1 << shift) + 1;
        for memory in [1, 2, 4096] {
            let found = shift_for(sectors, memory);
            assert!(words(sectors, found).unwrap() <= memory);
            assert!(found == MIN_SHIFT || words(sectors, found - 1).unwrap() > memory);
        }
    }
}

/// As a set of numbers.
#[test]
fn any_changes() {
    let mut random = Random(5);
    for _ in 0..200 {
        let sectors = 1 + random.below(1500);
        let mut extents = Extents::new(vec![0; 4], sectors, 3).unwrap();
        let mut set = BTreeSet::new();
        let count = extents.count();
        assert_eq!(count, sectors.div_ceil(8));
        for _ in 0..100 {
            let (first, length) = (random.below(sectors), random.below(40));
            let touched = (0..count).filter(|extent| {
                let own = extent * 8..extent * 8 + 8;
                length > 0 && first < own.end && own.start < first + length
            });
            let touched: Vec<u64> = touched.collect();
            assert_eq!(extents.of(first, length).collect::<Vec<_>>(), touched);
            match random.below(6) {
                0 => {
                    extents.clear(first, length);
                    set.retain(|extent| !touched.contains(extent));
                }
                1 if random.below(8) == 0 => {
                    extents.clear_all();
                    set.clear();
                }
                _ => {
                    // Also some that there are not.
                    let extent = random.below(count + 2);
                    extents.set(extent);
                    if extent < count {
                        set.insert(extent);
                    }
                }
            }
            assert_eq!(extents.copied(), set.len() as u64);
            assert_eq!(extents.is_complete(), set.len() as u64 == count);
            assert_eq!(
                extents.touch(first, length),
                touched.iter().any(|extent| set.contains(extent))
            );
            let from = random.below(count + 2);
            let next = (from..count).find(|extent| !set.contains(extent));
            assert_eq!(extents.next(from), next);
        }
    }
}
