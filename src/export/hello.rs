// SPDX-License-Identifier: GPL-2.0

//! Admitting a client: preface, hello, access, other sessions.

use super::{
    connection::End,
    exported::Export,
    info,
    peer::{Peer, Session},
};
use crate::{
    dst_core::access::Access,
    dst_core::fence::{self, Entry},
    dst_core::wire::{
        check_hello, hello_flags, negotiate, HelloReply, HelloRequest, Message, Negotiated, Reason,
        Status, HELLO_MAX_BYTES,
    },
    exec::{timeout, Timer},
    net::{session::frame, Incoming},
    sys::socket::Shutdown,
};
use core::pin::pin;
use kernel::{
    prelude::*,
    sync::{atomic::ordering, Arc},
    time::{Delta, Instant, Monotonic},
};

/// Why a client is not admitted; the text is sent to it.
struct Refusal {
    status: Status,
    reason: Reason,
}

fn refuse<T>(status: Status, text: kernel::fmt::Arguments<'_>) -> core::result::Result<T, Refusal> {
    Err(Refusal {
        status,
        reason: Reason::from_display(&text),
    })
}

/// How long a refused client has to read why, in milliseconds.
const FAREWELL_MS: i64 = 2_000;

/// How long a hello waits for an earlier client or incarnation to drain before it is refused, in
/// milliseconds. Its client is told what it waits for, and asks again.
const DRAIN_MS: i64 = 1_000;
/// Milliseconds between two looks.
const LOOK_MS: i64 = 2;

/// A client that was admitted.
pub struct Admitted {
    /// What it sends.
    pub incoming: Incoming,
    /// What was agreed on.
    pub negotiated: Negotiated,
    /// How many connections it makes.
    pub connections: u16,
}

/// Takes a new connection through its hello.
pub async fn admit(export: &Arc<Export>, peer: &Arc<Peer>) -> core::result::Result<Admitted, End> {
    let mut timer = Timer::new()?;
    let limit = Delta::from_millis(export.settings.hello_timeout.into());
    let hello = timeout(&mut timer, limit, pin!(receive(peer)))
        .await
        .unwrap_or_else(|| Err(End::Protocol(Reason::from_display(&"no hello in time"))))?;
    let (mut incoming, message, request) = hello;
    match decide(export, peer, &request, &mut timer).await {
        Ok((reply, negotiated)) => {
            incoming.allow(negotiated.max_transfer);
            let header = message.reply(Status::Ok, reply.epoch);
            send(&incoming, &header, &reply.encode()).await?;
            Ok(Admitted {
                incoming,
                negotiated,
                connections: request.connections,
            })
        }
        Err(refusal) => {
            export.refused.fetch_add(1, ordering::Relaxed);
            let header = message.reply(refusal.status, export.epoch());
            send(&incoming, &header, refusal.reason.as_str().as_bytes()).await?;
            farewell(&mut incoming, &mut timer).await;
            // A client asks again and again while there is something to drain.
            match refusal.status {
                Status::Draining => Err(End::Orderly),
                _ => Err(End::Protocol(refusal.reason)),
            }
        }
    }
}

async fn send(
    incoming: &Incoming,
    header: &Message,
    payload: &[u8],
) -> core::result::Result<(), End> {
    let head = frame(&header.encode(), payload.len() as u32);
    incoming.stream().write_all(&head).await?;
    incoming.stream().write_all(payload).await?;
    Ok(())
}

/// Lets the client read its refusal: closing at once would take back what is on its way.
async fn farewell(incoming: &mut Incoming, timer: &mut Timer) {
    incoming.stream().socket().shutdown(Shutdown::Send);
    let _ = timeout(
        timer,
        Delta::from_millis(FAREWELL_MS),
        pin!(incoming.head()),
    )
    .await;
}

async fn receive(peer: &Arc<Peer>) -> core::result::Result<(Incoming, Message, HelloRequest), End> {
    let mut incoming = Incoming::open(peer.stream.clone()).await?;
    let head = incoming.head().await?;
    let message = Message::parse(&head.header)
        .map_err(|error| End::Protocol(Reason::from_display(&error)))?;
    check_hello(&message, head.payload)
        .map_err(|refusal| End::Protocol(Reason::from_display(&refusal)))?;
    let length = (head.payload as usize).min(HELLO_MAX_BYTES);
    let mut payload = KVec::from_elem(0_u8, length, GFP_KERNEL).map_err(Error::from)?;
    incoming.payload(&mut payload).await?;
    let request = HelloRequest::parse(&payload)
        .map_err(|error| End::Protocol(Reason::from_display(&error)))?;
    Ok((incoming, message, request))
}

async fn decide(
    export: &Arc<Export>,
    peer: &Arc<Peer>,
    request: &HelloRequest,
    timer: &mut Timer,
) -> core::result::Result<(HelloReply, Negotiated), Refusal> {
    match export.access_of(&peer.address) {
        Some(access) => {
            let read_only = access == Access::ReadOnly;
            peer.read_only.store(read_only, ordering::Release);
        }
        None => {
            return refuse(
                Status::NotAllowed,
                fmt!("{} is not in the export's address list", peer.address),
            )
        }
    }
    if !request.export.is_empty() && request.export.as_str() != export.name.as_str() {
        return refuse(
            Status::NoExport,
            fmt!("no export \"{}\" at this address", request.export),
        );
    }
    let (reply, negotiated) = match negotiate(request, &export.offer(peer)) {
        Ok(agreed) => agreed,
        Err(refusal) => {
            return Err(Refusal {
                status: refusal.status(),
                reason: refusal.reason(),
            })
        }
    };
    if request.storage != [0; 16] && export.member_of() != Some(request.storage) {
        return refuse(
            Status::LabelMismatch,
            fmt!("the device does not belong to the storage that asks for it"),
        );
    }
    let session = Session {
        told: fence::Session {
            id: request.session,
            connection: request.connection,
            incarnation: request.incarnation,
            write: request.flags & hello_flags::WRITE != 0,
        },
        version: request.version_max,
    };
    // A client that has gone is waited for, so that a storage can be formed again at once after its
    // deletion, and nothing that it had sent lands after what this one sends.
    wait_until(peer, timer, || enter(export, peer, &session)).await?;
    // The list may have been replaced before the session was known.
    match export.access_of(&peer.address) {
        Some(Access::ReadWrite) => {}
        _ => peer.read_only.store(true, ordering::Release),
    }
    wait_until(peer, timer, || Ok(earlier_drained(export, peer, &session))).await?;
    Ok((reply, negotiated))
}

/// What a hello waits for.
enum Wait {
    /// Nothing.
    Over,
    /// So many requests of others that are at the device, or about to be.
    Draining(u32),
}

/// Waits for `ready`.
async fn wait_until(
    peer: &Peer,
    timer: &mut Timer,
    ready: impl Fn() -> core::result::Result<Wait, Refusal>,
) -> core::result::Result<(), Refusal> {
    let begun = Instant::<Monotonic>::now();
    loop {
        let Wait::Draining(count) = ready()? else {
            return Ok(());
        };
        if peer.closed.load(ordering::Acquire) {
            return refuse(
                Status::Stopping,
                fmt!("the connection was closed meanwhile"),
            );
        }
        if begun.elapsed().as_millis() >= DRAIN_MS {
            return refuse(
                Status::Draining,
                fmt!("server draining {count} requests of an earlier connection"),
            );
        }
        timer.sleep(Delta::from_millis(LOOK_MS)).await;
    }
}

/// The requests that `peers` have not answered, and will not.
fn outstanding<'a>(peers: impl Iterator<Item = &'a Arc<Peer>>) -> u32 {
    peers.fold(0, |sum: u32, peer| {
        sum.saturating_add(peer.outstanding.load(ordering::Relaxed))
    })
}

/// Makes the session known, if no other stands in its way, and closes earlier incarnations of its
/// connection.
fn enter(
    export: &Export,
    peer: &Arc<Peer>,
    session: &Session,
) -> core::result::Result<Wait, Refusal> {
    let peers = export.peers.lock();
    let others = || peers.iter().filter(|other| !Arc::ptr_eq(other, peer));
    let fenced = others().map(|other| other.fenced());
    let own = |other: fence::Peer| {
        other
            .session
            .is_some_and(|other| other.id == session.told.id)
    };
    if !fenced.clone().any(own) {
        let clients = info::count_clients(&peers).sessions;
        if clients >= export.settings.max_clients {
            return refuse(
                Status::Busy,
                fmt!("{clients} clients use the export, and no more may"),
            );
        }
    }
    let entry = fence::enter(
        &session.told,
        export.settings.shared_writers,
        fenced,
        |place| {
            if let Some(earlier) = others().nth(place) {
                earlier.close();
            }
        },
    );
    match entry {
        Entry::Entered => {
            *peer.session.lock() = Some(*session);
            Ok(Wait::Over)
        }
        Entry::Wait => {
            let gone = others().filter(|other| {
                let fenced = other.fenced();
                fenced.ending && !fenced.drained
            });
            Ok(Wait::Draining(outstanding(gone)))
        }
        Entry::Superseded => refuse(
            Status::Invalid,
            fmt!("a newer connection of the same session is there already"),
        ),
        Entry::Busy(place) => match others().nth(place) {
            Some(other) => refuse(
                Status::Busy,
                fmt!("{} is writing to it; one client may", other.address),
            ),
            None => Ok(Wait::Draining(0)),
        },
    }
}

/// Whether nothing of an earlier incarnation of the connection is at the device: what it had sent must
/// not land after what this one is about to send.
fn earlier_drained(export: &Export, peer: &Arc<Peer>, session: &Session) -> Wait {
    let peers = export.peers.lock();
    let others = || peers.iter().filter(|other| !Arc::ptr_eq(other, peer));
    if fence::is_fenced(&session.told, others().map(|other| other.fenced())) {
        return Wait::Over;
    }
    let earlier = others().filter(|other| {
        let fenced = other.fenced();
        let own = fenced.session.filter(|earlier| {
            earlier.id == session.told.id && earlier.connection == session.told.connection
        });
        own.is_some() && !fenced.drained
    });
    Wait::Draining(outstanding(earlier))
}
