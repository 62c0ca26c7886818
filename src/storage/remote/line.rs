// SPDX-License-Identifier: GPL-2.0

//! The state of one of a node's connections, and what follows for the node.

use super::{request::Outgoing, Inner, Remote};
use crate::{
    dst_core::{
        transaction::Link,
        wire::{Reason, Status},
        write_back::Life,
    },
    net::{client::ClientError, Sender},
};
use kernel::{
    cpu::CpuId,
    prelude::*,
    sync::Arc,
    time::{BootTime, Instant},
};

/// The state of a connection, or of a node, for people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A connection attempt is under way.
    Connecting,
    /// Requests go out.
    Connected,
    /// Waiting before the next attempt.
    Waiting,
    /// What came back is not the node that was lost: nothing is sent to it. Waiting before the next attempt.
    Refused,
    /// The node ends everything in error.
    Failed,
}

impl Phase {
    /// Between two attempts to connect again, whatever came of the last one.
    fn is_between(self) -> bool {
        matches!(self, Self::Waiting | Self::Refused)
    }

    /// Whether who came from `before` has been doing the same all the time, for people.
    fn continues(self, before: Self) -> bool {
        self == before || self.is_between() && before.is_between()
    }
}

/// Why there is no connection.
#[derive(Clone, Copy)]
pub struct Trouble {
    /// An errno; 0 if there was no connection yet.
    pub errno: i32,
    /// In words, where an errno says too little; may be empty.
    pub words: Reason,
}

impl Trouble {
    /// None yet.
    pub const NONE: Self = Self {
        errno: 0,
        words: Reason::new(),
    };

    /// `error`, for which its own words will do.
    pub fn of(error: Error) -> Self {
        Self {
            errno: error.to_errno(),
            words: Reason::new(),
        }
    }

    /// `error`, with what more there is to say.
    pub fn said(error: Error, words: &dyn core::fmt::Display) -> Self {
        Self {
            errno: error.to_errno(),
            words: Reason::from_display(words),
        }
    }
}

impl From<&ClientError> for Trouble {
    fn from(error: &ClientError) -> Self {
        let errno = error.to_error();
        match error {
            ClientError::Refused(Status::Draining | Status::Busy, said) if !said.is_empty() => {
                Self::said(errno, said)
            }
            _ => Self::of(errno),
        }
    }
}

/// What a node, or one of its connections, is doing.
pub struct Standing {
    /// What it is doing.
    pub phase: Phase,
    /// Why there is no connection, or not every connection.
    pub trouble: Trouble,
    /// For how many milliseconds.
    pub since: u64,
    /// How many connections stand.
    pub established: u16,
}

/// One connection.
///
/// # Invariants
///
/// Whoever sends or receives on an incarnation of the connection does so on `sender`'s stream, and
/// `sender` is taken out, by whoever closes it and takes back what it holds, before `link` is.
pub(super) struct Line {
    /// Sends while the connection stands.
    pub(super) sender: Option<Arc<Sender<Outgoing>>>,
    /// Its sender takes nothing more.
    pub(super) broken: bool,
    /// What the table knows it by, while it stands.
    pub(super) link: Option<Link>,
    /// That of the server's cache, as it is known on this connection.
    pub(super) life: Life,
    /// The node's when it began to be made.
    pub(super) begun_in: Life,
    pub(super) phase: Phase,
    pub(super) trouble: Trouble,
    /// The last trouble until it stands again, where `trouble` is over once another attempt is made.
    told: Trouble,
    pub(super) since: Instant<BootTime>,
    /// It has stood before.
    pub(super) has_stood: bool,
    /// When the server was asked whether it is alive, if it was and nothing has come since.
    pub(super) asked: Option<u64>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            sender: None,
            broken: false,
            link: None,
            life: Life::default(),
            begun_in: Life::default(),
            phase: Phase::Connecting,
            trouble: Trouble::NONE,
            told: Trouble::NONE,
            since: Instant::now(),
            has_stood: false,
            asked: None,
        }
    }

    /// Whether requests can be given to it.
    fn is_usable(&self) -> bool {
        self.sender.is_some() && !self.broken
    }

    /// Says what it is doing. An attempt after another one is no news before its end.
    fn enter(&mut self, phase: Phase, trouble: Trouble) {
        if phase == Phase::Connecting && self.phase.is_between() {
            self.trouble = trouble;
        } else {
            self.begin(phase, trouble);
        }
    }

    /// Says what it is doing, whatever that was before.
    fn begin(&mut self, phase: Phase, trouble: Trouble) {
        if !phase.continues(self.phase) {
            self.since = Instant::now();
        }
        self.phase = phase;
        self.trouble = trouble;
        self.told = trouble;
    }
}

impl Inner {
    /// A connection that takes requests: the one of this CPU if it does. Different CPUs so have
    /// different connections, and a stream of requests keeps to one.
    pub(super) fn choose(&self) -> Option<u16> {
        let own = CpuId::current().as_u32() as usize;
        self.usable_from(own.checked_rem(self.lines.len())?)
    }

    /// The connection after `at`, in the circle of those that take requests.
    pub(super) fn choose_after(&self, at: u16) -> Option<u16> {
        self.usable_from(usize::from(at) + 1)
    }

    /// The first that takes requests, from number `first` on and around.
    fn usable_from(&self, first: usize) -> Option<u16> {
        let all = || self.lines.iter().enumerate();
        let mut order = Iterator::chain(all().skip(first), all().take(first));
        // There are at most MAX_CONNECTIONS.
        order
            .find(|(_, line)| line.is_usable())
            .map(|(at, _)| at as u16)
    }

    /// How many connections stand.
    pub(super) fn established(&self) -> u16 {
        let up = self.lines.iter();
        up.filter(|line| line.phase == Phase::Connected).count() as u16
    }

    /// Says what connection `at` is doing. A node that was given up stays failed.
    pub(super) fn set_phase(&mut self, at: usize, phase: Phase, trouble: Trouble) {
        if self.failed.is_some() {
            return;
        }
        if let Some(line) = self.lines.get_mut(at) {
            line.enter(phase, trouble);
        }
        self.sum_up();
    }

    /// Whatever kept the connections from standing is over.
    pub(super) fn begin_anew(&mut self) {
        if self.failed.is_some() {
            return;
        }
        for line in self.lines.iter_mut() {
            line.begin(Phase::Connecting, Trouble::NONE);
        }
        self.sum_up();
    }

    /// Every connection has failed, with the node.
    pub(super) fn set_failed(&mut self) {
        for line in self.lines.iter_mut() {
            let why = match line.trouble.errno {
                0 => line.told,
                _ => line.trouble,
            };
            line.begin(Phase::Failed, why);
        }
        self.sum_up();
    }

    fn sum_up(&mut self) {
        let has = |phase| self.lines.iter().any(|line| line.phase == phase);
        let phases = [
            Phase::Connected,
            Phase::Refused,
            Phase::Waiting,
            Phase::Connecting,
        ];
        let phase = phases.into_iter().find(|phase| has(*phase));
        let phase = phase.unwrap_or(Phase::Failed);
        if !phase.continues(self.phase) {
            self.since = Instant::now();
        }
        self.phase = phase;
    }

    /// Why some connection does not stand: of those in `phase` if there are any.
    fn trouble(&self, phase: Phase) -> Trouble {
        let down = || {
            self.lines
                .iter()
                .filter(|line| line.phase != Phase::Connected)
        };
        let first = down().find(|line| line.phase == phase && line.told.errno != 0);
        first
            .or_else(|| down().find(|line| line.told.errno != 0))
            .map_or(Trouble::NONE, |line| line.told)
    }
}

impl Remote {
    /// What the node is doing.
    pub fn standing(&self) -> Standing {
        let inner = self.inner.lock();
        Standing {
            phase: inner.phase,
            trouble: inner.trouble(inner.phase),
            since: inner.since.elapsed().as_millis().unsigned_abs(),
            established: inner.established(),
        }
    }

    /// What connection `at` is doing; `None` if there is none of that number.
    pub fn standing_of(&self, at: u16) -> Option<Standing> {
        let inner = self.inner.lock();
        let line = inner.lines.get(usize::from(at))?;
        Some(Standing {
            phase: line.phase,
            trouble: line.told,
            since: line.since.elapsed().as_millis().unsigned_abs(),
            established: u16::from(line.phase == Phase::Connected),
        })
    }

    /// Whether requests go out on some connection.
    pub fn is_up(&self) -> bool {
        self.inner.lock().phase == Phase::Connected
    }
}
