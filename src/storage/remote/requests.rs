// SPDX-License-Identifier: GPL-2.0

//! The way of a request to the export and of its answer back, and what becomes of it when its
//! connection is lost.

use super::{
    line::{Line, Phase, Trouble},
    request::{self, Outgoing},
    Inner, Remote, Right, Ticket,
};
use crate::{
    dst_core::{
        stay::Turn,
        transaction::{Begin, Link, Sent, Tag, MAX_CONNECTIONS},
        wire::HEADER_BYTES,
        write_back::{Identity, Life},
    },
    net::Sender,
    storage::piece::Piece,
    sys::bio::{Op, Status},
};
use kernel::sync::{atomic::ordering, Arc};

type Queue = Arc<Sender<Outgoing>>;

impl Inner {
    /// The life that connection `at` is in.
    pub(super) fn life_of(&self, at: u16) -> Life {
        let line = self.lines.get(usize::from(at));
        line.map_or(Life::default(), |line| line.life)
    }

    /// Connection `at` begins to be made.
    pub(super) fn begins(&mut self, at: usize) {
        let life = self.write_back.life();
        if let Some(line) = self.lines.get_mut(at) {
            line.begun_in = life;
        }
    }

    /// The server that was known last calls its cache this.
    pub(super) fn cache_is(&mut self, cache: u64) {
        let before = self.write_back.life();
        if self.write_back.answered(cache) {
            let now = self.write_back.life();
            for line in self.lines.iter_mut().filter(|line| line.life == before) {
                line.life = now;
            }
        }
    }

    /// What is to be sent, and where, of a request that begins.
    fn outgoing(
        &self,
        tag: Tag,
        header: [u8; HEADER_BYTES],
        begin: Begin<Piece>,
    ) -> Option<(Queue, Outgoing)> {
        let (link, message) = match begin {
            Begin::Waits => return None,
            Begin::Plain(link) => (link, Outgoing::Plain(header)),
            Begin::Data(link, piece) => (
                link,
                Outgoing::Write {
                    link,
                    tag,
                    piece,
                    header,
                },
            ),
        };
        // A piece is dropped, and so ended in error, only if a link stood without a sender.
        let line = self.lines.get(usize::from(link.connection))?;
        Some((line.sender.clone()?, message))
    }

    /// Everything ends in error from now on.
    pub(super) fn fail(&mut self, status: Status) {
        self.failed = Some(status);
        self.set_failed();
    }
}

impl Remote {
    /// Submits `piece` at the place of `ticket`. Process context; may sleep for memory.
    pub fn submit(self: &Arc<Self>, mut ticket: Ticket, piece: Piece) {
        let tag = match &mut ticket.right {
            Right::Place(tag) => tag.take(),
            Right::Refusal(status) => return piece.end(*status),
        };
        drop(ticket);
        let Some(tag) = tag else {
            return;
        };
        let mut piece = piece.at_server();
        let mut inner = self.inner.lock();
        if let Some(status) = self.refusal(&inner) {
            drop(inner);
            return self.complete(tag, piece, status);
        }
        let chosen = inner.choose();
        let header = self.header(tag, &piece);
        let (extent, data) = (request::extent(&piece), piece.op() == Op::Write);
        // None has that number: the request waits, also where a link stands that is being taken down.
        let at = chosen.unwrap_or(MAX_CONNECTIONS as u16);
        piece.goes_in(inner.life_of(at));
        let now = self.now();
        let begin = inner.table.begin(tag, piece, extent, data, at, now);
        let outgoing = inner.outgoing(tag, header, begin);
        drop(inner);
        if let Some((sender, message)) = outgoing {
            if !self.transmit(&sender, message) {
                self.end_or_resume(false);
            }
        }
    }

    /// Why nothing is admitted but to end in error, if that is so.
    pub(super) fn refusal(&self, inner: &Inner) -> Option<Status> {
        match inner.failed {
            None if self.settings.fail_fast
                && inner.choose().is_none()
                && !inner.seat.stay.is_fresh() =>
            {
                Some(Status::Transport)
            }
            failed => failed,
        }
    }

    fn header(&self, tag: Tag, piece: &Piece) -> [u8; HEADER_BYTES] {
        let epoch = self.epoch.load(ordering::Relaxed);
        request::message(piece, tag, epoch).encode()
    }

    /// Gives `message` to `sender`. False if that takes nothing more: the request waits again.
    fn transmit(self: &Arc<Self>, sender: &Queue, message: Outgoing) -> bool {
        match sender.queue(message) {
            Ok(()) => {
                sender.flush(self);
                true
            }
            Err(message) => {
                self.take_back(sender, message);
                false
            }
        }
    }

    /// Sends what waits and may go.
    pub(super) fn resume(self: &Arc<Self>) {
        // The order of what was sent last, and the connection.
        let (mut after, mut at) = (0, 0);
        loop {
            let mut inner = self.inner.lock();
            let Some(next) = inner.choose_after(at) else {
                return;
            };
            at = next;
            let mut header = None;
            let life = inner.life_of(at);
            let data = |tag, piece: &mut Piece| {
                piece.goes_in(life);
                header = Some(self.header(tag, piece));
                piece.op() == Op::Write
            };
            let now = self.now();
            let given = inner.table.next(at, after, data, now);
            let (Some(given), Some(header)) = (given, header) else {
                return;
            };
            after = given.order;
            let outgoing = inner.outgoing(given.tag, header, given.begin);
            drop(inner);
            self.resent.fetch_add(1, ordering::Relaxed);
            if let Some((sender, message)) = outgoing {
                if !self.transmit(&sender, message) {
                    // It waits again, and its connection is not chosen any more.
                    after = 0;
                }
            }
        }
    }

    /// Called by the sender when all of a write was handed to TCP, on `link`.
    pub(super) fn sent(self: &Arc<Self>, link: Link, tag: Tag, piece: Piece) {
        self.counts_sent(link.connection.into(), piece.bytes());
        let sent = self.inner.lock().table.sent(tag, link, piece, self.now());
        if self.settle(tag, sent) {
            // Another connection may stand, or none is to be waited for.
            self.end_or_resume(false);
        }
    }

    /// Takes a message back that `sender` did not send, since its connection is gone.
    pub(super) fn take_back(&self, sender: &Queue, message: Outgoing) {
        let mut inner = self.inner.lock();
        let same = |line: &&mut Line| {
            let current = line.sender.as_ref();
            current.is_some_and(|current| Arc::ptr_eq(current, sender))
        };
        let line = inner.lines.iter_mut().find(same);
        let breaks = line.is_some_and(|line| !core::mem::replace(&mut line.broken, true));
        // The piece of a request without data never left the table.
        let unsent = match message {
            Outgoing::Plain(_) => None,
            Outgoing::Write { tag, piece, .. } => Some((tag, inner.table.unsent(tag, piece))),
        };
        drop(inner);
        if breaks {
            // If it was only full, its supervisor has not noticed anything.
            sender.close();
        }
        if let Some((tag, unsent)) = unsent {
            self.settle(tag, unsent);
        }
    }

    /// Ends a request that was answered before its sender was done. True if it waits again.
    fn settle(&self, tag: Tag, sent: Sent<Piece, Status>) -> bool {
        match sent {
            Sent::Open => false,
            Sent::Waits => true,
            Sent::Ended(piece, status) => {
                self.complete(tag, piece, status);
                false
            }
        }
    }

    /// Ends a transaction that was answered, or refused. Any context.
    pub(super) fn complete(&self, tag: Tag, mut piece: Piece, status: Status) {
        let life = piece.life();
        // A write that was stable before it was answered is not lost with a cache.
        let volatile = request::extent(&piece).changes() && !piece.fua() && status.is_ok();
        let moments = self.moments.as_ref().filter(|_| volatile);
        // What goes to another device too is counted when both have answered.
        if let Some(moments) = moments.filter(|_| !piece.counts(life)) {
            // Before its caller is told: what it then asks for must find it noted.
            let at = moments.write_ends();
            self.inner.lock().write_back.write_ended(life, at);
        }
        piece.end(status);
        let mut inner = self.inner.lock();
        inner.table.free(tag);
        // Under the lock: whoever parks counts first and looks for room, under it, after that.
        let waiting = self.lane.has_waiting();
        drop(inner);
        if waiting {
            self.lane.issuer.wake();
        }
    }

    /// Takes connection `at` out of use: nothing refers to a page of a piece for it any more. What
    /// it had not finished waits for another, or ends in error as the settings say. Process context;
    /// called when nobody receives on it.
    pub(super) fn take_down(self: &Arc<Self>, at: usize) {
        let mut inner = self.inner.lock();
        let Some(line) = inner.lines.get_mut(at) else {
            return;
        };
        // Nobody chooses it after this.
        let (sender, link) = (line.sender.take(), line.link.take());
        line.broken = false;
        line.asked = None;
        drop(inner);
        if let Some(sender) = sender {
            // The socket refers to no page of a piece any more after this.
            sender.close();
            // Whoever was sending is through once the last message was taken back.
            while let Some(message) = sender.take_unsent() {
                self.take_back(&sender, message);
            }
        }
        if let Some(link) = link {
            let mut inner = self.inner.lock();
            inner.table.lost(link, self.now(), self.request_limit());
        }
        self.end_or_resume(false);
    }

    /// After a connection was lost, or `tried` in vain: ends what waits if it is not to wait, or was
    /// not answered too often, and sends the rest on other connections.
    pub(super) fn end_or_resume(self: &Arc<Self>, tried: bool) {
        let inner = self.inner.lock();
        let status = match self.refusal(&inner) {
            None if tried && self.settings.fail_fast => Some(Status::Transport),
            refusal => refusal,
        };
        drop(inner);
        match status {
            Some(status) => {
                self.give_up(0, status);
                // What is parked ends in error too, without a place.
                self.lane.issuer.wake();
            }
            None => {
                if self.settings.request_tries > 0 {
                    self.give_up(self.settings.request_tries, Status::Timeout);
                }
                self.resume();
            }
        }
    }

    /// Ends in error what has waited too often for an answer.
    pub(super) fn watch_tries(self: &Arc<Self>) {
        let tries = self.settings.request_tries;
        if tries == 0 {
            return;
        }
        let mut inner = self.inner.lock();
        inner.table.aged(self.now(), self.request_limit());
        drop(inner);
        self.give_up(tries, Status::Timeout);
        self.resume();
    }

    /// Ends in error what waits and was not answered in time `tries` times.
    pub(super) fn give_up(&self, tries: u16, status: Status) {
        loop {
            let piece = self.inner.lock().table.give_up(tries);
            let Some(piece) = piece else {
                return;
            };
            piece.end(status);
            if self.lane.has_waiting() {
                self.lane.issuer.wake();
            }
        }
    }

    /// Ends everything in error from now on, once the connections and their tasks are gone. Process
    /// context; does not wait for the network.
    pub fn fail(self: &Arc<Self>, status: Status) {
        self.inner.lock().fail(status);
        self.part();
    }

    /// Says goodbye to the server of a node that has failed, and closes the connections.
    pub(super) fn part(self: &Arc<Self>) {
        for at in 0..self.cells.len() {
            let sender = {
                let inner = self.inner.lock();
                inner.lines.get(at).and_then(|line| line.sender.clone())
            };
            if let Some(sender) = sender {
                // If it gets through, the server need not take the end for a fault of the network.
                let goodbye = Outgoing::Plain(request::goodbye());
                if sender.queue(goodbye).is_ok() {
                    sender.flush(self);
                }
                sender.close();
            }
        }
        for cells in &self.cells {
            cells.connected.wake();
            cells.known.wake();
        }
    }

    /// Ends what is left of the transactions in error. Process context, after [`Self::fail`] and
    /// when the node's tasks were joined.
    pub fn drain(self: &Arc<Self>) {
        for at in 0..self.cells.len() {
            self.take_down(at);
        }
        self.end_or_resume(false);
        self.lane.issuer.wake();
    }

    /// Closes the connections whose server had another cache when they were made: it is gone.
    fn close_others(&self) {
        if self.moments.is_none() {
            return;
        }
        for at in 0..self.cells.len() {
            let mut inner = self.inner.lock();
            // What other connections have learnt meanwhile may have moved all of them on.
            let life = inner.write_back.life();
            let line = inner.lines.get_mut(at);
            let Some(line) = line.filter(|line| line.life != life && !line.broken) else {
                continue;
            };
            let Some(sender) = line.sender.clone() else {
                continue;
            };
            line.broken = true;
            drop(inner);
            sender.close();
        }
    }

    /// Makes `sender` the way of connection `at`, whose server has told of its cache as `identity`,
    /// and sends what earlier ones left unanswered. The fence: the server has drained those of this
    /// connection. `None` if the node was given up meanwhile, or is elsewhere since `turn`.
    pub(super) fn put_up(
        self: &Arc<Self>,
        at: usize,
        turn: Turn,
        sender: &Queue,
        identity: Identity,
    ) -> Option<Link> {
        self.hears(at);
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if inner.failed.is_some() || !inner.seat.stay.is_current(turn) {
            return None;
        }
        let begun = inner.lines.get(at)?.begun_in;
        let life = match self.moments {
            // The server runs on, so other connections to it need not be closed if it calls its cache something else.
            Some(_) if inner.write_back.is_of(&identity.0) => {
                if inner.write_back.may_be(identity, begun) {
                    inner.cache_is(identity.1);
                }
                inner.write_back.life()
            }
            Some(_) if !inner.write_back.may_be(identity, begun) => return None,
            Some(_) => inner.write_back.connected(identity),
            None => Life::default(),
        };
        let (link, _) = inner.table.opened(at as u16)?;
        let line = inner.lines.get_mut(at)?;
        line.sender = Some(sender.clone());
        line.broken = false;
        line.link = Some(link);
        line.life = life;
        line.asked = None;
        if core::mem::replace(&mut line.has_stood, true) {
            self.reconnects.fetch_add(1, ordering::Relaxed);
        }
        inner.seat.stay.settle(turn);
        inner.set_phase(at, Phase::Connected, Trouble::NONE);
        // The places of requests that had ended in error may be free now.
        let waiting = self.lane.has_waiting();
        drop(guard);
        if waiting {
            self.lane.issuer.wake();
        }
        self.close_others();
        self.resume();
        if let Some(cells) = self.cells.get(at) {
            cells.connected.wake();
        }
        Some(link)
    }
}
