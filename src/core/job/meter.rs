// SPDX-License-Identifier: GPL-2.0

//! How fast a job is, and how long it will take.
//!
//! The rate is that of the last seconds: the bytes of the last [`SAMPLES`] looks, which are half a
//! second apart. Time in which the job was paused is not counted, as it begins anew after that.

use super::SECOND;

/// Looks that are remembered.
const SAMPLES: usize = 10;

/// Microseconds between two looks.
const APART: u64 = SECOND / 2;

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at: u64,
    bytes: u64,
}

/// A meter of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// A ring; the newest is before `next`.
    samples: [Sample; SAMPLES],
    next: usize,
    count: usize,
}

impl Meter {
    /// A meter that begins at `now` with `bytes` done.
    pub fn new(now: u64, bytes: u64) -> Self {
        let mut meter = Self {
            samples: [Sample::default(); SAMPLES],
            next: 0,
            count: 0,
        };
        meter.push(now, bytes);
        meter
    }

    fn push(&mut self, at: u64, bytes: u64) {
        if let Some(sample) = self.samples.get_mut(self.next) {
            *sample = Sample { at, bytes };
        }
        self.next = (self.next + 1) % SAMPLES;
        self.count = (self.count + 1).min(SAMPLES);
    }

    fn newest(&self) -> Sample {
        let index = (self.next + SAMPLES - 1) % SAMPLES;
        self.samples.get(index).copied().unwrap_or_default()
    }

    fn oldest(&self) -> Sample {
        let index = (self.next + SAMPLES - self.count) % SAMPLES;
        self.samples.get(index).copied().unwrap_or_default()
    }

    /// `bytes` are done at `now`, altogether.
    pub fn tell(&mut self, now: u64, bytes: u64) {
        if now.saturating_sub(self.newest().at) >= APART {
            self.push(now, bytes);
        }
    }

    /// Bytes in a second, with `bytes` done at `now`; 0 while nothing can be said.
    pub fn rate(&self, now: u64, bytes: u64) -> u64 {
        let old = self.oldest();
        let passed = now.saturating_sub(old.at) / 1000;
        let done = bytes.saturating_sub(old.bytes);
        // Milliseconds, so that the product fits for 16 PiB at a time.
        done.saturating_mul(1000).checked_div(passed).unwrap_or(0)
    }
}

/// How many milliseconds `left` bytes take at `rate` bytes in a second. `None` for a rate of 0, or
/// for longer than can be said.
pub fn time_left(left: u64, rate: u64) -> Option<u64> {
    // Whole seconds first, so that nothing overflows.
    let seconds = left.checked_div(rate)?;
    let rest = left.checked_rem(rate)?;
    let fraction = rest.saturating_mul(1000) / rate;
    seconds.checked_mul(1000)?.checked_add(fraction)
}
