// SPDX-License-Identifier: GPL-2.0

//! CPUs: how many there are, and sets of them.
//!
//! C headers: `include/linux/cpumask.h`, `include/linux/sched/isolation.h`.

use kernel::{
    bindings,
    cpumask::{Cpumask, CpumaskVar},
    error::to_result,
    prelude::*,
};

// As in `kthread`: the lint minds what lies deep inside the kernel's structures.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_num_online_cpus() -> u32;
    fn dst_blk_cpulist_parse(
        text: *const kernel::ffi::c_char,
        mask: *mut bindings::cpumask,
    ) -> core::ffi::c_int;
    fn dst_blk_cpumask_kthreads(mask: *mut bindings::cpumask);
    fn dst_blk_cpumask_any_active(mask: *const bindings::cpumask) -> bool;
}

/// CPUs that are online now, at least 1. Any context.
pub fn online() -> u32 {
    // SAFETY: No requirements.
    unsafe { dst_blk_num_online_cpus() }
}

/// A set of CPUs.
pub struct CpuSet {
    mask: CpumaskVar,
}

// SAFETY: The mask is memory of its own that belongs to the set, and is not changed once the set
// is made.
unsafe impl Send for CpuSet {}
// SAFETY: As above: shared references only read.
unsafe impl Sync for CpuSet {}

impl CpuSet {
    /// The set that a list such as `0-3,6` names, in all the forms that the kernel knows: ranges,
    /// steps (`0-63:2/8`), `all`, `N` for the last CPU.
    ///
    /// May sleep. Errors: `EINVAL` when the list cannot be read or names no CPU, `ERANGE` when it
    /// names CPUs that this machine cannot have, `ENOMEM`.
    pub fn parse(list: &CStr) -> Result<Self> {
        let mut mask = CpumaskVar::new_zero(GFP_KERNEL)?;
        let place: &mut Cpumask = &mut mask;
        // SAFETY: The text ends with a NUL, the mask is ours.
        to_result(unsafe { dst_blk_cpulist_parse(list.as_char_ptr(), place.as_raw()) })?;
        if mask.empty() {
            return Err(EINVAL);
        }
        Ok(Self { mask })
    }

    /// The CPUs on which kernel threads run if nobody says otherwise. May sleep. Errors: `ENOMEM`.
    pub fn of_kernel_threads() -> Result<Self> {
        let mut mask = CpumaskVar::new_zero(GFP_KERNEL)?;
        let place: &mut Cpumask = &mut mask;
        // SAFETY: The mask is ours.
        unsafe { dst_blk_cpumask_kthreads(place.as_raw()) };
        Ok(Self { mask })
    }

    /// Whether a thread could run on one of them now. Any context.
    pub fn is_usable(&self) -> bool {
        // SAFETY: The mask is only read.
        unsafe { dst_blk_cpumask_any_active(self.mask.as_raw()) }
    }

    /// The kernel's mask.
    pub(super) fn mask(&self) -> &Cpumask {
        &self.mask
    }
}
