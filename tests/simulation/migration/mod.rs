// SPDX-License-Identifier: GPL-2.0

//! A world in which a node of a storage moves from one device to another, and back.
//!
//! Two devices at two servers can hold the node, up to two other nodes have labels only. A client is started with
//! some of the devices, decides by the labels which of them it uses, and moves the node to the
//! other one again and again, while the application reads, writes and flushes. Servers crash with their caches and
//! in the middle of writing a label, clients crash, another one is started while the first still
//! believes that it owns the storage, connections are lost, devices fail.
//!
//! The rules are those of [`crate::history`], and:
//!
//! - **State.** At any moment each device that a start could take by its labels holds everything that was promised to be
//!   stable. In the end a start with both devices, or with the one that holds the node, gets that one; a start
//!   with the other is refused; so is one with an image of it from before it was replaced.
//! - **Progress.** When the faults have stopped, a start succeeds, a migration ends well, every request ends.

pub mod client;
pub mod disk;
mod expected;
mod finish;
pub mod mover;
pub mod server;
pub mod start;
mod trouble;
pub mod works;

use crate::{
    core::label::{features, state, Label},
    coverage::Coverage,
    history::{Broken, History, Id, Kind},
    world::Outcome,
};
use client::{Client, Stage};
use disk::Disk;
pub use expected::EXPECTED;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use server::{Answer, Request, Server};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Something that happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The application asks.
    Issue,
    /// Something goes wrong.
    Fault,
    /// A client tries to connect.
    Connect(u64, usize),
    /// A hello arrives: client, server, incarnation.
    Hello(u64, usize, u64),
    /// It is answered, by this boot of the server.
    Welcome(u64, usize, u64, u64),
    /// A request arrives.
    Arrive(u64),
    /// An answer arrives.
    Reply(u64, usize, u64),
    /// A device goes on with a request.
    Work(usize, u64),
    /// A client learns that a connection is lost.
    Down(u64, usize, u64),
    /// A client looks at the clock.
    Watch(u64),
    /// A server comes back.
    Boot(usize),
    /// A client is started.
    Start,
    /// Something of a migration is struck: its client, a device.
    Strike(u64, usize),
}

/// All there is.
pub struct World {
    now: u64,
    events: u64,
    random: ChaCha8Rng,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    count: u64,
    letters: BTreeMap<u64, (Request, Answer)>,
    servers: Vec<Server>,
    clients: BTreeMap<u64, Client>,
    /// Clients that there were.
    number: u64,
    /// Identities of nodes that there were.
    nodes: u64,
    /// Migrations that have ended well.
    moved: u64,
    history: History,
    faults: bool,
    /// No client is started by itself.
    probing: bool,
    /// Why a start was refused last.
    refused: Option<&'static str>,
    /// Each device as it was when it was about to be replaced.
    image: [Option<Disk>; 2],
    /// One of them is such an image again.
    cloned: bool,
    sectors: usize,
    write_through: bool,
    /// Whether one server may copy from the other.
    direct: bool,
    /// A device fails one in so many times.
    bad_luck: u32,
    /// A migration is switched, when all is copied, one in so many times that somebody looks.
    haste: u32,
    depth: usize,
    gap: u64,
    broken: Option<Broken>,
    coverage: Coverage,
    trace: Option<Vec<String>>,
}

/// Events before the faults stop.
const EVENTS: u64 = 2_500;

fn label(index: u32, count: u32, sectors: u64) -> Label {
    let mut node = [0x55; 16];
    node[0] = index as u8;
    Label {
        compat: 0,
        ro_compat: 0,
        incompat: 0,
        storage: *b"storage-0123456!",
        node,
        name: crate::core::text::Text::from_display(&"kano"),
        algorithm: crate::core::text::Text::from_display(&"alg_linear"),
        index,
        node_count: count,
        start: u64::from(index) * sectors,
        size: sectors,
        device_sectors: 1 << 20,
        data_sectors: 1 << 19,
        epoch: 1,
        events: 0,
        state: state::IN_SYNC,
        sequence: 1,
        created: 0,
        updated: 0,
        partner: None,
        newest: None,
    }
}

impl World {
    fn new(seed: u64, trace: bool) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let sectors = random.random_range(4..20);
        let write_through = random.random_bool(0.5);
        let others: u32 = random.random_range(0..3);
        let new =
            |label: Option<Label>| Server::new(Disk::new(sectors, label.as_ref()), write_through);
        let of = |index| label(index, others + 1, sectors as u64);
        let mut servers = vec![new(Some(of(0))), new(None)];
        servers.extend((1..=others).map(|index| new(Some(of(index)))));
        let depths = [3, 8, 16];
        let luck = [25, 150, 2_000];
        let gaps = [8_000, 40_000, 250_000];
        let hastes = [3, 10, 40];
        Self {
            now: 0,
            events: 0,
            queue: BinaryHeap::new(),
            count: 0,
            letters: BTreeMap::new(),
            servers,
            clients: BTreeMap::new(),
            number: 0,
            nodes: 0,
            moved: 0,
            history: History::new(sectors, write_through),
            faults: true,
            probing: false,
            refused: None,
            image: [None, None],
            cloned: false,
            sectors,
            write_through,
            direct: true,
            bad_luck: luck[random.random_range(0..luck.len())],
            haste: hastes[random.random_range(0..hastes.len())],
            depth: depths[random.random_range(0..depths.len())],
            gap: gaps[random.random_range(0..gaps.len())],
            broken: None,
            coverage: Coverage::new(EXPECTED),
            trace: trace.then(Vec::new),
            random,
        }
    }

    fn chance(&mut self, of: u32) -> bool {
        self.random.random_ratio(1, of)
    }

    fn between(&mut self, first: u64, second: u64) -> u64 {
        self.random.random_range(first..=second)
    }

    /// How long a message takes.
    fn delay(&mut self) -> u64 {
        match self.chance(60) {
            true => self.between(100, 2_000_000),
            false => self.between(100, 20_000),
        }
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.count += 1;
        self.queue
            .push(Reverse((self.now + delay, self.count, event)));
    }

    fn note(&mut self, what: &'static str) {
        self.coverage.note(what);
        self.tell(format_args!("  {what}"));
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12.6} {what}", self.now as f64 / 1e6));
        }
    }

    fn check(&mut self, result: Result<(), Broken>) {
        if let Err(broken) = result {
            self.broken(broken);
        }
    }

    fn broken(&mut self, what: Broken) {
        self.tell(format_args!("BROKEN {what}"));
        self.broken.get_or_insert(what);
    }

    /// Identities of the nodes that do not move.
    fn other_nodes(&self) -> Vec<[u8; 16]> {
        let others = 1..self.servers.len() as u32 - 1;
        others
            .map(|index| label(index, index + 1, 1).node)
            .collect()
    }

    /// The device that a start with everything would take.
    fn truth(&self) -> usize {
        let says = |server: usize| {
            self.servers[server]
                .disk
                .label()
                .ok()
                .map(|choice| choice.label)
        };
        let holds = |server| says(server).is_some_and(|label| label.state == state::IN_SYNC);
        let replaced = |server| says(server).filter(|label| label.state == state::REPLACED);
        match (holds(0), holds(1)) {
            (true, _) => 0,
            (_, true) => 1,
            _ => usize::from(
                replaced(0).map(|label| label.events) >= replaced(1).map(|label| label.events),
            ),
        }
    }

    /// Whether a start could take this device, if it sees what there is of labels, or only some of it.
    fn may_hold(&self, server: usize) -> bool {
        let own = &self.servers[server].disk;
        let named = |node| {
            let other = self.servers[1 - server].disk.both();
            let mut names = other.filter(|label| {
                label.state == state::REPLACED && label.incompat & features::MIGRATION != 0
            });
            names.any(|label| label.partner.is_some_and(|partner| partner.node == node))
        };
        own.may_hold()
            || own
                .both()
                .any(|label| label.state == state::COPY && named(label.node))
    }

    /// Every device that could be taken has all that was promised.
    fn audit(&mut self) {
        for server in 0..2 {
            if self.cloned || !self.may_hold(server) {
                continue;
            }
            let stable = self.servers[server]
                .disk
                .cells
                .iter()
                .map(|cell| cell.stable);
            if let Err(broken) = self.history.durable(stable) {
                self.broken(format!("{broken}, at device {server}"));
            }
        }
    }

    /// Connections to a server are lost.
    fn lose(&mut self, client: u64, server: usize) {
        let Some(incarnation) = self
            .clients
            .get(&client)
            .map(|own| own.lines[server].incarnation)
        else {
            return;
        };
        let of = |request: &Request| {
            request.client == client
                && request.server == server
                && request.incarnation == incarnation
        };
        let on: Vec<u64> = self
            .letters
            .iter()
            .filter(|(_, (request, _))| of(request))
            .map(|(at, _)| *at)
            .collect();
        for letter in on {
            if self.chance(2) {
                self.letters.remove(&letter);
            }
        }
        let most = [15_000, 300_000][usize::from(self.chance(2))];
        let delay = self.between(0, most);
        self.after(delay, Event::Down(client, server, incarnation));
    }

    fn lose_all(&mut self, server: usize) {
        let clients: Vec<u64> = self.clients.keys().copied().collect();
        clients
            .into_iter()
            .for_each(|client| self.lose(client, server));
    }

    fn issue(&mut self) {
        let room = self.history.open() < self.depth;
        if let Some(client) = self.some_client().filter(|_| room) {
            let kind = match self.between(0, 99) {
                at if at < 15 && !self.write_through => Kind::Flush,
                at if at < 60 => Kind::Write,
                _ => Kind::Read,
            };
            let first = self.between(0, self.sectors as u64 - 1) as usize;
            let most = (self.sectors - first).min(5) as u64;
            let sectors = self.between(1, most) as usize;
            match kind {
                Kind::Flush => self.request(client, kind, 0, 0),
                _ => self.request(client, kind, first, sectors),
            };
        }
        if self.faults {
            let delay = self.between(0, self.gap);
            self.after(delay, Event::Issue);
        }
    }

    /// One that runs.
    fn some_client(&mut self) -> Option<u64> {
        let running = self.clients.iter().filter(|(_, own)| own.runs());
        let running: Vec<u64> = running.map(|(at, _)| *at).collect();
        let last = running.len().checked_sub(1)?;
        Some(running[self.between(0, last as u64) as usize])
    }

    fn request(&mut self, client: u64, kind: Kind, first: usize, sectors: usize) -> Id {
        self.note(match kind {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Flush => "flush",
        });
        let id = self.history.begin(kind, first, sectors);
        self.tell(format_args!(
            "client {client}: {kind:?} {id} of {sectors} from {first}"
        ));
        self.ask(client, id);
        id
    }

    /// A client ends; its application is told nothing good.
    fn retire(&mut self, client: u64) {
        let Some(own) = self.clients.remove(&client) else {
            return;
        };
        self.tell(format_args!("client {client} ends"));
        for id in own.ids() {
            self.history.excuse(id);
            let result = self.history.end(id, false);
            self.check(result);
        }
        if !self.write_through {
            self.history.begin_anew();
        }
        if self.clients.is_empty() && !self.probing {
            let delay = self.between(1_000, 500_000);
            self.after(delay, Event::Start);
        }
    }

    fn watch(&mut self, client: u64) {
        let now = self.now;
        let Some(own) = self.client(client) else {
            return;
        };
        if let Stage::Starting(start) = &own.stage {
            if now - start.since > 20_000_000 {
                return self.retire(client);
            }
        }
        self.watch_migration(client);
        self.pump(client);
        self.after(50_000, Event::Watch(client));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Issue => self.issue(),
            Event::Fault => self.fault(),
            Event::Connect(client, server) => self.connect(client, server),
            Event::Hello(client, server, incarnation) => self.hello(server, client, incarnation),
            Event::Welcome(client, server, incarnation, boot) => {
                self.welcome(client, server, incarnation, boot);
            }
            Event::Arrive(letter) => {
                if let Some((request, _)) = self.letters.remove(&letter) {
                    self.tell(format_args!("  at {}: {request:?}", request.server));
                    self.arrive(request);
                }
            }
            Event::Reply(_, _, letter) => {
                if let Some((request, answer)) = self.letters.remove(&letter) {
                    self.tell(format_args!("  answer {answer:?} to {request:?}"));
                    self.reply_arrives(&request, answer);
                }
            }
            Event::Work(server, job) => self.work(server, job),
            Event::Down(client, server, incarnation) => self.down(client, server, incarnation),
            Event::Watch(client) => self.watch(client),
            Event::Boot(server) => self.boot_server(server),
            Event::Start if self.clients.is_empty() && !self.probing => {
                let list = self.command_line();
                self.new_client(list);
            }
            Event::Start => {}
            Event::Strike(client, server) => self.strike(client, server),
        }
    }
}

/// Runs the world of `seed`.
pub fn run(seed: u64, trace: bool) -> Outcome {
    let mut world = World::new(seed, trace);
    world.main();
    Outcome {
        broken: world.broken,
        coverage: world.coverage,
        events: world.events,
        trace: world.trace.unwrap_or_default(),
    }
}
