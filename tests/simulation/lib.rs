// SPDX-License-Identifier: GPL-2.0

//! The protocol in a simulated world.
//!
//! An application reads, writes and flushes a node of a few sectors through the driver's own decisions
//! ([`core`]: sources of `src/core`), over connections that are slow, lost, half open or cut, to a
//! server whose device forgets what was not flushed when it crashes. Everything that is not decided
//! by the core is decided by a seed, so a run repeats itself exactly.
//!
//! What must hold is in [`history`]; [`world`] moves the time on, [`client`] and [`server`] do what
//! the module does around the core, [`network`] is what TCP promises and no more. [`migration`] is a world of
//! its own, in which a node moves from one device to another.

pub mod client;
pub mod coverage;
pub mod fault;
pub mod history;
pub mod migration;
pub mod network;
pub mod seeds;
pub mod server;
pub mod world;

/// The driver's own decisions, with a question at each place where a fault can be.
#[allow(missing_docs, clippy::all)]
pub mod core {
    include!(concat!(env!("OUT_DIR"), "/core/core.rs"));
}

mod faults;
#[path = "migration/faults.rs"]
mod migration_faults;

/// A world.
pub struct Place {
    /// For `WORLD`.
    pub name: &'static str,
    /// Runs a seed; keeps a trace if that is asked for.
    pub run: fn(u64, bool) -> Outcome,
    /// What must have happened after enough seeds.
    pub expected: &'static [&'static str],
    faults: &'static [faults::Fault],
}

impl Place {
    /// The broken variants: the name of each and what it does.
    pub fn variants(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.faults.iter().map(|fault| (fault.name, fault.what))
    }
}

/// All worlds.
pub const PLACES: &[Place] = &[
    Place {
        name: "requests",
        run: world::run,
        expected: coverage::EXPECTED,
        faults: faults::FAULTS,
    },
    Place {
        name: "migration",
        run: migration::run,
        expected: migration::EXPECTED,
        faults: migration_faults::FAULTS,
    },
];

pub use coverage::Coverage;
pub use seeds::{many, Summary};
pub use world::Outcome;
