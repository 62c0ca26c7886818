// SPDX-License-Identifier: GPL-2.0

//! Streams and listeners: bytes both ways, and tasks that are cancelled while they wait for a socket.

use crate::{
    check,
    exec::{spawn_value, Timer, ValueHandle},
    exec_test::{
        context::{Context, Counter},
        stop_at::cancel_at,
    },
    net::{Listener, Stream},
    sys::{net_namespace::Net, socket_address::SocketAddress},
};
use kernel::{prelude::*, sync::Arc, time::Delta};

const ANY_PORT: SocketAddress = SocketAddress::V4 {
    address: [127, 0, 0, 1],
    port: 0,
};
/// More than a socket takes from a sender while its peer does not receive.
const BYTES: usize = 8 << 20;
/// How often these bytes go there and back.
const TURNS: u32 = 2;
/// For room in the first turn, for input in each: both tasks run on one worker, so the caller has to
/// let go of it.
const LEAST: u32 = TURNS + 1;

/// Bytes that depend on their place.
fn filled() -> Result<Arc<KVVec<u8>>> {
    let mut bytes = KVVec::from_elem(0, BYTES, GFP_KERNEL)?;
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = (place % 251) as u8;
    }
    Ok(Arc::new(bytes, GFP_KERNEL)?)
}

/// Takes one connection, receives late and sends back, and then waits for the end.
async fn serve(listener: Listener, mut timer: Timer) -> Result {
    let stream = Stream::new(listener.accept().await?)?;
    let mut bytes = KVVec::from_elem(0, BYTES, GFP_KERNEL)?;
    for _ in 0..TURNS {
        timer.sleep(Delta::from_millis(5)).await;
        stream.read_exact(&mut bytes).await?;
        stream.write_all(&bytes).await?;
    }
    match stream.read_exact(&mut [0]).await {
        Err(error) if error == ENODATA => {}
        result => return result.and(Err(EBADMSG)),
    }
    stream.finish().await;
    Ok(())
}

/// Sends, receives and compares. The token is dropped with the future.
async fn call(address: SocketAddress, counter: Counter, bytes: Arc<KVVec<u8>>) -> Result {
    let _token = counter.token();
    let stream = Stream::connect(&Net::initial(), address).await?;
    let mut back = KVVec::from_elem(0, BYTES, GFP_KERNEL)?;
    for _ in 0..TURNS {
        stream.write_all(&bytes).await?;
        back.fill(0);
        stream.read_exact(&mut back).await?;
        if *back != **bytes {
            return Err(EILSEQ);
        }
    }
    stream.finish().await;
    Ok(())
}

fn server(context: &Context) -> Result<(SocketAddress, ValueHandle<Result>)> {
    let listener = Listener::bind(&Net::initial(), ANY_PORT, 1)?;
    let address = listener.local_address()?;
    Ok((
        address,
        spawn_value(&context.one, c"server", serve(listener, Timer::new()?))?,
    ))
}

/// Whether the caller was through before it was cancelled. The server learns of its end.
fn stop_at(context: &Context, polls: u32, bytes: &Arc<KVVec<u8>>) -> Result<bool> {
    let counter = Counter::new()?;
    let (address, mut server) = server(context)?;
    let work = call(address, counter.clone(), bytes.clone());
    let through = cancel_at(context, polls, work)?;
    check!(counter.made() == counter.dropped());
    if !through {
        // A caller that was cancelled before the server heard of it leaves it waiting for the next.
        drop(context.wait(Stream::connect(&Net::initial(), address))?);
    }
    let served = context.wait(server.joined())??;
    // It may have had all before the caller was cancelled.
    check!(served.is_ok() || !through);
    Ok(through)
}

/// Bytes come back as they were sent, by tasks that wait for each other.
pub fn both_ways(context: &Context) -> Result {
    check!(stop_at(context, u32::MAX, &filled()?)?);
    Ok(())
}

/// The caller is cancelled at each of its await points: nothing of its memory is used after that,
/// and the server sees the connection end.
pub fn cancelled_everywhere(context: &Context) -> Result {
    let bytes = filled()?;
    let (mut polls, mut points) = (1u32, 0u32);
    while !stop_at(context, polls, &bytes)? {
        points = points.saturating_add(1);
        // Each of the first ones; those in the middle of a transfer are alike.
        polls = polls.saturating_add(1).saturating_add(polls / 8);
    }
    pr_info!("cancelled at {points} await points of a caller\n");
    check!(points >= LEAST);
    Ok(())
}

/// A task that waits for a connection is cancelled; nobody is admitted any more.
pub fn accepting_cancelled(context: &Context) -> Result {
    let (address, server) = server(context)?;
    context.until(|| server.handle().awaits().is_some())?;
    server.cancel();
    context.wait(server.handle().joined())?;
    let refused = context.wait(Stream::connect(&Net::initial(), address))?;
    check!(refused.err() == Some(ECONNREFUSED));
    Ok(())
}
