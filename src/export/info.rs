// SPDX-License-Identifier: GPL-2.0

//! What exports and their connections tell about themselves.

use super::{
    config::{ConnectionInfo, ConnectionOwner, ConnectionState, ExportInfo, ExportState},
    exported::Export,
    peer::Peer,
};
use crate::{dst_core::access::Access, net::config::Reason};
use kernel::sync::{atomic::ordering, Arc};

/// How many clients there are. The connections of one session are one client.
#[derive(Default)]
pub(super) struct Clients {
    /// Those that have said hello.
    pub(super) sessions: u32,
    /// Connections that have not.
    pub(super) strangers: u32,
    /// Clients that may write.
    pub(super) writers: u32,
}

/// The clients whose connections are `peers`.
pub(super) fn count_clients(peers: &[Arc<Peer>]) -> Clients {
    let live = |peer: &Arc<Peer>| peer.state() != ConnectionState::Closed;
    let session = |peer: &Arc<Peer>| *peer.session.lock();
    let mut clients = Clients::default();
    for (at, peer) in peers.iter().enumerate().filter(|(_, peer)| live(peer)) {
        let Some(own) = session(peer) else {
            clients.strangers += 1;
            continue;
        };
        let known = peers.iter().take(at).any(|other| {
            live(other) && session(other).is_some_and(|other| other.told.id == own.told.id)
        });
        if !known {
            clients.sessions += 1;
            clients.writers += u32::from(own.told.write);
        }
    }
    clients
}

impl Export {
    /// Everything about the export. May sleep.
    pub fn info(&self) -> ExportInfo {
        let peers = self.peers.lock();
        let clients = count_clients(&peers);
        let in_flight = peers.iter().fold(0_u32, |sum, peer| {
            sum.saturating_add(peer.outstanding.load(ordering::Relaxed))
        });
        let refused = peers.iter().fold(0_u64, |sum, peer| {
            sum.saturating_add(peer.refused.load(ordering::Relaxed))
        });
        drop(peers);
        let counters = self.counters();
        ExportInfo {
            id: self.id,
            name: self.name,
            path: self.path.clone(),
            address: self.address,
            read_only: self.settings.read_only,
            write_back: self.settings.write_back,
            shared_writers: self.settings.shared_writers,
            allow: self.allowed(),
            copy_from: self.copy_from(),
            backlog: self.settings.backlog,
            queue_depth: self.settings.queue_depth,
            max_transfer: self.settings.max_transfer,
            max_clients: self.settings.max_clients,
            client_memory: self.settings.client_memory,
            hello_timeout: self.settings.hello_timeout,
            idle_timeout: self.settings.idle_timeout,
            state: if self.stopping.load(ordering::Relaxed) {
                ExportState::Stopping
            } else {
                ExportState::Listening
            },
            reason: Reason::new(),
            since: self.since.elapsed().as_millis().unsigned_abs(),
            sectors: self.device().sectors(),
            logical_block: self.limits().logical_block,
            clients: clients.sessions + clients.strangers,
            writers: clients.writers,
            in_flight,
            read_ios: counters.read_ios.load(ordering::Relaxed),
            read_bytes: counters.read_bytes.load(ordering::Relaxed),
            write_ios: counters.write_ios.load(ordering::Relaxed),
            write_bytes: counters.write_bytes.load(ordering::Relaxed),
            errors: counters.errors.load(ordering::Relaxed),
            refused: refused.saturating_add(self.refused.load(ordering::Relaxed)),
            net: self.net.clone(),
        }
    }

    /// Everything about one of its connections. May sleep.
    pub fn connection_info(&self, peer: &Peer) -> ConnectionInfo {
        let session = *peer.session.lock();
        ConnectionInfo {
            id: peer.id,
            owner: ConnectionOwner::Export { id: self.id },
            state: peer.state(),
            reason: Reason::new(),
            since: peer.since.elapsed().as_millis().unsigned_abs(),
            local: peer.stream.socket().local_address().ok(),
            peer: Some(peer.address),
            access: session.map(|session| {
                if session.told.write && !self.gate(peer).read_only {
                    Access::ReadWrite
                } else {
                    Access::ReadOnly
                }
            }),
            version: session.map_or(0, |session| session.version.into()),
            session: session.map(|session| session.told.id),
            in_flight: peer.outstanding.load(ordering::Relaxed),
            requests: peer.requests.load(ordering::Relaxed),
            refused: peer.refused.load(ordering::Relaxed),
            sent_bytes: peer.sent_bytes.load(ordering::Relaxed),
            received_bytes: peer.received_bytes.load(ordering::Relaxed),
            net: self.net.clone(),
        }
    }
}
