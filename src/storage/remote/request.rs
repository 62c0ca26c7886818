// SPDX-License-Identifier: GPL-2.0

//! Requests on their way to an export.

use super::{super::piece::Piece, Remote};
use crate::{
    dst_core::{
        transaction::{Effect, Extent, Link, Tag},
        wire::{self, request_flags, Opcode, HEADER_BYTES},
    },
    net::Message,
    sys::{
        bio::{Op, Status, SECTOR_SHIFT},
        segments::Segments,
    },
};
use kernel::sync::Arc;

/// The message that asks for `piece`; also what a reply to it must repeat.
pub fn message(piece: &Piece, tag: Tag, epoch: u64) -> wire::Message {
    let fua = if piece.fua() { request_flags::FUA } else { 0 };
    let (opcode, flags) = match piece.op() {
        Op::Write if piece.copies().is_some() => (Opcode::CopyFromPeer, 0),
        Op::Write => (Opcode::Write, fua),
        Op::Flush => (Opcode::Flush, 0),
        Op::Discard => (Opcode::Discard, 0),
        Op::WriteZeroes if piece.nounmap() => (Opcode::WriteZeroes, fua | request_flags::NO_UNMAP),
        Op::WriteZeroes => (Opcode::WriteZeroes, fua),
        // Nothing else becomes a piece.
        Op::Read | Op::Unsupported => (Opcode::Read, 0),
    };
    let message = wire::Message::request(opcode, tag.to_wire(), epoch).with_flags(flags);
    if opcode.has_range() {
        message.with_range(piece.sector() << SECTOR_SHIFT, range_bytes(piece))
    } else {
        message
    }
}

/// How many bytes of the node `piece` is about.
fn range_bytes(piece: &Piece) -> u32 {
    piece.copies().unwrap_or(piece.bytes())
}

/// What `piece` does to the node's sectors.
pub fn extent(piece: &Piece) -> Extent {
    let effect = match piece.op() {
        Op::Flush => return Extent::FLUSH,
        Op::Write | Op::Discard | Op::WriteZeroes => Effect::Changes,
        Op::Read | Op::Unsupported => Effect::Reads,
    };
    Extent {
        first: piece.sector(),
        sectors: u64::from(range_bytes(piece) >> SECTOR_SHIFT),
        effect,
    }
}

/// Asks whether the server is alive.
pub fn ping() -> [u8; HEADER_BYTES] {
    // Nobody looks for the tag of its answer.
    wire::Message::request(Opcode::Ping, 0, 0).encode()
}

/// The last message of a client that ends the session.
pub fn goodbye() -> [u8; HEADER_BYTES] {
    wire::Message::goodbye(wire::Goodbye::Leaving).encode()
}

/// A request in the hands of the sender.
pub enum Outgoing {
    /// A request without data; its piece stays in the table.
    Plain([u8; HEADER_BYTES]),
    /// A write: its pages are read while it is sent, so the piece comes along.
    Write {
        /// The incarnation of the connection.
        link: Link,
        /// The transaction.
        tag: Tag,
        /// Its piece.
        piece: Piece,
        /// Its header.
        header: [u8; HEADER_BYTES],
    },
}

impl Message for Outgoing {
    type Owner = Arc<Remote>;

    fn header(&self) -> [u8; HEADER_BYTES] {
        match self {
            Self::Plain(header) | Self::Write { header, .. } => *header,
        }
    }

    fn payload_bytes(&self) -> u32 {
        match self {
            Self::Plain(_) => 0,
            Self::Write { piece, .. } => piece.bytes(),
        }
    }

    fn segments(&self, offset: u32) -> Segments<'_> {
        match self {
            Self::Plain(_) => Segments::empty(),
            Self::Write { piece, .. } => {
                let mut iter = piece.iter();
                piece.bio().advance(&mut iter, offset);
                piece.bio().segments(&iter)
            }
        }
    }

    fn splice(&self) -> bool {
        // The bio does not end before the reply, and the peer replies to what it has received.
        true
    }

    fn sent(self, owner: &Arc<Remote>) {
        if let Self::Write {
            link, tag, piece, ..
        } = self
        {
            owner.sent(link, tag, piece);
        }
    }
}

/// The block layer's status for an answer of the export.
pub fn to_status(status: wire::Status) -> Status {
    match status {
        wire::Status::Ok => Status::Ok,
        wire::Status::Unsupported => Status::NotSupported,
        wire::Status::NoSpace => Status::NoSpace,
        wire::Status::Medium => Status::Medium,
        wire::Status::Protection => Status::Protection,
        wire::Status::TimedOut => Status::Timeout,
        wire::Status::NoMemory => Status::Resource,
        wire::Status::StaleEpoch => Status::Reservation,
        wire::Status::ReadOnly | wire::Status::NotAllowed => Status::Target,
        wire::Status::NoDevice => Status::Offline,
        status if status.is_of_peer() => Status::Target,
        _ => Status::Io,
    }
}
