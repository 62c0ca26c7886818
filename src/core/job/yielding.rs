// SPDX-License-Identifier: GPL-2.0

//! How fast a job may be while the application uses the same node.
//!
//! Once in a [`PERIOD`] the caller tells whether the application had I/O at the node. If so, the job
//! may be half as fast as it was, down to a least rate that it always keeps, so that it gets done;
//! if not, twice as fast, until nothing holds it back.

use super::{MAX_RATE, SECOND};

/// Microseconds between two looks at what the application does.
pub const PERIOD: u64 = SECOND / 10;

/// The least rate if nothing else is asked for: 1 MiB in a second.
pub const DEFAULT_FLOOR: u64 = 1 << 20;

/// How far a job stands back.
#[derive(Clone, Copy, Debug)]
pub struct Yielding {
    /// What it always may, in bytes in a second; not 0.
    floor: u64,
    /// What it may now; [`MAX_RATE`] if nothing holds it back.
    cap: u64,
}

impl Yielding {
    /// A job that stands back for nobody yet, and never further than to `floor`.
    pub const fn new(floor: u64) -> Self {
        Self {
            floor: Self::bounded(floor),
            cap: MAX_RATE,
        }
    }

    const fn bounded(floor: u64) -> u64 {
        if floor == 0 {
            1
        } else if floor > MAX_RATE {
            MAX_RATE
        } else {
            floor
        }
    }

    /// Changes what the job always may.
    pub fn set_floor(&mut self, floor: u64) {
        self.floor = Self::bounded(floor);
        self.cap = self.cap.max(self.floor);
    }

    /// A period is over in which the application did something at the node, or did not, and the job
    /// was as fast as `rate`.
    pub fn period(&mut self, busy: bool, rate: u64) {
        self.cap = if busy {
            // Where it was slower than it might have been, that is what is halved.
            (self.cap.min(rate) / 2).max(self.floor)
        } else {
            self.cap.saturating_mul(2).min(MAX_RATE)
        };
    }

    /// Whether something holds it back.
    pub const fn yields(&self) -> bool {
        self.cap < MAX_RATE
    }

    /// How fast it may be, with `limit` asked for by the administrator. `None` for any rate.
    pub fn rate(&self, limit: Option<u64>) -> Option<u64> {
        let cap = self.yields().then_some(self.cap);
        match (cap, limit) {
            (Some(cap), Some(limit)) => Some(cap.min(limit)),
            (cap, limit) => cap.or(limit),
        }
    }
}
