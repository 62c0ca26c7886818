// SPDX-License-Identifier: GPL-2.0

//! The protocol in a simulated world.
//!
//! An application reads, writes and flushes a node of a few sectors through the driver's own decisions
//! ([`core`]: sources of `src/core`), over connections that are slow, lost, half open or cut, to a
//! server whose device forgets what was not flushed when it crashes. Everything that is not decided
//! by the core is decided by a seed, so a run repeats itself exactly.
//!
//! What must hold is in [`history`]; [`world`] moves the time on, [`client`] and [`server`] do what
//! the module does around the core, [`network`] is what TCP promises and no more.

pub mod client;
pub mod coverage;
pub mod fault;
pub mod history;
pub mod network;
pub mod seeds;
pub mod server;
pub mod world;

/// The driver's own decisions, with a question at each place where a fault can be.
#[allow(missing_docs, clippy::all)]
pub mod core {
    include!(concat!(env!("OUT_DIR"), "/core/core.rs"));
}

#[path = "faults.rs"]
mod faults;

/// The broken variants: the name of each and what it does.
pub fn variants() -> impl Iterator<Item = (&'static str, &'static str)> {
    faults::FAULTS.iter().map(|fault| (fault.name, fault.what))
}

pub use coverage::Coverage;
pub use seeds::{many, Summary};
pub use world::{run, Outcome};
