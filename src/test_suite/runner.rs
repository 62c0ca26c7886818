// SPDX-License-Identifier: GPL-2.0

//! Runs suites one after the other and reports to the kernel log as KUnit would (KTAP version 1),
//! on a kernel without KUnit.

use super::Suite;
use kernel::prelude::*;

/// Runs all suites of all tables. May sleep. Errors: `EINVAL` if a case failed.
pub fn run(tables: &[&[Suite]]) -> Result {
    let count = tables.iter().map(|table| table.len()).sum::<usize>();
    let mut failed = 0usize;
    pr_info!("KTAP version 1\n");
    pr_info!("1..{}\n", count);
    for (number, suite) in (1u32..).zip(tables.iter().copied().flatten()) {
        let result = run_suite(suite);
        if result.is_err() {
            failed = failed.saturating_add(1);
        }
        report("", number, suite.name, result);
    }
    if failed > 0 {
        return Err(EINVAL);
    }
    Ok(())
}

/// Runs one suite. Errors: that of its beginning; `EINVAL` if a case failed.
fn run_suite(suite: &Suite) -> Result {
    let mut result = Ok(());
    pr_info!("    KTAP version 1\n");
    pr_info!("    # Subtest: {}\n", suite.name);
    pr_info!("    1..{}\n", suite.cases.len());
    (suite.begin)()?;
    for (number, case) in (1u32..).zip(suite.cases) {
        let shown = (case.run)();
        if shown.is_err() {
            result = Err(EINVAL);
        }
        report("    ", number, case.name, shown);
    }
    (suite.end)();
    result
}

fn report(indent: &str, number: u32, name: &str, result: Result) {
    match result {
        Ok(()) => pr_info!("{}ok {} {}\n", indent, number, name),
        Err(error) => pr_err!("{}not ok {} {} # {:?}\n", indent, number, name, error),
    }
}
