// SPDX-License-Identifier: GPL-2.0

//! Asynchronous TCP: streams and listeners whose readiness comes from the socket's wait queue,
//! the sending half of a connection, and the session layer that frames messages.
//!
//! Invariants:
//! - A socket's wait-queue entry is registered once, for the life of the socket. An operation is
//!   tried first; if it would block, the waker is registered, and the readiness is looked at once
//!   more before the task goes to sleep, so an event between the two is not missed. Only a task
//!   whose waker was there before its first look, which showed nothing to receive, does without.
//! - Receiving and sending are independent of each other: one task receives, anybody sends.
//! - What TCP was given by reference is not changed until the peer is known to have it or the
//!   socket is gone; see [`sender`].
//!
//! Locking: the wait-queue callback takes waker cells and run-queue locks and nothing else.
//! The sender's lock is a mutex that is only ever tried, so that no worker waits for another
//! thread's send.

pub mod budget;
pub mod client;
pub mod config;
pub mod listener;
pub mod sender;
pub mod session;
pub mod stream;

pub use budget::Budget;
pub use listener::Listener;
pub use sender::{Message, Sender};
pub use session::{Incoming, SessionError};
pub use stream::Stream;
