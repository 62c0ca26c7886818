// SPDX-License-Identifier: GPL-2.0

//! Tests of the executor, as a module of their own.

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

use crate::exec_test::{runner, Context, CASES};
use kernel::prelude::*;

module! {
    type: Module,
    name: "dst_exec_test",
    authors: ["DST developers"],
    description: "DST: tests of the executor",
    license: "GPL",
}

struct Module {
    _context: Context,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let context = Context::new()?;
        runner::run(CASES, &context)?;
        Ok(Self { _context: context })
    }
}
