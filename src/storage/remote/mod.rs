// SPDX-License-Identifier: GPL-2.0

//! Remote nodes: exports of other machines.
//!
//! A node has a table of transactions ([`crate::dst_core::transaction`]), which outlives connections,
//! and one or several connections. Each of them has two tasks ([`link`]): the supervisor connects ([`connecting`]),
//! receives replies while the connection stands, and afterwards connects again; the sender sends
//! what submitters could not. A submitter sends its request itself ([`requests`]) when nobody else is
//! sending on the connection that it has chosen. [`guard`] looks after what takes too long. The export may
//! come to be elsewhere ([`relocate`]).
//!
//! Who owns a piece is a matter of types: the table, the sender (a write whose data is being
//! read) or the receiver (a read whose pages are being filled). A bio can therefore not end while
//! a socket works on its pages, whatever the peer answers and in whatever order.
//!
//! Locking: one spin lock for the table and the state of all connections, interrupts disabled; the
//! parking's lock is taken inside it. Pieces are ended, and messages queued, after it was released.
//!
//! Cancellation: [`Remote::fail`] makes the node end everything. The tasks are then cancelled and
//! joined, the connections aborted, and what they held is ended in error by [`Remote::drain`].

mod connecting;
mod guard;
mod handover;
mod known;
mod line;
pub mod link;
mod relocate;
pub mod request;
mod requests;

use super::{lane::Lane, moments::Moments, piece::Piece};
use crate::{
    dst_core::{
        transaction::{self, Place, Tag},
        wire,
        write_back::WriteBack,
    },
    exec::WakerCell,
    net::client::{Client, ClientError, Identity},
    sys::{bio::Status, net_namespace::Net, socket_address::SocketAddress},
};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, SpinLockIrq,
    },
    time::{BootTime, Instant, Monotonic},
};
pub use known::Known;
use line::Line;
pub use line::{Phase, Standing, Trouble};
pub use relocate::InTheWay;
use relocate::Seat;

/// What is shared by all connections of a node.
pub struct Settings {
    /// Where the export is, at first.
    pub address: SocketAddress,
    /// The name space in which connections are made.
    pub net: Net,
    /// The limit of one attempt to connect, in milliseconds.
    pub connect_ms: u32,
    /// Whether I/O fails while the node is not connected, in place of waiting.
    pub fail_fast: bool,
    /// How many connections there are, at least 1.
    pub connections: u16,
    /// Milliseconds of silence after which the server is asked whether it is alive, and again until
    /// it counts as dead.
    pub keepalive_ms: u32,
    /// Milliseconds after which a connection that leaves a request unanswered is given up; 0 for
    /// never.
    pub request_ms: u32,
    /// After so many of these the request ends in error; 0 for never.
    pub request_tries: u16,
}

type Places = KVVec<Place<Piece, Status>>;

struct Inner {
    table: transaction::Table<Piece, Status, Places>,
    lines: KVec<Line>,
    write_back: WriteBack,
    /// The node as it was when the storage started; `None` until the first connection has learnt it.
    known: Option<Known>,
    seat: Seat,
    failed: Option<Status>,
    /// Identity of the device, as the last hello reply told it.
    device: [u8; 16],
    /// Why a copy from another node was refused last.
    copy_refusal: Option<wire::Status>,
    /// What the node as a whole is doing, and since when.
    phase: Phase,
    since: Instant<BootTime>,
}

/// Where the tasks of one connection leave their wakers, and when it was heard of.
#[pin_data]
struct Cells {
    /// The sender task's, for another incarnation of the connection.
    #[pin]
    connected: WakerCell,
    /// The supervisor's, until the node is known.
    #[pin]
    known: WakerCell,
    /// The supervisor's, before it tries to connect again.
    #[pin]
    called: WakerCell,
    /// When something came last, in milliseconds of [`Remote::now`].
    heard: Atomic<u64>,
    counters: Counters,
}

/// What went over one connection, in all of its incarnations.
struct Counters {
    answered: Atomic<u64>,
    refused: Atomic<u64>,
    sent_bytes: Atomic<u64>,
    received_bytes: Atomic<u64>,
}

/// What goes over one connection.
pub struct Traffic {
    /// Requests sent and not answered.
    pub in_flight: u32,
    /// Requests answered.
    pub answered: u64,
    /// Requests answered with an error.
    pub refused: u64,
    /// Bytes of payload sent.
    pub sent_bytes: u64,
    /// Bytes of payload received.
    pub received_bytes: u64,
}

/// A remote node.
#[pin_data]
pub struct Remote {
    settings: Settings,
    lane: Arc<Lane>,
    #[pin]
    inner: SpinLockIrq<Inner>,
    cells: KVec<Arc<Cells>>,
    identity: Identity,
    epoch: Atomic<u64>,
    /// Of the storage, if acknowledged writes need a flush to be safe.
    moments: Option<Arc<Moments>>,
    begun: Instant<Monotonic>,
    reconnects: Atomic<u32>,
    attempts: Atomic<u64>,
    /// Transactions that waited for another connection than their first.
    resent: Atomic<u64>,
}

/// What a ticket is good for.
enum Right {
    /// A place in the table, until it is used.
    Place(Option<Tag>),
    /// To end in error: places may be taken for as long as the node is away, by what was given up and may
    /// be carried out yet.
    Refusal(Status),
}

/// The right to submit one piece; gives its place back when it is not used.
pub struct Ticket {
    remote: Arc<Remote>,
    right: Right,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Right::Place(Some(tag)) = self.right {
            self.remote.release(tag);
        }
    }
}

impl Remote {
    /// A node with room for `depth` transactions that counts in `lane`; `moments` for one that has a
    /// volatile cache. May sleep. Errors: `ENOMEM`.
    pub fn new(
        settings: Settings,
        identity: Identity,
        epoch: u64,
        depth: u32,
        lane: Arc<Lane>,
        moments: Option<Arc<Moments>>,
    ) -> Result<Arc<Self>> {
        let mut places = Places::with_capacity(depth as usize, GFP_KERNEL)?;
        for _ in 0..depth {
            places.push(Place::new(), GFP_KERNEL)?;
        }
        let seat = Seat::new(settings.address, identity.export);
        let count = usize::from(settings.connections);
        let mut lines = KVec::with_capacity(count, GFP_KERNEL)?;
        let mut cells = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            lines.push(Line::new(), GFP_KERNEL)?;
            let cell = Arc::pin_init(
                pin_init!(Cells {
                    connected <- WakerCell::new(),
                    known <- WakerCell::new(),
                    called <- WakerCell::new(),
                    heard: Atomic::new(0),
                    counters: Counters {
                        answered: Atomic::new(0),
                        refused: Atomic::new(0),
                        sent_bytes: Atomic::new(0),
                        received_bytes: Atomic::new(0),
                    },
                }),
                GFP_KERNEL,
            )?;
            cells.push(cell, GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                settings,
                lane,
                inner <- new_spinlock_irq!(
                    Inner {
                        table: transaction::Table::new(places),
                        lines,
                        write_back: WriteBack::new(),
                        known: None,
                        seat,
                        failed: None,
                        device: [0; 16],
                        copy_refusal: None,
                        phase: Phase::Connecting,
                        since: Instant::now(),
                    },
                    "dst_remote"
                ),
                cells,
                identity,
                epoch: Atomic::new(epoch),
                moments,
                begun: Instant::now(),
                reconnects: Atomic::new(0),
                attempts: Atomic::new(0),
                resent: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// Where the export is.
    pub fn address(&self) -> SocketAddress {
        self.inner.lock().seat.address
    }

    /// How many connections there are, whether they stand or not.
    pub fn connections(&self) -> u16 {
        self.settings.connections
    }

    /// Connections made after the first of each.
    pub fn reconnects(&self) -> u32 {
        self.reconnects.load(ordering::Relaxed)
    }

    /// Transactions that were sent, or begun, while there was no connection or on one that was
    /// lost, and were sent again.
    pub fn resent(&self) -> u64 {
        self.resent.load(ordering::Relaxed)
    }

    /// Milliseconds since the node was made.
    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis().unsigned_abs()
    }

    /// For how many milliseconds an answer is awaited before a connection is given up.
    fn request_limit(&self) -> u64 {
        match self.settings.request_ms {
            0 => u64::MAX,
            limit => limit.into(),
        }
    }

    /// Notes that something came on connection `at`.
    fn hears(&self, at: usize) {
        if let Some(cells) = self.cells.get(at) {
            cells.heard.store(self.now(), ordering::Relaxed);
        }
    }

    /// Counts an answer on connection `at`, with so many bytes of payload.
    fn counts_answer(&self, at: usize, ok: bool, bytes: u32) {
        if let Some(cells) = self.cells.get(at) {
            let counters = &cells.counters;
            counters.answered.fetch_add(1, ordering::Relaxed);
            counters
                .refused
                .fetch_add(u64::from(!ok), ordering::Relaxed);
            counters
                .received_bytes
                .fetch_add(bytes.into(), ordering::Relaxed);
        }
    }

    /// Counts bytes of payload that were sent on connection `at`.
    fn counts_sent(&self, at: usize, bytes: u32) {
        if let Some(cells) = self.cells.get(at) {
            let sent = &cells.counters.sent_bytes;
            sent.fetch_add(bytes.into(), ordering::Relaxed);
        }
    }

    /// What went over connection `at`; `None` if there is none of that number.
    pub fn traffic(&self, at: u16) -> Option<Traffic> {
        let counters = &self.cells.get(usize::from(at))?.counters;
        Some(Traffic {
            in_flight: self.inner.lock().table.in_flight_on(at),
            answered: counters.answered.load(ordering::Relaxed),
            refused: counters.refused.load(ordering::Relaxed),
            sent_bytes: counters.sent_bytes.load(ordering::Relaxed),
            received_bytes: counters.received_bytes.load(ordering::Relaxed),
        })
    }

    fn is_failed(&self) -> bool {
        self.inner.lock().failed.is_some()
    }

    /// Whether a transaction would be admitted.
    pub fn has_room(&self) -> bool {
        let inner = self.inner.lock();
        inner.table.has_room() || self.refusal(&inner).is_some()
    }

    /// Reserves a place for a transaction. `bulk` leaves the last quarter to others.
    pub fn reserve(self: &Arc<Self>, bulk: bool) -> Option<Ticket> {
        let mut inner = self.inner.lock();
        let right = match self.refusal(&inner) {
            Some(status) => Right::Refusal(status),
            None => Right::Place(Some(inner.table.reserve(bulk)?)),
        };
        drop(inner);
        Some(Ticket {
            remote: self.clone(),
            right,
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
