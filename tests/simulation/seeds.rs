// SPDX-License-Identifier: GPL-2.0

//! Many seeds, on all CPUs.

use crate::{coverage::Coverage, fault, Place};
use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// A seed has at least so many events.
const LEAST: u64 = 2_000;

/// What came of them.
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
    fn new(place: &Place) -> Self {
        Self {
            seeds: 0,
            events: 0,
            fewest: None,
            coverage: Coverage::new(place.expected),
            broken: None,
        }
    }

    /// Why it proves less than it says although no rule is broken.
    pub fn gaps(&self) -> Vec<String> {
        let missing = self.coverage.missing();
        let never = (!missing.is_empty()).then(|| format!("never happened: {missing:?}"));
        let short = self.fewest < Some(LEAST);
        let short = short.then(|| format!("a seed has fewer than {LEAST} events"));
        never.into_iter().chain(short).collect()
    }

    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.fewest = self.fewest.into_iter().chain(other.fewest).min();
        self.coverage.add(&other.coverage);
        self.broken = self.broken.take().into_iter().chain(other.broken).min();
    }
}

/// Runs `seeds` in a world, of the broken variant `fault` if one is given, in `threads` threads. Ends when a rule is
/// broken: no seed is left out that is smaller than the one that has broken it.
pub fn many(
    place: &Place,
    seeds: Range<u64>,
    fault: Option<&'static str>,
    threads: usize,
) -> Summary {
    let (next, end) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
    let work = || {
        let mut summary = Summary::new(place);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end.load(Ordering::Relaxed) {
                return summary;
            }
            let outcome = (place.run)(seed, false);
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
    let mut summary = Summary::new(place);
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
