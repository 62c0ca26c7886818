// SPDX-License-Identifier: GPL-2.0

//! Jobs: long work on the nodes of a storage, beside the I/O of its disk.
//!
//! | module       | what it is                                                              |
//! |--------------|-------------------------------------------------------------------------|
//! | [`registry`] | the engine: begins jobs, refuses those that conflict, remembers results |
//! | [`job`]      | one job: what it is asked for, and what it tells                        |
//! | [`loans`]    | the pages of a job, on their way to nodes and back                      |
//! | [`pace`]     | how fast a job goes: its limit, and giving way to the application       |
//! | [`verify`]   | the job that reads every sector                                         |
//! | [`migrate`]  | the job that moves a node to another device                             |
//! | [`config`]   | the plain values that the control layer and this one exchange           |
//!
//! What is to be decided is decided in [`crate::dst_core::job`].
//!
//! # A job
//!
//! is a task on a pool of its own, with one thread, as it may sleep in the driver of a local device.
//! It has a fixed number of buffers, made at its beginning, and allocates nothing afterwards. It asks
//! the node for room as the further pieces of a long bio do, which leaves places to others, and asks
//! again a little later where there is none: nobody wakes it for that, so that parked I/O of the disk
//! always comes first.
//!
//! # End
//!
//! A job ends by itself only: whoever wants it to end tells it so, and it issues nothing more, waits for
//! what is in flight, and returns. A page therefore never goes while a device or a socket works on it.
//! A storage tells its jobs to end before it fails what is in flight, and joins them before its nodes
//! go ([`crate::storage::beside`]). A job that has ended is remembered with its result until a number
//! of others have ended after it.
//!
//! # Locking
//!
//! From the outside to the inside: a storage's operation lock, the registry's list, what a running
//! storage knows of its jobs, a job's parts, a job's state (a spin lock, process context). The returned
//! buffers have a spin lock of their own, taken with interrupts off, and inside it a waker's.
//! Observers are called without any of these.

pub mod config;
pub mod job;
pub mod loans;
pub mod migrate;
pub mod pace;
pub mod registry;
pub mod verify;

pub use registry::Registry;
