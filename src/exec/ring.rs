// SPDX-License-Identifier: GPL-2.0

//! A first-in first-out queue of fixed capacity.

use kernel::prelude::*;

/// A queue whose memory is allocated once; pushing never allocates, so it may be done under a
/// spin lock and in interrupts.
pub struct Ring<T> {
    places: KVVec<Option<T>>,
    head: usize,
    length: usize,
}

impl<T> Ring<T> {
    /// A queue for `capacity` elements. May sleep. Errors: `ENOMEM`.
    pub fn new(capacity: usize) -> Result<Self> {
        let mut places = KVVec::with_capacity(capacity, GFP_KERNEL)?;
        for _ in 0..capacity {
            places.push(None, GFP_KERNEL)?;
        }
        Ok(Self {
            places,
            head: 0,
            length: 0,
        })
    }

    fn index(&self, offset: usize) -> usize {
        let index = self.head + offset;
        // Both terms are at most the capacity.
        if index >= self.places.len() {
            index - self.places.len()
        } else {
            index
        }
    }

    /// Appends `value`, or gives it back when the queue is full.
    pub fn push_back(&mut self, value: T) -> Result<(), T> {
        let index = self.index(self.length);
        if self.length == self.places.len() {
            return Err(value);
        }
        match self.places.get_mut(index) {
            Some(place) => {
                *place = Some(value);
                self.length += 1;
                Ok(())
            }
            None => Err(value),
        }
    }

    /// Removes the oldest element.
    pub fn pop_front(&mut self) -> Option<T> {
        if self.length == 0 {
            return None;
        }
        let value = self.places.get_mut(self.head)?.take();
        self.head = self.index(1);
        self.length -= 1;
        value
    }

    /// The oldest element.
    pub fn front(&self) -> Option<&T> {
        self.places.get(self.head)?.as_ref()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}
