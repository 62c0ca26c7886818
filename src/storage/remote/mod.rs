// SPDX-License-Identifier: GPL-2.0

//! Remote nodes: exports of other machines.
//!
//! A node has a table of transactions ([`table`]), which outlives connections, and at most one
//! connection. The supervisor task connects, receives replies while the connection stands, and
//! afterwards connects again; the sender task sends what submitters could not. A submitter sends
//! its request itself when nobody else is sending.
//!
//! Who owns a piece is a matter of types: the table, the sender (a write whose data is being
//! read) or the receiver (a read whose pages are being filled). A bio can therefore not end while
//! a socket works on its pages, whatever the peer answers and in whatever order.
//!
//! Locking: one spin lock for table and connection, interrupts disabled; pieces are ended, and
//! messages queued, after it was released.
//!
//! Cancellation: [`Remote::fail`] makes the node end everything. The tasks are then cancelled and
//! joined, the connection aborted, and what it held is ended in error by [`Remote::drain`].

mod cache;
pub mod client;
pub mod known;
pub mod link;
pub mod request;
pub mod table;

use super::{lane::Lane, piece::Piece};
use crate::{
    exec::WakerCell,
    net::Sender,
    sys::{
        bio::{Op, Status},
        net_namespace::Net,
        socket_address::SocketAddress,
    },
};
use client::{Client, ClientError, Identity};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, SpinLockIrq,
    },
};
use request::Outgoing;
use table::{State, Table, Tag};

/// The state of a node's connection, for people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A connection attempt is under way.
    Connecting,
    /// Requests go out.
    Connected,
    /// Waiting before the next attempt.
    Waiting,
    /// No further attempt is made: what came back is not the node that was lost.
    Refused,
    /// The node ends everything in error.
    Failed,
}

/// What is shared by all connections of a node.
pub struct Settings {
    /// Where the export is.
    pub address: SocketAddress,
    /// The name space in which connections are made.
    pub net: Net,
    /// The limit of one attempt to connect, in milliseconds.
    pub connect_ms: u32,
    /// Whether I/O fails while the node is not connected, in place of waiting.
    pub fail_fast: bool,
}

struct Inner {
    table: Table,
    sender: Option<Arc<Sender<Outgoing>>>,
    /// Counts connections, so that what belongs to an earlier one is recognised.
    link: u64,
    cache: cache::Cache,
    failed: Option<Status>,
    phase: Phase,
    /// Why there is no connection, an errno; 0 if there was none yet.
    reason: i32,
    /// When the phase began.
    since: kernel::time::Instant<kernel::time::BootTime>,
}

/// A remote node.
#[pin_data]
pub struct Remote {
    settings: Settings,
    lane: Arc<Lane>,
    #[pin]
    inner: SpinLockIrq<Inner>,
    /// Wakes the sender task when there is another connection.
    #[pin]
    connected: WakerCell,
    identity: Identity,
    epoch: Atomic<u64>,
    reconnects: Atomic<u32>,
    attempts: Atomic<u64>,
    /// Transactions that waited for another connection than their first.
    resent: Atomic<u64>,
}

/// The right to submit one piece; gives its place back when it is not used.
pub struct Ticket {
    remote: Arc<Remote>,
    tag: Tag,
    used: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.used {
            self.remote.release(self.tag);
        }
    }
}

impl Remote {
    /// A node with room for `depth` transactions that counts in `lane`. May sleep.
    pub fn new(
        settings: Settings,
        identity: Identity,
        epoch: u64,
        depth: u32,
        lane: Arc<Lane>,
    ) -> Result<Arc<Self>> {
        let table = Table::new(depth)?;
        Arc::pin_init(
            pin_init!(Self {
                settings,
                lane,
                inner <- new_spinlock_irq!(
                    Inner {
                        table,
                        sender: None,
                        link: 0,
                        cache: cache::Cache::new(),
                        failed: None,
                        phase: Phase::Connecting,
                        reason: 0,
                        since: kernel::time::Instant::now(),
                    },
                    "dst_remote"
                ),
                connected <- WakerCell::new(),
                identity,
                epoch: Atomic::new(epoch),
                reconnects: Atomic::new(0),
                attempts: Atomic::new(0),
                resent: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// Where the export is.
    pub fn address(&self) -> &SocketAddress {
        &self.settings.address
    }

    /// What the node is doing, why (an errno, 0 for none), and for how many milliseconds.
    pub fn phase(&self) -> (Phase, i32, u64) {
        let inner = self.inner.lock();
        let since = inner.since.elapsed().as_millis();
        (inner.phase, inner.reason, since.unsigned_abs())
    }

    /// Connections made after the first.
    pub fn reconnects(&self) -> u32 {
        self.reconnects.load(ordering::Relaxed)
    }

    /// Transactions that were sent, or begun, while there was no connection or on one that was
    /// lost, and were sent again.
    pub fn resent(&self) -> u64 {
        self.resent.load(ordering::Relaxed)
    }

    fn is_failed(&self) -> bool {
        self.inner.lock().failed.is_some()
    }

    /// Says what the node is doing. One that was given up while its supervisor was connecting stays
    /// failed.
    fn set_phase(&self, phase: Phase, reason: i32) {
        let mut inner = self.inner.lock();
        if inner.failed.is_some() {
            return;
        }
        if inner.phase != phase {
            inner.since = kernel::time::Instant::now();
        }
        inner.phase = phase;
        inner.reason = reason;
    }

    /// Whether a transaction would be admitted.
    pub fn has_room(&self) -> bool {
        self.inner.lock().table.has_room()
    }

    /// Reserves a place for a transaction. `bulk` leaves the last quarter to others.
    pub fn reserve(self: &Arc<Self>, bulk: bool) -> Option<Ticket> {
        let tag = self.inner.lock().table.reserve(bulk)?;
        Some(Ticket {
            remote: self.clone(),
            tag,
            used: false,
        })
    }

    /// Frees a place and lets parked work go on.
    fn release(&self, tag: Tag) {
        let mut inner = self.inner.lock();
        inner.table.free(tag);
        // Under the lock: whoever parks counts first and looks for room, under it, after that.
        let waiting = self.lane.has_waiting();
        drop(inner);
        if waiting {
            self.lane.issuer.wake();
        }
    }

    /// Submits `piece` at the place of `ticket`. Process context; may sleep for memory.
    pub fn submit(self: &Arc<Self>, mut ticket: Ticket, piece: Piece) {
        ticket.used = true;
        let tag = ticket.tag;
        drop(ticket);
        self.begin(tag, piece);
    }

    /// Sends the piece of transaction `tag`, or leaves it in the table while there is no
    /// connection.
    fn begin(self: &Arc<Self>, tag: Tag, piece: Piece) {
        let mut inner = self.inner.lock();
        let refused = match (inner.failed, &inner.sender) {
            (Some(status), _) => Some(status),
            (None, None) if self.settings.fail_fast => Some(Status::Transport),
            _ => None,
        };
        if let Some(status) = refused {
            drop(inner);
            return self.complete(tag, piece, status);
        }
        let Some(sender) = inner.sender.clone() else {
            Self::put(&mut inner.table, tag, State::Unsent(piece));
            return;
        };
        let message = self.hand_over(&mut inner, tag, piece);
        drop(inner);
        match sender.queue(message) {
            Ok(()) => sender.flush(self),
            Err(message) => self.take_back(&sender, message),
        }
    }

    /// Puts the piece where it belongs while its request is sent.
    fn hand_over(&self, inner: &mut Inner, tag: Tag, piece: Piece) -> Outgoing {
        let table = &mut inner.table;
        if piece.op() == Op::Flush {
            inner.cache.flush_sent();
        }
        let epoch = self.epoch.load(ordering::Relaxed);
        let header = request::message(&piece, tag, epoch).encode();
        if piece.op() == Op::Write {
            Self::put(table, tag, State::Sending(None));
            Outgoing::Write {
                link: inner.link,
                tag,
                piece,
                header,
            }
        } else {
            // Without data there is nothing that the sender could read too late.
            Self::put(table, tag, State::InFlight(piece));
            Outgoing::Plain(header)
        }
    }

    fn put(table: &mut Table, tag: Tag, state: State) {
        if let Some(place) = table.get(tag) {
            *place = state;
        }
    }

    /// Called by the sender when all of a write was handed to TCP, on connection `link`.
    fn sent(self: &Arc<Self>, link: u64, tag: Tag, piece: Piece) {
        let mut inner = self.inner.lock();
        let early = match inner.table.get(tag) {
            Some(State::Sending(early)) => *early,
            _ => None,
        };
        if let Some(status) = early {
            // The reply came first.
            drop(inner);
            self.complete(tag, piece, status);
        } else if inner.link == link && inner.sender.is_some() {
            Self::put(&mut inner.table, tag, State::InFlight(piece));
        } else {
            // Its connection is gone by now: another one has to send it again.
            drop(inner);
            self.begin(tag, piece);
        }
    }

    /// Ends a transaction.
    fn complete(&self, tag: Tag, piece: Piece, status: Status) {
        piece.end(status);
        self.release(tag);
    }

    /// Takes a message back that `sender` did not send, since its connection is gone.
    fn take_back(self: &Arc<Self>, sender: &Arc<Sender<Outgoing>>, message: Outgoing) {
        // The piece of a request without data never left the table.
        let Outgoing::Write { tag, piece, .. } = message else {
            return;
        };
        let mut inner = self.inner.lock();
        if let Some(State::Sending(Some(status))) = inner.table.get(tag) {
            let status = *status;
            drop(inner);
            return self.complete(tag, piece, status);
        }
        let same = inner
            .sender
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, sender));
        if inner.failed.is_none() && (same || inner.sender.is_none()) {
            // The next connection sends it.
            Self::put(&mut inner.table, tag, State::Unsent(piece));
            return;
        }
        drop(inner);
        self.begin(tag, piece);
    }

    /// Ends everything in error from now on, once the connection and its tasks are gone. Process
    /// context; does not wait for the network.
    pub fn fail(self: &Arc<Self>, status: Status) {
        let mut inner = self.inner.lock();
        inner.failed = Some(status);
        inner.phase = Phase::Failed;
        let sender = inner.sender.clone();
        drop(inner);
        if let Some(sender) = sender {
            // If it gets through, the server need not take the end for a fault of the network.
            let goodbye = Outgoing::Plain(request::goodbye());
            if sender.queue(goodbye).is_ok() {
                sender.flush(self);
            }
            sender.close();
        }
        self.connected.wake();
    }

    /// Ends what is left of the transactions in error. Process context, after [`Self::fail`] and
    /// when nobody works on a piece any more: after the node's tasks were joined, or in the
    /// supervisor while there is no connection.
    pub fn drain(self: &Arc<Self>) {
        let mut inner = self.inner.lock();
        let status = inner.failed.unwrap_or(Status::Offline);
        let sender = inner.sender.take();
        let depth = inner.table.depth();
        drop(inner);
        if let Some(sender) = sender {
            // The socket refers to no page of a piece any more after this.
            sender.close();
            while let Some(message) = sender.take_unsent() {
                self.take_back(&sender, message);
            }
        }
        self.end_unanswered(depth, status);
        self.lane.issuer.wake();
    }

    /// Ends what waits in the table for a connection or an answer.
    fn end_unanswered(&self, depth: usize, status: Status) {
        for index in 0..depth {
            let piece = self.inner.lock().table.take(index);
            if let Some(piece) = piece {
                piece.end(status);
                if self.lane.has_waiting() {
                    self.lane.issuer.wake();
                }
            }
        }
    }
}

/// Makes the connection of a node that is about to start.
pub async fn connect(
    settings: &Settings,
    identity: Identity,
) -> core::result::Result<Client, ClientError> {
    Client::connect(
        &settings.net,
        settings.address,
        identity,
        settings.connect_ms,
    )
    .await
}
