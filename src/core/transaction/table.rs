// SPDX-License-Identifier: GPL-2.0

//! The table of transactions while connections stand: who has a place, and whose the piece is.

use core::{marker::PhantomData, ops::DerefMut};

use super::{
    outcome::{Answered, Begin, Counts, Sent},
    place::{Place, State},
    Extent, Link, Tag, MAX_CONNECTIONS,
};

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
pub(super) struct Connection {
    pub(super) number: u32,
    pub(super) up: bool,
}

/// Transactions of one node.
///
/// # Invariants
///
/// - The free places are linked from `free`, and `free_count` of them.
/// - `waiting` places wait, `exposed` are exposed.
/// - What is in flight or being received has the link of an incarnation that is up, and is not
///   exposed; a ghost is. What is sending may be, once its connection is lost.
pub struct Table<P, A, S> {
    pub(super) places: S,
    free: u32,
    free_count: u32,
    /// Places that further pieces of a bio leave to others.
    spare: u32,
    order: u64,
    pub(super) waiting: u32,
    pub(super) exposed: u32,
    pub(super) connections: [Connection; MAX_CONNECTIONS],
    _pieces: PhantomData<(P, A)>,
}

impl<P, A: Copy, S: DerefMut<Target = [Place<P, A>]>> Table<P, A, S> {
    /// A table with these places.
    pub fn new(mut places: S) -> Self {
        let mut count: u32 = 0;
        for (index, place) in places.iter_mut().enumerate() {
            // A tag has 32 bits for the number.
            if index as u64 >= u64::from(NONE) {
                break;
            }
            count = index as u32 + 1;
            place.state = State::Free(count);
        }
        if let Some(last) = count
            .checked_sub(1)
            .and_then(|last| places.get_mut(last as usize))
        {
            last.state = State::Free(NONE);
        }
        Self {
            places,
            free: if count == 0 { NONE } else { 0 },
            free_count: count,
            spare: count / 4,
            order: 0,
            waiting: 0,
            exposed: 0,
            connections: [Connection {
                number: 0,
                up: false,
            }; MAX_CONNECTIONS],
            _pieces: PhantomData,
        }
    }

    /// The number of places.
    pub fn depth(&self) -> usize {
        self.places.len()
    }

    /// How many requests are where.
    pub fn counts(&self) -> Counts {
        Counts {
            waiting: self.waiting,
            exposed: self.exposed,
            used: (self.places.len() as u32).saturating_sub(self.free_count),
        }
    }

    /// How many requests are out on `connection`; looks at all places.
    pub fn in_flight_on(&self, connection: u16) -> u32 {
        let out = self.places.iter().filter(|place| {
            let state = &place.state;
            place.link.connection == connection
                && matches!(
                    state,
                    State::Sending(None) | State::InFlight(_) | State::Receiving
                )
        });
        out.count() as u32
    }

    /// Whether no connection stands. What [`Counts::exposed`] says then does not grow.
    pub fn is_cut_off(&self) -> bool {
        !self.connections.iter().any(|connection| connection.up)
    }

    /// Whether a place would be given.
    pub fn has_room(&self) -> bool {
        self.free_count > 0
    }

    /// Reserves a place. `bulk` leaves the last quarter to others.
    pub fn reserve(&mut self, bulk: bool) -> Option<Tag> {
        if bulk && self.free_count <= self.spare {
            return None;
        }
        let index = self.free;
        let place = self.places.get_mut(index as usize)?;
        let State::Free(next) = place.state else {
            return None;
        };
        self.free = next;
        self.free_count -= 1;
        place.state = State::Reserved;
        Some(Tag::new(index, place.generation))
    }

    fn place(&mut self, tag: Tag) -> Option<&mut Place<P, A>> {
        self.places
            .get_mut(tag.index())
            .filter(|place| place.generation == tag.generation())
    }

    /// Frees a place whose piece is gone; its tag is stale from then on.
    pub fn free(&mut self, tag: Tag) {
        let next = self.free;
        let Some(place) = self.place(tag) else {
            return;
        };
        place.generation = place.generation.wrapping_add(1);
        place.state = State::Free(next);
        self.free = tag.index() as u32;
        self.free_count += 1;
    }

    /// The incarnation of `connection` that stands.
    pub(super) fn link(&self, connection: u16) -> Option<Link> {
        let state = self.connections.get(usize::from(connection))?;
        state.up.then_some(Link {
            connection,
            number: state.number,
        })
    }

    /// Whether `link` still stands.
    pub fn stands(&self, link: Link) -> bool {
        self.link(link.connection) == Some(link)
    }

    /// Begins the transaction of `tag`, which was reserved, if possible on `connection`. `data`:
    /// whether data goes along. `now`: milliseconds.
    pub fn begin(
        &mut self,
        tag: Tag,
        piece: P,
        extent: Extent,
        data: bool,
        connection: u16,
        now: u64,
    ) -> Begin<P> {
        self.order += 1;
        let order = self.order;
        let Some(place) = self.place(tag) else {
            // Only a reserved tag comes here.
            return Begin::Waits;
        };
        place.order = order;
        place.extent = extent;
        place.exposed = false;
        // What its place was used for before must not count.
        place.link = Link::NOWHERE;
        place.tries = 0;
        place.since = now;
        let free = self.waiting == 0 && self.exposed == 0;
        let link = self.link(connection);
        match link {
            Some(link) if free || self.may_go(tag.index()) => {
                self.hand_over(tag, piece, data, link, now)
            }
            _ => {
                self.wait(tag, piece);
                Begin::Waits
            }
        }
    }

    pub(super) fn wait(&mut self, tag: Tag, piece: P) {
        if let Some(place) = self.place(tag) {
            place.state = State::Waiting(piece);
            self.waiting += 1;
        }
    }

    pub(super) fn hand_over(
        &mut self,
        tag: Tag,
        piece: P,
        data: bool,
        link: Link,
        now: u64,
    ) -> Begin<P> {
        let Some(place) = self.place(tag) else {
            return Begin::Waits;
        };
        place.link = link;
        place.since = now;
        if data {
            place.state = State::Sending(None);
            Begin::Data(link, piece)
        } else {
            place.state = State::InFlight(piece);
            Begin::Plain(link)
        }
    }

    /// The data of `piece` was handed to the network on `link`. `now`: milliseconds.
    pub fn sent(&mut self, tag: Tag, link: Link, piece: P, now: u64) -> Sent<P, A> {
        let stands = self.stands(link);
        let Some(place) = self.place(tag) else {
            return Sent::Open;
        };
        match place.state {
            State::Sending(Some(answer)) => Sent::Ended(piece, answer),
            _ if stands => {
                place.since = now;
                place.state = State::InFlight(piece);
                Sent::Open
            }
            _ => {
                self.wait(tag, piece);
                Sent::Waits
            }
        }
    }

    /// The sender gives `piece` back: its connection was closed before all of it was sent, so
    /// nobody can carry it out.
    pub fn unsent(&mut self, tag: Tag, piece: P) -> Sent<P, A> {
        match self.place(tag).map(|place| &place.state) {
            // A server that answers before it has the data: it is not believed, but answered is
            // answered.
            Some(State::Sending(Some(answer))) => Sent::Ended(piece, *answer),
            Some(_) => {
                self.cover(tag);
                self.wait(tag, piece);
                Sent::Waits
            }
            None => Sent::Open,
        }
    }

    /// Nothing of the request can be carried out any more.
    fn cover(&mut self, tag: Tag) {
        let Some(place) = self.place(tag) else {
            return;
        };
        if core::mem::replace(&mut place.exposed, false) {
            self.exposed -= 1;
        }
    }

    /// What a reply on `link` to `tag` is for.
    pub fn answered(&self, tag: Tag, link: Link) -> Answered<'_, P> {
        let Some(place) = self.places.get(tag.index()) else {
            return Answered::Unknown;
        };
        if place.generation != tag.generation() {
            // A generation that has not been yet is a tag that nobody gave.
            let behind = place.generation.wrapping_sub(tag.generation());
            return match behind < u32::MAX / 2 {
                true => Answered::Stale,
                false => Answered::Unknown,
            };
        }
        match &place.state {
            State::InFlight(piece) if place.link == link => Answered::InFlight(piece),
            State::Sending(None) if place.link == link => Answered::Sending,
            _ => Answered::Unknown,
        }
    }

    /// Takes the piece of a request that was answered; it is to be ended, then [`Self::free`].
    pub fn take(&mut self, tag: Tag) -> Option<P> {
        self.take_in_flight(tag, State::Reserved)
    }

    /// Takes the piece of a request whose data comes now; then [`Self::interrupted`], or
    /// [`Self::free`] once it has ended.
    pub fn receive(&mut self, tag: Tag) -> Option<P> {
        self.take_in_flight(tag, State::Receiving)
    }

    fn take_in_flight(&mut self, tag: Tag, next: State<P, A>) -> Option<P> {
        let place = self.place(tag)?;
        match core::mem::replace(&mut place.state, next) {
            State::InFlight(piece) => Some(piece),
            other => {
                place.state = other;
                None
            }
        }
    }

    /// Notes the answer to a request whose data is still with the sender.
    pub fn early(&mut self, tag: Tag, answer: A) {
        if let Some(place) = self.place(tag) {
            if matches!(place.state, State::Sending(None)) {
                place.state = State::Sending(Some(answer));
            }
        }
    }

    /// The connection was lost while the data of a read came: it is asked for again.
    pub fn interrupted(&mut self, tag: Tag, piece: P) {
        self.wait(tag, piece);
    }
}
