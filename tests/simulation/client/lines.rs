// SPDX-License-Identifier: GPL-2.0

//! The client's connections.

use super::{Out, Sending};
use crate::{
    core::{
        backoff::Backoff,
        fence::Session,
        transaction::{Link, Tag},
        write_back::{Identity, Life},
    },
    network::{Message, Side, Wire},
    world::{Event, World},
};

/// One of the node's connections.
pub(super) struct Line {
    backoff: Backoff,
    /// The connection that is being made, or stands.
    pub(super) wire: Option<Wire>,
    /// Since the hello was answered.
    pub(super) link: Option<Link>,
    /// The server's, when the hello was answered last.
    pub(super) life: Option<Life>,
    /// The node's when it began to be made.
    begun_in: Life,
    /// When something came last.
    pub(super) heard: u64,
    pub(super) asked: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            backoff: Backoff::new(100, 2_000),
            wire: None,
            link: None,
            life: None,
            begun_in: Life::default(),
            heard: 0,
            asked: false,
        }
    }
}

/// How patient a client is, in microseconds.
#[derive(Clone, Copy)]
pub struct Patience {
    /// With an answer.
    pub answer: u64,
    /// With so many answers, one after the other; 0 for ever.
    pub tries: u16,
    /// With a connection that is being made.
    pub connect: u64,
    /// With a connection that is silent, before and after it has asked.
    pub silence: u64,
}

impl World {
    pub(super) fn line_of(&self, wire: Wire) -> Option<usize> {
        let mut lines = self.client.lines.iter();
        lines.position(|line| line.wire == Some(wire))
    }

    /// Whether the client believes that `id` is under way on `wire`.
    pub(crate) fn is_out_on(&self, id: u64, wire: Wire) -> bool {
        let out = self.client.out.get(&id).and_then(|out| out.link);
        out.is_some_and(|link| {
            let line = &self.client.lines[usize::from(link.connection)];
            line.link == Some(link) && line.wire == Some(wire)
        })
    }

    /// A connection is tried.
    pub(crate) fn connect(&mut self, line: usize) {
        if self.client.lines[line].wire.is_some() {
            return;
        }
        self.give_up_sending(line);
        if !self.server.runs() {
            return self.retry(line);
        }
        let wire = self.network.connect();
        self.accept(wire);
        self.client.incarnation += 1;
        let session = Session {
            id: self.client.session,
            connection: line as u16,
            incarnation: self.client.incarnation,
            write: true,
        };
        let now = self.now;
        let life = self.client.write_back.life();
        let own = &mut self.client.lines[line];
        own.begun_in = life;
        own.wire = Some(wire);
        own.heard = now;
        own.asked = false;
        self.send(wire, Side::Server, Message::Hello(session));
    }

    /// Whoever sends on an earlier incarnation is through before there is another.
    fn give_up_sending(&mut self, line: usize) {
        let of_line = |sending: &Sending| usize::from(sending.link.connection) == line;
        let tags = self
            .client
            .sending
            .iter()
            .filter(|(_, sending)| of_line(sending));
        let tags: Vec<u64> = tags.map(|(tag, _)| *tag).collect();
        for tag in tags {
            if let Some(sending) = self.client.sending.remove(&tag) {
                self.gives_back(Tag::from_wire(tag), sending);
            }
        }
    }

    fn retry(&mut self, line: usize) {
        let random = self.number();
        let delay = self.client.lines[line].backoff.next(random);
        let client = self.clients;
        self.after(u64::from(delay) * 1_000, Event::Connect(client, line));
    }

    /// The client uses a connection no more, or learns of its end.
    pub(crate) fn client_aware(&mut self, wire: Wire) {
        self.network.close(wire, Side::Client);
        let Some(line) = self.line_of(wire) else {
            return;
        };
        self.client.lines[line].wire = None;
        if let Some(link) = self.client.lines[line].link.take() {
            self.interrupt(link);
            let (now, limit) = (self.now, self.client.patience.answer);
            self.client.table.lost(link, now, limit);
            self.strike(link);
            // Half of the senders notice later.
            if self.chance(2) {
                self.give_up_sending(line);
            }
        }
        self.retry(line);
    }

    /// Notes what was not answered in time on a connection that is lost.
    fn strike(&mut self, link: Link) {
        let (now, limit) = (self.now, self.client.patience.answer);
        for out in self.client.out.values_mut() {
            if out.link.take_if(|at| *at == link).is_some() {
                out.age(now, limit);
            }
        }
    }

    /// The fence is passed.
    pub(super) fn welcome(&mut self, line: usize, wire: Wire, identity: Identity) {
        let begun = self.client.lines[line].begun_in;
        if !self.client.write_back.may_be(identity, begun) {
            self.note("welcome of an earlier time");
            return self.client_leaves(wire);
        }
        self.client.lines[line].backoff.reset();
        if self.client.write_back.is_of(&identity.0) {
            self.cache_is(identity.1);
        }
        if self
            .client
            .identity
            .replace(identity)
            .is_some_and(|before| before != identity)
        {
            self.history.news();
        }
        let life = self.client.write_back.connected(identity);
        let Some((link, ghosts)) = self.client.table.opened(line as u16) else {
            return self.broken("order: a connection is opened twice".into());
        };
        for _ in 0..ghosts {
            self.note("ghost gone");
        }
        self.client.ghosts -= (ghosts as usize).min(self.client.ghosts);
        self.client.lines[line].link = Some(link);
        self.client.lines[line].life = Some(life);
        self.resume();
        self.submit();
    }

    /// The client closes a connection.
    pub(super) fn client_leaves(&mut self, wire: Wire) {
        self.network.close(wire, Side::Client);
        self.lose(wire);
        self.client_aware(wire);
    }

    /// The client looks for what takes too long.
    pub(crate) fn watch(&mut self) {
        let limit = self.client.patience.answer;
        while let Some(expired) = self.client.table.expired(self.now, limit) {
            let line = usize::from(expired.link.connection);
            let Some(wire) = self.client.lines[line].wire else {
                return self.broken("progress: a link without a connection".into());
            };
            self.note("connection closed for a late answer");
            self.client_leaves(wire);
        }
        self.age();
        self.give_up();
        for line in 0..self.client.lines.len() {
            self.watch_silence(line);
        }
        self.submit();
    }

    /// Notes what waits for too long.
    fn age(&mut self) {
        let (now, limit) = (self.now, self.client.patience.answer);
        self.client.table.aged(now, limit);
        let waiting = |out: &&mut Out| out.link.is_none() && !out.answered;
        for out in self.client.out.values_mut().filter(waiting) {
            out.age(now, limit);
        }
    }

    /// Ends what was tried too often.
    fn give_up(&mut self) {
        let tries = self.client.patience.tries;
        if tries == 0 {
            return;
        }
        loop {
            let used = self.client.table.counts().used;
            let Some(piece) = self.client.table.give_up(tries) else {
                return;
            };
            self.note("request ended in error");
            if self.client.table.counts().used == used {
                self.note("ghost");
                self.client.ghosts += 1;
            }
            let id = piece.0.id;
            if self
                .client
                .out
                .get(&id)
                .is_some_and(|out| out.strikes >= tries)
            {
                self.history.excuse(id);
            }
            self.report(&piece, false);
            // What was kept behind it may go.
            self.resume();
        }
    }

    fn watch_silence(&mut self, line: usize) {
        let own = &self.client.lines[line];
        let Some(wire) = own.wire else { return };
        let silent = self.now.saturating_sub(own.heard);
        let limit = match own.link {
            None => self.client.patience.connect,
            Some(_) => self.client.patience.silence,
        };
        if silent > limit && (own.asked || own.link.is_none()) {
            self.note("silent connection closed");
            self.client_leaves(wire);
        } else if silent > limit / 2 && own.link.is_some() && !own.asked {
            self.client.lines[line].asked = true;
            self.send(wire, Side::Server, Message::Ping);
        }
    }
}
