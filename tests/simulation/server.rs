// SPDX-License-Identifier: GPL-2.0

//! The server: what an export does around the core's decisions, and the device below it.

use crate::{
    core::{
        fence::{self, Entry, Session},
        transaction::Tag,
        write_back::Identity,
    },
    fault,
    history::{Id, Kind},
    network::{Message, Side, Wire},
    world::{Event, World},
};
use std::collections::BTreeMap;

/// A connection as the server knows it; it is forgotten when it is drained.
pub struct Peer {
    session: Option<Session>,
    /// The hello that is not answered yet.
    hello: Option<Session>,
    /// Its end is known.
    closed: bool,
    /// Nothing more is received, not even what had come before the end.
    deaf: bool,
    at_device: usize,
}

impl Peer {
    fn view(&self) -> fence::Peer {
        fence::Peer {
            session: self.session,
            ending: self.closed,
            drained: self.is_drained(),
        }
    }

    fn is_drained(&self) -> bool {
        self.deaf && self.at_device == 0
    }
}

/// A request at the device.
struct Job {
    wire: Wire,
    tag: Tag,
    id: Id,
    kind: Kind,
    /// It was answered already.
    answered: bool,
}

/// A sector of the device: who wrote what is stable, and after that what is in the cache.
#[derive(Clone, Default)]
struct Cell {
    stable: Id,
    cached: Vec<Id>,
}

impl Cell {
    fn there(&self) -> Id {
        self.cached.last().copied().unwrap_or(self.stable)
    }

    /// All but the first `kept` of what is in the cache is gone.
    fn flush(&mut self, kept: usize) -> Vec<Id> {
        let gone = self.cached.split_off(kept);
        self.stable = self.there();
        self.cached.clear();
        gone
    }
}

/// The server and its device.
pub struct Server {
    /// Counts starts; odd while it runs.
    boot: u64,
    /// What the cache is called; never 0.
    cache: u64,
    peers: BTreeMap<Wire, Peer>,
    jobs: Vec<Option<Job>>,
    cells: Vec<Cell>,
    write_through: bool,
}

impl Server {
    /// A server that runs, with a device of so many sectors.
    pub fn new(sectors: usize, write_through: bool) -> Self {
        Self {
            boot: 1,
            cache: 1,
            peers: BTreeMap::new(),
            jobs: Vec::new(),
            cells: vec![Cell::default(); sectors],
            write_through,
        }
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.boot % 2 == 1
    }

    /// What is stable of each sector.
    pub fn stable(&self) -> impl Iterator<Item = Id> + '_ {
        self.cells.iter().map(|cell| cell.stable)
    }

    fn identity(&self) -> Identity {
        let mut boot = [0; 16];
        boot[..8].copy_from_slice(&self.boot.to_le_bytes());
        (boot, self.cache)
    }

    fn others(&self, own: Wire) -> impl Iterator<Item = (Wire, fence::Peer)> + '_ {
        let all = self.peers.iter().filter(move |(wire, _)| **wire != own);
        all.map(|(wire, peer)| (*wire, peer.view()))
    }

    /// Another connection of the client of `own`.
    fn sister(&self, own: Wire) -> Option<Wire> {
        let id = self.peers.get(&own)?.session?.id;
        let sister = |(wire, peer): &(&Wire, &Peer)| {
            **wire != own && !peer.closed && peer.session.is_some_and(|session| session.id == id)
        };
        self.peers.iter().find(sister).map(|(wire, _)| *wire)
    }
}

impl World {
    /// A connection was accepted.
    pub(crate) fn accept(&mut self, wire: Wire) {
        let peer = Peer {
            session: None,
            hello: None,
            closed: false,
            deaf: false,
            at_device: 0,
        };
        self.server.peers.insert(wire, peer);
    }

    /// The server learns that a connection has ended, or its receiver that it was closed.
    pub(crate) fn server_aware(&mut self, wire: Wire) {
        self.network.close(wire, Side::Server);
        if let Some(peer) = self.server.peers.get_mut(&wire) {
            peer.closed = true;
            peer.deaf = true;
            peer.hello = None;
        }
        self.after_drain();
    }

    /// Forgets who is drained, and lets in whom that has kept waiting.
    fn after_drain(&mut self) {
        self.server.peers.retain(|_, peer| !peer.is_drained());
        self.answer_hellos();
    }

    /// The server closes a connection. Its receiver may be in the middle of something.
    fn server_closes(&mut self, wire: Wire) {
        let Some(peer) = self.server.peers.get_mut(&wire).filter(|peer| !peer.closed) else {
            return;
        };
        peer.closed = true;
        peer.hello = None;
        self.lose(wire);
        let delay = self.between(0, 100_000);
        self.after(delay, Event::AwareServer(wire));
    }

    /// The server receives.
    pub(crate) fn server_receives(&mut self, wire: Wire, message: Message) {
        let Some(peer) = self.server.peers.get_mut(&wire).filter(|peer| !peer.deaf) else {
            return;
        };
        let closed = peer.closed;
        match message {
            Message::Hello(session) if !closed => {
                peer.hello = Some(session);
                self.answer_hellos();
            }
            Message::Request { tag, id, kind } => {
                peer.at_device += 1;
                if closed {
                    self.note("request taken after the close");
                }
                self.job(wire, tag, id, kind);
            }
            Message::Ping => self.send(wire, Side::Client, Message::Ping),
            _ => {}
        }
    }

    fn job(&mut self, wire: Wire, tag: Tag, id: Id, kind: Kind) {
        let answered = kind == Kind::Write && fault::is("acknowledge-early");
        if answered {
            self.answer(wire, tag, Vec::new(), true, 0);
        }
        self.server.jobs.push(Some(Job {
            wire,
            tag,
            id,
            kind,
            answered,
        }));
        let delay = match self.chance(30) {
            true => self.between(0, 4_000_000),
            false => self.between(0, 20_000),
        };
        self.after(delay, Event::Device(self.server.jobs.len() - 1));
    }

    /// Lets those in who say hello, if nothing stands in the way any more.
    fn answer_hellos(&mut self) {
        let hello = |(wire, peer): (&Wire, &Peer)| peer.hello.map(|session| (*wire, session));
        let hellos: Vec<_> = self.server.peers.iter().filter_map(hello).collect();
        for (wire, session) in hellos {
            // The one before may have closed it.
            if self
                .server
                .peers
                .get(&wire)
                .is_some_and(|peer| peer.hello.is_some())
            {
                self.answer_hello(wire, session);
            }
        }
    }

    fn answer_hello(&mut self, wire: Wire, session: Session) {
        let known = |peer: &Peer| peer.session.is_some();
        if !self.server.peers.get(&wire).is_some_and(known) && !self.enter(wire, &session) {
            return;
        }
        let fenced = fence::is_fenced(&session, self.server.others(wire).map(|(_, peer)| peer));
        let Some(peer) = self.server.peers.get_mut(&wire) else {
            return;
        };
        peer.session = Some(session);
        if !fenced {
            return self.note("hello waited for the fence");
        }
        peer.hello = None;
        let identity = self.server.identity();
        self.send(wire, Side::Client, Message::Welcome(identity));
    }

    fn enter(&mut self, wire: Wire, session: &Session) -> bool {
        let (wires, others): (Vec<_>, Vec<_>) = self.server.others(wire).unzip();
        let mut close = Vec::new();
        let entry = fence::enter(session, false, others.into_iter(), |at| {
            close.push(wires[at])
        });
        for other in close {
            self.note("earlier connection closed by the server");
            self.server_closes(other);
        }
        let what = match entry {
            Entry::Entered => return true,
            Entry::Wait => {
                self.note("hello waited for another session");
                return false;
            }
            Entry::Busy(_) => "hello refused: busy",
            Entry::Superseded => "hello refused: superseded",
        };
        self.note(what);
        self.send(wire, Side::Client, Message::Busy);
        if let Some(peer) = self.server.peers.get_mut(&wire) {
            peer.hello = None;
        }
        false
    }

    fn answer(&mut self, wire: Wire, tag: Tag, data: Vec<Id>, ok: bool, cache: u64) {
        let Some(peer) = self.server.peers.get(&wire).filter(|peer| !peer.closed) else {
            return;
        };
        debug_assert!(peer.session.is_some());
        let reply = Message::Reply {
            tag,
            data,
            ok,
            cache,
        };
        if self.faults && self.chance(200) {
            self.note("answered twice");
            self.send(wire, Side::Client, reply.clone());
        }
        self.send(wire, Side::Client, reply);
    }

    /// The device is through with a request.
    pub(crate) fn device(&mut self, at: usize) {
        if self.faults && self.chance(400) {
            self.lie(at);
        }
        let Some(job) = self.server.jobs[at].take() else {
            return;
        };
        if let Some(peer) = self.server.peers.get_mut(&job.wire) {
            peer.at_device -= 1;
        }
        let fate = match (self.faults, job.kind) {
            (false, _) => u64::MAX,
            (true, Kind::Flush) => self.between(0, 59),
            (true, _) => self.between(0, 299),
        };
        match fate {
            0 => self.note("request never answered"),
            1 if job.kind == Kind::Flush && self.chance(2) => {
                self.note("flush not carried out");
                self.history.excuse(job.id);
                self.answer(job.wire, job.tag, Vec::new(), false, 0);
            }
            1 => {
                self.note("device error");
                self.carry_out_part(&job);
                self.history.excuse(job.id);
                let cache = self.named_cache(&job);
                self.answer(job.wire, job.tag, Vec::new(), false, cache);
            }
            _ => {
                let data = self.carry_out(job.id, job.kind, usize::MAX);
                let cache = self.named_cache(&job);
                if !job.answered {
                    self.answer(job.wire, job.tag, data, true, cache);
                }
            }
        }
        self.after_drain();
    }

    /// A server that is out of its mind answers on another connection of the same client.
    fn lie(&mut self, at: usize) {
        let Some(job) = &self.server.jobs[at] else {
            return;
        };
        let (wire, tag, id) = (job.wire, job.tag, job.id);
        let Some(sister) = self.server.sister(wire) else {
            return;
        };
        if self.is_out_on(id, wire) && self.network.is_open(sister, Side::Client) {
            self.note("answer on another connection");
            let message = Message::Reply {
                tag,
                data: Vec::new(),
                ok: true,
                cache: 0,
            };
            self.client_receives(sister, message);
        }
    }

    /// What the answer says of the cache.
    fn named_cache(&self, job: &Job) -> u64 {
        match job.kind {
            Kind::Flush => self.server.cache,
            _ => 0,
        }
    }

    /// The device fails.
    fn carry_out_part(&mut self, job: &Job) {
        match job.kind {
            Kind::Write => {
                let sectors = self.history.request(job.id).sectors;
                let most = self.between(0, sectors as u64) as usize;
                self.carry_out(job.id, job.kind, most);
            }
            Kind::Flush => {
                if !fault::is("same-cache-after-error") {
                    self.server.cache += 1;
                }
                self.forget_cache("cached write lost by a flush");
            }
            Kind::Read => {}
        }
    }

    /// The device forgets what it likes of its cache.
    fn forget_cache(&mut self, what: &'static str) {
        let lucky = self.chance(5);
        for sector in 0..self.server.cells.len() {
            let all = self.server.cells[sector].cached.len();
            let kept = match lucky {
                true => all,
                false => self.between(0, all as u64) as usize,
            };
            for id in self.server.cells[sector].flush(kept) {
                self.note(what);
                self.history.forgotten(id, sector);
            }
        }
    }

    /// Carries out the first `most` sectors of a request; what a read brings.
    fn carry_out(&mut self, id: Id, kind: Kind, most: usize) -> Vec<Id> {
        if kind == Kind::Flush {
            for cell in &mut self.server.cells {
                cell.flush(cell.cached.len());
            }
            self.history.flushed(id);
            return Vec::new();
        }
        let request = self.history.request(id);
        let (first, sectors) = (request.first, request.sectors.min(most));
        let through = self.server.write_through && !fault::is("acknowledge-unstable");
        let mut data = Vec::new();
        for sector in first..first + sectors {
            let result = self.history.carried_out(id, sector);
            self.check(result);
            let cell = &mut self.server.cells[sector];
            match kind {
                Kind::Read if fault::is("read-past-the-cache") => data.push(cell.stable),
                Kind::Read => data.push(cell.there()),
                _ if through => cell.stable = id,
                _ => cell.cached.push(id),
            }
        }
        if kind == Kind::Read {
            self.history.found(id, data.clone());
        }
        data
    }

    /// The server stops at once, and its device forgets what it likes of its cache.
    pub(crate) fn crash_server(&mut self) {
        if !self.server.runs() {
            return;
        }
        self.note("server crash");
        self.server.boot += 1;
        let jobs: Vec<_> = self
            .server
            .jobs
            .iter_mut()
            .filter_map(Option::take)
            .collect();
        for job in jobs {
            if job.kind == Kind::Write && self.chance(2) {
                self.note("write torn by a crash");
                self.carry_out_part(&job);
            }
        }
        self.forget_cache("cached write lost");
        let peers = std::mem::take(&mut self.server.peers);
        for wire in peers.into_keys() {
            self.network.close(wire, Side::Server);
            let there = self.network.on_the_way(wire, Side::Client);
            let kept = match self.chance(2) {
                true => there,
                false => self.between(0, there as u64) as usize,
            };
            self.network.kill(wire, [kept, 0]);
            // A machine that is off says nothing; one that is on again answers with a reset.
            let late = self.network.held(wire).saturating_sub(self.now);
            let delay = match self.chance(2) {
                true => late + self.between(1_000, 100_000),
                false => late + self.between(100_000, 3_000_000),
            };
            self.after(delay, Event::AwareClient(wire));
        }
        let off = match self.chance(2) {
            true => self.between(10_000, 200_000),
            false => self.between(200_000, 3_000_000),
        };
        self.after(off, Event::Boot);
    }

    /// The server comes back.
    pub(crate) fn boot_server(&mut self) {
        self.server.boot += 1;
    }
}
