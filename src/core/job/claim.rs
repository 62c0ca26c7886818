// SPDX-License-Identifier: GPL-2.0

//! Which jobs may run at the same time.
//!
//! A job claims nodes of one storage. Two jobs of different storages never conflict. Two jobs of one
//! storage do if they have a node in common, whatever they do there: one that changes a node must
//! not be looked at or changed by another at the same time, and two that only read would take the
//! node's time from each other and from the application.

/// What a job works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The number of the storage.
    pub storage: u64,
    /// One of its nodes; all of them if not given.
    pub node: Option<u32>,
}

impl Claim {
    /// Whether two jobs with these claims may not run at the same time.
    pub const fn conflicts(&self, other: &Self) -> bool {
        let common = match (self.node, other.node) {
            (Some(one), Some(another)) => one == another,
            _ => true,
        };
        self.storage == other.storage && common
    }
}
