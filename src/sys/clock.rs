// SPDX-License-Identifier: GPL-2.0

//! The wall clock.
//!
//! C header: `include/linux/timekeeping.h`.

use kernel::bindings;

/// Seconds since 1970. Any context.
pub fn seconds_since_1970() -> u64 {
    // SAFETY: No requirements.
    unsafe { bindings::ktime_get_real_seconds() }.unsigned_abs()
}
