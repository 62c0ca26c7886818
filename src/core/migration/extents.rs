// SPDX-License-Identifier: GPL-2.0

//! Which extents of the node are the same on the new device: a bit for each, in memory of the caller.

use core::ops::{DerefMut, Range};

/// The smallest extent: 2^11 sectors, 1 MiB.
pub const MIN_SHIFT: u32 = 11;

/// Extents of 2^`shift` sectors; the last one may be shorter.
///
/// # Invariants
///
/// `copied` bits are set, none of them beyond the last extent.
pub struct Extents<B> {
    bits: B,
    sectors: u64,
    shift: u32,
    copied: u64,
}

impl<B: DerefMut<Target = [u64]>> Extents<B> {
    /// Of a node with so many sectors, none of them copied. `None` if there are too few `bits`.
    pub fn new(mut bits: B, sectors: u64, shift: u32) -> Option<Self> {
        if (bits.len() as u64) < words(sectors, shift)? {
            return None;
        }
        bits.fill(0);
        Some(Self {
            bits,
            sectors,
            shift,
            copied: 0,
        })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        count(self.sectors, self.shift)
    }

    /// How many are copied.
    pub const fn copied(&self) -> u64 {
        self.copied
    }

    /// Whether all are.
    pub fn is_complete(&self) -> bool {
        self.copied == self.count()
    }

    /// First sector and sectors of an extent.
    pub fn range(&self, extent: u64) -> (u64, u64) {
        let first = extent << self.shift;
        let left = self.sectors.saturating_sub(first);
        (first, left.min(1 << self.shift))
    }

    /// The extents in which these sectors lie.
    pub fn of(&self, first: u64, sectors: u64) -> Range<u64> {
        if sectors == 0 {
            return 0..0;
        }
        let last = first.saturating_add(sectors - 1) >> self.shift;
        first >> self.shift..last.saturating_add(1).min(self.count())
    }

    fn is_copied(&self, extent: u64) -> bool {
        let word = self.bits.get((extent / 64) as usize);
        word.is_some_and(|word| (word >> (extent % 64)) & 1 == 1)
    }

    /// Whether any of these sectors lies in an extent that is copied.
    pub fn touch(&self, first: u64, sectors: u64) -> bool {
        self.of(first, sectors).any(|extent| self.is_copied(extent))
    }

    /// The extent is copied.
    pub fn set(&mut self, extent: u64) {
        if extent >= self.count() || self.is_copied(extent) {
            return;
        }
        if let Some(word) = self.bits.get_mut((extent / 64) as usize) {
            *word |= 1 << (extent % 64);
            self.copied += 1;
        }
    }

    /// The extents in which these sectors lie have to be copied again.
    pub fn clear(&mut self, first: u64, sectors: u64) {
        for extent in self.of(first, sectors) {
            if !self.is_copied(extent) {
                continue;
            }
            if let Some(word) = self.bits.get_mut((extent / 64) as usize) {
                *word &= !(1 << (extent % 64));
                self.copied -= 1;
            }
        }
    }

    /// All have to be copied again.
    pub fn clear_all(&mut self) {
        self.bits.fill(0);
        self.copied = 0;
    }

    /// The first extent that is not copied, from `from` on.
    pub fn next(&self, from: u64) -> Option<u64> {
        let mut extent = from;
        while extent < self.count() {
            let word = self.bits.get((extent / 64) as usize)?;
            let open = !word >> (extent % 64);
            if open != 0 {
                let found = extent + u64::from(open.trailing_zeros());
                return (found < self.count()).then_some(found);
            }
            extent = (extent / 64 + 1) * 64;
        }
        None
    }
}

fn count(sectors: u64, shift: u32) -> u64 {
    let whole = sectors >> shift;
    whole + u64::from(whole << shift != sectors)
}

/// How many words of 64 bits are needed; `None` if there is no such extent.
pub fn words(sectors: u64, shift: u32) -> Option<u64> {
    (shift < 64).then(|| count(sectors, shift).div_ceil(64))
}

/// The smallest extent, at least [`MIN_SHIFT`], for which so many words are enough.
pub fn shift_for(sectors: u64, words: u64) -> u32 {
    let fits = |shift: &u32| count(sectors, *shift).div_ceil(64) <= words;
    (MIN_SHIFT..63).find(fits).unwrap_or(63)
}
