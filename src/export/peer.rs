// SPDX-License-Identifier: GPL-2.0

//! A connection as its export knows it, from the first moment to the last.

use super::{config::ConnectionState, exported::Export, reply::FinishedQueue};
use crate::{
    dst_core::fence,
    exec::{JoinHandle, TaskName},
    net::Stream,
    sys::socket_address::SocketAddress,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, Mutex,
    },
    time::{BootTime, Instant},
};

/// What a client said of itself.
#[derive(Clone, Copy)]
pub struct Session {
    /// Whose connection it is.
    pub told: fence::Session,
    /// The version spoken.
    pub version: u16,
}

/// What is known of a connection from the first moment on.
#[pin_data]
pub struct Peer {
    /// Unique while the module is loaded, never 0.
    pub id: u64,
    /// The other end.
    pub address: SocketAddress,
    /// The socket.
    pub stream: Arc<Stream>,
    /// When it connected.
    pub since: Instant<BootTime>,
    /// Set by the hello.
    #[pin]
    pub session: Mutex<Option<Session>>,
    /// Its tasks, joined by whoever removes the peer from the export.
    #[pin]
    pub tasks: Mutex<KVec<JoinHandle>>,
    /// The address list allows reading only.
    pub read_only: Atomic<bool>,
    /// Nothing is received any more.
    pub closed: Atomic<bool>,
    /// The client is to be told that the server stops.
    pub leaving: Atomic<bool>,
    /// The client was told.
    pub left: Atomic<bool>,
    /// Nothing of it is at the device any more, and nothing will be.
    pub drained: Atomic<bool>,
    /// Results on their way, once the hello is through; tells what is at the device.
    #[pin]
    pub finished: Mutex<Option<Arc<FinishedQueue>>>,
    /// Requests accepted and not answered.
    pub outstanding: Atomic<u32>,
    /// Requests answered.
    pub requests: Atomic<u64>,
    /// Requests refused.
    pub refused: Atomic<u64>,
    /// Bytes of payload sent.
    pub sent_bytes: Atomic<u64>,
    /// Bytes of payload received.
    pub received_bytes: Atomic<u64>,
}

impl Peer {
    /// A connection that was just accepted. May sleep.
    pub fn new(id: u64, stream: Stream) -> Result<Arc<Self>> {
        let address = stream.socket().peer_address()?;
        let stream = Arc::new(stream, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                id,
                address,
                stream,
                since: Instant::now(),
                session <- new_mutex!(None, "dst_peer_session"),
                tasks <- new_mutex!(KVec::new(), "dst_peer_tasks"),
                finished <- new_mutex!(None, "dst_peer_finished"),
                read_only: Atomic::new(true),
                closed: Atomic::new(false),
                leaving: Atomic::new(false),
                left: Atomic::new(false),
                drained: Atomic::new(false),
                outstanding: Atomic::new(0),
                requests: Atomic::new(0),
                refused: Atomic::new(0),
                sent_bytes: Atomic::new(0),
                received_bytes: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// The name of a task that does `what` for this peer of `export`. May sleep. Errors: `ENOMEM`.
    pub fn task_name(&self, what: &'static CStr, export: &Export) -> Result<TaskName> {
        TaskName::with(what, fmt!("{},{}", export.label(), self.address))
    }

    /// Tells the client that the server stops. Returns before that is done, and it may not be possible:
    /// [`Self::has_left`]. May sleep.
    pub fn leave(&self) {
        self.leaving.store(true, ordering::Release);
        if let Some(finished) = &*self.finished.lock() {
            finished.wake();
        }
    }

    /// Whether the client was told that the server stops, or there is nobody to be told.
    pub fn has_left(&self) -> bool {
        self.left.load(ordering::Acquire) || self.is_ending() || self.finished.lock().is_none()
    }

    /// What the fence has to know of it.
    pub fn fenced(&self) -> fence::Peer {
        fence::Peer {
            session: self.session.lock().map(|session| session.told),
            ending: self.is_ending(),
            drained: self.drained.load(ordering::Acquire),
        }
    }

    /// Ends the connection. Its tasks notice. May sleep.
    pub fn close(&self) {
        self.closed.store(true, ordering::Release);
        self.stream.abort();
    }

    /// Whether no request of it will be accepted any more, even if its tasks do not know yet.
    pub fn is_ending(&self) -> bool {
        self.closed.load(ordering::Acquire) || self.stream.socket().readiness().peer_is_gone()
    }

    /// Whether all its tasks have ended, so that joining them does not wait.
    pub fn is_over(&self) -> bool {
        self.drained.load(ordering::Acquire) && self.tasks.lock().iter().all(JoinHandle::is_done)
    }

    /// The bios of this connection that are at the device.
    pub fn at_device(&self) -> u32 {
        self.finished
            .lock()
            .as_ref()
            .map_or(0, |queue| queue.at_device())
    }

    /// What it is doing.
    pub fn state(&self) -> ConnectionState {
        if self.drained.load(ordering::Acquire) {
            ConnectionState::Closed
        } else if self.closed.load(ordering::Acquire) {
            ConnectionState::Draining
        } else if self.session.lock().is_some() {
            ConnectionState::Established
        } else {
            ConnectionState::Handshake
        }
    }
}
