// SPDX-License-Identifier: GPL-2.0

//! The server: one task that accepts, and one for each client that sends back what it receives.
//!
//! Invariants:
//! - A client costs one buffer and one task, made when it is accepted. A client that does not
//!   read stops its own task, which then receives nothing more, and nobody else's.
//! - A thread of the pool joins only tasks that have ended: waiting for another one, it could wait
//!   for itself.
//!
//! Locking: the list of clients has a mutex, taken by the accepting task and by the stop.
//!
//! Cancellation: dropping [`Server`] cancels the accepting task, then those of all clients, and
//! waits for them. A cancelled task drops its socket, which resets the connection, so the wait is
//! as long as what the tasks are doing at that moment: a turn each at most.

use crate::{
    exec::{yield_now, JoinHandle, Pool, Spawner, TaskName, Timer},
    net::{Budget, Listener, Stream},
    pr_warn_ratelimited,
    sys::{kthread::Reclaim, net_namespace::Net, socket::Socket, socket_address::SocketAddress},
};
use kernel::{
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{Arc, Mutex},
    time::Delta,
};

/// Bytes of one client that are on their way back, beside those in its socket.
const BUFFER_BYTES: usize = 4 * PAGE_SIZE;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// How long to wait after an accept that failed for lack of memory, in milliseconds.
const PAUSE_MS: i64 = 100;

/// Whom the server serves.
#[pin_data]
struct Clients {
    /// One task for each client, and those that have ended since the last accept.
    #[pin]
    tasks: Mutex<KVec<JoinHandle>>,
    most: usize,
    /// Tasks have this of their pool: its last owner waits for them.
    spawner: Spawner,
}

/// A running server; dropping it ends all connections. Process context.
pub struct Server {
    accepting: Option<JoinHandle>,
    clients: Arc<Clients>,
    address: SocketAddress,
    _pool: Pool,
}

impl Server {
    /// Serves at most `clients` clients at a time on `address`, in the machine's first network
    /// namespace, with `workers` threads. May sleep.
    ///
    /// Errors: `EADDRINUSE`, `EADDRNOTAVAIL`, `EAFNOSUPPORT`; `ENOMEM`; `EINTR` when the caller
    /// was killed.
    pub fn start(address: SocketAddress, clients: usize, workers: u32) -> Result<Self> {
        let listener = Listener::bind(&Net::initial(), address, BACKLOG)?;
        let address = listener.local_address()?;
        let pool = Pool::new(c"dst_echo", workers, Reclaim::NoIo)?;
        let spawner = pool.spawner();
        let clients = Arc::pin_init(
            pin_init!(Clients {
                tasks <- new_mutex!(KVec::new(), "dst_echo_clients"),
                most: clients,
                spawner,
            }),
            GFP_KERNEL,
        )?;
        let task = accept(clients.clone(), listener, Timer::new()?);
        Ok(Self {
            accepting: Some(pool.spawn(c"echo-accept", task)?),
            clients,
            address,
            _pool: pool,
        })
    }

    /// Where it listens, with the port that was chosen for port 0.
    pub fn address(&self) -> SocketAddress {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A handle that is dropped cancels its task and waits for it: nobody is accepted any more.
        self.accepting = None;
        let tasks = core::mem::take(&mut *self.clients.tasks.lock());
        // All of them first, so that they end side by side.
        tasks.iter().for_each(JoinHandle::cancel);
        drop(tasks);
    }
}

/// Accepts clients until it is cancelled.
async fn accept(clients: Arc<Clients>, listener: Listener, mut timer: Timer) {
    loop {
        let admitted = match listener.accept().await {
            Ok(socket) => clients.admit(socket),
            Err(_) => {
                timer.sleep(Delta::from_millis(PAUSE_MS)).await;
                continue;
            }
        };
        match admitted {
            Ok(()) => {}
            Err(EUSERS) => {
                pr_warn_ratelimited!("a client was turned away: {} are here\n", clients.most);
            }
            Err(_) => pr_warn_ratelimited!("a client was turned away: out of memory\n"),
        }
    }
}

impl Clients {
    /// Begins to serve a client. Errors: `EUSERS` if there are too many, `ENOMEM`.
    fn admit(&self, socket: Socket) -> Result {
        let mut tasks = self.tasks.lock();
        // To join a task that has ended does not wait.
        tasks.retain(|task| !task.is_done());
        if tasks.len() >= self.most {
            return Err(EUSERS);
        }
        tasks.reserve(1, GFP_KERNEL)?;
        let Ok(peer) = socket.peer_address() else {
            // The client has reset the connection.
            return Ok(());
        };
        let name = TaskName::with(c"echo-client", fmt!("{peer}"))?;
        let stream = Stream::new(socket)?;
        let buffer = KVVec::from_elem(0, BUFFER_BYTES, GFP_KERNEL)?;
        let task = self.spawner.spawn(name, serve(stream, buffer))?;
        // There is room.
        tasks.push(task, GFP_KERNEL)?;
        Ok(())
    }
}

/// The task of one client, until either side ends the connection.
async fn serve(stream: Stream, mut buffer: KVVec<u8>) {
    // What ends a connection early is the client's affair or the network's.
    let _ = echo(&stream, &mut buffer).await;
}

/// Sends back what the client sends, to the last byte, and then ends the stream as it did.
async fn echo(stream: &Stream, buffer: &mut [u8]) -> Result {
    let mut budget = Budget::turn();
    loop {
        let count = stream.read_ready(|socket| socket.receive(buffer)).await?;
        let received = buffer.get(..count).unwrap_or(&[]);
        if received.is_empty() {
            stream.finish().await;
            return Ok(());
        }
        stream.write_all(received).await?;
        budget.spend(BUFFER_BYTES.min(count) as u32);
        if budget.is_spent() {
            // This client could go on; the others get their turn.
            budget = Budget::turn();
            yield_now().await;
        }
    }
}
