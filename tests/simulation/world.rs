// SPDX-License-Identifier: GPL-2.0

//! The world: its time, its chances and what happens next.

use crate::{
    client::{Client, Patience},
    core::transaction::Tag,
    coverage::{Coverage, EXPECTED},
    history::{Broken, History, Kind},
    network::{Message, Network, Side, Wire},
    server::Server,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{cmp::Reverse, collections::BinaryHeap};

/// Something that happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// The application asks for something.
    Issue,
    /// Something goes wrong.
    Fault,
    /// A message arrives.
    Arrive(Wire, bool),
    /// A side learns that its connection is lost.
    AwareServer(Wire),
    /// The same, of the client.
    AwareClient(Wire),
    /// The sender of a client is through with the data of the request with this tag.
    Sent(u64, u64),
    /// The data of a read has come, to this client.
    Received(u64, u64),
    /// A flush tells this client of a loss.
    Told(u64, u64),
    /// The device carries a request out.
    Device(usize),
    /// A connection is tried.
    Connect(u64, usize),
    /// The client looks at the clock.
    Watch(u64),
    /// The server crashes.
    Crash,
    /// The server comes back.
    Boot,
}

/// How a run has ended.
pub struct Outcome {
    /// The rule that was broken, if one was.
    pub broken: Option<Broken>,
    /// What has happened.
    pub coverage: Coverage,
    /// How many events there were.
    pub events: u64,
    /// What happened when, if that was asked for.
    pub trace: Vec<String>,
}

/// All there is.
pub struct World {
    pub(crate) now: u64,
    events: u64,
    random: ChaCha8Rng,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    count: u64,
    pub(crate) network: Network,
    pub(crate) server: Server,
    pub(crate) client: Client,
    /// Which client this is.
    pub(crate) clients: u64,
    pub(crate) history: History,
    /// Whether things go wrong still.
    pub(crate) faults: bool,
    sectors: usize,
    write_through: bool,
    pace: Pace,
    broken: Option<Broken>,
    coverage: Coverage,
    trace: Option<Vec<String>>,
}

/// What the application does how often.
struct Pace {
    /// The longest time between two requests, in microseconds.
    gap: u64,
    /// Of a hundred requests.
    flushes: u64,
    writes: u64,
    /// How many at once.
    depth: usize,
}

impl Pace {
    fn new(random: &mut ChaCha8Rng) -> Self {
        let gaps = [8_000, 30_000, 100_000, 300_000];
        let depths = [3, 8, 20, 40];
        Self {
            gap: gaps[random.random_range(0..gaps.len())],
            flushes: random.random_range(5..40),
            writes: random.random_range(20..60),
            depth: depths[random.random_range(0..depths.len())],
        }
    }
}

/// Events before the faults stop.
const EVENTS: u64 = 2_500;
/// After that everything has to end within this time, in microseconds.
const CALM: u64 = 600_000_000;

impl World {
    fn new(seed: u64, trace: bool) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let sectors = random.random_range(4..24);
        let write_through = random.random_bool(0.5);
        Self {
            now: 0,
            events: 0,
            queue: BinaryHeap::new(),
            count: 0,
            network: Network::default(),
            server: Server::new(sectors, write_through),
            client: Self::client(&mut random, 0),
            clients: 0,
            history: History::new(sectors, write_through),
            faults: true,
            sectors,
            write_through,
            pace: Pace::new(&mut random),
            broken: None,
            coverage: Coverage::new(EXPECTED),
            trace: trace.then(Vec::new),
            random,
        }
    }

    fn client(random: &mut ChaCha8Rng, number: u64) -> Client {
        let patience = Patience {
            answer: random.random_range(200_000..6_000_000),
            tries: random.random_range(0..4),
            connect: random.random_range(1_000_000..8_000_000),
            silence: random.random_range(1_000_000..8_000_000),
        };
        let lines = random.random_range(1..=4);
        Client::new(number, lines, random.random_range(2..16), patience)
    }

    /// The client's connections are tried, and it looks at the clock.
    fn begin(&mut self) {
        for line in 0..self.client.lines() {
            self.after(0, Event::Connect(self.clients, line));
        }
        self.after(50_000, Event::Watch(self.clients));
    }

    /// A number of the seed.
    pub(crate) fn number(&mut self) -> u32 {
        self.random.random()
    }

    /// One of `of` times.
    pub(crate) fn chance(&mut self, of: u32) -> bool {
        self.random.random_ratio(1, of)
    }

    /// A number from the first to the second.
    pub(crate) fn between(&mut self, first: u64, second: u64) -> u64 {
        self.random.random_range(first..=second)
    }

    /// Lets something happen after so many microseconds.
    pub(crate) fn after(&mut self, delay: u64, event: Event) {
        self.count += 1;
        self.queue
            .push(Reverse((self.now + delay, self.count, event)));
    }

    /// Notes what has happened.
    pub(crate) fn note(&mut self, what: &'static str) {
        self.coverage.note(what);
        self.tell(format_args!("  {what}"));
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12.6} {what}", self.now as f64 / 1e6));
        }
    }

    /// A rule may be broken.
    pub(crate) fn check(&mut self, result: Result<(), Broken>) {
        if let Err(broken) = result {
            self.broken(broken);
        }
    }

    /// A rule is broken; the first counts.
    pub(crate) fn broken(&mut self, what: Broken) {
        self.tell(format_args!("BROKEN {what}"));
        self.broken.get_or_insert(what);
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, wire: Wire, to: Side, message: Message) {
        let at = self.now.max(self.network.cut_until) + self.between(100, 20_000);
        self.tell(format_args!("  {wire} to {to:?}: {message:?}"));
        if let Some(at) = self.network.send(wire, to, message, at) {
            self.after(at - self.now, Event::Arrive(wire, to == Side::Server));
        }
    }

    /// A connection is lost: one side has closed it, or it was reset. Each side learns of it after
    /// a while, the server sometimes after a long one, or never unless the client's machine is gone.
    pub(crate) fn lose(&mut self, wire: Wire) {
        if !self.network.is_alive(wire) {
            return;
        }
        let kept = [Side::Client, Side::Server].map(|side| {
            let there = self.network.on_the_way(wire, side) as u64;
            self.between(0, there) as usize
        });
        self.network.kill(wire, kept);
        let delay = self.between(0, 100_000);
        self.after(delay, Event::AwareClient(wire));
        let delay = match self.between(0, 11) {
            0 => return self.note("connection half open for ever"),
            1..=3 => {
                self.note("connection half open");
                self.between(1_000_000, 20_000_000)
            }
            _ => self.between(0, 100_000),
        };
        self.after(delay, Event::AwareServer(wire));
    }

    fn issue(&mut self) {
        let (flushes, writes) = (self.pace.flushes, self.pace.writes);
        let kind = match self.between(0, 99) {
            // A disk without a cache gets no flushes.
            at if at < flushes && !self.write_through => Kind::Flush,
            at if at < flushes + writes => Kind::Write,
            _ => Kind::Read,
        };
        let (first, sectors) = match kind {
            Kind::Flush => (0, 0),
            _ => {
                let first = self.between(0, self.sectors as u64 - 1);
                let most = (self.sectors as u64 - first).min(6);
                (first as usize, self.between(1, most) as usize)
            }
        };
        if self.history.open() < self.pace.depth {
            self.request(kind, first, sectors);
        }
        if self.faults {
            let delay = self.between(0, self.pace.gap);
            self.after(delay, Event::Issue);
        }
    }

    /// The application asks.
    fn request(&mut self, kind: Kind, first: usize, sectors: usize) {
        self.note(match kind {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Flush => "flush",
        });
        let id = self.history.begin(kind, first, sectors);
        self.tell(format_args!("{kind:?} {id} of {sectors} from {first}"));
        self.ask(id, kind);
    }

    fn fault(&mut self) {
        if !self.faults {
            return;
        }
        match self.between(0, 23) {
            0..=11 => {
                if let Some(wire) = self.some_wire() {
                    self.note("connection reset");
                    self.lose(wire);
                }
            }
            12..=14 => {
                self.note("network cut");
                self.network.cut_until = self.now + self.between(10_000, 10_000_000);
            }
            15..=17 => {
                if let Some(wire) = self.some_wire() {
                    self.note("answers late");
                    let until = self.now + self.between(10_000, 5_000_000);
                    self.network.hold(wire, until);
                    if self.chance(2) {
                        let delay = self.between(0, 100_000);
                        self.after(delay, Event::Crash);
                    }
                }
            }
            18..=21 => self.crash_server(),
            22 => self.crash_client(),
            _ => {}
        }
        let delay = self.between(10_000, 3_000_000);
        self.after(delay, Event::Fault);
    }

    fn some_wire(&mut self) -> Option<Wire> {
        let alive = self.network.alive();
        let last = alive.len().checked_sub(1)?;
        Some(alive[self.between(0, last as u64) as usize])
    }

    /// A flush has ended: what would be lost now?
    pub(crate) fn flush_ended(&mut self) {
        if self.faults && self.chance(20) {
            let delay = self.between(0, 30_000);
            self.after(delay, Event::Crash);
        }
    }

    /// The client stops at once; another one takes its place.
    fn crash_client(&mut self) {
        self.note("client crash");
        let result = self.history.gone();
        self.check(result);
        for wire in self.network.alive() {
            self.network.close(wire, Side::Client);
            self.lose(wire);
        }
        // Nobody answers any more: the server learns of it in the end.
        for wire in self.network.unnoticed(Side::Server) {
            let delay = self.between(1_000_000, 20_000_000);
            self.after(delay, Event::AwareServer(wire));
        }
        self.clients += 1;
        self.client = Self::client(&mut self.random, self.clients);
        self.begin();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Issue => self.issue(),
            Event::Fault => self.fault(),
            Event::Arrive(wire, to_server) => self.arrive(wire, to_server),
            Event::AwareServer(wire) => self.server_aware(wire),
            Event::AwareClient(wire) => self.client_aware(wire),
            Event::Sent(client, tag) if client == self.clients => self.sent(Tag::from_wire(tag)),
            Event::Told(client, id) if client == self.clients => self.told(id),
            Event::Received(client, tag) if client == self.clients => {
                self.received(Tag::from_wire(tag));
            }
            Event::Device(job) => self.device(job),
            Event::Connect(client, line) if client == self.clients => self.connect(line),
            Event::Watch(client) if client == self.clients => {
                self.watch();
                self.after(50_000, Event::Watch(client));
            }
            Event::Sent(..)
            | Event::Received(..)
            | Event::Told(..)
            | Event::Connect(..)
            | Event::Watch(_) => {}
            Event::Crash if self.faults => self.crash_server(),
            Event::Crash => {}
            Event::Boot => self.boot_server(),
        }
    }

    fn arrive(&mut self, wire: Wire, to_server: bool) {
        let side = match to_server {
            true => Side::Server,
            false => Side::Client,
        };
        let earliest = self.network.may_arrive(wire, side);
        if self.now < earliest {
            return self.after(earliest - self.now, Event::Arrive(wire, to_server));
        }
        if let Some(message) = self.network.receive(wire, side) {
            self.tell(format_args!("{wire} at {side:?}: {message:?}"));
            match side {
                Side::Server => self.server_receives(wire, message),
                Side::Client => self.client_receives(wire, message),
            }
        }
    }

    /// Lets one event happen, and looks at the rules.
    fn step(&mut self) -> bool {
        let Some(Reverse((time, _, event))) = self.queue.pop() else {
            self.broken("progress: nothing happens any more".into());
            return false;
        };
        self.now = time;
        self.events += 1;
        self.happen(event);
        self.audit();
        let result = self.history.durable(self.server.stable());
        self.check(result);
        self.broken.is_none()
    }

    /// Lets time go on until everything has ended that was asked for.
    fn settle(&mut self) -> bool {
        let end = self.now + CALM;
        while self.history.open() > 0 || !self.client.is_idle() {
            if self.now > end {
                let stuck = self.history.stuck();
                self.broken(format!(
                    "progress: {stuck:?} do not end, or places stay in use"
                ));
            }
            if self.broken.is_some() || !self.step() {
                return false;
            }
        }
        true
    }

    fn read_all(&mut self) -> bool {
        for first in (0..self.sectors).step_by(6) {
            self.request(Kind::Read, first, (self.sectors - first).min(6));
        }
        self.settle()
    }

    /// The faults have stopped: everything ends. What was promised outlives one more crash.
    fn finish(&mut self) {
        self.faults = false;
        self.network.cut_until = 0;
        if !self.settle() {
            return;
        }
        if !self.write_through {
            // The first may have to tell of a loss.
            for _ in 0..2 {
                self.request(Kind::Flush, 0, 0);
                if !self.settle() {
                    return;
                }
            }
        }
        if self.read_all() {
            self.crash_server();
            self.read_all();
        }
    }

    fn main(&mut self) {
        self.begin();
        self.after(0, Event::Issue);
        self.after(0, Event::Fault);
        while self.events < EVENTS {
            if !self.step() {
                return;
            }
        }
        self.finish();
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
