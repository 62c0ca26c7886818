// SPDX-License-Identifier: GPL-2.0

//! The servers: what an export does, and the device below it.
//!
//! A hello closes the client's earlier connection and is answered when nothing of it is at the device; a claim
//! makes older epochs refused, and is answered when nothing of other clients is at the device and the label has
//! it. That these hold against any network is what [`crate::world`] shows; several clients are let in at
//! once here, so nothing but the epoch keeps them apart.

mod labels;

use super::{disk::Disk, Event, World};
use crate::{
    core::label::Label,
    fault,
    history::{Id, Kind},
};
use std::collections::BTreeMap;

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Call {
    /// A request of the application; whether this device is the one that counts.
    Io(Id, bool),
    /// A flush of the client's own.
    Flush,
    /// Reads an extent: first sector, and how many.
    CopyRead(usize, usize),
    /// Writes an extent: first sector, and what.
    CopyWrite(usize, Vec<Id>),
    /// Copies an extent from another server.
    CopyDirect(usize, usize, usize),
    /// The label, and the epoch in force.
    LabelRead,
    /// A label that is newer than the one that is there; whether it may be another storage's.
    LabelWrite(Box<Label>),
    /// To own the device.
    Claim(u64),
}

impl Call {
    /// Whether it may be sent again as if it had not been sent.
    pub fn repeats(&self) -> bool {
        !matches!(self, Self::LabelWrite(_) | Self::Claim(_))
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is done, with what was read.
    Done(Vec<Id>),
    /// The label, and the epoch in force.
    Label(Option<Box<Label>>, u64),
    /// The device has failed; of a direct copy the one that was to be written.
    Failed,
    /// Of a direct copy: the device that was to be read has failed.
    ReadFailed,
    /// It is not done, and nothing of it.
    Refused,
    /// Another client owns the device.
    Stale,
}

/// A request on its way or at a device.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who has asked, and on which connection.
    pub client: u64,
    /// Which of its connections to this server.
    pub incarnation: u64,
    /// Which server.
    pub server: usize,
    /// The client's number for it.
    pub tag: u64,
    /// In which epoch it owns the device.
    pub epoch: u64,
    /// What.
    pub call: Call,
}

/// A request that has come to the server.
#[derive(Clone)]
pub struct Job {
    request: Request,
    /// The device works on it.
    at_device: bool,
    /// A direct copy: what was read.
    data: Option<Vec<Id>>,
    /// The label that is being written, and where next.
    writing: Option<(Box<Label>, Vec<usize>)>,
}

/// A server and its device.
pub struct Server {
    /// Counts starts.
    pub boot: u64,
    /// Whether it runs.
    pub up: bool,
    /// Whether a write is stable when it is answered.
    pub through: bool,
    /// The epoch in force.
    pub epoch: u64,
    owner: u64,
    /// The device.
    pub disk: Disk,
    /// The connection of each client that is listened to.
    sessions: BTreeMap<u64, u64>,
    hellos: Vec<(u64, u64)>,
    jobs: BTreeMap<u64, Job>,
    /// The request whose turn it is to look at the label.
    labelling: Option<u64>,
}

impl Server {
    /// One that runs.
    pub fn new(disk: Disk, through: bool) -> Self {
        let epoch = disk.label().map_or(0, |choice| choice.label.epoch);
        Self {
            boot: 1,
            up: true,
            through,
            epoch,
            owner: 0,
            disk,
            sessions: BTreeMap::new(),
            hellos: Vec::new(),
            jobs: BTreeMap::new(),
            labelling: None,
        }
    }

    fn is_stale(&self, request: &Request) -> bool {
        match request.call {
            Call::LabelRead => false,
            Call::Claim(epoch) => {
                let recorded = self.disk.label().map_or(0, |choice| choice.label.epoch);
                epoch <= recorded.max(self.epoch)
                    && (self.owner, self.epoch) != (request.client, epoch)
            }
            _ => request.epoch != self.epoch && !fault::is("forget-epoch"),
        }
    }
}

impl World {
    /// A client says hello: its earlier connection is not listened to any more.
    pub(super) fn hello(&mut self, server: usize, client: u64, incarnation: u64) {
        let own = &mut self.servers[server];
        if !own.up
            || own
                .sessions
                .get(&client)
                .is_some_and(|known| *known >= incarnation)
        {
            return;
        }
        own.sessions.insert(client, incarnation);
        own.hellos.push((client, incarnation));
        self.answer_hellos(server);
    }

    fn answer_hellos(&mut self, server: usize) {
        let own = &mut self.servers[server];
        let busy: Vec<u64> = own.jobs.values().map(|job| job.request.client).collect();
        let direct = |job: &Job| matches!(job.request.call, Call::CopyDirect(..));
        let forgotten: Vec<u64> = own
            .jobs
            .values()
            .filter(|job| !direct(job))
            .map(|job| job.request.client)
            .collect();
        let busy = match fault::is("fence-forgets-copies") {
            true => forgotten,
            false => busy,
        };
        let (wait, ready): (Vec<_>, Vec<_>) = own
            .hellos
            .drain(..)
            .partition(|(client, _)| busy.contains(client));
        own.hellos = wait;
        if !own.hellos.is_empty() {
            self.note("hello waited for the fence");
        }
        let boot = self.servers[server].boot;
        for (client, incarnation) in ready {
            let delay = self.delay();
            self.after(delay, Event::Welcome(client, server, incarnation, boot));
        }
    }

    /// A request arrives.
    pub(super) fn arrive(&mut self, request: Request) {
        let own = &mut self.servers[request.server];
        if !own.up || own.sessions.get(&request.client) != Some(&request.incarnation) {
            return;
        }
        // A hello that waits is answered after this one's predecessors, so nothing comes before the welcome.
        let server = request.server;
        if own.is_stale(&request) {
            return self.reply(&request, Answer::Stale);
        }
        if let Call::Claim(epoch) = request.call {
            own.epoch = epoch;
            own.owner = request.client;
        }
        let job = Job {
            request,
            data: None,
            at_device: false,
            writing: None,
        };
        self.count += 1;
        let number = self.count;
        self.servers[server].jobs.insert(number, job);
        self.work_later(server, number);
    }

    fn work_later(&mut self, server: usize, job: u64) {
        let delay = match self.chance(25) {
            true => self.between(0, 3_000_000),
            false => self.between(0, 20_000),
        };
        self.after(delay, Event::Work(server, job));
    }

    fn reply(&mut self, request: &Request, answer: Answer) {
        let delay = self.delay();
        let (client, server) = (request.client, request.server);
        self.letters
            .insert(self.count + 1, (request.clone(), answer));
        self.after(delay, Event::Reply(client, server, self.count + 1));
    }

    fn end_job(&mut self, server: usize, number: u64, answer: Answer) {
        let own = &mut self.servers[server];
        if own.labelling == Some(number) {
            own.labelling = None;
        }
        if let Some(job) = own.jobs.remove(&number) {
            self.reply(&job.request, answer);
        }
        self.answer_hellos(server);
    }

    /// The device goes on with a request.
    pub(super) fn work(&mut self, server: usize, number: u64) {
        let Some(job) = self.servers[server].jobs.get(&number).cloned() else {
            return;
        };
        // What has begun to write a label goes on.
        let begun = job.at_device || job.writing.is_some();
        if !begun && self.servers[server].is_stale(&job.request) {
            return self.end_job(server, number, Answer::Stale);
        }
        if matches!(
            job.request.call,
            Call::LabelRead | Call::LabelWrite(_) | Call::Claim(_)
        ) {
            return self.label_work(server, number, job);
        }
        let elsewhere = matches!(job.request.call, Call::CopyDirect(..)) && job.data.is_none();
        if !begun && !elsewhere {
            // Nobody asks after the owner when the device is through with it.
            if let Some(job) = self.servers[server].jobs.get_mut(&number) {
                job.at_device = true;
            }
            return self.work_later(server, number);
        }
        let luck = match job.request.call {
            // An error of the device that is left does not end a migration.
            Call::Io(_, true) => self.bad_luck / 3,
            _ => self.bad_luck,
        };
        let fails = self.faults && self.chance(luck);
        if let Call::CopyDirect(first, count, from) = job.request.call {
            return self.copy_work(server, number, (first, count, from), job, fails);
        }
        if fails {
            self.fail(server, &job.request.call);
            return self.end_job(server, number, Answer::Failed);
        }
        let data = self.carry_out(server, &job.request.call, usize::MAX);
        self.end_job(server, number, Answer::Done(data));
    }

    /// The device fails, perhaps in the middle.
    fn fail(&mut self, server: usize, call: &Call) {
        match call {
            Call::Io(id, counts) => {
                let request = self.history.request(*id);
                let (kind, sectors) = (request.kind, request.sectors);
                if *counts {
                    self.note("device error");
                    self.history.excuse(*id);
                } else {
                    self.note("error of the new device");
                }
                if kind == Kind::Write {
                    let most = self.between(0, sectors as u64) as usize;
                    self.carry_out(server, call, most);
                }
            }
            Call::CopyRead(..) => self.note("error while copying"),
            Call::CopyWrite(_, data) => {
                self.note("error of the new device");
                let most = self.between(0, data.len() as u64) as usize;
                self.carry_out(server, call, most);
            }
            _ => {}
        }
    }

    /// A direct copy reads from the other server, and then writes.
    fn copy_work(
        &mut self,
        server: usize,
        number: u64,
        copy: (usize, usize, usize),
        job: Job,
        fails: bool,
    ) {
        let (first, count, from) = copy;
        if let Some(data) = job.data {
            let write = Call::CopyWrite(first, data);
            if fails {
                self.fail(server, &write);
                return self.end_job(server, number, Answer::Failed);
            }
            self.note("extent copied directly");
            self.carry_out(server, &write, usize::MAX);
            return self.end_job(server, number, Answer::Done(Vec::new()));
        }
        let source = &self.servers[from];
        if !self.direct || !source.up {
            self.note("direct copy refused");
            return self.end_job(server, number, Answer::Refused);
        }
        if source.epoch != job.request.epoch {
            return self.end_job(server, number, Answer::Stale);
        }
        if fails {
            self.note("error while copying");
            return self.end_job(server, number, Answer::ReadFailed);
        }
        let cells = &source.disk.cells[first..first + count];
        let data = cells.iter().map(|cell| cell.there()).collect();
        if let Some(job) = self.servers[server].jobs.get_mut(&number) {
            job.data = Some(data);
        }
        self.work_later(server, number);
    }

    /// Carries out a request, at the first `most` sectors; what a read brings.
    fn carry_out(&mut self, server: usize, call: &Call, most: usize) -> Vec<Id> {
        let own = &mut self.servers[server];
        let through = own.through;
        match call {
            Call::Flush => own
                .disk
                .cells
                .iter_mut()
                .for_each(|cell| drop(cell.flush(usize::MAX))),
            Call::CopyRead(first, count) => {
                let cells = &own.disk.cells[*first..first + count];
                return cells.iter().map(|cell| cell.there()).collect();
            }
            Call::CopyWrite(first, data) => {
                for (cell, id) in own.disk.cells[*first..].iter_mut().zip(data).take(most) {
                    cell.write(*id, through);
                }
            }
            Call::Io(id, counts) => return self.carry_out_io(server, *id, *counts, most),
            _ => {}
        }
        Vec::new()
    }

    fn carry_out_io(&mut self, server: usize, id: Id, counts: bool, most: usize) -> Vec<Id> {
        let request = self.history.request(id);
        let (kind, first, sectors) = (request.kind, request.first, request.sectors.min(most));
        if kind == Kind::Flush {
            self.carry_out(server, &Call::Flush, most);
            if counts {
                self.history.flushed(id);
            }
            return Vec::new();
        }
        let mut data = Vec::new();
        for sector in first..first + sectors {
            if counts {
                let result = self.history.carried_out(id, sector);
                self.check(result);
            }
            let own = &mut self.servers[server];
            let (through, cell) = (own.through, &mut own.disk.cells[sector]);
            match kind {
                Kind::Read => data.push(cell.there()),
                _ => cell.write(id, through),
            }
        }
        if kind == Kind::Read {
            self.history.found(id, data.clone());
        }
        data
    }

    /// The server stops at once, and its device forgets what it likes of its cache.
    pub(super) fn crash_server(&mut self, server: usize) {
        if !self.servers[server].up {
            return;
        }
        self.note("server crash");
        let holds = self.truth() == server;
        let own = &mut self.servers[server];
        own.up = false;
        own.sessions.clear();
        own.hellos.clear();
        own.labelling = None;
        for job in std::mem::take(&mut own.jobs).into_values() {
            self.tear(server, job);
        }
        let lucky = self.chance(5);
        for sector in 0..self.servers[server].disk.cells.len() {
            let all = self.servers[server].disk.cells[sector].cached();
            let kept = match lucky {
                true => all,
                false => self.between(0, all as u64) as usize,
            };
            for id in self.servers[server].disk.cells[sector].flush(kept) {
                self.note("cached write lost");
                if holds && id != 0 {
                    self.history.forgotten(id, sector);
                }
            }
        }
        self.lose_all(server);
        let off = self.between(10_000, 3_000_000);
        self.after(off, Event::Boot(server));
    }

    /// What a crash leaves of a request at the device.
    fn tear(&mut self, server: usize, job: Job) {
        if let Some((label, places)) = job.writing {
            self.note("label torn by a crash");
            let sectors = self.between(0, 8) as usize;
            self.servers[server]
                .disk
                .write_label(places[0], &label, sectors);
            return;
        }
        let call = match (job.request.call, job.data) {
            (Call::CopyDirect(first, ..), Some(data)) => Call::CopyWrite(first, data),
            (call, _) => call,
        };
        let (count, writes) = match &call {
            Call::Io(id, _) => {
                let request = self.history.request(*id);
                (request.sectors, request.kind == Kind::Write)
            }
            Call::CopyWrite(_, data) => (data.len(), true),
            _ => (0, false),
        };
        let stale = self.servers[server].epoch != job.request.epoch;
        if writes && !stale && self.chance(2) {
            self.note("write torn by a crash");
            let most = self.between(0, count as u64) as usize;
            self.carry_out(server, &call, most);
        }
    }

    /// The server comes back.
    pub(super) fn boot_server(&mut self, server: usize) {
        let own = &mut self.servers[server];
        own.boot += 1;
        own.up = true;
        own.epoch = own.disk.label().map_or(0, |choice| choice.label.epoch);
        own.owner = 0;
    }
}
