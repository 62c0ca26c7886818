// SPDX-License-Identifier: GPL-2.0

//! The executor under loom: every interleaving of its hand-overs, up to a number of preemptions, and
//! every reordering that the memory model allows.
//!
//! **The code under test is the driver's own**: `src/exec` and what of `src/sys` holds a protocol.
//! `build.rs` copies the files and changes only what it lists. Around them stands a model of the
//! kernel crate ([`model`]), which also checks in each interleaving that nothing sleeps or is freed
//! under a spin lock or in an interrupt.
//!
//! A hand-over that is lost leaves a thread asleep, which loom reports as a deadlock. Each fault of
//! `faults.rs` and `tables.rs`, a step left out or a transition broken on purpose, must make one of
//! the models fail; the models are the same, in a process of their own for each fault.

#![cfg(test)]

// What the driver calls the kernel crate is this crate.
extern crate self as kernel;

#[allow(unreachable_pub)]
#[path = "tables.rs"]
pub mod dst_core;
mod fault;
mod faults;
#[allow(dead_code, missing_docs, unused_macros, unused_imports, clippy::all)]
#[path = "kernel/mod.rs"]
mod model;
mod models;
#[allow(dead_code, missing_docs, unreachable_pub, unused_imports, clippy::all)]
pub mod sys;

pub use model::*;

include!(concat!(env!("OUT_DIR"), "/exec.rs"));
