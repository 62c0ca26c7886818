// SPDX-License-Identifier: GPL-2.0

//! What a storage and its nodes tell about themselves.

use super::{
    config::{
        AlgorithmName, IoCounters, NodeConfig, NodeInfo, NodeState, Reason, StorageInfo,
        StorageState,
    },
    member::Member,
    registry::CONNECTION_BITS,
    remote::{Phase, Standing, Trouble},
    running::{Active, Connection, Running},
    storage::Storage,
};
use crate::{
    dst_core::{access::Access, text::Text},
    net::config::{ConnectionInfo, ConnectionOwner, ConnectionState},
};
use kernel::{
    prelude::*,
    sync::{atomic::ordering, Arc},
};

/// The numbers of nodes' connections are above this, those of exports' below.
const FIRST_CONNECTION: u64 = 1 << 48;

/// What a node is doing, why, what it waits for, and for how many milliseconds.
pub struct Condition {
    /// What it is doing.
    pub state: NodeState,
    /// Why; may be empty.
    pub reason: Reason,
    /// What it waits for; may be empty.
    pub waits_for: Reason,
    /// Milliseconds since the state was entered.
    pub since: u64,
}

/// Why there is no connection, in words.
fn reason_of(trouble: &Trouble) -> Reason {
    if !trouble.words.is_empty() {
        return Text::from_display(&trouble.words);
    }
    let errno = trouble.errno;
    if errno == 0 {
        return Reason::new();
    }
    let words = match Error::from_errno(-errno.saturating_abs()) {
        ECONNREFUSED => "connection refused: nothing is exported there",
        ECONNRESET | ECONNABORTED | EPIPE | ENODATA => "the connection was lost",
        EHOSTUNREACH => "no route to the host",
        ENETUNREACH => "the network is unreachable",
        ENETDOWN => "the network is down",
        ETIMEDOUT => "no answer in time",
        EPROTO => "the peer violates the protocol",
        EACCES | EPERM => "the export does not let this machine in",
        EBUSY => "the export is in use by another client",
        ESTALE => "another owner has taken the storage over",
        _ => return Text::from_display(&format_args!("error {errno}")),
    };
    Text::from_display(&words)
}

impl Connection {
    /// What the node is doing.
    pub fn condition(&self) -> Condition {
        let standing = self.remote.standing();
        let mut condition = self.condition_of(&standing);
        let (up, all) = (standing.established, self.remote.connections());
        if condition.state == NodeState::Up && !condition.reason.is_empty() {
            let why = condition.reason;
            condition.reason =
                Text::from_display(&format_args!("{up} of {all} connections: {why}"));
        }
        condition
    }

    /// What `standing`, of the node or of one connection, means.
    fn condition_of(&self, standing: &Standing) -> Condition {
        let state = match standing.phase {
            Phase::Connected => NodeState::Up,
            Phase::Connecting if standing.trouble.errno == 0 => NodeState::Connecting,
            Phase::Connecting | Phase::Waiting | Phase::Refused => NodeState::Reconnecting,
            Phase::Failed => NodeState::Failed,
        };
        let address = self.remote.address();
        let waits_for = match (state, standing.phase) {
            (_, Phase::Refused) => {
                Text::from_display(&format_args!("the right device at {address}"))
            }
            (NodeState::Connecting | NodeState::Reconnecting, _) => {
                Text::from_display(&format_args!("an answer from {address}"))
            }
            _ => Reason::new(),
        };
        Condition {
            state,
            reason: reason_of(&standing.trouble),
            waits_for,
            since: standing.since,
        }
    }
}

impl Active {
    /// What the node is doing; `None` for one of this machine, of which there is nothing to say.
    pub fn condition(&self) -> Option<Condition> {
        let connection = self.connection.as_ref().map(Connection::condition);
        let Some(since) = self.lane.suspended() else {
            return connection;
        };
        let down = connection.filter(|connection| connection.state != NodeState::Up);
        Some(Condition {
            state: NodeState::Suspended,
            // So that nobody resumes it without knowing.
            reason: down.map_or(Reason::new(), |down| down.reason),
            waits_for: Text::from_display(&"to be resumed"),
            since: since.elapsed().as_millis().unsigned_abs(),
        })
    }

    fn is_up(&self) -> bool {
        self.lane.suspended().is_none() && self.connection.as_ref().is_none_or(Connection::is_up)
    }
}

impl Running {
    /// What the storage is doing, as its nodes have it.
    pub fn overall(&self) -> StorageState {
        let all_failed = self.nodes().all(|node| {
            node.connection
                .as_ref()
                .is_some_and(|connection| connection.condition().state == NodeState::Failed)
        });
        if self.is_failing() || all_failed {
            StorageState::Failed
        } else if self.nodes().all(|node| node.is_up()) {
            StorageState::Running
        } else {
            StorageState::Degraded
        }
    }

    /// The first node that is not up.
    fn first_missing(&self) -> Option<Condition> {
        let conditions = self.nodes().zip(0_u32..);
        let mut missing = conditions.filter_map(|(node, index)| {
            let mut condition = node.condition()?;
            if condition.state == NodeState::Suspended {
                condition.waits_for =
                    Text::from_display(&format_args!("node {index} to be resumed"));
            }
            Some(condition)
        });
        missing.find(|condition| condition.state != NodeState::Up)
    }
}

fn sum(a: IoCounters, b: IoCounters) -> IoCounters {
    IoCounters {
        read_ios: a.read_ios.saturating_add(b.read_ios),
        read_bytes: a.read_bytes.saturating_add(b.read_bytes),
        write_ios: a.write_ios.saturating_add(b.write_ios),
        write_bytes: a.write_bytes.saturating_add(b.write_bytes),
        flush_ios: a.flush_ios.saturating_add(b.flush_ios),
        discard_ios: a.discard_ios.saturating_add(b.discard_ios),
        discard_bytes: a.discard_bytes.saturating_add(b.discard_bytes),
        errors: a.errors.saturating_add(b.errors),
    }
}

impl Storage {
    /// Everything about the storage. May sleep, but not for a node.
    pub fn info(&self) -> StorageInfo {
        let config = self.config();
        let algorithm = self.kind().name();
        let state = self.state();
        let mut info = StorageInfo {
            name: config.name,
            algorithm: AlgorithmName::from_display(
                &algorithm.strip_prefix("alg_").unwrap_or(algorithm),
            ),
            disk: config.disk,
            uuid: state.uuid,
            raw: config.raw,
            read_only: state.read_only,
            state: state.phase,
            reason: Reason::new(),
            waits_for: state.waits_for,
            since: state.told.1.elapsed().as_millis().unsigned_abs(),
            sectors: state.sectors,
            logical_block: state.logical_block,
            physical_block: state.physical_block,
            device_number: state.device_number,
            epoch: state.epoch,
            node_count: u32::try_from(state.members.len()).unwrap_or(u32::MAX),
            openers: 0,
            in_flight: 0,
            io: IoCounters::default(),
            workers: state.workers.count(state.local_nodes()),
            worker_nice: state.workers.nice(),
            worker_cpus: state.workers.cpus(),
            net: config.net.clone(),
        };
        let running = state.running.clone();
        drop(state);
        if let Some(running) = running {
            info.openers = running.openers();
            info.workers = u32::try_from(running.workers()).unwrap_or(u32::MAX);
            info.in_flight = running.in_flight();
            info.io = running
                .nodes()
                .map(|node| node.lane.io())
                .fold(IoCounters::default(), sum);
            if info.state == StorageState::Running {
                info.state = running.overall();
            }
            if let Some(missing) = running.first_missing() {
                info.reason = missing.reason;
                info.waits_for = missing.waits_for;
            }
        }
        info
    }

    /// The least index of a node that is not below `from`.
    pub fn index_from(&self, from: u32) -> Option<u32> {
        let state = self.state();
        let mut indexes = state.members.iter().map(|member| member.index());
        indexes.find(|index| *index >= from)
    }

    /// The node with an index, and the storage's moving parts.
    fn member(&self, index: u32) -> Option<(Arc<Member>, Option<Arc<Running>>)> {
        let state = self.state();
        let member = state
            .members
            .iter()
            .find(|member| member.index() == index)?;
        Some((member.clone(), state.running.clone()))
    }

    /// Everything about a node. May sleep, but not for a node.
    pub fn node_info(&self, index: u32) -> Option<NodeInfo> {
        let (member, running) = self.member(index)?;
        Some(self.member_info(&member, running.as_deref()))
    }

    /// Everything about `member`. May sleep, but not for a node.
    pub fn member_info(&self, member: &Member, running: Option<&Running>) -> NodeInfo {
        let facts = member.facts();
        let active = running.and_then(|running| running.node(member.index()));
        let active = active.as_deref();
        let condition = self.condition(active);
        let remote = member.address().is_some();
        let range = facts.range.filter(|_| active.is_some());
        NodeInfo {
            storage: self.config().name,
            config: NodeConfig {
                index: Some(member.index()),
                start: range.map_or(member.config.start, |(start, _)| Some(start)),
                size: range.map_or(member.config.size, |(_, size)| Some(size)),
                connections: remote.then(|| member.connections().into()),
                queue_depth: remote.then_some(facts.queue_depth),
                max_transfer: remote.then_some(facts.max_transfer),
                connect_timeout: remote.then(|| member.connect_ms()),
                keepalive: remote.then(|| member.keepalive_ms()),
                request_timeout: remote.then(|| member.request_ms()),
                request_tries: remote.then(|| member.request_tries().into()),
                ..member.config.clone()
            },
            read_only: facts.limits.read_only,
            default_connections: remote && member.config.connections.is_none(),
            state: condition.state,
            reason: condition.reason,
            waits_for: condition.waits_for,
            since: condition.since,
            uuid: facts.uuid,
            device_sectors: facts.sectors,
            logical_block: facts.limits.logical_block,
            in_flight: active.map_or(0, |active| active.lane.in_flight()),
            queued: active.map_or(0, |active| active.lane.waiting.load(ordering::Relaxed)),
            io: active.map_or(IoCounters::default(), |active| active.lane.io()),
            write_error: active.and_then(|active| {
                let error = active.lane.write_error()?;
                let errno = error.status.to_result().err().map_or(0, Error::to_errno);
                let ago = error.when.elapsed().as_millis().unsigned_abs();
                Some((errno.unsigned_abs(), error.sector, ago))
            }),
            retries: active
                .and_then(|active| active.connection.as_ref())
                .map_or(0, |connection| connection.remote.resent()),
            reconnects: active
                .and_then(|active| active.connection.as_ref())
                .map_or(0, |connection| connection.remote.reconnects().into()),
            established: active
                .and_then(|active| active.connection.as_ref())
                .map_or(0, |connection| {
                    connection.remote.standing().established.into()
                }),
            net: self.config().net.clone(),
        }
    }

    fn condition(&self, active: Option<&Active>) -> Condition {
        let (phase, since) = {
            let state = self.state();
            let since = state.told.1.elapsed().as_millis().unsigned_abs();
            (state.phase, since)
        };
        let condition = active.and_then(Active::condition);
        let state = match (phase, condition) {
            (StorageState::Stopping, _) => NodeState::Stopping,
            (_, Some(condition)) => return condition,
            (StorageState::Configuring, None) => NodeState::Configured,
            (StorageState::Starting, None) => NodeState::Connecting,
            _ => NodeState::Up,
        };
        Condition {
            state,
            reason: Reason::new(),
            waits_for: Reason::new(),
            since,
        }
    }

    /// Everything about connection `at` of a remote node that runs.
    pub fn connection_info(&self, index: u32, at: u16) -> Option<ConnectionInfo> {
        let (member, running) = self.member(index)?;
        let running = running?;
        let active = running.node(index)?;
        let connection = active.connection.as_ref()?;
        let facts = member.facts();
        let standing = connection.remote.standing_of(at)?;
        let condition = connection.condition_of(&standing);
        let state = match condition.state {
            NodeState::Up => ConnectionState::Established,
            NodeState::Failed => ConnectionState::Closed,
            _ => ConnectionState::Connecting,
        };
        let traffic = connection.remote.traffic(at)?;
        Some(ConnectionInfo {
            id: FIRST_CONNECTION
                | self.number() << (16 + CONNECTION_BITS)
                | u64::from(index) << CONNECTION_BITS
                | u64::from(at),
            owner: ConnectionOwner::Node {
                storage: self.config().name,
                index,
            },
            state,
            reason: condition.reason,
            since: condition.since,
            local: None,
            peer: member.address(),
            access: Some(if facts.limits.read_only {
                Access::ReadOnly
            } else {
                Access::ReadWrite
            }),
            version: facts.version.into(),
            session: facts.session,
            in_flight: traffic.in_flight,
            requests: traffic.answered,
            refused: traffic.refused,
            sent_bytes: traffic.sent_bytes,
            received_bytes: traffic.received_bytes,
            net: self.config().net.clone(),
        })
    }
}
