// SPDX-License-Identifier: GPL-2.0

//! The only unsafe code of the module: safe types over kernel interfaces that the kernel's own
//! Rust crate does not cover yet. One file for each concept of the kernel, with a C file of the
//! same name where an inline function or a macro is needed.
//!
//! Each type states what it relies on under `# Invariants`, each unsafe block why it is allowed.
//! Nothing here knows what DST is.

pub mod bdev;
pub mod bio;
pub mod bio_set;
pub mod checksum;
pub mod clock;
pub mod completion;
pub mod cpu;
pub mod device_bio;
pub mod disk;
pub mod display;
pub mod display_core;
pub mod genl;
pub mod genl_attr;
pub mod genl_message;
pub mod genl_request;
pub mod global;
pub mod kthread;
pub mod limits;
pub mod net_namespace;
pub mod random;
pub mod ratelimit;
pub mod refusal;
pub mod segments;
pub mod socket;
pub mod socket_address;
pub mod socket_wait;
pub mod static_text;
pub mod sysfs;
pub mod try_cell;
pub mod wait_queue;
pub mod waker;
