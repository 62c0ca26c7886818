// SPDX-License-Identifier: GPL-2.0

//! An echo server in the kernel: every byte that a client sends comes back to it.
//!
//! It is the smallest user of the executor and of the asynchronous sockets: an example to read,
//! a load to test them with, and what their cost is measured by. It knows nothing of storage.
//!
//! Modules cannot link each other's Rust code, so the files of the lower layers that it needs are
//! compiled into it once more; `echo/sys.c` does the same for their C part.
//!
//! Closed by default: it listens on the loopback address unless told to be `public`.

#![deny(unsafe_code)]

#[path = "core"]
pub mod dst_core {
    //! Of the pure decisions, those of the executor.
    pub mod lease;
    pub mod task_state;
    pub mod worker_state;
}

#[allow(unsafe_code)]
pub mod sys {
    //! Of the kernel interfaces, threads and sockets.
    pub mod clock;
    pub mod completion;
    pub mod cpu;
    pub mod display;
    pub mod global;
    pub mod kthread;
    pub mod net_namespace;
    pub mod ratelimit;
    pub mod segments;
    pub mod socket;
    pub mod socket_address;
    pub mod socket_wait;
    pub mod static_text;
    pub mod try_cell;
    pub mod wait_queue;
    pub mod waker;
}

pub mod exec;

pub mod net {
    //! Of the network layer, what knows bytes only.
    pub mod budget;
    pub mod listener;
    pub mod stream;

    pub use budget::Budget;
    pub use listener::Listener;
    pub use stream::Stream;
}

#[path = "echo/server.rs"]
pub mod server;

use crate::{exec::pool::MAX_WORKERS, server::Server, sys::socket_address::SocketAddress};
use kernel::prelude::*;

module! {
    type: Echo,
    name: "dst_echo",
    authors: ["DST developers"],
    description: "Echo server over TCP: the smallest user of the framework of DST",
    license: "GPL",
    params: {
        port: u16 {
            default: 7,
            description: "TCP port; 0 takes a free one and tells it in the kernel log",
        },
        ipv6: bool {
            default: false,
            description: "Use IPv6 (with public, IPv4 too)",
        },
        public: bool {
            default: false,
            description: "Serve other machines too, on all addresses of this one",
        },
        clients: u32 {
            default: 1024,
            description: "Clients at the same time; each takes 16 KiB and its socket's buffers",
        },
        workers: u32 {
            default: 0,
            description: "Threads; 0 for one per CPU",
        },
    },
}

/// The most clients at the same time.
const MAX_CLIENTS: u32 = 1 << 16;

/// The loaded module.
struct Echo {
    _server: Server,
}

impl kernel::Module for Echo {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let clients = *module_parameters::clients.value_ref();
        if clients == 0 || clients > MAX_CLIENTS {
            pr_err!("clients={clients} is refused: give 1 to {MAX_CLIENTS}\n");
            return Err(EINVAL);
        }
        let workers = match *module_parameters::workers.value_ref() {
            0 => sys::cpu::online(),
            workers if workers > MAX_WORKERS => {
                pr_err!("workers={workers} is refused: give at most {MAX_WORKERS}\n");
                return Err(EINVAL);
            }
            workers => workers,
        };
        let address = address();
        let server = Server::start(address, clients as usize, workers)
            .inspect_err(|error| pr_err!("cannot serve on {address}: {}\n", reason(*error)))?;
        pr_info!("serving on {}\n", server.address());
        Ok(Self { _server: server })
    }
}

/// The address that the parameters ask for.
fn address() -> SocketAddress {
    let port = *module_parameters::port.value_ref();
    let public = *module_parameters::public.value_ref();
    if *module_parameters::ipv6.value_ref() {
        let address = if public {
            core::net::Ipv6Addr::UNSPECIFIED
        } else {
            core::net::Ipv6Addr::LOCALHOST
        };
        SocketAddress::V6 {
            address: address.octets(),
            port,
            scope_id: 0,
        }
    } else {
        let address = if public {
            core::net::Ipv4Addr::UNSPECIFIED
        } else {
            core::net::Ipv4Addr::LOCALHOST
        };
        SocketAddress::V4 {
            address: address.octets(),
            port,
        }
    }
}

/// Why the server did not start, for a person.
fn reason(error: Error) -> &'static str {
    match error {
        EADDRINUSE => "the port is in use; port=0 takes a free one",
        EADDRNOTAVAIL | EAFNOSUPPORT => "this machine does not have the address",
        ENOMEM => "out of memory",
        EINTR => "the load was interrupted",
        _ => "the socket could not be made",
    }
}
