// SPDX-License-Identifier: GPL-2.0

//! The listening task of an export.

use super::{connection, exported::Export, peer::Peer};
use crate::{
    dst_core::transaction::MAX_CONNECTIONS,
    exec::Timer,
    net::{Listener, Stream},
    pr_warn_ratelimited,
    sys::socket::Socket,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
    time::{delay::fsleep, Delta},
};

/// How long to wait after an accept that failed for lack of memory or files, in milliseconds.
const PAUSE_MS: i64 = 100;

static NEXT_ID: Atomic<u64> = Atomic::new(1);

/// Accepts connections for `export` until it is cancelled.
pub async fn run(export: Arc<Export>, mut listener: Listener, mut timer: Timer) {
    loop {
        match listener.accept().await {
            Ok(socket) => {
                prune(&export);
                if let Err(error) = admit(&export, socket) {
                    export.refused.fetch_add(1, ordering::Relaxed);
                    pr_warn_ratelimited!(
                        "export {}: a connection was dropped: error {}\n",
                        export.label(),
                        error.to_errno()
                    );
                }
            }
            Err(_) if listener.is_closed() => {
                // A closed socket that is still bound keeps the address from its successor.
                drop(listener);
                listener = listen_again(&export, &mut timer).await;
            }
            Err(_) => timer.sleep(Delta::from_millis(PAUSE_MS)).await,
        }
    }
}

/// Listens on the address of `export`, whose listening socket was closed by somebody else
/// (`ss --kill`, for one, closes it when the connection that it looks for is gone): without one
/// no client could ever come back.
async fn listen_again(export: &Export, timer: &mut Timer) -> Listener {
    pr_warn!(
        "export {}: the socket that listens on {} was closed from outside; listening again\n",
        export.label(),
        export.address
    );
    loop {
        match Listener::bind(&export.net, export.address, export.settings.backlog) {
            Ok(listener) => return listener,
            Err(error) => pr_warn_ratelimited!(
                "export {}: cannot listen on {}: error {}; it is tried again for ever\n",
                export.label(),
                export.address,
                error.to_errno()
            ),
        }
        timer.sleep(Delta::from_millis(PAUSE_MS)).await;
    }
}

/// Forgets the connections that are over; joining their tasks does not wait.
fn prune(export: &Export) {
    let mut over: KVec<Arc<Peer>> = KVec::new();
    let mut peers = export.peers.lock();
    peers.retain(|peer| {
        if !peer.is_over() {
            return true;
        }
        // Kept for another round if there is no memory to remember it.
        over.push(peer.clone(), GFP_KERNEL).is_err()
    });
    drop(peers);
    for peer in over {
        peer.tasks.lock().clear();
    }
}

fn admit(export: &Arc<Export>, socket: Socket) -> Result {
    // Strangers get nothing, not even memory.
    if export.access_of(&socket.peer_address()?).is_none() {
        return Err(EACCES);
    }
    let stream = Stream::new(socket)?;
    let id = NEXT_ID.fetch_add(1, ordering::Relaxed);
    let peer = Peer::new(id, stream)?;
    let mut peers = export.peers.lock();
    // Whose connections these are is known after the hello, which looks at the number of clients.
    // One more is for labels.
    let most = (export.settings.max_clients as usize).saturating_mul(MAX_CONNECTIONS + 1);
    if peers.len() >= most {
        return Err(EUSERS);
    }
    peers.push(peer.clone(), GFP_KERNEL)?;
    drop(peers);
    let mut tasks = peer.tasks.lock();
    let task = tasks
        .reserve(3, GFP_KERNEL)
        .map_err(Error::from)
        .and_then(|()| {
            let receiver = connection::run(export.clone(), peer.clone());
            let name = peer.task_name(c"export-receive", export)?;
            export.pools().net.spawn(name, receiver)
        });
    match task {
        Ok(task) => {
            tasks.push(task, GFP_KERNEL)?;
            Ok(())
        }
        Err(error) => {
            drop(tasks);
            peer.drained.store(true, ordering::Release);
            Err(error)
        }
    }
}

/// How often a stop looks whether a task has ended, in milliseconds.
const STOP_STEP_MS: u32 = 5;

/// How long clients have to take a goodbye, in milliseconds.
const GOODBYE_MS: u32 = 200;

/// Stops listening, tells the clients, closes all connections and joins their tasks, for at most about `limit_ms`
/// milliseconds. False if a task is still waiting for the device: the connection then stays in
/// the list, and the stop may be tried again. Process context, not on a worker.
///
/// The tasks end by themselves when nothing of theirs is at the device any more; to cancel them
/// would leave bios without anybody to take them back.
pub fn stop(export: &Export, limit_ms: u32) -> bool {
    export.stopping.store(true, ordering::Release);
    let listener = export.listener.lock().take();
    drop(listener);
    say_goodbye(export);
    for peer in export.peers.lock().iter() {
        peer.close();
    }
    let mut left = limit_ms / STOP_STEP_MS;
    loop {
        prune(export);
        if export.peers.lock().is_empty() {
            return true;
        }
        if left == 0 {
            return false;
        }
        left -= 1;
        fsleep(Delta::from_millis(STOP_STEP_MS.into()));
    }
}

/// Tells the clients that the server stops in order, as far as they take it at once.
fn say_goodbye(export: &Export) {
    for peer in export.peers.lock().iter() {
        peer.leave();
    }
    let mut left = GOODBYE_MS / STOP_STEP_MS;
    while left > 0 && !export.peers.lock().iter().all(|peer| peer.has_left()) {
        left -= 1;
        fsleep(Delta::from_millis(STOP_STEP_MS.into()));
    }
}
