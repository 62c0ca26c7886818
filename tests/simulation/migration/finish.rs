// SPDX-License-Identifier: GPL-2.0

//! How a run goes on, and how it ends: the faults stop, and everything is looked at.

use super::{Event, World, EVENTS};
use crate::{core::label::state, history::Kind};
use std::cmp::Reverse;

/// When the faults have stopped, each thing has to end within this time, in microseconds.
const CALM: u64 = 300_000_000;

impl World {
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
        self.broken.is_none()
    }

    pub(super) fn main(&mut self) {
        self.after(0, Event::Start);
        self.after(0, Event::Issue);
        self.after(100_000, Event::Fault);
        while self.events < EVENTS {
            if !self.step() {
                return;
            }
        }
        self.faults = false;
        for server in &mut self.servers {
            server.disk.unreadable = None;
        }
        self.finish();
    }

    /// The client that was started last, if it runs.
    fn newest(&self) -> Option<u64> {
        let (client, own) = self.clients.iter().next_back()?;
        own.runs().then_some(*client)
    }

    fn is_settled(&self) -> bool {
        let newest = self.newest().and_then(|client| self.clients.get(&client));
        let idle = newest.is_some_and(|own| own.is_idle() && own.mover.is_idle());
        idle && self.history.open() == 0
    }

    /// Lets time go on until everything has ended that was asked for.
    fn settle(&mut self) -> bool {
        let end = self.now + CALM;
        while !self.is_settled() {
            if self.now > end {
                let stuck = self.history.stuck();
                self.broken(format!(
                    "progress: {stuck:?} do not end, or a migration or start does not"
                ));
            }
            if self.broken.is_some() || !self.step() {
                return false;
            }
        }
        true
    }

    /// The application asks, and everything ends.
    fn all(&mut self, kind: Kind) -> bool {
        let Some(client) = self.newest() else {
            return false;
        };
        match kind {
            Kind::Flush => drop(self.request(client, kind, 0, 0)),
            _ => {
                for first in (0..self.sectors).step_by(4) {
                    self.request(client, kind, first, (self.sectors - first).min(4));
                }
            }
        }
        self.settle()
    }

    fn finish(&mut self) {
        // The first flush may have to tell of a loss.
        let flush = |world: &mut Self| {
            world.write_through || world.all(Kind::Flush) && world.all(Kind::Flush)
        };
        if !self.settle() || !flush(self) || !self.all(Kind::Read) {
            return;
        }
        let moved = self.moved;
        for _ in 0..5 {
            let Some(client) = self.newest().filter(|_| self.moved == moved) else {
                break;
            };
            self.want_migration(client);
            if !self.settle() {
                return;
            }
            // The new device may have seen a higher epoch; the next start goes beyond it.
            if self.moved == moved {
                self.retire(client);
                if !self.settle() {
                    return;
                }
            }
        }
        if self.moved == moved {
            return self.broken("progress: a migration does not succeed".into());
        }
        if self.all(Kind::Write) && flush(self) && self.all(Kind::Read) {
            self.probing = true;
            let clients: Vec<u64> = self.clients.keys().copied().collect();
            clients.into_iter().for_each(|client| self.retire(client));
            self.crash_server(0);
            self.crash_server(1);
            self.probes();
        }
    }

    /// Starts with these devices; the device that is used, or why none is.
    fn probe(&mut self, list: &[usize]) -> Result<usize, &'static str> {
        let clients: Vec<u64> = self.clients.keys().copied().collect();
        clients.into_iter().for_each(|client| self.retire(client));
        let end = self.now + CALM;
        self.refused = None;
        let mut list = list.to_vec();
        list.extend(2..self.servers.len());
        while self.now < end {
            if self.clients.is_empty() {
                self.new_client(list.clone());
            }
            if !self.step() {
                return Err("a rule is broken");
            }
            if let Some(refused) = self.refused {
                return Err(refused);
            }
            if let Some(own) = self.newest().and_then(|client| self.clients.get(&client)) {
                return Ok(own.main);
            }
        }
        Err("nothing happens")
    }

    fn expect(&mut self, list: &[usize], expected: Result<usize, &'static str>) -> bool {
        let found = self.probe(list);
        if found != expected && self.broken.is_none() {
            self.broken(format!(
                "state: a start with {list:?} gives {found:?}, not {expected:?}"
            ));
        }
        self.broken.is_none() && (expected.is_err() || self.all(Kind::Read))
    }

    /// The storage is started in every way.
    fn probes(&mut self) {
        let holder = self.truth();
        let loser = 1 - holder;
        let state = self.servers[loser]
            .disk
            .label()
            .map(|choice| choice.label.state);
        if state != Ok(state::REPLACED) {
            return self.broken(format!("state: the old device's label says {state:?}"));
        }
        let good = self.expect(&[loser], Err("start refused: the new device is missing"))
            && self.expect(&[holder], Ok(holder))
            && self.expect(&[holder, loser], Ok(holder))
            && self.expect(&[loser, holder], Ok(holder));
        let Some(image) = self.image[loser].take().filter(|_| good) else {
            return;
        };
        // A device that is not what it was could be taken by a start that sees nothing else.
        self.cloned = true;
        self.servers[loser].disk.restore_labels(&image);
        if self.servers.len() > 2 {
            self.expect(&[loser], Err("start refused: an image of earlier times"));
        }
        self.expect(
            &[loser, holder],
            Err("start refused: two devices for a node"),
        );
    }
}
