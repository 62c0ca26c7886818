// SPDX-License-Identifier: GPL-2.0

//! The cases of the tests of `sys`. Those of one of its files are in the file of the same name
//! here, or with its neighbours.
//!
//! What needs a block device gets one of our own ([`disk`]) on which a case sees every bio that it
//! sends, and ends it when and how it likes.

pub mod address;
pub mod attributes;
pub mod bio;
pub mod bio_set;
pub mod cells;
pub mod completion;
pub mod cpu;
pub mod device;
pub mod disk;
pub mod kthread;
pub mod limits;
pub mod segments;
pub mod socket;
pub mod sysfs;
pub mod values;
pub mod wait_queue;

use crate::test_suite::{call, nothing_to_begin, nothing_to_end};

crate::suites! {
    /// Suites that need nothing.
    SUITES, begin: nothing_to_begin, end: nothing_to_end, call: call;
    dst_sys_values = values: { checksums, identities, numbers, wall_clock, coarse_clock, rate };
    dst_sys_cells = cells: { static_text, one_holder, holders_in_turn, global };
    dst_sys_cpu = cpu: { lists, refused, online };
    dst_sys_completion = completion: { before_and_after, limits, signal, everybody };
    dst_sys_kthread = kthread: { joined, stopped_at_once, own_value, run_time, own_cpus };
    dst_sys_wait_queue = wait_queue: {
        in_order, at_once, dropped_in_line, dropped_with_grant, back_to_the_end, wakers, targets
    };
    dst_sys_attributes = attributes: {
        numbers, padding, texts, nests, missing, cut_off, random_bytes
    };
    dst_sys_address = address: { forms, raw_forms, other_families };
    dst_sys_limits = limits: { defaults, stacking, discards, misaligned };
    dst_sys_sysfs = sysfs: { names, directories };
    dst_sys_segments = segments: { windows, model };
    dst_sys_socket = socket: { addresses, refused, bytes, pages };
}

crate::suites! {
    /// Suites with a disk.
    DISK_SUITES, begin: disk::begin, end: disk::end, call: call;
    dst_sys_device = device: { opens, transfers, removal, names };
    dst_sys_bio = bio: {
        operations, statuses, dropped, pieces, foreign_pieces, copies, shared, first_error, lists
    };
    dst_sys_bio_set = bio_set: {
        clones, flags, flushes, beyond_the_reserve, waits_for_all, lent
    };
}
