// SPDX-License-Identifier: GPL-2.0

//! The number of CPUs.
//!
//! C header: `include/linux/cpumask.h`.

extern "C" {
    fn dst_blk_num_online_cpus() -> u32;
}

/// CPUs that are online now, at least 1. Any context.
pub fn online() -> u32 {
    // SAFETY: No requirements.
    unsafe { dst_blk_num_online_cpus() }
}
