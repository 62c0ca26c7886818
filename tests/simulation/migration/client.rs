// SPDX-License-Identifier: GPL-2.0

//! The client: its connections, and the requests of the application on them.

mod io;

use super::{
    mover::Mover,
    server::{Answer, Call, Request},
    start::Start,
    works::{Work, Works},
    Event, World,
};
use crate::{
    core::{
        label::Label,
        migration::{Task, Ticket},
        write_back::{Endings, Life, Moment, Promise, WriteBack},
    },
    history::Id,
};
use std::collections::BTreeMap;

/// A connection to a server.
#[derive(Default)]
pub struct Line {
    pub(super) incarnation: u64,
    /// The hello was answered, and the connection is not known to be lost.
    pub(super) up: bool,
    pub(super) life: Option<Life>,
    /// Since when it is not up.
    pub(super) since: u64,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A request of the application.
    Io(Id),
    /// The first or the only half of a copy, which reads.
    CopyRead(Ticket, usize),
    /// The half of a copy that writes, or a direct copy.
    CopyWrite(Ticket),
    /// A flush of the migration's own, and what it covers.
    Flush(Task, Moment),
    /// A piece of work with a label.
    Label(u64),
}

/// A call that is not answered.
pub struct Pending {
    pub(super) call: Call,
    pub(super) purpose: Purpose,
    epoch: u64,
    /// It was sent on this incarnation.
    sent: Option<u64>,
}

/// A request that waits.
#[derive(Clone, Copy)]
pub struct Wish {
    pub(super) id: Id,
    promise: Promise,
}

/// A request that is at one device or two.
pub struct Leg {
    wish: Wish,
    ticket: Option<Ticket>,
    main: usize,
    data: Vec<Id>,
    /// What the flush covers at the other device.
    other: Moment,
    /// By which lives of which servers it was acknowledged.
    lives: Vec<(usize, Life)>,
}

/// How far a client is.
pub enum Stage {
    /// It looks for the devices that hold the storage.
    Starting(Start),
    /// It has them.
    Running,
}

/// A client.
pub struct Client {
    pub(super) lines: Vec<Line>,
    pub(super) calls: BTreeMap<(usize, u64), Pending>,
    tag: u64,
    pub(super) epoch: u64,
    pub(super) stage: Stage,
    pub(super) works: Works,
    pub(super) mover: Mover,
    /// The device that holds the node that moves, and its label.
    pub(super) main: usize,
    pub(super) label: Option<Label>,
    pub(super) caches: Vec<WriteBack>,
    endings: Endings,
    /// How many writes have ended, and copies.
    writes: u64,
    parked: Vec<Wish>,
    pub(super) legs: BTreeMap<Id, Leg>,
    pub(super) patience: u64,
}

impl Client {
    pub(super) fn new(servers: usize, start: Start, patience: u64) -> Self {
        let mut lines = Vec::new();
        lines.resize_with(servers, Line::default);
        Self {
            lines,
            calls: BTreeMap::new(),
            tag: 0,
            epoch: 0,
            stage: Stage::Starting(start),
            works: Works::default(),
            mover: Mover::default(),
            main: 0,
            label: None,
            caches: vec![WriteBack::new(); servers],
            endings: Endings::new(),
            writes: 0,
            parked: Vec::new(),
            legs: BTreeMap::new(),
            patience,
        }
    }

    /// Whether the application may ask.
    pub fn runs(&self) -> bool {
        matches!(self.stage, Stage::Running)
    }

    /// The moment that it is for the caches.
    pub(super) const fn moment(&self) -> Moment {
        Moment::after(self.writes)
    }

    /// A write ends now, or a copy.
    pub(super) fn tick(&mut self) -> Moment {
        self.writes += 1;
        self.moment()
    }

    /// Nothing is asked for that has not ended.
    pub fn is_idle(&self) -> bool {
        self.legs.is_empty() && self.parked.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<Id> {
        let parked = self.parked.iter().map(|wish| wish.id);
        self.legs.keys().copied().chain(parked).collect()
    }
}

impl World {
    pub(super) fn client(&mut self, client: u64) -> Option<&mut Client> {
        self.clients.get_mut(&client)
    }

    /// A connection is tried.
    pub(super) fn connect(&mut self, client: u64, server: usize) {
        let Some(own) = self.client(client) else {
            return;
        };
        let line = &mut own.lines[server];
        if line.up {
            return;
        }
        line.incarnation += 1;
        let incarnation = line.incarnation;
        let delay = self.delay();
        self.after(delay, Event::Hello(client, server, incarnation));
        // If nobody answers, once more.
        let delay = self.between(200_000, 2_000_000);
        self.after(delay, Event::Connect(client, server));
    }

    /// The hello was answered: the fence.
    pub(super) fn welcome(&mut self, client: u64, server: usize, incarnation: u64, boot: u64) {
        let Some(own) = self.client(client) else {
            return;
        };
        let line = &mut own.lines[server];
        if line.up || line.incarnation != incarnation {
            return;
        }
        line.up = true;
        let before = line.life;
        let risk = own.caches[server].is_at_risk();
        let life = own.caches[server].connected(([0; 16], boot));
        own.lines[server].life = Some(life);
        if before.is_some_and(|before| before != life) {
            if own.main == server {
                self.history.news();
            }
            if risk {
                self.lost_cache(client, server);
            }
        }
        let Some(own) = self.client(client) else {
            return;
        };
        let old = own
            .calls
            .iter()
            .filter(|((at, _), call)| *at == server && call.sent.is_some());
        let old: Vec<_> = old.map(|(key, call)| (*key, call.call.repeats())).collect();
        for (key, repeats) in old {
            if repeats {
                self.note("request sent again");
                self.send(client, key);
            } else {
                self.note("label update in doubt");
                self.works_answered(client, key, None);
            }
        }
        self.mover_welcome(client, server);
        self.send_all(client, server);
        self.pump(client);
    }

    fn send_all(&mut self, client: u64, server: usize) {
        let Some(own) = self.client(client) else {
            return;
        };
        let new = own
            .calls
            .iter()
            .filter(|((at, _), call)| *at == server && call.sent.is_none());
        let new: Vec<_> = new.map(|(key, _)| *key).collect();
        new.into_iter().for_each(|key| self.send(client, key));
    }

    fn send(&mut self, client: u64, key: (usize, u64)) {
        let Some(own) = self.client(client) else {
            return;
        };
        let line = &own.lines[key.0];
        let (up, incarnation) = (line.up, line.incarnation);
        let Some(call) = own.calls.get_mut(&key).filter(|_| up) else {
            return;
        };
        call.sent = Some(incarnation);
        let request = Request {
            client,
            incarnation,
            server: key.0,
            tag: key.1,
            epoch: call.epoch,
            call: call.call.clone(),
        };
        let delay = self.delay();
        self.count += 1;
        let number = self.count;
        self.letters.insert(number, (request, Answer::Refused));
        self.after(delay, Event::Arrive(number));
    }

    /// Asks a server; with the client's own epoch, or another.
    pub(super) fn call(
        &mut self,
        client: u64,
        server: usize,
        call: Call,
        purpose: Purpose,
        epoch: Option<u64>,
    ) {
        let Some(own) = self.client(client) else {
            return;
        };
        own.tag += 1;
        let key = (server, own.tag);
        let pending = Pending {
            call,
            purpose,
            epoch: epoch.unwrap_or(own.epoch),
            sent: None,
        };
        own.calls.insert(key, pending);
        self.send(client, key);
    }

    /// The client learns that a connection is lost.
    pub(super) fn down(&mut self, client: u64, server: usize, incarnation: u64) {
        let now = self.now;
        let Some(own) = self.client(client) else {
            return;
        };
        let line = &mut own.lines[server];
        if line.incarnation != incarnation {
            return;
        }
        if !line.up {
            // A welcome that is on its way is of no use; another hello follows.
            line.incarnation += 1;
        } else {
            line.up = false;
            line.since = now;
            let delay = self.between(1_000, 500_000);
            self.after(delay, Event::Connect(client, server));
        }
    }

    /// An answer arrives.
    pub(super) fn reply_arrives(&mut self, request: &Request, answer: Answer) {
        let (client, key) = (request.client, (request.server, request.tag));
        let Some(own) = self.client(client) else {
            return;
        };
        let line = &own.lines[key.0];
        let stands = line.up && line.incarnation == request.incarnation;
        let Some(pending) = own.calls.get(&key) else {
            return self.note("answer that nobody waits for");
        };
        if !stands || pending.sent != Some(request.incarnation) {
            return self.note("answer that nobody waits for");
        }
        let prepares =
            matches!(pending.purpose, Purpose::Label(number) if own.works.prepares(number));
        if matches!(answer, Answer::Stale) && !prepares {
            self.note("another owner");
            return self.fenced(client);
        }
        let (purpose, life) = (pending.purpose, line.life);
        if let Purpose::Label(_) = purpose {
            self.works_answered(client, key, Some(answer));
            return self.pump(client);
        }
        own.calls.remove(&key);
        let ok = matches!(answer, Answer::Done(_));
        match purpose {
            Purpose::Io(id) => {
                let data = match answer {
                    Answer::Done(data) => data,
                    _ => Vec::new(),
                };
                self.io_answered(client, key.0, id, ok, data);
            }
            Purpose::CopyRead(..) | Purpose::CopyWrite(_) => {
                self.copy_answered(client, key.0, purpose, answer, life);
            }
            Purpose::Flush(task, covers) => self.flush_answered(client, key.0, task, covers, ok),
            Purpose::Label(_) => {}
        }
        self.pump(client);
    }

    /// The new device holds the node now.
    pub(super) fn takes_over(&mut self, client: u64) {
        let Some(own) = self.client(client) else {
            return;
        };
        let (old, new) = (own.main, own.mover.target);
        let before = own.caches[old];
        own.caches[new].inherit(&before);
        // The driver forgets all about the old device.
        own.caches[old].forget();
        own.main = new;
    }

    /// Another client owns a device.
    pub(super) fn fenced(&mut self, client: u64) {
        if let Some(machine) = self
            .client(client)
            .and_then(|own| own.mover.machine.as_mut())
        {
            machine.fenced();
        }
        self.retire(client);
    }

    /// Asks for a piece of work with a label.
    pub(super) fn begin_work(&mut self, client: u64, work: Work) {
        if let Some(own) = self.client(client) {
            let number = own.works.add(work);
            self.work_on(client, number);
        }
    }
}
