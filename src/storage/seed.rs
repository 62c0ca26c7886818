// SPDX-License-Identifier: GPL-2.0

//! The parts of a node of a storage that runs, or is about to: what submits its pieces, and its tasks.

use super::{
    fault::Outcome,
    lane::Lane,
    local::Local,
    member::Member,
    moments::Moments,
    node::{Node, Target},
    remote::Remote,
    running::{Active, Connection},
    storage::Storage,
    volume::VolumeSlot,
};
use crate::{
    exec::{JoinHandle, Pool, Pools, TaskName, Timer},
    fault,
    net::client::Client,
};
use kernel::{prelude::*, sync::Arc};

/// Transactions in flight to an export that does not say how many.
const DEPTH: u32 = 128;

/// A node that is about to run.
pub struct Seed {
    lane: Arc<Lane>,
    remote: Option<(Arc<Remote>, KBox<Client>)>,
    retry_limit: Option<u32>,
}

impl Seed {
    /// Whether it is behind an export.
    pub fn is_remote(&self) -> bool {
        self.remote.is_some()
    }
}

/// Makes a node, which takes the member's connection, if it has one. It counts in `lane`, which is that of the device
/// whose place it takes, or in one of its own.
///
/// Errors: `ECONNRESET` if there is no connection, `ENOMEM`.
#[inline(never)]
pub fn make_node(
    member: &Member,
    storage: [u8; 16],
    epoch: u64,
    moments: &Arc<Moments>,
    lane: Option<Arc<Lane>>,
) -> Outcome<(Node, Seed)> {
    let facts = member.facts();
    let lane = match lane {
        Some(lane) => lane,
        None => Lane::new()?,
    };
    let (target, remote) = match (member.device(), member.address()) {
        (Some(device), _) => (
            Target::Local(Arc::new(Local::new(device)?, GFP_KERNEL)?),
            None,
        ),
        (None, Some(address)) => {
            let (client, identity) = member.take_client(storage, epoch).ok_or_else(|| {
                fault!(
                    ECONNRESET,
                    None,
                    "{}: the connection was lost",
                    member.place()
                )
            })?;
            let depth = match facts.queue_depth {
                0 => DEPTH,
                depth => depth,
            };
            let settings = member.settings(address, u32::MAX);
            let moments = facts.limits.volatile_cache.then(|| moments.clone());
            let remote = Remote::new(settings, identity, epoch, depth, lane.clone(), moments)?;
            (Target::Remote(remote.clone()), Some((remote, client)))
        }
        (None, None) => return Err(EINVAL.into()),
    };
    let mut node = Node::new(target, lane.clone());
    node.volatile_cache = facts.limits.volatile_cache;
    node.max_transfer = facts.max_transfer;
    node.discard = facts.limits.max_discard > 0;
    node.max_discard = facts.limits.max_discard;
    node.max_write_zeroes = facts.limits.max_write_zeroes;
    let seed = Seed {
        lane,
        remote,
        retry_limit: member.config.retry_limit,
    };
    Ok((node, seed))
}

/// Spawns the tasks of a node.
#[inline(never)]
pub fn run_node(
    storage: &Storage,
    slot: &Arc<VolumeSlot>,
    issuers: &Pool,
    index: usize,
    seed: Seed,
) -> Outcome<(Arc<Active>, JoinHandle)> {
    let name = storage.config().name;
    let name = TaskName::with(c"storage-issue", fmt!("{}/{index}", name.as_str()))?;
    let issue = issuers.spawn(name, slot.clone().issue(index, seed.lane.clone()))?;
    Ok((run_connection(storage, index, seed)?, issue))
}

/// Spawns the tasks of a node's connections, if it is remote.
#[inline(never)]
pub fn run_connection(storage: &Storage, index: usize, seed: Seed) -> Outcome<Arc<Active>> {
    let pools = &storage.context().pools;
    let storage = storage.config().name;
    let storage = storage.as_str();
    let connection = match seed.remote {
        None => None,
        Some((remote, client)) => {
            let name = |what, at| TaskName::with(what, fmt!("{storage}/{index}/{at}"));
            let mut tasks = KVec::new();
            let mut first = Some(client);
            for at in 0..remote.connections() {
                let supervise_name = name(c"storage-supervise", at)?;
                let task = supervise(pools, supervise_name, &remote, at, first.take())?;
                tasks.push(task, GFP_KERNEL)?;
                let send = remote.clone().send(at, Timer::new()?);
                let task = pools.net.spawn(name(c"storage-send", at)?, send)?;
                tasks.push(task, GFP_KERNEL)?;
            }
            Some(Connection::new(remote, tasks, seed.retry_limit))
        }
    };
    Ok(Arc::new(Active::new(seed.lane, connection), GFP_KERNEL)?)
}

/// Spawns the supervisor of a node's connection. Apart, so that its future is on the stack only while it is made.
#[inline(never)]
fn supervise(
    pools: &Pools,
    name: TaskName,
    remote: &Arc<Remote>,
    at: u16,
    client: Option<KBox<Client>>,
) -> Result<JoinHandle> {
    let task = remote.clone().supervise(at, client, Timer::new()?);
    pools.net.spawn(name, task)
}
