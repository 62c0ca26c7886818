// SPDX-License-Identifier: GPL-2.0

//! Runs cases one after the other and reports them to the kernel log as KTAP.

use super::Context;
use kernel::prelude::*;

/// A test by its name.
pub struct Case {
    /// What is shown.
    pub name: &'static str,
    /// Shows it.
    pub run: fn(&Context) -> Result,
}

/// Runs all of `cases`. May sleep. Errors: `EINVAL` if one of them failed.
pub fn run(cases: &[Case], context: &Context) -> Result {
    let mut failed = 0u32;
    pr_info!("KTAP version 1\n");
    pr_info!("1..{}\n", cases.len());
    for (number, case) in (1u32..).zip(cases) {
        match (case.run)(context) {
            Ok(()) => pr_info!("ok {} {}\n", number, case.name),
            Err(error) => {
                failed = failed.saturating_add(1);
                pr_err!("not ok {} {} # {:?}\n", number, case.name, error);
            }
        }
    }
    if failed > 0 {
        return Err(EINVAL);
    }
    Ok(())
}
