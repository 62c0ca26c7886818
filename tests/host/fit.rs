// SPDX-License-Identifier: GPL-2.0

//! Whether a device can take a node's place.

use dst_core::{
    map::{BlockLimits, Stacked},
    migration::{check_fit, Unfit},
};

/// A node of 60 MiB behind another one.
const START: u64 = 122_880;
const SIZE: u64 = 122_880;

fn storage() -> Stacked {
    Stacked {
        logical_block: 4096,
        physical_block: 4096,
        io_min: 4096,
        io_opt: 0,
        max_discard: 1 << 20,
        discard_granularity: 8192,
        max_write_zeroes: 1 << 20,
        volatile_cache: false,
        fua: true,
        read_only: false,
        rotational: false,
        stable_writes: false,
    }
}

/// A device that is good for it.
fn device() -> BlockLimits {
    BlockLimits {
        logical_block: 512,
        max_discard: 1 << 30,
        discard_granularity: 4096,
        max_write_zeroes: 1 << 30,
        ..BlockLimits::PLAIN
    }
}

fn fit(change: impl Fn(&mut BlockLimits, &mut Stacked)) -> Result<(), Unfit> {
    let (mut device, mut storage) = (device(), storage());
    change(&mut device, &mut storage);
    check_fit(&storage, START, SIZE, SIZE, &device)
}

#[test]
fn a_device_that_fits() {
    assert_eq!(fit(|_, _| ()), Ok(()));
    assert_eq!(fit(|device, _| device.logical_block = 4096), Ok(()));
    assert_eq!(
        fit(|device, storage| {
            device.logical_block = 4096;
            device.max_write_zeroes = storage.max_write_zeroes;
            device.max_discard = storage.max_discard;
            device.discard_granularity = storage.discard_granularity;
        }),
        Ok(())
    );
    // Discards are hints.
    assert_eq!(
        fit(|device, _| {
            device.max_discard = 0;
            device.discard_granularity = 0;
        }),
        Ok(())
    );
    assert_eq!(
        fit(|_, storage| {
            storage.max_discard = 0;
            storage.discard_granularity = 0;
        }),
        Ok(())
    );
    // The storage was shown with the same weakness.
    assert_eq!(
        fit(|device, storage| {
            device.volatile_cache = true;
            storage.volatile_cache = true;
            storage.fua = false;
        }),
        Ok(())
    );
    assert_eq!(
        fit(|device, storage| {
            device.stable_writes = true;
            storage.stable_writes = true;
            device.read_only = true;
            storage.read_only = true;
        }),
        Ok(())
    );
}

/// What is made different of a device, and of the storage.
type Change = dyn Fn(&mut BlockLimits, &mut Stacked);

#[test]
fn one_that_does_not() {
    let cases: [(Unfit, &Change); 11] = [
        (Unfit::ReadOnly, &|device, _| device.read_only = true),
        (Unfit::Zoned, &|device, _| device.zoned = true),
        (Unfit::Integrity, &|device, _| device.integrity = true),
        (Unfit::LogicalBlock(4096, 512), &|device, storage| {
            device.logical_block = 4096;
            storage.logical_block = 512;
        }),
        (Unfit::VolatileCache, &|device, _| {
            device.volatile_cache = true;
            device.fua = true;
        }),
        (Unfit::NoFua, &|device, storage| {
            device.volatile_cache = true;
            storage.volatile_cache = true;
        }),
        (Unfit::StableWrites, &|device, _| {
            device.stable_writes = true;
        }),
        (Unfit::WriteZeroes(0, 1 << 20), &|device, _| {
            device.max_write_zeroes = 0;
        }),
        (Unfit::Discard, &|device, _| device.max_discard = 1 << 19),
        (Unfit::Discard, &|device, _| {
            device.discard_granularity = 16384;
        }),
        (Unfit::Discard, &|device, _| {
            device.discard_granularity = 0;
        }),
    ];
    for (unfit, change) in cases {
        assert_eq!(fit(change), Err(unfit));
    }
}

#[test]
fn its_size_and_where_the_node_lies() {
    let check = |start, size, data, block| {
        let device = BlockLimits {
            logical_block: block,
            ..device()
        };
        check_fit(&storage(), start, size, data, &device)
    };
    assert_eq!(check(START, SIZE, SIZE + 1, 512), Ok(()));
    let short = SIZE - 1;
    assert_eq!(
        check(START, SIZE, short, 512),
        Err(Unfit::TooSmall(short, SIZE))
    );
    assert_eq!(check(8, 16, 16, 4096), Ok(()));
    assert_eq!(check(9, 16, 16, 4096), Err(Unfit::Unaligned(4096)));
    assert_eq!(check(8, 15, 16, 4096), Err(Unfit::Unaligned(4096)));
    assert_eq!(check(9, 15, 16, 512), Ok(()));
}

#[test]
fn reasons_name_both_sides() {
    let cases = [
        (
            Unfit::TooSmall(2048, 4096),
            "the device has room for 2048 sectors (1 MiB) of data, the node has 4096 sectors (2 MiB)",
        ),
        (Unfit::ReadOnly, "the device cannot be written"),
        (
            Unfit::Zoned,
            "the device is zoned and must be written in order",
        ),
        (
            Unfit::Integrity,
            "the device has integrity metadata, which would not be protected",
        ),
        (
            Unfit::LogicalBlock(4096, 512),
            "the device has a logical block of 4096 bytes, the storage one of 512",
        ),
        (
            Unfit::Unaligned(4096),
            "the node does not begin and end at a multiple of the device's logical block of 4096 bytes",
        ),
        (
            Unfit::VolatileCache,
            "the device has a volatile cache, and the storage was started without one; export it with \
             write-through, or start the storage again",
        ),
        (
            Unfit::NoFua,
            "the device cannot write through its cache, as the storage does",
        ),
        (
            Unfit::StableWrites,
            "data must not change on its way to the device, and the storage was started without that",
        ),
        (
            Unfit::WriteZeroes(0, 512),
            "the device zeroes 0 bytes at once, the storage 512",
        ),
        (
            Unfit::Discard,
            "the device discards less at once, or in larger units, than the storage",
        ),
    ];
    for (unfit, text) in cases {
        assert_eq!(unfit.to_string(), text);
    }
}
