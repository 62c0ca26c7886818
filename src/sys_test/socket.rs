// SPDX-License-Identifier: GPL-2.0

//! Sockets, over the loopback interface: addresses, bytes, and memory segments both ways.

use super::disk::{pattern, Ended};
use crate::{
    check,
    exec_test::aside::until,
    sys::{
        device_bio::DeviceBio,
        net_namespace::Net,
        segments::Segments,
        socket::{Shutdown, Socket},
        socket_address::SocketAddress,
    },
};
use kernel::{page::PAGE_SIZE, prelude::*};

const ANY_PORT: SocketAddress = SocketAddress::V4 {
    address: [127, 0, 0, 1],
    port: 0,
};

/// Both ends of a connection; the first one has called.
struct Pair(Socket, Socket);

impl Pair {
    fn new() -> Result<Self> {
        let net = Net::initial();
        let listener = Socket::listen(&net, ANY_PORT, 1)?;
        let caller = Socket::connect(&net, listener.local_address()?)?;
        until(|| listener.readiness().readable())?;
        let called = listener.accept()?;
        until(|| caller.readiness().writable())?;
        caller.take_error()?;
        Ok(Self(caller, called))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // Nothing is left for the kernel to wait for.
        self.0.abort();
        self.1.abort();
    }
}

/// Repeats what would block. Errors: `ETIMEDOUT`, and those of `attempt`.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut result = attempt();
    let begun = kernel::time::Instant::<kernel::time::Monotonic>::now();
    while result.as_ref().err() == Some(&EAGAIN) {
        if begun.elapsed().as_millis() > 60_000 {
            return Err(ETIMEDOUT);
        }
        crate::sys::kthread::cond_resched();
        result = attempt();
    }
    result
}

/// The kernel reads our addresses and we read its: each end is where the other one says.
pub fn addresses() -> Result {
    let net = Net::initial();
    check!(net.number() != 0 && net == net.clone());
    let listener = Socket::listen(&net, ANY_PORT, 1)?;
    let address = listener.local_address()?;
    check!(matches!(address, SocketAddress::V4 { address: [127, 0, 0, 1], port } if port != 0));
    check!(Socket::listen(&net, address, 1).err() == Some(EADDRINUSE));
    check!(listener.accept().err() == Some(EAGAIN));
    let pair = Pair::new()?;
    check!(pair.0.local_address()? == pair.1.peer_address()?);
    check!(pair.1.local_address()? == pair.0.peer_address()?);
    check!(pair.0.local_address()? != pair.0.peer_address()?);
    check!(!pair.0.is_closed() && listener.peer_address().is_err());
    Ok(())
}

/// Nobody listens, or the address is nobody's.
pub fn refused() -> Result {
    let net = Net::initial();
    let listener = Socket::listen(&net, ANY_PORT, 1)?;
    let address = listener.local_address()?;
    drop(listener);
    let error = match Socket::connect(&net, address) {
        Ok(caller) => {
            until(|| caller.is_closed())?;
            caller.take_error().err()
        }
        Err(error) => Some(error),
    };
    check!(error == Some(ECONNREFUSED));
    // 192.0.2.0/24 is for examples.
    let foreign = SocketAddress::V4 {
        address: [192, 0, 2, 1],
        port: 0,
    };
    check!(Socket::listen(&net, foreign, 1).err() == Some(EADDRNOTAVAIL));
    Ok(())
}

/// Bytes arrive in order, the end of the stream comes after them, and a reset is an error.
pub fn bytes() -> Result {
    let pair = Pair::new()?;
    let mut buffer = [0u8; 16];
    check!(pair.1.is_quiet());
    check!(pair.1.receive(&mut buffer).err() == Some(EAGAIN));
    check!(pair.0.send(b"12345678", true)? == 8);
    check!(pair.0.send(b"9", false)? == 1);
    until(|| !pair.1.is_quiet())?;
    let mut got = 0;
    while got < 4 {
        got += patiently(|| pair.1.receive(&mut buffer[got..4]))?;
    }
    check!(&buffer[..4] == b"1234");
    check!(patiently(|| pair.1.discard(3))? == 3);
    pair.0.shutdown(Shutdown::Send);
    let mut got = 0;
    while got < 2 {
        got += patiently(|| pair.1.receive(&mut buffer[got..]))?;
    }
    check!(&buffer[..2] == b"89");
    check!(patiently(|| pair.1.receive(&mut buffer))? == 0);
    let pair = Pair::new()?;
    pair.0.abort();
    check!(pair.0.is_closed());
    until(|| {
        pair.1
            .receive(&mut buffer)
            .is_err_and(|error| error == ECONNRESET)
    })
}

/// Sends all of `from` in windows, copied or by reference, into windows of `to`.
fn transfer(pair: &Pair, from: Segments<'_>, to: Segments<'_>, splice: bool) -> Result {
    let (mut out, mut back) = (from, to);
    let begun = kernel::time::Instant::<kernel::time::Monotonic>::now();
    while !back.is_empty() {
        if !out.is_empty() {
            match pair.0.send_segments(&out, splice, false) {
                Ok(count) => out.advance(count),
                Err(error) if error == EAGAIN => {}
                Err(error) => return Err(error),
            }
        }
        match pair.1.receive_segments(&mut back) {
            Ok(0) => return Err(EPIPE),
            Ok(count) => back.advance(count),
            Err(error) if error == EAGAIN => {}
            Err(error) => return Err(error),
        }
        if begun.elapsed().as_millis() > 60_000 {
            return Err(ETIMEDOUT);
        }
    }
    Ok(())
}

/// What is sent from a stretch of pages arrives in another one, byte for byte and nowhere else.
pub fn pages() -> Result {
    const PAGES: usize = 5;
    let bytes = pattern(PAGES * PAGE_SIZE, 7)?;
    let mut found = pattern(PAGES * PAGE_SIZE, 0)?;
    for splice in [false, true] {
        for (from, to, count) in [
            (0, 0, PAGES * PAGE_SIZE),
            (1, PAGE_SIZE - 1, 2),
            (PAGE_SIZE - 3, 5, 3 * PAGE_SIZE + 1),
            (2 * PAGE_SIZE, 1, PAGE_SIZE),
            (4097, 8191, 8000),
        ] {
            let pair = Pair::new()?;
            let mut source = DeviceBio::<Ended>::new(PAGES)?;
            let mut target = DeviceBio::<Ended>::new(PAGES)?;
            source.write_at(0, &bytes)?;
            let blank = pattern(PAGES * PAGE_SIZE, 9)?;
            target.write_at(0, &blank)?;
            transfer(
                &pair,
                source.segments(from, count),
                target.segments(to, count),
                splice,
            )?;
            target.read_at(0, &mut found)?;
            check!(found[..to] == blank[..to]);
            check!(found[to..to + count] == bytes[from..from + count]);
            check!(found[to + count..] == blank[to + count..]);
            // The socket holds no page any more once the other end has taken everything, or at the
            // latest when it is gone.
            drop(pair);
            until(|| !source.pages_busy())?;
        }
    }
    Ok(())
}
