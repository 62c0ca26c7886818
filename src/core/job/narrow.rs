// SPDX-License-Identifier: GPL-2.0

//! Which sector of an extent is the first that cannot be read.
//!
//! An error names an extent of hundreds of sectors. Its beginning is read again, half of what is in
//! doubt each time, until one block is left, which is read by itself. If that can be read, what
//! failed before has healed, and nothing is said about any sector.

use super::window::Extent;
use core::num::NonZeroU32;

/// What the search has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This is to be read next; [`Narrow::answer`] takes the result.
    Read(Extent),
    /// The block that begins at this sector cannot be read, all before it in the extent can.
    Found(u64),
    /// Everything could be read now.
    Healed,
}

/// A search for the first block of an extent that cannot be read.
#[derive(Clone, Copy, Debug)]
pub struct Narrow {
    /// Everything before can be read.
    low: u64,
    /// Something before cannot.
    high: u64,
    block: NonZeroU32,
    found: Option<bool>,
}

impl Narrow {
    /// A search in `extent`, which could not be read as a whole. `block` is the device's logical
    /// block in sectors; the extent begins with a block.
    pub const fn new(extent: Extent, block: NonZeroU32) -> Self {
        Self {
            low: extent.first,
            high: extent.first.saturating_add(extent.sectors as u64),
            block,
            found: None,
        }
    }

    fn half(&self) -> u64 {
        let block = u64::from(self.block.get());
        let blocks = self.high.saturating_sub(self.low).div_ceil(block);
        // What is less than a block is read as it is.
        let sectors = (blocks / 2).max(1).saturating_mul(block);
        sectors.min(self.high.saturating_sub(self.low))
    }

    /// What is to be done next. The same until the answer is given.
    pub fn step(&self) -> Step {
        match self.found {
            Some(true) => Step::Found(self.low),
            Some(false) => Step::Healed,
            None => Step::Read(Extent {
                first: self.low,
                // Not longer than the extent was, whose length fits.
                sectors: u32::try_from(self.half()).unwrap_or(u32::MAX),
            }),
        }
    }

    /// Takes the result of the read that [`Self::step`] has asked for.
    pub fn answer(&mut self, readable: bool) {
        let part = self.half();
        let last = part >= self.high.saturating_sub(self.low);
        match (readable, last) {
            (true, true) => self.found = Some(false),
            (true, false) => self.low = self.low.saturating_add(part),
            (false, _) if part <= u64::from(self.block.get()) => self.found = Some(true),
            (false, _) => self.high = self.low.saturating_add(part),
        }
    }
}
