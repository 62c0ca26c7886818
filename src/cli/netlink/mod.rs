// SPDX-License-Identifier: GPL-2.0

//! Talking to the kernel module over generic netlink.
//!
//! [`codec`] knows the bytes, [`uapi`] the numbers of the family, [`request`] what is
//! asked for, [`client`] the conversation, [`socket`] the system calls. Above the
//! [`client::Datagrams`] trait nothing knows whether a kernel listens.

pub mod client;
pub mod codec;
pub mod request;
pub mod socket;
pub mod uapi;

pub use client::{Client, Datagrams, Failure, Refusal};
pub use request::{Request, Value};
