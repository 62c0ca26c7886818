// SPDX-License-Identifier: GPL-2.0

//! The client's part of a migration: what the machine in the core wants done.

use super::{
    client::Purpose,
    server::{Answer, Call},
    works::{Job, Owner, Prepare, Result, Work},
    World,
};
use crate::core::{
    label::{state, Change, Partner},
    migration::{
        Copied, Copy, Copying, Extents, Migration, Outcome, Phase, Reason, Request, Step, Task, Way,
    },
    text::Text,
    write_back::{Life, Moment},
};

type Machine = Migration<Vec<u64>, Vec<Copying>, Vec<Request>>;

/// A client's migration, or what it knows between two.
#[derive(Default)]
pub struct Mover {
    pub(super) machine: Option<Machine>,
    /// The device that is moved from, and to.
    old: usize,
    pub(super) target: usize,
    node: [u8; 16],
    /// Migrations that the storage has seen.
    pub(super) events: u64,
    /// One is to begin when nothing is under way.
    wanted: bool,
    untold: Vec<usize>,
    said: Option<Phase>,
}

impl Mover {
    /// Whether requests wait for the begin.
    pub(super) fn waits(&self) -> bool {
        self.wanted && self.machine.is_none()
    }

    /// Whether nothing is going on.
    pub(super) fn is_idle(&self) -> bool {
        !self.wanted && self.machine.is_none()
    }
}

impl World {
    /// A migration is to begin.
    pub(super) fn want_migration(&mut self, client: u64) {
        if let Some(own) = self
            .client(client)
            .filter(|own| own.runs() && own.mover.is_idle())
        {
            own.mover.wanted = true;
            self.note("migration");
            self.pump(client);
        }
    }

    fn begin_migration(&mut self, client: u64) {
        self.nodes += 1;
        let mut node = [0x77; 16];
        node[..8].copy_from_slice(&self.nodes.to_le_bytes());
        let sectors = self.sectors as u64;
        let bits = vec![0; 4];
        let (copies, places) = (self.between(1, 3) as usize, self.between(3, 16) as usize);
        let way = match self.chance(2) {
            true => Way::first(true, true, true),
            false => Way::first(true, false, true),
        };
        let Some(own) = self.client(client) else {
            return;
        };
        // Nobody knows what a client before has left in the cache.
        let at = own.tick();
        own.caches[own.main].unsure(at);
        own.mover.old = own.main;
        own.mover.target = 1 - own.main;
        own.mover.node = node;
        let extents = Extents::new(bits, sectors, 1).expect("enough bits");
        own.mover.machine = Some(Machine::new(
            extents,
            vec![Copying::FREE; copies],
            vec![Request::FREE; places],
            way,
        ));
    }

    /// Does what the migration wants.
    pub(super) fn move_on(&mut self, client: u64) {
        let Some(own) = self.client(client).filter(|own| own.runs()) else {
            return;
        };
        if own.mover.waits() {
            if !own.legs.is_empty() {
                return;
            }
            self.begin_migration(client);
        }
        loop {
            let Some(machine) = self
                .client(client)
                .and_then(|own| own.mover.machine.as_mut())
            else {
                return;
            };
            if let Some(copy) = machine.copy() {
                self.copy(client, copy);
            } else if let Some(task) = machine.next_step() {
                self.do_step(client, task);
            } else {
                break;
            }
        }
        self.look_at_phase(client);
    }

    fn look_at_phase(&mut self, client: u64) {
        let Some(own) = self.client(client) else {
            return;
        };
        let Some(machine) = own.mover.machine.as_ref() else {
            return;
        };
        let (phase, over) = (machine.phase(), machine.is_over());
        let new = own.mover.said != Some(phase);
        own.mover.said = Some(phase);
        if new {
            self.tell(format_args!("client {client}: {phase:?}"));
            match phase {
                Phase::Revoking => self.note("record taken back"),
                Phase::Moved => self.note("migration done"),
                Phase::Ended(Reason::Cancelled) => self.note("migration cancelled"),
                Phase::Ended(Reason::NewFailed) => self.note("migration ended by the new device"),
                Phase::Ended(Reason::NotPrepared) => self.note("migration not prepared"),
                _ => {}
            }
        }
        let moved = matches!(phase, Phase::Telling | Phase::Settling | Phase::Moved);
        if moved
            && self
                .client(client)
                .is_some_and(|own| own.main == own.mover.old)
        {
            self.note("taken over");
            self.takes_over(client);
        }
        if matches!(phase, Phase::Ended(_)) {
            self.drop_target(client);
            if new {
                self.leave_target(client);
            }
        }
        if over {
            self.end_migration(client, phase);
        }
    }

    fn end_migration(&mut self, client: u64, phase: Phase) {
        let Some(own) = self.client(client) else {
            return;
        };
        own.mover.machine = None;
        // Tickets and tasks begin anew with the next one.
        own.calls
            .retain(|_, call| matches!(call.purpose, Purpose::Io(_) | Purpose::Label(_)));
        own.mover.wanted = false;
        own.mover.said = None;
        if phase == Phase::Moved {
            own.mover.events += 1;
            let (node, events) = (own.mover.node, own.mover.events);
            if let Some(label) = own.label.as_mut() {
                label.node = node;
                label.events = events;
            }
            self.moved += 1;
        }
    }

    /// Nobody waits for the new device any more.
    fn drop_target(&mut self, client: u64) {
        let Some(own) = self.client(client) else {
            return;
        };
        let target = own.mover.target;
        own.works
            .drop_of(|work| work.server == target && !matches!(work.owner, Owner::Start));
        own.calls.retain(|(server, _), _| *server != target);
    }

    /// Closes the connection to the new device, so that nothing of this migration lands in another one.
    fn leave_target(&mut self, client: u64) {
        let Some(own) = self.client(client) else {
            return;
        };
        let target = own.mover.target;
        let incarnation = own.lines[target].incarnation;
        self.down(client, target, incarnation);
    }

    fn copy(&mut self, client: u64, copy: Copy) {
        if self.chance(4) {
            let server = self.between(0, 1) as usize;
            self.tempt(client, server);
        }
        let Some(own) = self.client(client) else {
            return;
        };
        let (first, count) = (copy.first as usize, copy.sectors as usize);
        let (old, new) = (own.mover.old, own.mover.target);
        match copy.way {
            Way::Direct => {
                let call = Call::CopyDirect(first, count, old);
                self.call(client, new, call, Purpose::CopyWrite(copy.ticket), None);
            }
            Way::Through => {
                let call = Call::CopyRead(first, count);
                self.call(
                    client,
                    old,
                    call,
                    Purpose::CopyRead(copy.ticket, first),
                    None,
                );
            }
        }
    }

    /// A device has answered a part of a copy.
    pub(super) fn copy_answered(
        &mut self,
        client: u64,
        server: usize,
        purpose: Purpose,
        answer: Answer,
        life: Option<Life>,
    ) {
        let Some(own) = self.client(client) else {
            return;
        };
        let target = own.mover.target;
        let Some(machine) = own.mover.machine.as_mut() else {
            return;
        };
        match (purpose, answer) {
            (Purpose::CopyRead(ticket, first), Answer::Done(data)) => {
                if machine.wants(ticket) {
                    let call = Call::CopyWrite(first, data);
                    self.call(client, target, call, Purpose::CopyWrite(ticket), None);
                } else {
                    self.note("copy read for nothing");
                }
            }
            (Purpose::CopyRead(ticket, _), _) => machine.copied(ticket, Copied::ReadFailed),
            (Purpose::CopyWrite(ticket), answer) => {
                let copied = match answer {
                    Answer::Done(_) => Copied::Done,
                    Answer::ReadFailed => Copied::ReadFailed,
                    Answer::Refused => Copied::Refused,
                    _ => Copied::WriteFailed,
                };
                machine.copied(ticket, copied);
                if let (Copied::Done, Some(life)) = (copied, life) {
                    let at = own.tick();
                    own.caches[server].write_ended(life, at);
                    self.note("extent copied");
                }
                self.take_ended(client);
            }
            _ => {}
        }
    }

    fn do_step(&mut self, client: u64, task: Task) {
        let Some(own) = self.client(client) else {
            return;
        };
        let (old, new, node) = (own.mover.old, own.mover.target, own.mover.node);
        let Some(label) = own.label else {
            return;
        };
        let events = own.mover.events;
        let by = Partner {
            node,
            place: Text::from_display(&"new"),
        };
        let (server, job) = match task.step {
            Step::FlushOld | Step::FlushNew => {
                let server = match task.step {
                    Step::FlushOld => old,
                    _ => new,
                };
                let covers = own.moment();
                return self.call(
                    client,
                    server,
                    Call::Flush,
                    Purpose::Flush(task, covers),
                    None,
                );
            }
            Step::Prepare => (new, Job::Prepare(Box::new(label), node, Prepare::Look)),
            Step::Record => {
                self.image[old] = Some(self.servers[old].disk.clone());
                let events = events + 1;
                (
                    old,
                    Job::Update(label.node, Change::Replaced { by, events }),
                )
            }
            Step::Revoke => (
                old,
                Job::Update(label.node, Change::Kept { by: node, events }),
            ),
            Step::TakeOver => (
                new,
                Job::Update(node, Change::TakenOver { events: events + 1 }),
            ),
            Step::Settle => (new, Job::Update(node, Change::Settled)),
            Step::Tell => {
                own.mover.untold = (2..own.lines.len()).collect();
                return self.tell_next(client, task);
            }
        };
        let owner = Owner::Task(task);
        self.begin_work(client, Work::new(owner, server, job));
        self.tempt(client, server);
    }

    /// Another node's label is told.
    fn tell_next(&mut self, client: u64, task: Task) {
        let nodes = self.other_nodes();
        let Some(own) = self.client(client) else {
            return;
        };
        let events = own.mover.events + 1;
        match own.mover.untold.pop() {
            Some(server) => {
                let job = Job::Update(nodes[server - 2], Change::Told { events });
                let owner = Owner::Task(task);
                self.begin_work(client, Work::new(owner, server, job));
            }
            None => {
                if let Some(machine) = own.mover.machine.as_mut() {
                    machine.done(task, Outcome::Done);
                }
            }
        }
    }

    /// A label was updated, or was not.
    pub(super) fn step_ends(&mut self, client: u64, task: Task, result: Result) {
        let outcome = match result {
            Result::Failed(outcome) => outcome,
            _ if task.step == Step::Tell => return self.tell_next(client, task),
            _ => Outcome::Done,
        };
        if outcome == Outcome::Fenced {
            return self.fenced(client);
        }
        if outcome == Outcome::Unknown {
            self.note(match task.step {
                Step::Record => "record in doubt",
                Step::TakeOver => "taking over in doubt",
                _ => "step in doubt",
            });
        }
        if let Some(machine) = self
            .client(client)
            .and_then(|own| own.mover.machine.as_mut())
        {
            machine.done(task, outcome);
        }
        self.take_ended(client);
    }

    /// A flush of the migration's own was answered.
    pub(super) fn flush_answered(
        &mut self,
        client: u64,
        server: usize,
        task: Task,
        covers: Moment,
        ok: bool,
    ) {
        let Some(own) = self.client(client) else {
            return;
        };
        let outcome = match ok {
            true => Outcome::Done,
            false => Outcome::Unknown,
        };
        if ok {
            own.caches[server].flushed_unasked(covers);
        }
        if let Some(machine) = own.mover.machine.as_mut() {
            machine.done(task, outcome);
        }
        self.take_ended(client);
    }

    /// The new device answers again.
    pub(super) fn mover_welcome(&mut self, client: u64, server: usize) {
        let Some(own) = self.client(client) else {
            return;
        };
        let away = own
            .mover
            .machine
            .as_ref()
            .is_some_and(|machine| machine.is_away());
        if away && server == own.mover.target {
            let (owner, job) = (Owner::Attach, Job::Read);
            self.begin_work(client, Work::new(owner, server, job));
        }
    }

    /// Its label was looked at.
    pub(super) fn attach(&mut self, client: u64, server: usize, result: Result) {
        let Some(own) = self.client(client) else {
            return;
        };
        let (node, epoch) = (own.mover.node, own.epoch);
        let Some(machine) = own
            .mover
            .machine
            .as_mut()
            .filter(|machine| machine.is_away())
        else {
            return;
        };
        let ours = match result {
            Result::Label(Some(label), in_force) => {
                label.node == node && label.state == state::COPY && in_force == epoch
            }
            Result::Failed(Outcome::Unknown) => return self.mover_welcome(client, server),
            _ => false,
        };
        match ours {
            true => {
                machine.attach();
                self.note("new device back");
            }
            false => {
                machine.give_up(Reason::NewFailed);
                self.take_ended(client);
            }
        }
    }

    /// Time goes on.
    pub(super) fn watch_migration(&mut self, client: u64) {
        let (now, faults) = (self.now, self.faults);
        let haste = self.haste;
        let said = self.client(client).and_then(|own| own.mover.said);
        let odds = match said {
            // Here it matters most.
            Some(Phase::Recording | Phase::Revoking | Phase::TakingOver) => 12,
            _ => 400,
        };
        let (ready, cancel, pause) = (self.chance(haste), self.chance(odds), self.chance(150));
        let (resume, again) = (self.chance(20) || !faults, self.chance(30));
        let Some(own) = self.client(client) else {
            return;
        };
        let line = &own.lines[own.mover.target];
        let gone = !line.up && now - line.since > own.patience;
        let Some(machine) = own.mover.machine.as_mut() else {
            return;
        };
        let tried = again && machine.try_again();
        if gone && !machine.is_away() {
            machine.detach();
            if machine.is_away() {
                self.note("new device away");
                self.take_ended(client);
                self.drop_target(client);
            }
        } else if cancel && faults {
            if !machine.give_up(Reason::Cancelled) {
                self.note("too late to cancel");
            }
            self.take_ended(client);
        } else if pause && faults {
            machine.pause();
            self.note("paused");
        } else if machine.paused().is_some() && resume {
            machine.resume();
            self.note("resumed");
        } else if (ready || !faults) && machine.switch() {
            self.note("switch");
        }
        if tried {
            self.note("direct copies tried again");
        }
    }
}
