// SPDX-License-Identifier: GPL-2.0

//! A connection to another export, over which ranges are read that are to be copied here.
//!
//! It is that of a client like any: it says hello, may only read, and is refused once another owner has claimed
//! the node there. What is behind the address is known by its label.

use crate::{
    device::label::Block,
    dst_core::{
        text::Text,
        wire::{
            self, check_reply, CopySource, Goodbye, Message, Negotiated, Opcode, Reason,
            EXPORT_NAME_MAX,
        },
    },
    net::{
        client::{Client, ClientError, Identity},
        session::frame,
        Incoming, SessionError,
    },
    sys::{net_namespace::Net, random, segments::Segments, socket_address::SocketAddress},
};
use core::net::IpAddr;
use kernel::{
    prelude::*,
    sync::atomic::{ordering, Atomic},
};

/// Reads under way at a time.
const DEPTH: u32 = 64;

/// Why a range cannot be read from the other node: what the client is told, and words for the log.
pub struct Trouble {
    /// What the client is told.
    pub status: wire::Status,
    /// In words.
    pub reason: Reason,
}

impl Trouble {
    /// The other node does not answer, or the network fails.
    pub fn unreachable(why: &dyn core::fmt::Display) -> Self {
        Self {
            status: wire::Status::PeerUnreachable,
            reason: Reason::from_display(why),
        }
    }

    /// The other node refuses, or is another one.
    pub fn refused(why: &dyn core::fmt::Display) -> Self {
        Self {
            status: wire::Status::PeerRefused,
            reason: Reason::from_display(why),
        }
    }
}

impl From<SessionError> for Trouble {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Network(_) => Self::unreachable(&error),
            SessionError::Framing(_) => Self::refused(&error),
        }
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Connect(_)
            | ClientError::TimedOut
            | ClientError::Session(SessionError::Network(_))
            | ClientError::Refused(wire::Status::Draining | wire::Status::Stopping, _) => {
                Self::unreachable(&error)
            }
            _ => Self::refused(&error),
        }
    }
}

/// An export as a client of others: all its connections are those of one session there, so that it counts as one client.
pub struct Reader {
    session: [u8; 16],
    begun: Atomic<u64>,
}

/// The connections of its session, if it has no more.
const CONNECTIONS: u16 = 4;

impl Reader {
    /// One that has made no connection, with a session of its own.
    pub fn random() -> Self {
        Self {
            session: random::identity(),
            begun: Atomic::new(0),
        }
    }

    /// What connection `number` tells of itself to the node that is `named`, for requests of `epoch`.
    fn identity(&self, named: &CopySource, epoch: u64, number: u16) -> Identity {
        Identity {
            session: self.session,
            incarnation: self.begun.fetch_add(1, ordering::Relaxed) + 1,
            connection: number,
            connections: number.saturating_add(1).max(CONNECTIONS),
            storage: named.storage,
            epoch,
            raw: false,
            write: false,
            queue_depth: DEPTH,
            export: Text::<EXPORT_NAME_MAX>::from_display(&named.export),
        }
    }
}

/// What came over the connection.
pub struct Answer {
    /// The tag of the read that it answers.
    pub tag: u64,
    /// How that went; if well, its data has to be [taken](Source::data) next.
    pub status: wire::Status,
}

/// A connection to another export.
pub struct Source {
    named: CopySource,
    incoming: Incoming,
    negotiated: Negotiated,
}

/// The socket address that `named` is reached at.
pub fn address(named: &CopySource) -> SocketAddress {
    let port = named.port;
    match named.address {
        IpAddr::V4(address) => SocketAddress::V4 {
            address: address.octets(),
            port,
        },
        IpAddr::V6(address) => SocketAddress::V6 {
            address: address.octets(),
            port,
            scope_id: 0,
        },
    }
}

impl Source {
    /// Connects `reader` from `net` to the node that is `named`, for requests of `epoch`, in place of its earlier connection of
    /// this `number`.
    ///
    /// Errors: why it cannot be read from.
    pub async fn connect(
        net: &Net,
        reader: &Reader,
        named: &CopySource,
        epoch: u64,
        number: u16,
    ) -> core::result::Result<Self, Trouble> {
        let identity = reader.identity(named, epoch, number);
        // On the heap: the state of such a future is large.
        let attempt = Client::connect(net, address(named), identity, named.wait_ms);
        let attempt =
            KBox::pin(attempt, GFP_KERNEL).map_err(|error| Trouble::memory(error.into()))?;
        let mut client = attempt.await?;
        let mut block = Block::new().map_err(Trouble::memory)?;
        if !client.read_label(block.bytes_mut()).await? {
            return Err(Trouble::refused(&"the device there has no label"));
        }
        if client.reply().device != named.device {
            return Err(Trouble::refused(
                &"another device, or another server, is at that address",
            ));
        }
        let label = block.label().map_err(|error| Trouble::refused(&error))?;
        if (label.storage, label.node) != (named.storage, named.node) {
            return Err(Trouble::refused(&"another node is at that address"));
        }
        let (incoming, negotiated, _) = client.into_incoming();
        Ok(Self {
            named: *named,
            incoming,
            negotiated,
        })
    }

    /// The node that it is to.
    pub fn named(&self) -> &CopySource {
        &self.named
    }

    /// Whether what `named` asks for can be read over this connection.
    pub fn is_to(&self, named: &CopySource) -> bool {
        self.named.is_same_node(named)
    }

    /// The read that gets the range of `request`.
    pub fn read_for(request: &Message, tag: u64) -> Message {
        Message::request(Opcode::Read, tag, request.epoch)
            .with_range(request.offset, request.length)
    }

    /// Tells the server that nothing more is asked for.
    pub async fn leave(self) {
        let goodbye = Message::goodbye(Goodbye::Leaving);
        let head = frame(&goodbye.encode(), 0);
        let _ = self.incoming.stream().write_all(&head).await;
    }

    /// Asks for a range.
    ///
    /// Errors: the connection is lost, or this cannot be read over it.
    pub async fn ask(&self, read: &Message) -> core::result::Result<(), Trouble> {
        let end = read.offset.saturating_add(read.length.into());
        if read.length > self.negotiated.max_transfer || end > self.negotiated.size {
            return Err(Trouble::refused(
                &"the export there takes only shorter requests, or is smaller",
            ));
        }
        let head = frame(&read.encode(), 0);
        Ok(self
            .incoming
            .stream()
            .write_all(&head)
            .await
            .map_err(SessionError::from)?)
    }

    /// Receives the head of an answer. `asked` finds the read of a tag.
    ///
    /// Errors: the connection is lost, and with it all that was asked for.
    pub async fn answer(
        &mut self,
        asked: impl Fn(u64) -> Option<Message>,
    ) -> core::result::Result<Answer, Trouble> {
        let head = self.incoming.head().await?;
        let reply = Message::parse(&head.header).map_err(|error| Trouble::refused(&error))?;
        if reply.opcode == Opcode::Goodbye {
            return Err(Trouble::unreachable(&"the server there stops"));
        }
        let read = asked(reply.tag).ok_or_else(|| Trouble::refused(&"an answer to no request"))?;
        let status =
            check_reply(&reply, head.payload, &read).map_err(|error| Trouble::refused(&error))?;
        Ok(Answer {
            tag: reply.tag,
            status,
        })
    }

    /// Receives the data of an answer into the memory that `place` gives for what follows an offset.
    pub async fn data<'a>(
        &mut self,
        place: impl Fn(u32) -> Segments<'a>,
    ) -> core::result::Result<(), Trouble> {
        Ok(self.incoming.payload_into(place).await?)
    }
}

impl Trouble {
    /// The other node did not answer in time.
    pub fn late() -> Self {
        Self::unreachable(&"no answer in time")
    }

    /// There is no memory here.
    pub fn memory(error: Error) -> Self {
        Self {
            status: wire::Status::NoMemory,
            reason: Reason::from_display(&format_args!("error {}", error.to_errno())),
        }
    }
}
