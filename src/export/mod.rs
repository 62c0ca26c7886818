// SPDX-License-Identifier: GPL-2.0

//! The serving side: block devices of this machine for clients elsewhere.
//!
//! An [`exported::Export`] is a device, a listening socket and an address list. Each connection has
//! four tasks: one receives, one submits to the device on a pool of its own (submitting may
//! sleep on storage, and a worker that drives sockets must not), one sends the answers in the
//! order in which the device gives them. The fourth reads and writes the label. A fifth is made when a client asks
//! for copies from another export ([`copier`]).
//!
//! Invariants:
//! - Every request is checked against what was negotiated and against the address list and the
//!   epoch as they are now, before anything is done for it.
//! - A request's memory has one owner at a time: the receiver while it is filled, the device's
//!   bio while it is worked on, the sender while it is sent. Pages that TCP still refers to are
//!   not used again before it lets go of them.
//! - A client has a fixed number of slots and of pages; when they are in use its socket is not
//!   read, so that TCP slows the client down.
//! - In write-through mode a write is answered when it is stable.
//! - A connection is drained when no bio of it is at the device. A newer incarnation of a session
//!   is not answered before the older one has drained.
//!
//! Locking: a mutex for the list of exports, one for the connections of an export; spin locks for
//! slots and answers. None is held while waiting for the network or a device.
//!
//! Cancellation: closing a connection's socket makes its receiver end, then its copier, then its submitter, and
//! when the last bio is back its sender. Deleting an export closes all its connections and joins
//! their tasks.

pub mod buffers;
pub mod config;
pub mod connection;
pub mod copier;
mod copy_request;
pub mod exported;
pub mod hello;
pub mod info;
pub mod labels;
pub mod listener;
pub mod peer;
pub mod registry;
pub mod reply;
pub mod source;
pub mod submit;

pub use registry::Registry;
