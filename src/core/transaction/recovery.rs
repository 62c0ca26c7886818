// SPDX-License-Identifier: GPL-2.0

//! The table of transactions when connections come and go: what is exposed, what may go out again and
//! what is given up.

use core::ops::DerefMut;

use super::{
    outcome::{Expired, Given},
    place::{Place, State},
    table::Table,
    Effect, Extent, Link, Tag,
};

impl<P, A: Copy, S: DerefMut<Target = [Place<P, A>]>> Table<P, A, S> {
    /// Whether the request at `index` may be sent, as far as the others are concerned.
    pub(super) fn may_go(&self, index: usize) -> bool {
        let Some(own) = self.places.get(index) else {
            return false;
        };
        if own.exposed {
            return false;
        }
        let changes = own.extent.changes();
        !self.places.iter().enumerate().any(|(at, other)| {
            at != index
                && other.extent.overlaps(&own.extent)
                && match other.state {
                    State::Ghost => true,
                    _ if !changes || !other.extent.changes() => false,
                    State::Waiting(_) => other.exposed || other.order < own.order,
                    _ => other.exposed,
                }
        })
    }

    /// Whether what is read from these sectors over another way than this table, now, may be changed by a request
    /// that was sent before: one whose connection was lost, whether it has ended or not.
    pub fn is_exposed(&self, first: u64, sectors: u64) -> bool {
        let extent = Extent {
            first,
            sectors,
            effect: Effect::Reads,
        };
        let mut exposed = self.places.iter().filter(|place| place.exposed);
        self.exposed > 0 && exposed.any(|place| place.extent.overlaps(&extent))
    }

    /// The connection was lost, and nobody receives or sends on it any more but those who call
    /// [`Self::sent`], [`Self::unsent`] or [`Self::interrupted`] yet. What was not answered for
    /// `limit` milliseconds has used up a try.
    pub fn lost(&mut self, link: Link, now: u64, limit: u64) {
        if !self.stands(link) {
            return;
        }
        if let Some(connection) = self.connections.get_mut(usize::from(link.connection)) {
            connection.up = false;
        }
        for place in self.places.iter_mut() {
            if place.link != link {
                continue;
            }
            place.age(now, limit);
            let open = match core::mem::replace(&mut place.state, State::Reserved) {
                State::InFlight(piece) => {
                    self.waiting += 1;
                    place.state = State::Waiting(piece);
                    true
                }
                other => {
                    let open = matches!(other, State::Sending(None));
                    place.state = other;
                    open
                }
            };
            if open && place.extent.changes() {
                place.exposed = true;
                self.exposed += 1;
            }
        }
    }

    /// The next incarnation of `connection` stands, and the server has drained all earlier ones:
    /// the fence. Returns its link, and how many ghosts are gone, whose places are free now.
    pub fn opened(&mut self, connection: u16) -> Option<(Link, u32)> {
        let state = self.connections.get_mut(usize::from(connection))?;
        if state.up {
            return None;
        }
        state.number = state.number.wrapping_add(1);
        state.up = true;
        let link = Link {
            connection,
            number: state.number,
        };
        let mut ghosts = 0;
        for index in 0..self.places.len() {
            let Some(place) = self.places.get_mut(index) else {
                break;
            };
            if !place.exposed || place.link.connection != connection {
                continue;
            }
            place.exposed = false;
            self.exposed -= 1;
            // A request that is still with a sender waits when that is through with it.
            if matches!(place.state, State::Ghost) {
                ghosts += 1;
                let tag = Tag::new(index as u32, place.generation);
                self.free(tag);
            }
        }
        Some((link, ghosts))
    }

    /// The next request that waits, was admitted after `after` (0 at first), and may go out on
    /// `connection` now. `data` says whether data goes along with a piece, of which it is told the tag; it may note there
    /// how it goes.
    pub fn next(
        &mut self,
        connection: u16,
        after: u64,
        data: impl FnOnce(Tag, &mut P) -> bool,
        now: u64,
    ) -> Option<Given<P>> {
        let link = self.link(connection)?;
        if self.waiting == 0 {
            return None;
        }
        let mut after = after;
        loop {
            let (index, order) = self.first_waiting(after)?;
            if !self.may_go(index) {
                after = order;
                continue;
            }
            let place = self.places.get_mut(index)?;
            let tag = Tag::new(index as u32, place.generation);
            let State::Waiting(mut piece) = core::mem::replace(&mut place.state, State::Reserved)
            else {
                return None;
            };
            self.waiting -= 1;
            let data = data(tag, &mut piece);
            let begin = self.hand_over(tag, piece, data, link, now);
            return Some(Given { tag, begin, order });
        }
    }

    /// The request that waits and was admitted first after `after`: its index and order.
    fn first_waiting(&self, after: u64) -> Option<(usize, u64)> {
        let waiting = self.places.iter().enumerate();
        waiting
            .filter(|(_, place)| place.waits() && place.order > after)
            .filter(|(_, place)| !place.exposed)
            .map(|(index, place)| (index, place.order))
            .min_by_key(|(_, order)| *order)
    }

    /// What has waited for another `limit` milliseconds has used up a try.
    pub fn aged(&mut self, now: u64, limit: u64) {
        if self.waiting == 0 {
            return;
        }
        for place in self.places.iter_mut().filter(|place| place.waits()) {
            place.age(now, limit);
        }
    }

    /// The connection that has left a request unanswered for longest, if that is `limit`
    /// milliseconds or more. What is with the sender yet is not meant: there may be much before it.
    pub fn expired(&self, now: u64, limit: u64) -> Option<Expired> {
        let sent = self.places.iter().filter(|place| {
            matches!(place.state, State::InFlight(_) | State::Receiving) && self.stands(place.link)
        });
        let oldest = sent.min_by_key(|place| place.since)?;
        let waited = now.saturating_sub(oldest.since);
        (waited >= limit).then_some(Expired {
            link: oldest.link,
            waited,
        })
    }

    /// Takes out a request that waits and was not answered in time at least `tries` times; with 0
    /// any that waits. Its piece is to be ended in error; its place is free, or a ghost's until the
    /// fence. What was kept behind it may go now: [`Self::next`].
    pub fn give_up(&mut self, tries: u16) -> Option<P> {
        let index = self
            .places
            .iter()
            .position(|place| place.waits() && place.tries >= tries)?;
        let place = self.places.get_mut(index)?;
        let tag = Tag::new(index as u32, place.generation);
        let exposed = place.exposed;
        let next = match exposed {
            true => State::Ghost,
            false => State::Reserved,
        };
        let State::Waiting(piece) = core::mem::replace(&mut place.state, next) else {
            return None;
        };
        self.waiting -= 1;
        if !exposed {
            self.free(tag);
        }
        Some(piece)
    }
}
