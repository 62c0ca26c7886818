// SPDX-License-Identifier: GPL-2.0

//! TCP: what is sent on a connection arrives in order and once, late or, if the connection is lost,
//! not at all. The two sides learn of a loss at different times, or only because nobody answers.

use crate::{
    core::{fence::Session, transaction::Tag, write_back::Identity},
    history::{Id, Kind},
};
use std::collections::VecDeque;

/// Names a connection; never used again.
pub type Wire = usize;

/// An end of a connection, in the order of [`Network::kill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who has connected.
    Client,
    /// Who has accepted.
    Server,
}

impl Side {
    /// The other one.
    pub fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who comes.
    Hello(Session),
    /// Come in.
    Welcome(Identity),
    /// Somebody else writes.
    Busy,
    /// Do this.
    Request {
        /// What to answer to.
        tag: Tag,
        /// Whose request it is.
        id: Id,
        /// What it asks for.
        kind: Kind,
    },
    /// It is done.
    Reply {
        /// The request's.
        tag: Tag,
        /// What was read.
        data: Vec<Id>,
        /// Whether it was done well.
        ok: bool,
        /// A flush: what the server calls its cache.
        cache: u64,
    },
    /// Is anybody there, and the answer to that.
    Ping,
}

struct Direction {
    queue: VecDeque<Message>,
    /// When the last message will arrive.
    last: u64,
}

struct Connection {
    /// Messages to the client and to the server.
    directions: [Direction; 2],
    /// Whether each side uses it still.
    open: [bool; 2],
    /// Nothing more is sent.
    dead: bool,
    /// The client gets nothing before that.
    held: u64,
}

/// All connections that ever were.
#[derive(Default)]
pub struct Network {
    connections: Vec<Connection>,
    /// Nothing arrives before that.
    pub cut_until: u64,
}

impl Network {
    /// A new connection, on which nothing was sent.
    pub fn connect(&mut self) -> Wire {
        let direction = || Direction {
            queue: VecDeque::new(),
            last: 0,
        };
        self.connections.push(Connection {
            directions: [direction(), direction()],
            open: [true; 2],
            dead: false,
            held: 0,
        });
        self.connections.len() - 1
    }

    /// Whether `side` uses it still.
    pub fn is_open(&self, wire: Wire, side: Side) -> bool {
        self.connections[wire].open[side as usize]
    }

    /// Whether messages are delivered.
    pub fn is_alive(&self, wire: Wire) -> bool {
        !self.connections[wire].dead
    }

    /// `side` uses it no more.
    pub fn close(&mut self, wire: Wire, side: Side) {
        self.connections[wire].open[side as usize] = false;
    }

    /// Sends to `side`; when it arrives, unless the connection is lost. `at`: not before that.
    pub fn send(&mut self, wire: Wire, side: Side, message: Message, at: u64) -> Option<u64> {
        let connection = &mut self.connections[wire];
        if connection.dead {
            return None;
        }
        let direction = &mut connection.directions[side as usize];
        direction.last = direction.last.max(at);
        direction.queue.push_back(message);
        Some(direction.last)
    }

    /// The next message for `side`, if it uses the connection still.
    pub fn receive(&mut self, wire: Wire, side: Side) -> Option<Message> {
        let connection = &mut self.connections[wire];
        let message = connection.directions[side as usize].queue.pop_front()?;
        connection.open[side as usize].then_some(message)
    }

    /// The connection is lost. Of what is on its way to each side the first messages get there, late.
    pub fn kill(&mut self, wire: Wire, kept: [usize; 2]) {
        let connection = &mut self.connections[wire];
        connection.dead = true;
        for (direction, kept) in connection.directions.iter_mut().zip(kept) {
            direction.queue.truncate(kept);
        }
    }

    /// What is on its way to the client arrives later than that.
    pub fn hold(&mut self, wire: Wire, until: u64) {
        let held = &mut self.connections[wire].held;
        *held = until.max(*held);
    }

    /// Until when it is held.
    pub fn held(&self, wire: Wire) -> u64 {
        self.connections[wire].held
    }

    /// When something may arrive that would arrive now.
    pub fn may_arrive(&self, wire: Wire, side: Side) -> u64 {
        match side {
            Side::Client => self.cut_until.max(self.connections[wire].held),
            Side::Server => self.cut_until,
        }
    }

    /// Connections that are lost, and `side` uses them still.
    pub fn unnoticed(&self, side: Side) -> Vec<Wire> {
        let all = self.connections.iter().enumerate();
        all.filter(|(_, connection)| connection.dead && connection.open[side as usize])
            .map(|(wire, _)| wire)
            .collect()
    }

    /// The connections that are not lost.
    pub fn alive(&self) -> Vec<Wire> {
        let all = self.connections.iter().enumerate();
        all.filter(|(_, connection)| !connection.dead)
            .map(|(wire, _)| wire)
            .collect()
    }

    /// How many messages are on their way to `side`.
    pub fn on_the_way(&self, wire: Wire, side: Side) -> usize {
        self.connections[wire].directions[side as usize].queue.len()
    }
}
