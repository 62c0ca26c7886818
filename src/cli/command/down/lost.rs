// SPDX-License-Identifier: GPL-2.0

//! Which storages wait for a machine that nobody can wait for when this one stops.
//!
//! A node has shown life when the module is connected to it and nothing waits there, or something was answered
//! since the last look. If neither is so, its machine is asked whether it accepts connections: one that lost its
//! power without a word counts as connected until the module's own limits are over, which is too long for a
//! machine that stops, and one whose disk is only slow must not be given up.
//!
//! So there are two limits. A machine that shows no life has the time that the caller says. One that accepts
//! connections has longer, [`RETURN_TIME`], until the module is connected to the node again, whatever keeps it from that:
//! also if another device answers there, or none, which somebody may be about to mend.

use crate::args::boot::Down;
use crate::command::save::{is_of, own_netns};
use crate::endpoint::Resolver;
use crate::model::{Node, Storage};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a machine that accepts connections may take until the module is connected to it again: longer than
/// the module's longest pause between two attempts, with a server that still has requests at its disk.
pub const RETURN_TIME: Duration = Duration::from_secs(30);

/// When a node has shown life.
struct Signs {
    /// The last sign of any kind.
    life: Instant,
    /// When the module was last connected to it.
    connected: Instant,
    /// What it had answered at the last look.
    answered: (u64, u64),
    /// The limit that was told, if it was told that the node is waited for.
    told: Option<Duration>,
}

/// What a storage had done at the last look, and since when nothing was added.
struct Progress {
    done: u64,
    since: Instant,
}

/// What a node that is waited for lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Its machine has shown no life.
    Life,
    /// Its machine accepts connections, or cannot be asked, but the node does not serve I/O.
    Service,
}

/// A node that is waited for in vain.
#[derive(Debug, Clone)]
pub struct Silent {
    /// Name of the storage.
    pub storage: String,
    /// The node, as a person knows it, and what the module says of it.
    pub node: String,
    /// What is missing.
    pub lack: Lack,
    /// For how long.
    pub lasts: Duration,
    /// How long that may last.
    pub limit: Duration,
    /// Requests that wait.
    pub waiting: u64,
    /// It has had its time.
    pub lost: bool,
    /// Tells of it for the first time, or of a shorter limit than before.
    pub news: bool,
}

/// Remembers the looks at all nodes.
pub struct Watch {
    grace: Duration,
    /// [`RETURN_TIME`], but never less than the other limit.
    return_time: Duration,
    /// Inode number of the own network namespace: only there machines can be asked.
    netns: Option<u64>,
    nodes: HashMap<(String, u64), Signs>,
    storages: HashMap<String, Progress>,
}

/// What requests of a node wait at `now`.
fn pending(node: &Node) -> u64 {
    node.in_flight.unwrap_or(0) + node.queued.unwrap_or(0)
}

impl Watch {
    /// A node is lost when it has shown no life for as long as `args` say.
    pub fn new(args: &Down) -> Self {
        let grace = Duration::from_millis(args.grace.into());
        Self {
            grace,
            return_time: RETURN_TIME.max(grace),
            netns: own_netns(),
            nodes: HashMap::new(),
            storages: HashMap::new(),
        }
    }

    /// Looks at the nodes of storages in use: which of them keep I/O waiting without a sign of life. What has
    /// ended at the nodes, and nothing else, counts; a node whose I/O ends in error keeps nobody waiting. Takes as
    /// long as the resolver.
    ///
    /// A machine in another network namespace cannot be asked; what it is asked here may be another one's address.
    /// There it counts as alive, and only the longer limit and those of the module hold.
    pub fn look<'a>(
        &mut self,
        storages: impl Iterator<Item = &'a (Storage, Vec<Node>)>,
        resolver: &dyn Resolver,
        clock: &dyn Fn() -> Instant,
    ) -> Vec<Silent> {
        let now = clock();
        let in_use = storages.filter(|(storage, _)| storage.openers.unwrap_or(0) > 0);
        let in_use: Vec<_> = in_use.collect();
        let mut suspects = Vec::new();
        for (storage, nodes) in &in_use {
            let stuck = self.is_stuck(storage, now);
            for node in nodes.iter().filter(|node| node.address.is_some()) {
                if let Some(waiting) = self.note(storage, node, stuck, now) {
                    suspects.push((storage, node, waiting));
                }
            }
        }
        let asked: Vec<SocketAddr> = suspects
            .iter()
            .filter(|(storage, ..)| is_of(self.netns, storage.netns))
            .filter_map(|(_, node, _)| node.address)
            .collect();
        let answering = resolver.which_answer(&asked);
        let times = (now, clock());
        let judged = suspects.into_iter();
        judged
            .filter_map(|(storage, node, waiting)| {
                let foreign = !is_of(self.netns, storage.netns);
                let alive = foreign || node.address.is_some_and(|at| answering.contains(&at));
                self.judge(storage, node, waiting, alive, times)
            })
            .collect()
    }

    /// Whether the storage has requests and none of them has ended for as long as a node may be silent.
    fn is_stuck(&mut self, storage: &Storage, now: Instant) -> bool {
        let done = storage.read_ios + storage.write_ios + storage.flush_ios + storage.discard_ios;
        let progress = self.storages.entry(storage.name.clone());
        let progress = progress.or_insert(Progress { done, since: now });
        if progress.done != done || storage.in_flight.unwrap_or(0) == 0 {
            *progress = Progress { done, since: now };
        }
        now - progress.since >= self.grace
    }

    /// Notes what is seen of a node; the number of requests that wait for it if it shows no life. A request that
    /// goes to several nodes is counted at the first of them, so what the whole storage waits for counts too.
    fn note(&mut self, storage: &Storage, node: &Node, stuck: bool, now: Instant) -> Option<u64> {
        let answered = (node.read_ios, node.write_ios);
        let key = (storage.name.clone(), node.index);
        let signs = self.nodes.entry(key).or_insert(Signs {
            life: now,
            connected: now,
            answered,
            told: None,
        });
        let progress = std::mem::replace(&mut signs.answered, answered) != answered;
        let up = node.state == "up";
        if up {
            // How long a request may take there is for the module to judge.
            signs.connected = now;
        }
        if up && (progress || pending(node) == 0) {
            signs.life = now;
            signs.told = None;
            return None;
        }
        if node.state == "failed" {
            // What was asked of it has ended in error.
            return None;
        }
        match pending(node) {
            // What would have to wait for it ends in error.
            0 if node.flags.has("fail-fast") => None,
            0 if stuck => storage.in_flight,
            0 => None,
            waiting => Some(waiting),
        }
    }

    /// What is to be said of a node that I/O waits for; `alive` if its machine is taken to be, which was asked from the first to the
    /// second of these times. How long that took is no part of the node's silence.
    fn judge(
        &mut self,
        storage: &Storage,
        node: &Node,
        waiting: u64,
        alive: bool,
        (begin, end): (Instant, Instant),
    ) -> Option<Silent> {
        let signs = self.nodes.get_mut(&(storage.name.clone(), node.index))?;
        if alive {
            signs.life = end;
        }
        let silent = begin.saturating_duration_since(signs.life);
        let away = begin.saturating_duration_since(signs.connected);
        let (lack, lasts, limit) = if alive || away >= self.return_time {
            (Lack::Service, away, self.return_time)
        } else {
            (Lack::Life, silent, self.grace)
        };
        if alive && away < self.grace {
            // It is slow, or about to be connected: nobody's news.
            return None;
        }
        let news = signs.told.is_none_or(|told| limit < told);
        if news {
            signs.told = Some(limit);
        }
        let place = node.type_line.as_deref().unwrap_or("remote");
        let why = node.reason.as_deref().filter(|why| !why.is_empty());
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        Some(Silent {
            storage: storage.name.clone(),
            node: format!("node {} ({place}, {}{why})", node.index, node.state),
            lack,
            lasts,
            limit,
            waiting,
            lost: lasts >= limit,
            news,
        })
    }
}
