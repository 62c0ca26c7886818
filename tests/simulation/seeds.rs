// SPDX-License-Identifier: GPL-2.0

//! Many seeds, on all CPUs.

use crate::{coverage::Coverage, fault, world::run};
use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// What came of them.
#[derive(Default)]
pub struct Summary {
    /// How many were run.
    pub seeds: u64,
    /// How many events they had.
    pub events: u64,
    /// The fewest events of a seed.
    pub fewest: Option<u64>,
    /// What has happened.
    pub coverage: Coverage,
    /// The first seed that has broken a rule, and which.
    pub broken: Option<(u64, String)>,
}

impl Summary {
    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.fewest = self.fewest.into_iter().chain(other.fewest).min();
        self.coverage.add(&other.coverage);
        self.broken = self.broken.take().into_iter().chain(other.broken).min();
    }
}

/// Runs `seeds`, of the broken variant `fault` if one is given, in `threads` threads. Ends when a rule is
/// broken: no seed is left out that is smaller than the one that has broken it.
pub fn many(seeds: Range<u64>, fault: Option<&'static str>, threads: usize) -> Summary {
    let (next, end) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
    let work = || {
        let mut summary = Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end.load(Ordering::Relaxed) {
                return summary;
            }
            let outcome = run(seed, false);
            summary.add(Summary {
                seeds: 1,
                events: outcome.events,
                // One that is broken ends early.
                fewest: outcome.broken.is_none().then_some(outcome.events),
                coverage: outcome.coverage,
                broken: outcome.broken.map(|broken| (seed, broken)),
            });
            if summary.broken.is_some() {
                end.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    let mut summary = Summary::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1))
            .map(|_| scope.spawn(|| fault::with(fault, work)))
            .collect();
        for thread in threads {
            summary.add(thread.join().expect("a seed panics"));
        }
    });
    summary
}
