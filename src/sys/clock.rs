// SPDX-License-Identifier: GPL-2.0

//! The wall clock, and a cheap one for how long things take.
//!
//! C header: `include/linux/timekeeping.h`.

use kernel::bindings;

/// Seconds since 1970. Any context.
pub fn seconds_since_1970() -> u64 {
    // SAFETY: No requirements.
    unsafe { bindings::ktime_get_real_seconds() }.unsigned_abs()
}

/// Milliseconds of the monotonic clock as of the last timer tick. Any context.
pub fn coarse_milliseconds() -> i64 {
    let mut time = bindings::timespec64::default();
    // SAFETY: `time` may be written to.
    unsafe { bindings::ktime_get_coarse_ts64(&mut time) };
    time.tv_sec
        .saturating_mul(1000)
        .saturating_add(time.tv_nsec as i64 / 1_000_000)
}
