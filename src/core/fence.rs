// SPDX-License-Identifier: GPL-2.0

//! Who may use an export, and when what others had sent to it is over.
//!
//! A client's start is a session; it has one or several connections, and each of them incarnations,
//! one after the other. A connection that says hello closes the earlier incarnations of its own and
//! is answered when nothing of them is at the device any more: the fence, after which the client
//! may send again what was not answered. Sessions that write exclude each other unless that was
//! asked for, and wait for one that is about to go, so what it had sent does not land later either.

/// What a client says of a connection in its hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The same for all connections of one start.
    pub id: [u8; 16],
    /// Which of the session's connections.
    pub connection: u16,
    /// Grows with each connection that is made in its place.
    pub incarnation: u64,
    /// Whether it may write.
    pub write: bool,
}

/// A connection to the export, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What its hello said; `None` before that.
    pub session: Option<Session>,
    /// Its end is known.
    pub ending: bool,
    /// Nothing of it is at the device, and nothing will be.
    pub drained: bool,
}

/// What becomes of a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The session is known from now on; next is [`is_fenced`].
    Entered,
    /// Somebody stands in the way who is about to go: to be asked again.
    Wait,
    /// The same connection has a newer incarnation, or this one, already.
    Superseded,
    /// The peer at this place in the list writes, and only one may.
    Busy(usize),
}

/// Decides on the hello of `new`, with the export's other connections in `others`. `close` is called
/// with the places of earlier incarnations, which have to end. If the answer is [`Entry::Entered`],
/// the caller makes the session known before it looks at another hello.
pub fn enter(
    new: &Session,
    shared: bool,
    others: impl Iterator<Item = Peer>,
    mut close: impl FnMut(usize),
) -> Entry {
    for (place, other) in others.enumerate() {
        let Some(session) = other.session.filter(|_| !other.drained) else {
            continue;
        };
        if session.id == new.id {
            if session.connection != new.connection {
                continue;
            }
            if session.incarnation >= new.incarnation {
                return Entry::Superseded;
            }
            close(place);
        } else if new.write && session.write {
            // Also where several may write: nobody orders what one sends behind what another has left, but the owner
            // of a storage knows of no other, and may have been one of them before.
            if other.ending {
                return Entry::Wait;
            }
            if !shared {
                return Entry::Busy(place);
            }
        }
    }
    Entry::Entered
}

/// Whether nothing of an earlier incarnation of `own`'s connection is at the device: its hello may
/// be answered.
pub fn is_fenced(own: &Session, mut others: impl Iterator<Item = Peer>) -> bool {
    !others.any(|other| {
        let earlier = other.session.filter(|session| {
            session.id == own.id
                && session.connection == own.connection
                && session.incarnation < own.incarnation
        });
        earlier.is_some() && !other.drained
    })
}
