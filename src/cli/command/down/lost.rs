// SPDX-License-Identifier: GPL-2.0

//! Which storages wait for a machine that nobody can wait for when this one stops.
//!
//! A node has shown life when the module is connected to it and nothing waits there, or something was answered
//! since the last look. If neither is so, its machine is asked whether it accepts connections: one that lost its
//! power without a word counts as connected until the module's own limits are over, which is too long for a
//! machine that stops, and one whose disk is only slow must not be given up.

use crate::args::boot::Down;
use crate::command::save::own_netns;
use crate::endpoint::Resolver;
use crate::model::{Node, Storage};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a machine that accepts connections may take until the module is connected to it again: longer than
/// the module's longest pause between two attempts, with a server that still has requests at its disk.
const RETURN_TIME: Duration = Duration::from_secs(30);

/// When a node has shown life.
struct Signs {
    /// The last sign of any kind.
    life: Instant,
    /// When the module was last connected to it.
    connected: Instant,
    /// What it had answered at the last look.
    answered: (u64, u64),
    /// It was told that the node does not answer.
    told: bool,
}

/// What a storage had done at the last look, and since when nothing was added.
struct Progress {
    done: u64,
    since: Instant,
}

/// A node that is waited for in vain.
#[derive(Debug, Clone)]
pub struct Silent {
    /// Name of the storage.
    pub storage: String,
    /// The node, as a person knows it.
    pub node: String,
    /// Since when it has shown no life.
    pub since: Instant,
    /// Requests that wait.
    pub waiting: u64,
    /// It has had its time.
    pub lost: bool,
    /// Tells of it for the first time.
    pub news: bool,
}

/// Remembers the looks at all nodes.
pub struct Watch {
    grace: Duration,
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
        Self {
            grace: Duration::from_millis(args.grace.into()),
            netns: own_netns(),
            nodes: HashMap::new(),
            storages: HashMap::new(),
        }
    }

    /// How long a node may be silent.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Looks at the nodes of storages in use: which of them keep I/O waiting without a sign of life. What has
    /// ended at the nodes, and nothing else, counts; a node whose I/O ends in error keeps nobody waiting.
    pub fn look<'a>(
        &mut self,
        storages: impl Iterator<Item = &'a (Storage, Vec<Node>)>,
        resolver: &dyn Resolver,
    ) -> Vec<Silent> {
        let now = Instant::now();
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
            .filter(|(storage, node, _)| self.can_ask(storage, node))
            .filter_map(|(_, node, _)| node.address)
            .collect();
        let alive = resolver.which_answer(&asked);
        let judged = suspects.into_iter();
        judged
            .filter_map(|(storage, node, waiting)| self.judge(storage, node, waiting, &alive))
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
            told: false,
        });
        let progress = std::mem::replace(&mut signs.answered, answered) != answered;
        let up = node.state == "up";
        if up {
            // How long a request may take there is for the module to judge.
            signs.connected = now;
        }
        if up && (progress || pending(node) == 0) {
            signs.life = now;
            signs.told = false;
            return None;
        }
        match pending(node) {
            0 if stuck => storage.in_flight,
            0 => None,
            waiting => Some(waiting),
        }
    }

    fn can_ask(&self, storage: &Storage, node: &Node) -> bool {
        let here = storage.netns.is_none() || storage.netns == self.netns;
        // It has answered, and is not what it should be.
        here && node.state != "failed"
    }

    fn judge(
        &mut self,
        storage: &Storage,
        node: &Node,
        waiting: u64,
        alive: &[SocketAddr],
    ) -> Option<Silent> {
        let now = Instant::now();
        let elsewhere = !self.can_ask(storage, node) && node.state == "up";
        let grace = self.grace;
        let signs = self.nodes.get_mut(&(storage.name.clone(), node.index))?;
        // Nobody can ask in another network namespace: there the module's limits hold.
        if elsewhere || node.address.is_some_and(|at| alive.contains(&at)) {
            signs.life = now;
            if now - signs.connected < RETURN_TIME {
                return None;
            }
        }
        let lost = now - signs.life >= grace || now - signs.connected >= RETURN_TIME;
        let news = !std::mem::replace(&mut signs.told, true);
        let place = node.type_line.as_deref().unwrap_or("remote");
        Some(Silent {
            storage: storage.name.clone(),
            node: format!("node {} ({place}, {})", node.index, node.state),
            since: signs.life.min(signs.connected),
            waiting,
            lost,
            news,
        })
    }
}
