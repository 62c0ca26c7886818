// SPDX-License-Identifier: GPL-2.0

//! How long to wait before the next attempt to connect.
//!
//! The wait doubles with every failed attempt up to a limit and never ends; half of it is random,
//! so that the clients of a server that comes back do not all knock at the same moment.

/// Waits of one connection's attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: u32,
    limit: u32,
    attempt: u32,
}

impl Backoff {
    /// Wait before the first new attempt unless told otherwise, in milliseconds.
    pub const FIRST_MS: u32 = 100;

    /// Longest wait unless told otherwise, in milliseconds.
    pub const LIMIT_MS: u32 = 10_000;

    /// Waits that begin with `first` milliseconds and never exceed `limit` milliseconds. Both are
    /// at least 1; a `limit` below `first` counts as `first`.
    pub const fn new(first: u32, limit: u32) -> Self {
        let first = if first == 0 { 1 } else { first };
        Self {
            first,
            limit: if limit < first { first } else { limit },
            attempt: 0,
        }
    }

    /// The wait before the next attempt in milliseconds: at least 1, between half of the present
    /// step and the whole of it. `random` is any number, evenly distributed.
    pub fn next(&mut self, random: u32) -> u32 {
        // 32 doublings are beyond any limit, and 2^32 * 2^32 still fits into 64 bits.
        let step = u64::from(self.first) << self.attempt.min(31);
        let step = step.min(self.limit.into());
        self.attempt = self.attempt.saturating_add(1);
        let least = step.div_ceil(2);
        // Scales `random` onto 0..=step-least without a division.
        let spread = step.saturating_sub(least).saturating_add(1);
        let wait = least.saturating_add(spread.saturating_mul(random.into()) >> 32);
        u32::try_from(wait).unwrap_or(self.limit)
    }

    /// How many attempts were waited for since the last success.
    pub const fn attempts(&self) -> u32 {
        self.attempt
    }

    /// A connection was made: the next wait is the first again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Self::FIRST_MS, Self::LIMIT_MS)
    }
}
