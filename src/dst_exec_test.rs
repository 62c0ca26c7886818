// SPDX-License-Identifier: GPL-2.0

//! Tests of the executor, as a module of their own.
//!
//! Rust modules cannot link each other, so this crate contains the layers that it tests: `core`,
//! `exec` and what of `sys` they use. The cases run when the module is loaded and are reported to
//! the kernel log in KTAP form; if one fails, loading fails. While the module is loaded, one task
//! waits for ever, so that `<debugfs>/dst_exec_test/tasks` has something to show.

#![deny(unsafe_code)]

#[path = "core/lib.rs"]
pub mod dst_core;

#[allow(unsafe_code)]
pub mod sys {
    //! What the executor needs of `src/sys`.
    pub mod clock;
    pub mod completion;
    pub mod cpu;
    pub mod global;
    pub mod kthread;
    pub mod static_text;
    pub mod try_cell;
    pub mod wait_queue;
    pub mod waker;
}

pub mod exec;

pub mod exec_test;

use crate::{
    exec::{wait_for, JoinHandle, TasksFile},
    exec_test::{runner, Context, CASES, CONTROL},
};
use core::task::Poll;
use kernel::prelude::*;

module! {
    type: Module,
    name: "dst_exec_test",
    authors: ["DST developers"],
    description: "DST: tests of the executor",
    license: "GPL",
    params: {
        control: u32 {
            default: 0,
            description: "Not 0: one more case, which fails, so that the module must not load",
        },
    },
}

/// The loaded module.
struct Module {
    // Fields are dropped in this order.
    _endless: JoinHandle,
    _tasks: TasksFile,
    _context: Context,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let tasks = TasksFile::new(c"dst_exec_test")?;
        let context = Context::new()?;
        runner::run(CASES, &context)?;
        if module_parameters::control.value() != 0 {
            runner::run(CONTROL, &context)?;
        }
        let endless = context
            .one
            .spawn(c"endless", wait_for(c"nothing", |_| Poll::<()>::Pending))?;
        Ok(Self {
            _endless: endless,
            _tasks: tasks,
            _context: context,
        })
    }
}
