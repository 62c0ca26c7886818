// SPDX-License-Identifier: GPL-2.0

//! The session layer: messages on a byte stream.
//!
//! It lies between the socket, which knows bytes, and the protocol, which knows messages, and
//! keeps each from the other: the framing rules are [`crate::dst_core::session`], the socket is
//! asked for what they want next, and payload goes straight to its final place. [`Incoming`] is
//! the receiving direction, owned by the one task that receives; [`super::Sender`] is the other.

use super::Stream;
use crate::{
    dst_core::session::{FrameError, Head, Mode, Preface, Receiver, Want},
    dst_core::wire::HEADER_BYTES,
    sys::segments::Segments,
};
use kernel::{prelude::*, sync::Arc};

pub use crate::dst_core::session::HEAD_BYTES;

/// Why a connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SessionError {
    /// The network or the peer ended it; `ENODATA` is an end of the stream between messages.
    Network(Error),
    /// The peer broke the framing.
    Framing(FrameError),
}

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        Self::Network(error)
    }
}

impl From<FrameError> for SessionError {
    fn from(error: FrameError) -> Self {
        Self::Framing(error)
    }
}

crate::kernel_display!(SessionError);

impl core::fmt::Display for SessionError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Network(error) if *error == ENODATA => {
                f.write_str("the peer closed the connection")
            }
            Self::Network(error) => match *error {
                ECONNRESET | EPIPE => f.write_str("the connection was reset"),
                ETIMEDOUT => f.write_str("the peer does not answer any more"),
                EHOSTUNREACH => f.write_str("no route to the host"),
                ENETUNREACH => f.write_str("the network is unreachable"),
                error => write!(f, "network error {}", error.to_errno()),
            },
            Self::Framing(error) => write!(f, "{error}"),
        }
    }
}

/// What the session layer gives back.
pub type Result<T = (), E = SessionError> = core::result::Result<T, E>;

/// All that precedes the payload of a message on the wire.
pub fn frame(header: &[u8; HEADER_BYTES], payload: u32) -> [u8; HEAD_BYTES] {
    crate::dst_core::session::plain_head(header, payload)
}

/// The receiving direction of a session.
pub struct Incoming {
    stream: Arc<Stream>,
    state: Receiver,
}

impl Incoming {
    /// Exchanges the prefaces on a new connection.
    pub async fn open(stream: Arc<Stream>) -> Result<Self> {
        let mode = Mode::Plain;
        stream.write_all(&Preface { mode }.encode()).await?;
        let mut preface = [0; crate::dst_core::session::PREFACE_BYTES];
        stream.read_exact(&mut preface).await?;
        let mut state = Receiver::new();
        state.preface(&preface, mode)?;
        Ok(Self { stream, state })
    }

    /// The stream below.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Sets the longest payload that the peer may announce, in bytes, after the hello.
    pub fn allow(&mut self, max_transfer: u32) {
        self.state.allow(max_transfer);
    }

    /// Receives the next message header. The payload that it announces is taken next, by one of
    /// the other functions.
    pub async fn head(&mut self) -> Result<Head> {
        let mut bytes = [0; HEAD_BYTES];
        self.stream.read_exact(&mut bytes).await?;
        Ok(self.state.head(&bytes)?)
    }

    /// The bytes of payload that are still to be taken.
    fn rest(&self) -> u32 {
        match self.state.want() {
            Want::Payload(rest) => rest,
            _ => 0,
        }
    }

    fn received(&mut self, count: usize) -> Result {
        if count == 0 {
            return Err(ECONNRESET.into());
        }
        // A receive answers with at most what it was asked for, which was a `u32`.
        self.state.payload(count as u32)?;
        Ok(())
    }

    /// Receives the payload into `bytes`, which has its length.
    pub async fn payload(&mut self, bytes: &mut [u8]) -> Result {
        self.stream.read_exact(bytes).await?;
        self.received(bytes.len())
    }

    /// Receives the payload into the pages that `place` names for what follows an offset.
    pub async fn payload_into<'a>(&mut self, place: impl Fn(u32) -> Segments<'a>) -> Result {
        let total = self.rest();
        loop {
            let rest = self.rest();
            if rest == 0 {
                return Ok(());
            }
            let count = self
                .stream
                .read_ready(|socket| {
                    let mut segments = place(total - rest);
                    segments.truncate(rest as usize);
                    socket.receive_segments(&mut segments)
                })
                .await?;
            self.received(count)?;
        }
    }

    /// Takes the payload off the stream without keeping it.
    pub async fn skip_payload(&mut self) -> Result {
        loop {
            let rest = self.rest() as usize;
            if rest == 0 {
                return Ok(());
            }
            let count = self
                .stream
                .read_ready(|socket| socket.discard(rest))
                .await?;
            self.received(count)?;
        }
    }
}
