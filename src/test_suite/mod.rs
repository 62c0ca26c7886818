// SPDX-License-Identifier: GPL-2.0

//! Suites of cases: one table of plain functions, and who runs it.
//!
//! A case is a function that returns an error if what it looks for is not so. On a kernel with
//! KUnit the suites are KUnit's; on others the [`runner`] runs the same table when the module is
//! loaded, and reports in the same form.

#[cfg(CONFIG_KCSAN)]
pub mod race;
pub mod runner;

use kernel::prelude::*;

/// A test by its name.
pub struct Case {
    /// What is shown.
    pub name: &'static str,
    /// Shows it. May sleep.
    pub run: fn() -> Result,
}

/// Cases that belong together.
pub struct Suite {
    /// What is shown.
    pub name: &'static str,
    /// Prepares what the cases share, in the task that loads the module; if it fails, none is run.
    pub begin: fn() -> Result,
    /// Clears up after a `begin` that has not failed.
    pub end: fn(),
    /// The cases, in order.
    pub cases: &'static [Case],
}

/// Defines a table of suites, and registers them with KUnit where the kernel has it.
///
/// After the name of the table stand the functions that begin and end each suite, and the one that
/// calls a case. The cases of a suite are functions of one module.
#[macro_export]
macro_rules! suites {
    (
        $(#[$doc:meta])* $table:ident, begin: $begin:path, end: $end:path, call: $call:path;
        $($suite:ident = $module:ident: $cases:tt;)+
    ) => {
        $(#[$doc])*
        pub const $table: &[$crate::test_suite::Suite] = &[
            $($crate::suites!(@suite $suite, $begin, $end, $call, $module, $cases)),+
        ];
        $($crate::suites!(@kunit $suite, $begin, $end, $call, $module, $cases);)+
    };
    (@suite $suite:ident, $begin:path, $end:path, $call:path, $module:ident, {
        $($case:ident),+ $(,)?
    }) => {
        $crate::test_suite::Suite {
            name: ::core::stringify!($suite),
            begin: $begin,
            end: $end,
            cases: &[$($crate::test_suite::Case {
                name: ::core::stringify!($case),
                run: || $call($module::$case),
            }),+],
        }
    };
    (@kunit $suite:ident, $begin:path, $end:path, $call:path, $module:ident, {
        $($case:ident),+ $(,)?
    }) => {
        #[cfg(CONFIG_KUNIT)]
        $crate::kunit_suite!($suite, $begin, $end, { $($case => || $call($module::$case)),+ });
    };
}

/// For suites that prepare nothing.
pub fn nothing_to_begin() -> Result {
    Ok(())
}

/// For suites that have nothing to clear up.
pub fn nothing_to_end() {}

/// Says what is not so, and where, in the log of the case.
pub fn not_so(file: &str, line: u32, what: &str) {
    #[cfg(CONFIG_KUNIT)]
    crate::kunit::tell(fmt!("{}:{}: not so: {}", file, line, what));
    #[cfg(not(CONFIG_KUNIT))]
    pr_err!("    # {}:{}: not so: {}\n", file, line, what);
}

/// Fails the case, and says where, unless the condition is true.
#[macro_export]
macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            $crate::test_suite::not_so(
                ::core::file!(),
                ::core::line!(),
                ::core::stringify!($condition),
            );
            return Err(::kernel::error::code::EINVAL);
        }
    };
}

/// The check of the checks: a case that fails when the module is loaded with `control=1`.
pub mod control {
    use kernel::prelude::*;

    /// Fails if it is told to.
    pub fn told_to_fail() -> Result {
        crate::check!(!crate::control_wanted());
        Ok(())
    }
}

/// Calls a case that needs nothing.
pub fn call(case: fn() -> Result) -> Result {
    case()
}

suites! {
    /// The control.
    CONTROL, begin: nothing_to_begin, end: nothing_to_end, call: call;
    dst_control = control: { told_to_fail };
}
