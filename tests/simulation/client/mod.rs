// SPDX-License-Identifier: GPL-2.0

//! The client: what a node of a storage does around the core's decisions. Here: how requests go out and
//! end.

mod answers;
mod lines;

use crate::{
    core::{
        transaction::{Begin, Effect, Extent, Link, Place, Sent, Table, Tag},
        write_back::{Endings, Identity, Life, Moment, Promise, WriteBack},
    },
    fault,
    history::{Id, Kind},
    network::{Message, Side, Wire},
    world::{Event, World},
};
use lines::Line;
pub use lines::Patience;
use std::collections::BTreeMap;

/// What the application asks for, before it has a place.
#[derive(Clone, Copy)]
pub struct Wish {
    id: Id,
    kind: Kind,
    /// It is one of many of its kind.
    bulk: bool,
    /// Of a flush.
    promise: Promise,
}

/// A request on its way, and the life of the connection that it was sent on last.
pub struct Piece(Wish, Life);

/// What the sender has in hand.
struct Sending {
    piece: Piece,
    link: Link,
    wire: Wire,
    /// The network has all of it.
    handed: bool,
}

/// What the receiver is filling.
struct Receiving {
    piece: Piece,
    data: Vec<Id>,
    link: Link,
}

/// A request that has a place and was not told to have ended.
#[derive(Default)]
struct Out {
    /// Where it was sent; or it waits.
    link: Option<Link>,
    /// When it began, was sent, or used up a try.
    since: u64,
    /// Its answer came.
    answered: bool,
    /// How often it has waited for its answer for too long.
    strikes: u16,
}

/// Whether it was done well.
type Answer = bool;

type Places = Vec<Place<Piece, Answer>>;

/// The client's node.
pub struct Client {
    session: [u8; 16],
    incarnation: u64,
    table: Table<Piece, Answer, Places>,
    lines: Vec<Line>,
    sending: BTreeMap<u64, Sending>,
    receiving: BTreeMap<u64, Receiving>,
    write_back: WriteBack,
    out: BTreeMap<Id, Out>,
    /// What the server said of itself last.
    identity: Option<Identity>,
    endings: Endings,
    /// How many writes have ended.
    writes: u64,
    patience: Patience,
    /// What has found no place.
    parked: Vec<Wish>,
    /// Flushes that will tell of a loss.
    telling: usize,
    /// Requests that were given up and whose places were not given back yet.
    ghosts: usize,
}

impl Client {
    /// A client that has just started.
    pub fn new(number: u64, lines: usize, depth: usize, patience: Patience) -> Self {
        let mut session = [0; 16];
        session[..8].copy_from_slice(&number.to_le_bytes());
        let mut places = Vec::new();
        places.resize_with(depth, Place::new);
        Self {
            session,
            incarnation: 0,
            table: Table::new(places),
            lines: (0..lines).map(|_| Line::default()).collect(),
            sending: BTreeMap::new(),
            receiving: BTreeMap::new(),
            write_back: WriteBack::new(),
            out: BTreeMap::new(),
            identity: None,
            endings: Endings::new(),
            writes: 0,
            patience,
            parked: Vec::new(),
            telling: 0,
            ghosts: 0,
        }
    }

    /// How many connections it has.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    fn promise(&self) -> Promise {
        self.endings.promise(Moment::after(self.writes))
    }

    /// All connections stand, and nothing has a place or is to be told.
    pub fn is_idle(&self) -> bool {
        let counts = self.table.counts();
        counts.used == 0 && self.telling == 0 && self.lines.iter().all(|line| line.link.is_some())
    }

    /// What the table counts is what there is.
    fn audit(&self) -> Result<(), String> {
        let (counts, out) = (self.table.counts(), self.out.len());
        let ghosts = (counts.used as usize).wrapping_sub(out);
        if ghosts != self.ghosts {
            return Err(format!(
                "progress: {} places are in use by {out} requests and {} ghosts",
                counts.used, self.ghosts
            ));
        }
        let apart = self.sending.len() + self.receiving.len();
        let waiting = self
            .out
            .values()
            .filter(|out| out.link.is_none() && !out.answered)
            .count();
        if (counts.waiting as usize) > waiting || (counts.waiting as usize) + apart < waiting {
            return Err(format!("progress: {} wait, not {waiting}", counts.waiting));
        }
        Ok(())
    }
}

impl Out {
    /// Uses up a try, as the table does.
    fn age(&mut self, now: u64, limit: u64) {
        if now - self.since >= limit {
            self.strikes += 1;
            self.since = now;
        }
    }
}

impl World {
    fn extent(&self, wish: Wish) -> Extent {
        let request = self.history.request(wish.id);
        Extent {
            first: request.first as u64,
            sectors: request.sectors as u64,
            effect: match wish.kind {
                Kind::Read => Effect::Reads,
                Kind::Write => Effect::Changes,
                Kind::Flush => Effect::Nothing,
            },
        }
    }

    /// The application asks.
    pub(crate) fn ask(&mut self, id: Id, kind: Kind) {
        let bulk = self.chance(3);
        self.client.parked.push(Wish {
            id,
            kind,
            bulk,
            promise: self.client.promise(),
        });
        self.submit();
    }

    /// The client's own books are right.
    pub(crate) fn audit(&mut self) {
        let result = self.client.audit();
        self.check(result);
    }

    /// Begins what was parked, as far as there are places.
    pub(crate) fn submit(&mut self) {
        while let Some(wish) = self.client.parked.first().copied() {
            let Some(tag) = self.client.table.reserve(wish.bulk) else {
                self.note("no place");
                return;
            };
            self.client.parked.remove(0);
            if self.chance(50) {
                // Its caller has changed its mind.
                self.note("place not used");
                self.client.table.free(tag);
                self.client.parked.insert(0, wish);
                continue;
            }
            let line = self.choose_line();
            let (extent, now) = (self.extent(wish), self.now);
            let data = wish.kind == Kind::Write;
            let out = Out {
                since: now,
                ..Out::default()
            };
            self.client.out.insert(wish.id, out);
            let piece = Piece(wish, self.life_of(line));
            let begin = self.client.table.begin(tag, piece, extent, data, line, now);
            if matches!(begin, Begin::Waits) {
                self.note(match self.client.lines[usize::from(line)].link {
                    Some(_) => "request kept behind another",
                    None => "request begun without a connection",
                });
            }
            self.go(tag, wish, begin);
        }
    }

    fn life_of(&self, line: u16) -> Life {
        self.client.lines[usize::from(line)]
            .life
            .unwrap_or_default()
    }

    /// One that stands, if there is any.
    fn choose_line(&mut self) -> u16 {
        let lines = self.client.lines.iter().enumerate();
        let up = lines
            .filter(|(_, line)| line.link.is_some())
            .map(|(at, _)| at);
        let up: Vec<_> = up.collect();
        let all = self.client.lines.len();
        match up.len() {
            0 => self.between(0, all as u64 - 1) as u16,
            count => up[self.between(0, count as u64 - 1) as usize] as u16,
        }
    }

    /// Sends a request.
    fn go(&mut self, tag: Tag, wish: Wish, begin: Begin<Piece>) {
        let link = match &begin {
            Begin::Waits => return,
            Begin::Plain(link) | Begin::Data(link, _) => *link,
        };
        let Some(wire) = self.client.lines[usize::from(link.connection)].wire else {
            return self.broken("order: a request goes out on no connection".into());
        };
        let (id, kind) = (wish.id, wish.kind);
        let out = &self.client.out;
        let under_way = |id: Id| {
            out.get(&id)
                .is_some_and(|out| out.link.is_some() || out.answered)
        };
        let result = self.history.goes_out(id, under_way);
        self.check(result);
        if let Some(out) = self.client.out.get_mut(&id) {
            out.link = Some(link);
            out.since = self.now;
        }
        let message = Message::Request { tag, id, kind };
        match begin {
            Begin::Data(link, piece) => {
                // All of it is with the network before the sender says so, or after.
                let handed = self.chance(2);
                if handed {
                    self.send(wire, Side::Server, message);
                }
                let sending = Sending {
                    piece,
                    link,
                    wire,
                    handed,
                };
                self.client.sending.insert(tag.to_wire(), sending);
                let delay = self.between(0, 60_000);
                self.after(delay, Event::Sent(self.clients, tag.to_wire()));
            }
            _ => self.send(wire, Side::Server, message),
        }
    }

    /// The sender is through with the data of a request.
    pub(crate) fn sent(&mut self, tag: Tag) {
        let Some(mut sending) = self.client.sending.remove(&tag.to_wire()) else {
            return;
        };
        if !sending.handed && self.client.table.stands(sending.link) {
            let (id, kind) = (sending.piece.0.id, sending.piece.0.kind);
            let message = Message::Request { tag, id, kind };
            self.send(sending.wire, Side::Server, message);
            sending.handed = true;
        }
        self.gives_back(tag, sending);
    }

    fn gives_back(&mut self, tag: Tag, sending: Sending) {
        let Sending { piece, link, .. } = sending;
        let stands = self.client.table.stands(link);
        let sent = match sending.handed {
            true => {
                if !stands {
                    self.note("data sent on a lost connection");
                }
                let now = self.now;
                if let Some(out) = self.client.out.get_mut(&piece.0.id).filter(|_| stands) {
                    out.since = now;
                }
                self.client.table.sent(tag, link, piece, now)
            }
            false => {
                self.note("data not sent on a lost connection");
                self.client.table.unsent(tag, piece)
            }
        };
        match sent {
            Sent::Open => {}
            Sent::Ended(piece, ok) => self.end(tag, &piece, ok),
            // Another connection may stand.
            Sent::Waits => self.resume(),
        }
    }

    /// A request has ended: its place is free.
    fn end(&mut self, tag: Tag, piece: &Piece, ok: bool) {
        self.client.table.free(tag);
        if ok && piece.0.kind == Kind::Write {
            self.client.writes += 1;
        }
        let at = Moment::after(self.client.writes);
        self.report(piece, ok);
        if ok && piece.0.kind == Kind::Write {
            let life = match fault::is("life-of-the-answer") {
                true => self.client.write_back.life(),
                false => piece.1,
            };
            self.write_ended(life, at);
        }
        self.submit();
    }

    /// Tells the application.
    fn report(&mut self, piece: &Piece, ok: bool) {
        self.client.out.remove(&piece.0.id);
        if !ok {
            self.client.endings.failed(false);
        }
        let result = self.history.end(piece.0.id, ok);
        self.check(result);
    }

    /// A flush will tell the application of a loss, sooner or later: its place is free.
    fn will_tell(&mut self, tag: Tag, piece: &Piece) {
        self.client.table.free(tag);
        self.client.out.remove(&piece.0.id);
        self.client.endings.tells();
        self.client.telling += 1;
        let delay = self.between(0, 1).saturating_mul(self.between(0, 400_000));
        self.after(delay, Event::Told(self.clients, piece.0.id));
        self.submit();
    }

    /// The flush `id` tells.
    pub(crate) fn told(&mut self, id: Id) {
        let result = self.history.tells(id, true, self.client.telling > 1);
        self.check(result);
        self.client.telling -= 1;
        self.client.endings.failed(true);
        let result = self.history.end(id, false);
        self.check(result);
    }

    /// Sends what waits and may go.
    pub(crate) fn resume(&mut self) {
        for line in 0..self.client.lines.len() {
            let mut after = 0;
            loop {
                let (mut found, now) = (None, self.now);
                let life = self.life_of(line as u16);
                let data = |_, piece: &mut Piece| {
                    piece.1 = life;
                    found = Some(piece.0);
                    piece.0.kind == Kind::Write
                };
                let given = self.client.table.next(line as u16, after, data, now);
                let (Some(given), Some(wish)) = (given, found) else {
                    break;
                };
                self.note("request sent later");
                after = given.order;
                self.go(given.tag, wish, given.begin);
            }
        }
    }
}
