// SPDX-License-Identifier: GPL-2.0

//! Values at numbered places, taken and given back in any order.

use kernel::prelude::*;

enum Entry<T> {
    Used(T),
    /// The next free place.
    Free(Option<usize>),
}

/// A table that gives each value a number. It has no memory while it is empty.
pub struct Slab<T> {
    entries: KVVec<Entry<T>>,
    free: Option<usize>,
    used: usize,
}

impl<T> Slab<T> {
    /// An empty table.
    pub const fn new() -> Self {
        Self {
            entries: KVVec::new(),
            free: None,
            used: 0,
        }
    }

    /// Takes `value` in and returns its number. May sleep. Errors: `ENOMEM`.
    pub fn insert(&mut self, value: T) -> Result<usize> {
        let place = match self.free {
            Some(place) => place,
            None => {
                self.entries.push(Entry::Free(None), GFP_KERNEL)?;
                self.entries.len().saturating_sub(1)
            }
        };
        let entry = self.entries.get_mut(place).ok_or(ENOMEM)?;
        if let Entry::Free(next) = *entry {
            self.free = next;
        }
        *entry = Entry::Used(value);
        self.used = self.used.saturating_add(1);
        Ok(place)
    }

    /// The value with that number.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        match self.entries.get_mut(place)? {
            Entry::Used(value) => Some(value),
            Entry::Free(_) => None,
        }
    }

    /// Takes the value with that number out. May sleep: the last one takes the memory with it.
    pub fn remove(&mut self, place: usize) -> Option<T> {
        let entry = self.entries.get_mut(place)?;
        if matches!(entry, Entry::Free(_)) {
            return None;
        }
        let old = core::mem::replace(entry, Entry::Free(self.free));
        self.free = Some(place);
        self.used = self.used.saturating_sub(1);
        if self.used == 0 {
            *self = Self::new();
        }
        match old {
            Entry::Used(value) => Some(value),
            Entry::Free(_) => None,
        }
    }

    /// The first value for which `wanted` says so, with its number.
    pub fn find_mut(&mut self, wanted: impl Fn(&T) -> bool) -> Option<(usize, &mut T)> {
        let mut entries = self.entries.iter_mut().enumerate();
        entries.find_map(|(place, entry)| match entry {
            Entry::Used(value) if wanted(value) => Some((place, value)),
            _ => None,
        })
    }

    /// The first value from number `from` on for which `wanted` says so, with its number.
    pub fn find_from(&self, from: usize, wanted: impl Fn(&T) -> bool) -> Option<(usize, &T)> {
        let mut entries = self.entries.iter().enumerate().skip(from);
        entries.find_map(|(place, entry)| match entry {
            Entry::Used(value) if wanted(value) => Some((place, value)),
            _ => None,
        })
    }

    /// All values, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Used(value) => Some(value),
            Entry::Free(_) => None,
        })
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}
