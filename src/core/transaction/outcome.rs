// SPDX-License-Identifier: GPL-2.0

//! What the table of transactions tells its caller.

use super::{Link, Tag};

/// What becomes of a request that begins.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin<P> {
    /// It is in flight: a message without data is to be sent on this link.
    Plain(Link),
    /// Its data is to be sent on this link; then [`Table::sent`] or [`Table::unsent`].
    Data(Link, P),
    /// It waits; [`Table::next`] gives it when it may go.
    Waits,
}

/// What becomes of a request whose data was handed to the network.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent<P, A> {
    /// The answer is to come.
    Open,
    /// It is to be sent again; [`Table::next`] gives it when it may go.
    Waits,
    /// The answer came first: the piece is to be ended, then [`Table::free`].
    Ended(P, A),
}

/// What a reply is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered<'a, P> {
    /// A request in flight; then [`Table::take`] or [`Table::receive`], or nothing if the reply is
    /// wrong.
    InFlight(&'a P),
    /// A request whose data is still with the sender; then [`Table::early`].
    Sending,
    /// One that has ended: what comes with it is thrown away.
    Stale,
    /// None that ever was.
    Unknown,
}

/// A request that may go out now.
#[derive(Debug, PartialEq, Eq)]
pub struct Given<P> {
    /// Its tag.
    pub tag: Tag,
    /// How it goes.
    pub begin: Begin<P>,
    /// For [`Table::next`].
    pub order: u64,
}

/// A connection on which something is not answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The connection, to be closed by the caller.
    pub link: Link,
    /// For how long it was not answered, in milliseconds.
    pub waited: u64,
}

/// How many requests are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Wait.
    pub waiting: u32,
    /// May still be carried out although their connection is lost.
    pub exposed: u32,
    /// Places in use.
    pub used: u32,
}
