// SPDX-License-Identifier: GPL-2.0

//! A listening socket that a task can await.

use super::Stream;
use crate::sys::{net_namespace::Net, socket::Socket, socket_address::SocketAddress};
use kernel::prelude::*;

/// A listening TCP socket.
pub struct Listener {
    stream: Stream,
}

impl Listener {
    /// Listens on `address` in `net`, which the caller keeps while the listener lives; `backlog`
    /// connections may wait to be accepted. May sleep.
    ///
    /// Errors: `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, `ENOMEM`.
    pub fn bind(net: &Net, address: SocketAddress, backlog: u32) -> Result<Self> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        Ok(Self {
            stream: Stream::new(Socket::listen(net, address, backlog)?)?,
        })
    }

    /// Waits for a connection and takes it. Errors: `ENOMEM`, `ENFILE`, and those of connections
    /// that ended before they were taken; the caller goes on after all of them.
    pub async fn accept(&self) -> Result<Socket> {
        self.stream
            .read_ready(|socket| {
                // Accepting allocates before it looks.
                if !socket.readiness().readable() {
                    return Err(EAGAIN);
                }
                socket.accept()
            })
            .await
    }

    /// Whether it listens no more, because somebody closed the socket from outside. Any context.
    pub fn is_closed(&self) -> bool {
        self.stream.socket().is_closed()
    }

    /// The address that it listens on, with the port that was chosen for port 0.
    pub fn local_address(&self) -> Result<SocketAddress> {
        self.stream.socket().local_address()
    }
}
