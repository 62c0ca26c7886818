// SPDX-License-Identifier: GPL-2.0

//! What the client receives.

use super::{Piece, Receiving};
use crate::{
    core::{
        transaction::{Answered, Link, Tag},
        write_back::{Life, Moment, Verdict},
    },
    history::{Id, Kind},
    network::{Message, Wire},
    world::{Event, World},
};

impl World {
    /// The client receives.
    pub(crate) fn client_receives(&mut self, wire: Wire, message: Message) {
        let Some(line) = self.line_of(wire) else {
            return;
        };
        self.client.lines[line].heard = self.now;
        self.client.lines[line].asked = false;
        match message {
            Message::Welcome(identity) => self.welcome(line, wire, identity),
            Message::Busy => self.client_leaves(wire),
            Message::Reply {
                tag,
                data,
                ok,
                cache,
            } => self.reply(wire, line, tag, (data, ok, cache)),
            _ => {}
        }
    }

    fn reply(
        &mut self,
        wire: Wire,
        line: usize,
        tag: Tag,
        (data, ok, cache): (Vec<Id>, bool, u64),
    ) {
        let Some(link) = self.client.lines[line].link else {
            return self.client_leaves(wire);
        };
        let kind = match self.client.table.answered(tag, link) {
            Answered::InFlight(piece) => piece.0.kind,
            Answered::Sending => return self.reply_early(tag, ok),
            Answered::Stale => return self.note("stale answer"),
            Answered::Unknown => {
                self.note("answer to nothing");
                return self.client_leaves(wire);
            }
        };
        if kind == Kind::Read && ok && self.chance(4) {
            return self.fill(tag, data, link);
        }
        let Some(piece) = self.client.table.take(tag) else {
            return;
        };
        if piece.1 == self.client.write_back.life() {
            self.cache_is(cache);
        } else if cache != 0 && self.client.identity.is_some_and(|known| known.1 != cache) {
            self.note("late answer with another cache");
        }
        self.judge(tag, &piece, &data, ok);
    }

    fn reply_early(&mut self, tag: Tag, ok: bool) {
        self.note("answer before the data was sent");
        if let Some(sending) = self.client.sending.get(&tag.to_wire()) {
            if let Some(out) = self.client.out.get_mut(&sending.piece.0.id) {
                out.answered = true;
            }
        }
        self.client.table.early(tag, ok);
    }

    /// The data of a read comes.
    fn fill(&mut self, tag: Tag, data: Vec<Id>, link: Link) {
        if let Some(piece) = self.client.table.receive(tag) {
            let receiving = Receiving { piece, data, link };
            self.client.receiving.insert(tag.to_wire(), receiving);
            let delay = self.between(0, 50_000);
            self.after(delay, Event::Received(self.clients, tag.to_wire()));
        }
    }

    /// The data of a read has come.
    pub(crate) fn received(&mut self, tag: Tag) {
        if let Some(receiving) = self.client.receiving.remove(&tag.to_wire()) {
            let Receiving { piece, data, .. } = receiving;
            self.judge(tag, &piece, &data, true);
        }
    }

    /// Gives back what the receiver is filling on a connection that is lost.
    pub(super) fn interrupt(&mut self, link: Link) {
        let receiving = std::mem::take(&mut self.client.receiving);
        for (tag, receiving) in receiving {
            if receiving.link == link {
                self.note("read interrupted");
                let tag = Tag::from_wire(tag);
                self.client.table.interrupted(tag, receiving.piece);
            } else {
                self.client.receiving.insert(tag, receiving);
            }
        }
    }

    pub(super) fn write_ended(&mut self, life: Life, at: Moment) {
        if life != self.client.write_back.life() {
            self.note("write acknowledged by a server that is gone");
            self.history.news();
        }
        self.client.write_back.write_ended(life, at);
    }

    /// The server that is known says what it calls its cache.
    pub(super) fn cache_is(&mut self, cache: u64) {
        let before = self.client.write_back.life();
        if self.client.write_back.answered(cache) {
            self.note("cache lost by a flush");
            self.history.news();
            self.client.identity = self.client.identity.map(|(boot, _)| (boot, cache));
            let now = self.client.write_back.life();
            let lines = self.client.lines.iter_mut();
            for line in lines.filter(|line| line.life == Some(before)) {
                line.life = Some(now);
            }
        }
    }

    fn judge(&mut self, tag: Tag, piece: &Piece, data: &[Id], ok: bool) {
        let wish = piece.0;
        let ok = match wish.kind {
            Kind::Read if ok => {
                let result = self.history.brought(wish.id, data);
                self.check(result);
                true
            }
            Kind::Read => false,
            Kind::Write => ok,
            Kind::Flush => {
                let promise = wish.promise;
                let verdict = self.client.write_back.flush_ended(promise.covers, ok);
                self.flush_ended();
                if verdict == Verdict::Tells {
                    self.note("flush failed for a lost cache");
                    return self.will_tell(tag, piece);
                }
                let sound = verdict == Verdict::Sound;
                let holds = sound && self.client.endings.holds(&promise);
                if ok && !holds {
                    self.note(match sound {
                        true => "flush failed beside one that tells",
                        false => "flush failed for a part of what is lost",
                    });
                    let beside = self.client.telling > 0;
                    let result = self.history.tells(wish.id, false, beside);
                    self.check(result);
                }
                ok && holds
            }
        };
        self.end(tag, piece, ok);
    }
}
