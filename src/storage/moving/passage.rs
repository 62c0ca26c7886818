// SPDX-License-Identifier: GPL-2.0

//! The pieces of a request to a node that moves: the right to submit them, and what they tell when they end.

use super::{
    super::{
        lane::Admitted,
        node::{Node, Place},
        piece::Piece,
    },
    Moving, Pair,
};
use crate::{
    dst_core::{
        migration::{Side, Ticket},
        write_back::Life,
    },
    sys::bio::Status,
};
use kernel::sync::Arc;

/// What a piece has to tell when it ends.
pub struct Part {
    moving: Arc<Moving>,
    /// The device that it is at.
    pub(super) side: Side,
    /// The request.
    pub(super) ticket: Ticket,
    /// What it shares with the piece at the other device.
    pub(super) pair: Option<usize>,
    /// For a write that is lost with the device's cache.
    pub(super) life: Option<Life>,
}

/// Room for one piece at a device of a node that moves.
pub(super) struct Seat {
    pub(super) node: Arc<Node>,
    pub(super) place: Place,
}

/// The right to submit one piece to a node that moves.
pub struct Passage {
    moving: Arc<Moving>,
    pub(super) ticket: Option<Ticket>,
    pub(super) pair: Option<usize>,
    pub(super) old: Option<Seat>,
    pub(super) new: Option<Seat>,
    /// For the second piece, if it goes to both.
    pub(super) second: Option<Admitted>,
}

impl Part {
    /// Notes that the piece is a write that is lost with its device's cache, acknowledged in `life`; `false` if
    /// that is to be counted when the piece ends, as it goes nowhere else.
    pub fn counts(&mut self, life: Life) -> bool {
        self.life = Some(life);
        self.pair.is_some()
    }

    /// Whether it is the piece of the new device, whose result is not the bio's.
    pub fn is_copy(&self) -> bool {
        self.side == Side::New
    }

    /// The piece has ended.
    pub fn ends(self, status: Status, sector: u64) {
        let moving = self.moving.clone();
        moving.ended(self, status, sector);
    }
}

impl Passage {
    /// One that leads nowhere yet.
    pub(super) fn new(moving: Arc<Moving>) -> Self {
        Self {
            moving,
            ticket: None,
            pair: None,
            old: None,
            new: None,
            second: None,
        }
    }

    /// Submits `piece`, and another one like it if it goes to both devices. Process context; see [`Node::submit`].
    pub fn submit(mut self, mut piece: Piece) {
        let (ticket, pair) = (self.ticket.take(), self.pair.take());
        let part = |side| {
            ticket.map(|ticket| Part {
                moving: self.moving.clone(),
                side,
                ticket,
                pair,
                life: None,
            })
        };
        match (self.old.take(), self.new.take(), self.second.take()) {
            (Some(old), Some(new), Some(admitted)) => {
                let mut second = piece.twin(admitted, self.moving.moments().now());
                second.tell(part(Side::New));
                piece.tell(part(Side::Old));
                new.node.submit_at(new.place, second);
                old.node.submit_at(old.place, piece);
            }
            (Some(old), ..) => {
                piece.tell(part(Side::Old));
                old.node.submit_at(old.place, piece);
            }
            (None, Some(new), _) => new.node.submit_at(new.place, piece),
            // Another owner has the storage.
            (None, None, _) => piece.end(Status::Reservation),
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        // Nothing was sent, so nothing has changed.
        let moving = &self.moving;
        let mut inner = moving.inner.lock();
        if let Some(pair) = self.pair.take().and_then(|at| inner.pairs.get_mut(at)) {
            *pair = Pair::FREE;
            inner.at_new = inner.at_new.saturating_sub(1);
        }
        for side in [Side::New, Side::Old] {
            inner.machine.answered(ticket, side, true);
        }
        inner.forget_ended();
        let waiting = inner.happened();
        drop(inner);
        moving.wake(waiting);
    }
}
