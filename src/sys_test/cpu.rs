// SPDX-License-Identifier: GPL-2.0

//! Sets of CPUs.

use crate::{check, sys::cpu};
use kernel::prelude::*;

/// The forms of a list. CPU 0 can always be used.
pub fn lists() -> Result {
    for list in [c"0", c"0-0", c"all", c"0-N", c"0,0", c"0-0:1/1", c"0\n"] {
        check!(cpu::CpuSet::parse(list)?.is_usable());
    }
    check!(cpu::CpuSet::of_kernel_threads()?.is_usable());
    Ok(())
}

/// What is no list, names nothing, or names what cannot be.
pub fn refused() -> Result {
    for list in [c"", c" ", c"x", c"0-", c"-1", c"1-0", c"0-3:9/4", c"0x1"] {
        let error = cpu::CpuSet::parse(list).err();
        check!(error == Some(EINVAL));
    }
    for list in [c"100000", c"0-100000"] {
        let error = cpu::CpuSet::parse(list).err();
        check!(error == Some(ERANGE));
    }
    Ok(())
}

/// This runs on one of those that are online.
pub fn online() -> Result {
    check!((1..=8192).contains(&cpu::online()));
    Ok(())
}
