// SPDX-License-Identifier: GPL-2.0

//! When the next bytes may go, for a rate: a token bucket.
//!
//! What goes may be more than there is credit for, as extents are longer than what a low rate gives
//! in a moment; the debt is waited for afterwards. Credit that was not used is kept for a tenth of a
//! second, so that a moment of idleness is made up for, and no more than that.

use super::{MAX_RATE, SECOND};

/// Credit is kept for this many microseconds.
const BURST: u64 = SECOND / 10;

/// A bucket of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Bytes in a second, at most [`MAX_RATE`], not 0; `None` for no limit.
    rate: Option<u64>,
    /// What may go at once if positive, what is to be waited for otherwise.
    credit: i64,
    /// When the credit was reckoned last.
    at: u64,
}

impl Bucket {
    /// A bucket with no credit at `now`. `rate` 0 is the lowest there is, 1; `None` is no limit.
    pub const fn new(rate: Option<u64>, now: u64) -> Self {
        Self {
            rate: Self::bounded(rate),
            credit: 0,
            at: now,
        }
    }

    const fn bounded(rate: Option<u64>) -> Option<u64> {
        match rate {
            Some(0) => Some(1),
            Some(rate) if rate < MAX_RATE => Some(rate),
            _ => None,
        }
    }

    /// The rate from `now` on.
    pub fn set_rate(&mut self, rate: Option<u64>, now: u64) {
        let rate = Self::bounded(rate);
        if rate == self.rate {
            return;
        }
        self.refill(now);
        self.rate = rate;
        // A debt that was made at a high rate would take for ever at a low one.
        let burst = rate.map_or(0, Self::burst);
        self.credit = self.credit.clamp(burst.saturating_neg(), burst);
    }

    /// The credit of a whole burst. Fits, as rates are bounded.
    fn burst(rate: u64) -> i64 {
        let bytes = rate / (SECOND / BURST);
        i64::try_from(bytes).unwrap_or(i64::MAX).max(1)
    }

    fn refill(&mut self, now: u64) {
        let Some(rate) = self.rate else {
            self.at = now;
            return;
        };
        // A second at a time, so that the product fits; a debt may need several.
        let mut passed = now.saturating_sub(self.at);
        let burst = Self::burst(rate);
        while passed > 0 && self.credit < burst {
            let part = passed.min(SECOND);
            let bytes = rate.saturating_mul(part) / SECOND;
            if bytes == 0 {
                // Not even a byte: the time is kept.
                return;
            }
            let gained = i64::try_from(bytes).unwrap_or(i64::MAX);
            self.credit = self.credit.saturating_add(gained).min(burst);
            // Only the time that these bytes took, so that no fraction is lost.
            let took = bytes.saturating_mul(SECOND).div_ceil(rate).min(part);
            self.at = self.at.saturating_add(took);
            passed = passed.saturating_sub(took);
        }
        if self.credit >= burst {
            self.at = self.at.max(now);
        }
    }

    /// Takes `bytes` if they may go at `now`.
    ///
    /// # Errors
    ///
    /// After so many microseconds, at least 1, it is worth asking again.
    pub fn take(&mut self, now: u64, bytes: u32) -> Result<(), u64> {
        self.refill(now);
        let Some(rate) = self.rate else {
            return Ok(());
        };
        if self.credit >= 0 {
            self.credit = self.credit.saturating_sub(bytes.into());
            return Ok(());
        }
        let debt = self.credit.unsigned_abs();
        // Debts beyond what can be reckoned are asked about earlier.
        let wait = debt.min(u64::MAX / SECOND).saturating_mul(SECOND) / rate;
        Err(wait.max(1))
    }

    /// Gives back what was taken and did not go.
    pub fn give_back(&mut self, bytes: u32) {
        if self.rate.is_some() {
            self.credit = self.credit.saturating_add(bytes.into());
        }
    }
}
