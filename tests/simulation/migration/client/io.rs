// SPDX-License-Identifier: GPL-2.0

//! The requests of the application.

use super::{Leg, Purpose, Wish};
use crate::{
    core::{
        migration::{Admission, Route, Side, What},
        write_back::Verdict,
    },
    history::{Id, Kind},
    migration::{server::Call, World},
};

impl World {
    /// The application asks.
    pub(in super::super) fn ask(&mut self, client: u64, id: Id) {
        let Some(own) = self.client(client) else {
            return;
        };
        let wish = Wish {
            id,
            promise: own.endings.promise(own.moment()),
        };
        own.parked.push(wish);
        self.pump(client);
    }

    /// Does what can be done now.
    pub(in super::super) fn pump(&mut self, client: u64) {
        self.move_on(client);
        let Some(own) = self
            .client(client)
            .filter(|own| own.runs() && !own.mover.waits())
        else {
            return;
        };
        let mut kept: Vec<Wish> = Vec::new();
        for wish in std::mem::take(&mut own.parked) {
            if !self.begin(client, wish, &kept) {
                kept.push(wish);
            }
        }
        if let Some(own) = self.client(client) {
            own.parked.extend(kept);
        }
    }

    /// Sends a request if it may go.
    pub(super) fn begin(&mut self, client: u64, wish: Wish, before: &[Wish]) -> bool {
        let request = self.history.request(wish.id);
        let (kind, first, sectors) = (request.kind, request.first, request.sectors);
        let passes = |other: &Wish| {
            let other = self.history.request(other.id);
            kind == Kind::Write && other.kind == Kind::Write && other.overlaps(request)
        };
        if before.iter().any(passes) {
            return false;
        }
        let what = match kind {
            Kind::Read => What::Read,
            Kind::Write => What::Change(first as u64, sectors as u64),
            Kind::Flush => What::Flush,
        };
        let Some(own) = self.client(client) else {
            return false;
        };
        let admission = match own.mover.machine.as_mut() {
            Some(machine) => machine.admit(what),
            None => Admission::Go(None, Route::Old),
        };
        let (ticket, route) = match admission {
            Admission::Go(ticket, route) => (ticket, route),
            Admission::Wait => {
                self.note("request waits for the migration");
                return false;
            }
            Admission::Lost => return false,
        };
        let (main, target) = (own.main, own.mover.target);
        let leg = Leg {
            wish,
            ticket,
            main,
            data: Vec::new(),
            other: own.moment(),
            lives: Vec::new(),
        };
        own.legs.insert(wish.id, leg);
        self.call(
            client,
            main,
            Call::Io(wish.id, true),
            Purpose::Io(wish.id),
            None,
        );
        if route == Route::Both {
            self.note("request goes to both");
            self.call(
                client,
                target,
                Call::Io(wish.id, false),
                Purpose::Io(wish.id),
                None,
            );
        }
        true
    }

    /// A device has answered a request of the application.
    pub(super) fn io_answered(
        &mut self,
        client: u64,
        server: usize,
        id: Id,
        ok: bool,
        data: Vec<Id>,
    ) {
        let kind = self.history.request(id).kind;
        let Some(own) = self.client(client) else {
            return;
        };
        let life = own.lines[server].life;
        let Some(leg) = own.legs.get_mut(&id) else {
            return;
        };
        if let (Kind::Write, true, Some(life)) = (kind, ok, life) {
            leg.lives.push((server, life));
        }
        let counts = server == leg.main;
        if counts {
            leg.data = data;
        }
        if !counts && kind == Kind::Flush && ok {
            let covers = leg.other;
            own.caches[server].flushed_unasked(covers);
        }
        let Some(leg) = own.legs.get(&id) else {
            return;
        };
        let ended = match (leg.ticket, own.mover.machine.as_mut()) {
            (Some(ticket), Some(machine)) => {
                let side = match counts {
                    true => Side::Old,
                    false => Side::New,
                };
                machine.answered(ticket, side, ok)
            }
            _ => counts.then_some(ok),
        };
        if let Some(ok) = ended {
            self.ends(client, id, ok);
        }
        self.take_ended(client);
    }

    /// Ends what the migration no longer waits for.
    pub(in super::super) fn take_ended(&mut self, client: u64) {
        loop {
            let Some(own) = self.client(client) else {
                return;
            };
            let Some((ticket, ok)) = own
                .mover
                .machine
                .as_mut()
                .and_then(|machine| machine.take_ended())
            else {
                return;
            };
            let leg = own.legs.iter().find(|(_, leg)| leg.ticket == Some(ticket));
            let Some(id) = leg.map(|(id, _)| *id) else {
                return self.broken("truth: a request ends that is not there".into());
            };
            self.note("request ends without the new device");
            self.ends(client, id, ok);
        }
    }

    /// The application is told.
    pub(super) fn ends(&mut self, client: u64, id: Id, ok: bool) {
        let kind = self.history.request(id).kind;
        let Some(own) = self.client(client) else {
            return;
        };
        let Some(leg) = own.legs.remove(&id) else {
            return;
        };
        let (mut good, mut tells) = (ok, false);
        match kind {
            Kind::Read if ok => {
                let result = self.history.brought(id, &leg.data);
                self.check(result);
            }
            Kind::Flush => {
                let promise = leg.wish.promise;
                let verdict = own.caches[leg.main].flush_ended(promise.covers, ok);
                tells = verdict == Verdict::Tells;
                if tells {
                    own.endings.tells();
                }
                good = ok && verdict == Verdict::Sound && own.endings.holds(&promise);
                if tells || ok && !good {
                    self.note("flush failed for a lost cache");
                    let result = self.history.tells(id, tells, false);
                    self.check(result);
                }
            }
            _ => {}
        }
        let Some(own) = self.client(client) else {
            return;
        };
        if !good {
            own.endings.failed(tells);
        }
        let at = match kind {
            Kind::Write => own.tick(),
            _ => own.moment(),
        };
        if kind == Kind::Write && !ok {
            own.caches[leg.main].unsure(at);
        }
        let result = self.history.end(id, good);
        self.check(result);
        // Only now does a flush cover it that is asked for. A server may have lost it meanwhile.
        for (server, life) in leg.lives {
            let Some(own) = self.client(client) else {
                return;
            };
            own.caches[server].write_ended(life, at);
            if own.lines[server].life != Some(life) {
                self.note("write acknowledged by a server that is gone");
                if server == leg.main {
                    self.history.news();
                }
                self.lost_cache(client, server);
            }
        }
    }

    /// Acknowledged writes are lost with a server's cache.
    pub(super) fn lost_cache(&mut self, client: u64, server: usize) {
        let Some(own) = self.client(client) else {
            return;
        };
        let side = match server == own.main {
            true => Side::Old,
            false => Side::New,
        };
        if side == Side::New {
            own.caches[server].forget();
        }
        let target = own.mover.target;
        let Some(machine) = own.mover.machine.as_mut() else {
            return;
        };
        if side == Side::Old || server == target {
            machine.lost_cache(side);
            self.note(match side {
                Side::Old => "old device lost its cache",
                Side::New => "new device lost its cache",
            });
        }
    }
}
