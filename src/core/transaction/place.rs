// SPDX-License-Identifier: GPL-2.0

//! A transaction's place in the table.

use super::{Extent, Link};

/// What a place is used for.
pub(super) enum State<P, A> {
    /// Nothing; the number of the next free place.
    Free(u32),
    /// A permit was given for it.
    Reserved,
    /// For a connection, a fence, or one that overlaps.
    Waiting(P),
    /// The piece is with the sender. The answer may come before the sender has said that it is done.
    Sending(Option<A>),
    /// The request was sent, or is queued without data, and the answer has not come.
    InFlight(P),
    /// The piece is with the receiver, which fills its pages.
    Receiving,
    /// The piece has ended in error; what was sent of it may still be carried out.
    Ghost,
}

/// A place for a transaction.
pub struct Place<P, A> {
    pub(super) generation: u32,
    /// Of admissions.
    pub(super) order: u64,
    pub(super) extent: Extent,
    /// Where it was sent last; [`Link::NOWHERE`] before that.
    pub(super) link: Link,
    /// What was sent of it on a lost connection may still be carried out.
    pub(super) exposed: bool,
    /// When it began, was handed to its connection or used up a try, in milliseconds of the caller's
    /// clock.
    pub(super) since: u64,
    /// How often it was not answered in time.
    pub(super) tries: u16,
    pub(super) state: State<P, A>,
}

impl<P, A> Place<P, A> {
    /// A place that [`super::Table::new`] has not seen.
    pub const fn new() -> Self {
        Self {
            generation: 0,
            order: 0,
            extent: Extent::FLUSH,
            link: Link::NOWHERE,
            exposed: false,
            since: 0,
            tries: 0,
            state: State::Reserved,
        }
    }

    /// Uses up a try if it has gone unanswered for `limit` milliseconds.
    pub(super) fn age(&mut self, now: u64, limit: u64) {
        if now.saturating_sub(self.since) >= limit {
            self.tries = self.tries.saturating_add(1);
            self.since = now;
        }
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }
}

impl<P, A> Default for Place<P, A> {
    fn default() -> Self {
        Self::new()
    }
}
