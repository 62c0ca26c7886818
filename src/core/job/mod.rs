// SPDX-License-Identifier: GPL-2.0

//! Jobs: long work on the nodes of a storage, beside the I/O of its disk.
//!
//! What a job does is the driver's business; how far it may go, in which order, how fast, and what
//! an administrator may ask of it, is decided here.
//!
//! | module       | what it decides                                                     |
//! |--------------|---------------------------------------------------------------------|
//! | [`state`]    | what a job is doing, and which requests it takes                     |
//! | [`claim`]    | which jobs may run at the same time                                 |
//! | [`window`]   | which extents are in flight, and below which sector all is done      |
//! | [`narrow`]   | which sector of an extent is the first that cannot be read           |
//! | [`bucket`]   | when the next bytes may go, for a rate                              |
//! | [`yielding`] | how fast a job may be while the application uses the same node       |
//! | [`meter`]    | how fast it is, and how long it will take                           |
//! | [`memory`]   | which of those that have ended are remembered                       |
//!
//! Times are microseconds of a clock of the caller's that does not go backwards; if it does all the
//! same, no time has passed. Rates are bytes in a second.

pub mod bucket;
pub mod claim;
pub mod memory;
pub mod meter;
pub mod narrow;
pub mod state;
pub mod window;
pub mod yielding;

/// The highest rate that is reckoned with, in bytes in a second; more is as good as no limit.
pub const MAX_RATE: u64 = 1 << 40;

/// Microseconds of a second.
pub const SECOND: u64 = 1_000_000;
