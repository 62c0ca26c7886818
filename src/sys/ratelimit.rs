// SPDX-License-Identifier: GPL-2.0

//! Log messages that peers and devices can cause, limited in rate: ten in five seconds. The
//! kernel notes how many it left out.
//!
//! C header: `include/linux/ratelimit.h`.

extern "C" {
    fn dst_blk_ratelimit() -> bool;
}

/// Whether a message may be logged now. Any context.
pub fn allow() -> bool {
    // SAFETY: No requirements.
    unsafe { dst_blk_ratelimit() }
}

/// [`kernel::pr_warn`], limited in rate.
#[macro_export]
macro_rules! pr_warn_ratelimited {
    ($($message:tt)*) => {
        if $crate::sys::ratelimit::allow() {
            ::kernel::pr_warn!($($message)*);
        }
    };
}

/// [`kernel::pr_info`], limited in rate.
#[macro_export]
macro_rules! pr_info_ratelimited {
    ($($message:tt)*) => {
        if $crate::sys::ratelimit::allow() {
            ::kernel::pr_info!($($message)*);
        }
    };
}
