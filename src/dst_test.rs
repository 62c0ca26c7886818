// SPDX-License-Identifier: GPL-2.0

//! Tests of the module's own foundations inside a kernel: `sys`, `exec` and the streams of `net`.
//!
//! Rust modules cannot link each other, so this crate contains the layers that it tests once more:
//! `core`, `sys`, `exec` and a part of `net`; `test_suite/sys.c` does the same for the C part of
//! `sys`.
//!
//! On a kernel with KUnit the suites are KUnit's: they run when the module has been loaded, their
//! results are in `<debugfs>/kunit/SUITE/results`, and `<debugfs>/kunit/SUITE/run` runs one again.
//! On a kernel without it they run while the module is loaded and are reported to the kernel log
//! alone; if a case fails, so does loading. While the module is loaded, one task looks in vain for
//! ever, so that `<debugfs>/dst_test/tasks` has something to show.
//!
//! On a kernel with KCSAN, `race=1` has two threads race for a number while the module is loaded.

#![deny(unsafe_code)]
// As in the driver: what refuses a request owns its text.
#![allow(clippy::result_large_err)]

#[path = "core/lib.rs"]
pub mod dst_core;

#[allow(unsafe_code)]
pub mod sys;

#[cfg(CONFIG_KUNIT)]
#[allow(unsafe_code)]
#[path = "sys/kunit.rs"]
pub mod kunit;

#[cfg(CONFIG_KCSAN)]
#[allow(unsafe_code)]
#[path = "sys/race.rs"]
pub mod race;

pub mod exec;

pub mod net {
    //! Of the network layer, what knows bytes only.
    pub mod listener;
    pub mod stream;

    pub use listener::Listener;
    pub use stream::Stream;
}

pub mod exec_test;
pub mod net_test;
pub mod sys_test;
pub mod test_suite;

use crate::{
    exec::{timeout, wait_for, JoinHandle, TaskName, TasksFile, Timer},
    exec_test::Context,
    sys::global::Global,
};
use core::{pin::pin, task::Poll};
use kernel::{prelude::*, time::Delta};

module! {
    type: Module,
    name: "dst_test",
    authors: ["DST developers"],
    description: "DST: tests of its foundations",
    license: "GPL",
    params: {
        control: u32 {
            default: 0,
            description: "Not 0: one case fails, to see that it is noticed",
        },
        leak: u32 {
            default: 0,
            description: "So many bytes are allocated and never freed, to see that it is noticed",
        },
        race: u32 {
            default: 0,
            description: "With KCSAN: 1 and 2 are data races, to see that they are found, 3 is none",
        },
    },
}

/// All suites.
pub const TABLES: &[&[test_suite::Suite]] = &[
    sys_test::SUITES,
    sys_test::DISK_SUITES,
    exec_test::SUITES,
    net_test::SUITES,
    test_suite::CONTROL,
];

/// Whether a case is to fail on purpose.
pub fn control_wanted() -> bool {
    module_parameters::control.value() != 0
}

static MODULE: Global<Option<&'static ThisModule>> = Global::new(None);

/// This module. Errors: `ENODEV` before it is initialised.
pub fn this_module() -> Result<&'static ThisModule> {
    MODULE.with(|module| *module).ok_or(ENODEV)
}

/// Loses so many bytes.
fn leak(bytes: usize) -> Result {
    if bytes > 0 {
        core::mem::forget(KVec::<u8>::with_capacity(bytes, GFP_KERNEL)?);
    }
    Ok(())
}

/// The loaded module.
struct Module {
    // Fields are dropped in this order.
    #[cfg(CONFIG_KCSAN)]
    _race: Option<test_suite::race::Race>,
    _endless: JoinHandle,
    _tasks: TasksFile,
    _context: Context,
}

impl kernel::Module for Module {
    fn init(module: &'static ThisModule) -> Result<Self> {
        MODULE.with(|place| *place = Some(module));
        let tasks = TasksFile::new(c"dst_test")?;
        leak(module_parameters::leak.value() as usize)?;
        #[cfg(not(CONFIG_KUNIT))]
        test_suite::runner::run(match control_wanted() {
            true => &[test_suite::CONTROL],
            false => TABLES,
        })?;
        let context = Context::new()?;
        let mut timer = Timer::new()?;
        let endless =
            context
                .one
                .spawn(TaskName::with(c"endless", fmt!("{}", 7))?, async move {
                    loop {
                        // It looks again and again, and so it is polled all the time.
                        let nothing = pin!(wait_for(c"nothing", |_| Poll::<()>::Pending));
                        timeout(&mut timer, Delta::from_millis(10), nothing).await;
                    }
                })?;
        Ok(Self {
            #[cfg(CONFIG_KCSAN)]
            _race: test_suite::race::Race::start(module_parameters::race.value())?,
            _endless: endless,
            _tasks: tasks,
            _context: context,
        })
    }
}
