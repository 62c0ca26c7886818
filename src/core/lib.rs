// SPDX-License-Identifier: GPL-2.0

//! The part of DST that only decides.
//!
//! Everything here is a pure function or a plain state machine: bytes or events in, values or
//! actions out. There is no allocation, no clock, no socket and no block device, so the same
//! sources are compiled twice:
//!
//! - into the kernel module, as `pub mod dst_core` by way of `#[path = "core/lib.rs"]`;
//! - as the host crate `dst-core`, where the tests in `tests/host/` run them, and which the
//!   program `dst` uses to parse and check what it is given.
//!
//! Because the two builds have different crate roots, modules refer to their siblings with
//! `super::` and to the language with `core::`.
//!
//! All functions may be called from any context (process, softirq, hardirq) unless their
//! documentation says otherwise: none of them sleeps, locks or touches memory that it was not
//! given.
//!
//! | module           | what it decides                                                        |
//! |------------------|------------------------------------------------------------------------|
//! | [`wire`]         | message header, hello, limits: what a peer may ask and answer          |
//! | [`session`]      | how messages are cut into records on a byte stream                     |
//! | [`label`]        | the metadata area of a node's device and the label in it               |
//! | [`map`]          | which sectors of a storage lie on which node; stacking of block limits |
//! | [`names`]        | which names a storage and its disk may have                            |
//! | [`access`]       | which addresses may read or write an export                            |
//! | [`signature`]    | what a device already holds                                            |
//! | [`task_state`]   | states of an executor task and their transitions                       |
//! | [`worker_state`] | what a worker of a pool is doing, and who may hand it what             |
//! | [`lease`]        | who may work under a name, and until when                              |
//! | [`backoff`]      | how long to wait before the next attempt to connect                    |
//! | [`stay`]         | which attempts to connect count at a place, and when that is given up   |
//! | [`transaction`]  | which requests may be sent when, across lost connections               |
//! | [`fence`]        | who may use an export, and when what others had sent to it is over     |
//! | [`migration`]    | how a node moves to another device while it is used                    |
//! | [`write_back`]   | which flushes fail because a server has lost its cache                 |
//! | [`job`]          | what long work does next, how fast, and which may run together         |
//! | [`units`]        | sectors and bytes, sizes in text                                       |
//! | [`text`]         | short texts without allocation                                         |

// Outside a kernel build this file is a crate root; inside one it is a module of the driver,
// where Kbuild has said `no_std` already and the attribute would be misplaced.
#![cfg_attr(not(CONFIG_RUST), no_std)]
#![forbid(unsafe_code)]

pub mod access;
pub mod backoff;
pub mod fence;
pub mod job;
pub mod label;
pub mod lease;
pub mod map;
pub mod migration;
pub mod names;
pub mod session;
pub mod signature;
pub mod stay;
pub mod task_state;
pub mod text;
pub mod transaction;
pub mod units;
pub mod wire;
pub mod worker_state;
pub mod write_back;
