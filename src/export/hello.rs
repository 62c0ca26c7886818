// SPDX-License-Identifier: GPL-2.0

//! Admitting a client: preface, hello, access, other sessions.

use super::{
    connection::End,
    exported::Export,
    peer::{Peer, Session},
};
use crate::{
    dst_core::access::Access,
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
    time::Delta,
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

/// How long an earlier client or incarnation may take to drain, in rounds of [`DRAIN_MS`].
const DRAIN_ROUNDS: u32 = 10_000;
/// Milliseconds.
const DRAIN_MS: i64 = 2;

/// Takes a new connection through its hello.
pub async fn admit(
    export: &Arc<Export>,
    peer: &Arc<Peer>,
) -> core::result::Result<(Incoming, Negotiated), End> {
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
            Ok((incoming, negotiated))
        }
        Err(refusal) => {
            export.refused.fetch_add(1, ordering::Relaxed);
            let header = message.reply(refusal.status, export.epoch());
            send(&incoming, &header, refusal.reason.as_str().as_bytes()).await?;
            farewell(&mut incoming, &mut timer).await;
            Err(End::Protocol(refusal.reason))
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
    // A client that has gone is waited for, so that a storage can be formed again at once after its
    // deletion.
    let entered = || enter(export, peer, request);
    wait_until(peer, timer, "the client before", entered).await?;
    // The list may have been replaced before the session was known.
    match export.access_of(&peer.address) {
        Some(Access::ReadWrite) => {}
        _ => peer.read_only.store(true, ordering::Release),
    }
    let drained = || Ok(earlier_drained(export, peer, request));
    wait_until(peer, timer, "an earlier connection", drained).await?;
    Ok((reply, negotiated))
}

/// Waits for `ready`, which has to do with the requests of `whose` that are still at the device.
async fn wait_until(
    peer: &Peer,
    timer: &mut Timer,
    whose: &str,
    ready: impl Fn() -> core::result::Result<bool, Refusal>,
) -> core::result::Result<(), Refusal> {
    for _ in 0..DRAIN_ROUNDS {
        if ready()? {
            return Ok(());
        }
        if peer.closed.load(ordering::Acquire) {
            return refuse(Status::Stopping, fmt!("the export is being stopped"));
        }
        timer.sleep(Delta::from_millis(DRAIN_MS)).await;
    }
    refuse(
        Status::Draining,
        fmt!("requests of {} are still at the device", whose),
    )
}

/// Makes the session known, if no other stands in its way, and closes earlier incarnations of it.
/// False if one stands in the way that is about to go by itself.
fn enter(
    export: &Export,
    peer: &Arc<Peer>,
    request: &HelloRequest,
) -> core::result::Result<bool, Refusal> {
    let write = request.flags & hello_flags::WRITE != 0;
    let peers = export.peers.lock();
    for other in peers.iter().filter(|other| !Arc::ptr_eq(other, peer)) {
        let Some(session) = *other.session.lock() else {
            continue;
        };
        if other.drained.load(ordering::Acquire) {
            continue;
        }
        if session.id == request.session {
            if session.incarnation >= request.incarnation {
                return refuse(
                    Status::Invalid,
                    fmt!("a newer connection of the same session is there already"),
                );
            }
            other.close();
        } else if write && session.write && !export.settings.shared_writers {
            if other.is_ending() {
                return Ok(false);
            }
            return refuse(
                Status::Busy,
                fmt!("{} is writing to it; one client may", other.address),
            );
        }
    }
    *peer.session.lock() = Some(Session {
        id: request.session,
        incarnation: request.incarnation,
        write,
        version: request.version_max,
    });
    Ok(true)
}

/// Whether nothing of an earlier incarnation is at the device: what it had sent must not land
/// after what this one is about to send.
fn earlier_drained(export: &Export, peer: &Arc<Peer>, request: &HelloRequest) -> bool {
    !export.peers.lock().iter().any(|other| {
        !Arc::ptr_eq(other, peer)
            && !other.drained.load(ordering::Acquire)
            && other
                .session
                .lock()
                .is_some_and(|session| session.id == request.session)
    })
}
