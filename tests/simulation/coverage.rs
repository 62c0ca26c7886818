// SPDX-License-Identifier: GPL-2.0

//! What has happened, and how often: a fault that never occurs proves nothing.

use std::collections::BTreeMap;

/// Everything that must occur in a run of enough seeds of [`crate::world`].
pub const EXPECTED: &[&str] = &[
    // What the application asks.
    "read",
    "write",
    "flush",
    "no place",
    "place not used",
    // Faults.
    "connection reset",
    "connection half open",
    "connection half open for ever",
    "network cut",
    "answers late",
    "server crash",
    "write torn by a crash",
    "cached write lost",
    "cached write lost by a flush",
    "cache lost by a flush",
    "welcome of an earlier time",
    "late answer with another cache",
    "client crash",
    "device error",
    "flush not carried out",
    "request never answered",
    "answered twice",
    "answer on another connection",
    "request taken after the close",
    "write acknowledged by a server that is gone",
    // Transitions of the client.
    "answer before the data was sent",
    "data sent on a lost connection",
    "data not sent on a lost connection",
    "read interrupted",
    "stale answer",
    "answer to nothing",
    "request begun without a connection",
    "request kept behind another",
    "request sent later",
    "connection closed for a late answer",
    "silent connection closed",
    "request ended in error",
    "ghost",
    "ghost gone",
    "flush failed for a lost cache",
    "flush failed for a part of what is lost",
    "flush failed beside one that tells",
    // Transitions of the server.
    "earlier connection closed by the server",
    "hello waited for the fence",
    "hello waited for another session",
    "hello refused: busy",
    "hello refused: superseded",
];

/// Counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    expected: &'static [&'static str],
    counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// Nothing has happened of what has to.
    pub fn new(expected: &'static [&'static str]) -> Self {
        Self {
            expected,
            counts: BTreeMap::new(),
        }
    }

    /// `what` has happened.
    pub fn note(&mut self, what: &'static str) {
        debug_assert!(self.expected.contains(&what), "{what}");
        *self.counts.entry(what).or_default() += 1;
    }

    /// Adds what has happened in another run.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    /// How often each thing has happened that has to.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.expected
            .iter()
            .map(|what| (*what, self.counts.get(what).copied().unwrap_or(0)))
    }

    /// What has never happened.
    pub fn missing(&self) -> Vec<&'static str> {
        self.counts()
            .filter(|(_, count)| *count == 0)
            .map(|(what, _)| what)
            .collect()
    }
}
