// SPDX-License-Identifier: GPL-2.0

//! The table of transactions of a remote node.
//!
//! A transaction is a piece with a place in this table; the place's number and its generation are
//! the tag on the wire. The table outlives connections: what a lost connection left unanswered is
//! sent again on the next one.

use super::super::piece::Piece;
use crate::sys::bio::Status;
use kernel::prelude::*;

const NONE: u32 = u32::MAX;

/// Names a transaction: the place in the table, and how often the place was used before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag(u64);

impl Tag {
    fn new(index: u32, generation: u32) -> Self {
        Self(u64::from(index) << 32 | u64::from(generation))
    }

    /// From the wire.
    pub fn from_wire(tag: u64) -> Self {
        Self(tag)
    }

    /// For the wire.
    pub fn to_wire(self) -> u64 {
        self.0
    }

    fn index(self) -> usize {
        (self.0 >> 32) as usize
    }

    fn generation(self) -> u32 {
        self.0 as u32
    }
}

/// What a place in the table is used for.
pub enum State {
    /// Nothing; the number of the next free place.
    Free(u32),
    /// A permit was given for it.
    Reserved,
    /// The piece waits for a connection.
    Unsent(Piece),
    /// The piece is with the sender, since its data is read while it is sent. The reply may come
    /// before the sender has said that it is done.
    Sending(Option<Status>),
    /// The request was sent, or is queued without data, and the reply has not come.
    InFlight(Piece),
    /// The piece is with the receiver, which fills its pages.
    Receiving,
}

struct Place {
    generation: u32,
    state: State,
}

/// Places for transactions, all of them allocated at set-up.
pub struct Table {
    places: KVVec<Place>,
    free: u32,
    free_count: u32,
    /// Places that further pieces of a bio leave to others.
    spare: u32,
}

impl Table {
    /// A table for `depth` transactions. May sleep. Errors: `ENOMEM`.
    pub fn new(depth: u32) -> Result<Self> {
        let mut places = KVVec::with_capacity(depth as usize, GFP_KERNEL)?;
        for index in 0..depth {
            let next = if index + 1 < depth { index + 1 } else { NONE };
            let place = Place {
                generation: 0,
                state: State::Free(next),
            };
            places.push(place, GFP_KERNEL)?;
        }
        Ok(Self {
            places,
            free: 0,
            free_count: depth,
            spare: depth / 4,
        })
    }

    /// Whether a place would be given.
    pub fn has_room(&self) -> bool {
        self.free_count > 0
    }

    /// Reserves a place.
    pub fn reserve(&mut self, bulk: bool) -> Option<Tag> {
        if bulk && self.free_count <= self.spare {
            return None;
        }
        let index = self.free;
        let place = self.places.get_mut(index as usize)?;
        if let State::Free(next) = place.state {
            self.free = next;
            self.free_count -= 1;
            place.state = State::Reserved;
            return Some(Tag::new(index, place.generation));
        }
        None
    }

    /// The state of the place that `tag` names, unless the place was used again since.
    pub fn get(&mut self, tag: Tag) -> Option<&mut State> {
        self.places
            .get_mut(tag.index())
            .filter(|place| place.generation == tag.generation())
            .map(|place| &mut place.state)
    }

    /// Frees a place; its tag is stale from then on.
    pub fn free(&mut self, tag: Tag) {
        let next = self.free;
        let Some(place) = self
            .places
            .get_mut(tag.index())
            .filter(|place| place.generation == tag.generation())
        else {
            return;
        };
        place.generation = place.generation.wrapping_add(1);
        place.state = State::Free(next);
        self.free = tag.index() as u32;
        self.free_count += 1;
    }

    /// The number of places.
    pub fn depth(&self) -> usize {
        self.places.len()
    }

    /// The tag of the transaction in place `index`, if the table has its piece.
    fn unanswered(&self, index: usize) -> Option<Tag> {
        let place = self.places.get(index)?;
        match place.state {
            State::Unsent(_) | State::InFlight(_) => Some(Tag::new(index as u32, place.generation)),
            _ => None,
        }
    }

    /// Takes the piece of place `index` out, if it waits for a connection.
    pub fn take_unsent(&mut self, index: usize) -> Option<(Tag, Piece)> {
        let tag = self.unanswered(index)?;
        let place = self.get(tag)?;
        match core::mem::replace(place, State::Reserved) {
            State::Unsent(piece) => Some((tag, piece)),
            other => {
                *place = other;
                None
            }
        }
    }

    /// Lets all transactions that were sent and not answered wait for another connection.
    pub fn lose_connection(&mut self) {
        for place in self.places.iter_mut() {
            place.state = match core::mem::replace(&mut place.state, State::Reserved) {
                State::InFlight(piece) => State::Unsent(piece),
                other => other,
            };
        }
    }

    /// Takes the piece of place `index` out and frees the place, if the table has it.
    pub fn take(&mut self, index: usize) -> Option<Piece> {
        let tag = self.unanswered(index)?;
        let state = core::mem::replace(self.get(tag)?, State::Reserved);
        self.free(tag);
        match state {
            State::Unsent(piece) | State::InFlight(piece) => Some(piece),
            _ => None,
        }
    }
}
