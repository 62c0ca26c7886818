// SPDX-License-Identifier: GPL-2.0

//! One connection to an export, used for one request at a time: connecting, the hello, labels.
//!
//! A storage makes its decisions over such connections before it starts, and then uses them for many requests
//! at once. An export looks over one whether it may copy from another.

use super::{Incoming, SessionError, Stream};
use crate::{
    dst_core::{
        session::Head,
        text::Text,
        wire::{
            self, check_reply, features, hello_flags, HelloReply, HelloReplyError, HelloRequest,
            Message, Negotiated, Opcode, Reason, DEFAULT_TRANSFER, EXPORT_NAME_MAX,
            HELLO_MAX_BYTES, LABEL_BYTES, REASON_BYTES, VERSION_MAX, VERSION_MIN,
        },
    },
    exec::{timeout, Timer},
    sys::{net_namespace::Net, socket_address::SocketAddress},
};
use core::pin::pin;
use kernel::{prelude::*, sync::Arc, time::Delta};

/// What a client tells of itself.
#[derive(Clone, Copy)]
pub struct Identity {
    /// The session: the same for all connections of a node, new for each start of a storage.
    pub session: [u8; 16],
    /// Counts the connections made one after the other.
    pub incarnation: u64,
    /// Which of the node's connections.
    pub connection: u16,
    /// How many connections the node has.
    pub connections: u16,
    /// The storage, all zeroes if it has none yet.
    pub storage: [u8; 16],
    /// The epoch of the storage's owner, 0 before it is claimed.
    pub epoch: u64,
    /// Whether the whole device is meant, without a label.
    pub raw: bool,
    /// Whether to write.
    pub write: bool,
    /// The number of requests to have in flight.
    pub queue_depth: u32,
    /// The name of the export; empty asks for the only one at the address.
    pub export: Text<EXPORT_NAME_MAX>,
}

/// Why a request to an export failed.
pub enum ClientError {
    /// No connection, or it was lost.
    Connect(Error),
    /// The server closed the connection before it said a word.
    TurnedAway,
    /// Nothing came in time.
    TimedOut,
    /// The peer broke the session layer's rules, or the network failed.
    Session(SessionError),
    /// The peer's answer makes no sense.
    Protocol(&'static str),
    /// The peer's hello is not acceptable.
    Hello(HelloReplyError),
    /// The peer refused, and said why.
    Refused(wire::Status, Reason),
}

impl From<SessionError> for ClientError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<Error> for ClientError {
    fn from(error: Error) -> Self {
        Self::Connect(error)
    }
}

impl ClientError {
    /// The errno for it.
    pub fn to_error(&self) -> Error {
        match self {
            Self::Connect(error) | Self::Session(SessionError::Network(error)) => *error,
            Self::TurnedAway => EACCES,
            Self::TimedOut => ETIMEDOUT,
            Self::Session(_) | Self::Protocol(_) | Self::Hello(_) => EPROTO,
            Self::Refused(status, _) => Error::from_errno(-status.errno()),
        }
    }
}

crate::kernel_display!(ClientError);

impl core::fmt::Display for ClientError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Connect(error) => match *error {
                ECONNREFUSED => f.write_str("connection refused: nothing is exported there"),
                EHOSTUNREACH => f.write_str("no route to the host"),
                ENETUNREACH => f.write_str("the network is unreachable"),
                ETIMEDOUT => f.write_str("no answer from the host"),
                _ => write!(f, "cannot connect (error {})", error.to_errno()),
            },
            Self::TurnedAway => f.write_str(
                "the server turned this machine away; is it in the export's address list (who may connect)?",
            ),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Session(error) => write!(f, "{error}"),
            Self::Protocol(what) => write!(f, "protocol violation: {what}"),
            Self::Hello(error) => write!(f, "the export's hello is not acceptable: {error}"),
            Self::Refused(status, reason) if reason.is_empty() => write!(f, "{status}"),
            Self::Refused(_, reason) => f.write_str(reason.as_str()),
        }
    }
}

/// The result of a request to an export.
pub type ClientResult<T = ()> = core::result::Result<T, ClientError>;

/// How long one request may take, in milliseconds.
const REQUEST_MS: i64 = 15_000;

/// A connection after its hello.
pub struct Client {
    incoming: Incoming,
    negotiated: Negotiated,
    reply: HelloReply,
    identity: Identity,
    timer: Timer,
}

impl Client {
    /// Connects to `address` within `connect_ms` milliseconds and says hello.
    pub async fn connect(
        net: &Net,
        address: SocketAddress,
        identity: Identity,
        connect_ms: u32,
    ) -> ClientResult<Self> {
        let mut timer = Timer::new()?;
        let limit = Delta::from_millis(i64::from(connect_ms));
        let stream = timeout(&mut timer, limit, pin!(Stream::connect(net, address)))
            .await
            .ok_or(ClientError::TimedOut)?
            .map_err(|error| match error {
                // The server accepts before it looks who comes.
                ECONNRESET => ClientError::TurnedAway,
                error => error.into(),
            })?;
        let stream = Arc::new(stream, GFP_KERNEL).map_err(Error::from)?;
        let hello = async {
            let incoming = Incoming::open(stream).await.map_err(|error| match error {
                SessionError::Network(ENODATA | ECONNRESET | EPIPE | ENOTCONN) => {
                    ClientError::TurnedAway
                }
                error => error.into(),
            })?;
            Self::hello(incoming, identity).await
        };
        let (incoming, reply, negotiated) = timeout(&mut timer, limit, pin!(hello))
            .await
            .ok_or(ClientError::TimedOut)??;
        Ok(Self {
            incoming,
            negotiated,
            reply,
            identity,
            timer,
        })
    }

    fn hello_request(identity: &Identity) -> HelloRequest {
        let mut flags = 0;
        if identity.write {
            flags |= hello_flags::WRITE;
        }
        if identity.raw {
            flags |= hello_flags::RAW;
        }
        HelloRequest {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            flags,
            required: 0,
            optional: features::SUPPORTED,
            session: identity.session,
            incarnation: identity.incarnation,
            connection: identity.connection,
            connections: identity.connections,
            max_transfer: DEFAULT_TRANSFER,
            queue_depth: identity.queue_depth,
            storage: identity.storage,
            epoch: identity.epoch,
            export: identity.export,
            client: Text::new(),
        }
    }

    async fn hello(
        mut incoming: Incoming,
        identity: Identity,
    ) -> ClientResult<(Incoming, HelloReply, Negotiated)> {
        let request = Self::hello_request(&identity);
        let message = Message::request(Opcode::Hello, 0, 0);
        Self::send(&incoming, &message, &request.encode()).await?;
        let head = incoming.head().await?;
        let mut payload =
            KVec::from_elem(0_u8, head.payload as usize, GFP_KERNEL).map_err(Error::from)?;
        if head.payload as usize > HELLO_MAX_BYTES {
            return Err(ClientError::Protocol("the hello reply is too long"));
        }
        if head.payload > 0 {
            incoming.payload(&mut payload).await?;
        }
        let status = Self::check(&head, &message)?.status;
        if !status.is_ok() {
            return Err(ClientError::Refused(status, Text::from_padded(&payload)));
        }
        let reply = HelloReply::parse(&payload)
            .map_err(|_| ClientError::Protocol("the hello reply is malformed"))?;
        let negotiated = reply.accept(&request).map_err(ClientError::Hello)?;
        incoming.allow(negotiated.max_transfer);
        Ok((incoming, reply, negotiated))
    }

    async fn send(incoming: &Incoming, message: &Message, payload: &[u8]) -> ClientResult {
        let length = u32::try_from(payload.len()).map_err(|_| EINVAL)?;
        let head = crate::net::session::frame(&message.encode(), length);
        incoming.stream().write_all(&head).await?;
        incoming.stream().write_all(payload).await?;
        Ok(())
    }

    fn check(head: &Head, sent: &Message) -> ClientResult<Message> {
        let reply = Message::parse(&head.header)
            .map_err(|_| ClientError::Protocol("the reply's header is malformed"))?;
        check_reply(&reply, head.payload, sent)
            .map_err(|_| ClientError::Protocol("the reply does not belong to the request"))?;
        Ok(reply)
    }

    /// Sends one request and takes its reply; `answer` gets the payload of a successful one.
    async fn request(
        &mut self,
        message: Message,
        payload: &[u8],
        answer: &mut [u8],
    ) -> ClientResult {
        let (incoming, cache) = (&mut self.incoming, &mut self.reply.cache);
        let exchange = async {
            Self::send(incoming, &message, payload).await?;
            let head = incoming.head().await?;
            let reply = Self::check(&head, &message)?;
            let status = reply.status;
            if reply.cache != 0 {
                *cache = reply.cache;
            }
            if !status.is_ok() {
                let mut reason = [0; REASON_BYTES];
                let length = (head.payload as usize).min(REASON_BYTES);
                if let Some(part) = reason.get_mut(..length).filter(|part| !part.is_empty()) {
                    incoming.payload(part).await?;
                }
                return Err(ClientError::Refused(status, Text::from_padded(&reason)));
            }
            if head.payload as usize != answer.len() {
                return Err(ClientError::Protocol(
                    "the reply's payload has another length",
                ));
            }
            if !answer.is_empty() {
                incoming.payload(answer).await?;
            }
            Ok(())
        };
        timeout(
            &mut self.timer,
            Delta::from_millis(REQUEST_MS),
            pin!(exchange),
        )
        .await
        .unwrap_or(Err(ClientError::TimedOut))
    }

    /// Reads the newest label; `None` if the device has none.
    pub async fn read_label(
        &mut self,
        block: &mut [u8; LABEL_BYTES as usize],
    ) -> ClientResult<bool> {
        let message = Message::request(Opcode::LabelRead, 0, 0);
        match self.request(message, &[], block).await {
            Ok(()) => Ok(true),
            Err(ClientError::Refused(wire::Status::NoLabel, _)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes the label, durably, in both places. `force` replaces one of another storage.
    pub async fn write_label(
        &mut self,
        block: &[u8; LABEL_BYTES as usize],
        force: bool,
    ) -> ClientResult {
        let flags = if force { wire::request_flags::FORCE } else { 0 };
        let message = Message::request(Opcode::LabelWrite, 0, self.reply.epoch).with_flags(flags);
        self.request(message, block, &mut []).await
    }

    /// Reads `bytes` at the byte `offset` of the export's data, whole logical blocks.
    pub async fn read(&mut self, offset: u64, bytes: &mut [u8]) -> ClientResult {
        let length = u32::try_from(bytes.len()).map_err(|_| EINVAL)?;
        let message =
            Message::request(Opcode::Read, 0, self.reply.epoch).with_range(offset, length);
        self.request(message, &[], bytes).await
    }

    /// Makes stable what the server's cache holds. [`Self::reply`] has the identity that the cache has by then.
    pub async fn flush(&mut self) -> ClientResult {
        let message = Message::request(Opcode::Flush, 0, self.reply.epoch);
        self.request(message, &[], &mut []).await
    }

    /// Makes the storage's owner in `epoch` the only one whose requests are served. When this
    /// returns, older requests have drained.
    pub async fn claim(&mut self, epoch: u64) -> ClientResult {
        let message = Message::request(Opcode::ClaimEpoch, 0, epoch);
        self.request(message, &[], &mut []).await?;
        self.identity.epoch = epoch;
        self.reply.epoch = epoch;
        Ok(())
    }

    /// What was negotiated.
    pub fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// The export's hello.
    pub fn reply(&self) -> &HelloReply {
        &self.reply
    }

    /// Gives the connection away.
    pub fn into_incoming(self) -> (Incoming, Negotiated, HelloReply) {
        (self.incoming, self.negotiated, self.reply)
    }
}
