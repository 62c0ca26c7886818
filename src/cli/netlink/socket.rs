// SPDX-License-Identifier: GPL-2.0

//! The netlink socket of the running kernel.

use super::client::Datagrams;
use netlink_sys::{protocols::NETLINK_GENERIC, Socket, SocketAddr};
use std::io;

/// Receive buffer for events, in bytes: room for some thousand of them.
const EVENT_BUFFER: usize = 1 << 20;

/// A generic netlink socket with extended acknowledgements.
pub struct KernelSocket {
    socket: Socket,
}

impl KernelSocket {
    /// Opens and binds a socket in the network namespace of the program.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.set_ext_ack(true)?;
        // An error need not repeat the request: the program still has it.
        socket.set_cap_ack(true)?;
        Ok(Self { socket })
    }
}

impl Datagrams for KernelSocket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let sent = self.socket.send_to(datagram, &SocketAddr::new(0, 0), 0)?;
        if sent == datagram.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.socket.recv_from_full() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Only the kernel, port 0, is listened to.
                Ok((_, sender)) if sender.port_number() != 0 => {}
                other => return other.map(|(datagram, _)| datagram),
            }
        }
    }

    fn join(&mut self, group: u32) -> io::Result<()> {
        // Asking for more than the system's limit is cut down, not refused.
        self.socket.set_rx_buf_sz(EVENT_BUFFER)?;
        self.socket.add_membership(group)
    }
}
