// SPDX-License-Identifier: GPL-2.0

//! What goes wrong.

use super::{Event, World};

impl World {
    /// A step of a migration begins: the moment for something to go wrong.
    pub(super) fn tempt(&mut self, client: u64, server: usize) {
        if self.faults && self.chance(3) {
            let delay = self.between(0, 120_000);
            self.after(delay, Event::Strike(client, server));
        }
    }

    pub(super) fn strike(&mut self, client: u64, server: usize) {
        if !self.faults || !self.clients.contains_key(&client) {
            return;
        }
        match self.between(0, 9) {
            0 => self.crash_client(client),
            1 | 2 => self.crash_server(server),
            3 => {
                self.crash_server(0);
                self.crash_server(1);
            }
            4 => self.another_client(),
            _ => {
                self.note("connection reset");
                self.lose(client, server);
            }
        }
    }

    pub(super) fn crash_client(&mut self, client: u64) {
        self.note("client crash");
        (0..self.servers.len()).for_each(|server| self.lose(client, server));
        self.retire(client);
    }

    /// What a client does not know of its predecessor's writes it cannot tell, so not with write-back.
    pub(super) fn another_client(&mut self) {
        if self.write_through {
            self.note("another client is started");
            let list = self.command_line();
            self.new_client(list);
        }
    }

    pub(super) fn fault(&mut self) {
        if !self.faults {
            return;
        }
        let newest = self.clients.keys().next_back().copied();
        let server = self.between(0, self.servers.len() as u64 - 1) as usize;
        match (self.between(0, 25), newest) {
            (0..=5, Some(client)) => {
                self.note("connection reset");
                self.lose(client, server);
            }
            (6..=9, _) => self.crash_server(server.min(1)),
            (10, _) => self.crash_server(server),
            (11, Some(client)) => self.crash_client(client),
            (12..=13, Some(_)) => self.another_client(),
            (14, _) => {
                self.note("label that cannot be read");
                let place = self.between(0, 1) as usize;
                self.servers[server].disk.unreadable = Some(place);
            }
            (15, _) => self.servers[server].disk.unreadable = None,
            (16, _) => {
                self.note("direct copies forbidden");
                self.direct = false;
            }
            (17, _) => self.direct = true,
            (_, Some(_)) => {
                if let Some(client) = self.some_client() {
                    self.want_migration(client);
                }
            }
            _ => {}
        }
        let delay = self.between(10_000, 1_500_000);
        self.after(delay, Event::Fault);
    }

    /// The devices that somebody gives.
    pub(super) fn command_line(&mut self) -> Vec<usize> {
        let all: Vec<usize> = (0..self.servers.len()).collect();
        if !self.faults {
            return all;
        }
        let choice = self.between(0, 5);
        let (missing, turned) = (self.chance(12), self.chance(2));
        let given = |server: &usize| match (*server, choice) {
            (0, 1) | (1, 2) => false,
            (2, _) => !missing,
            _ => true,
        };
        let mut list: Vec<usize> = all.into_iter().filter(given).collect();
        if turned {
            list.reverse();
        }
        list
    }
}
