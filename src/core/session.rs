// SPDX-License-Identifier: GPL-2.0

//! The layer between the byte stream and the messages: how a stream is cut into records.
//!
//! Each side first sends a [`Preface`] of 8 bytes; then every message travels as one record:
//!
//! ```text
//! plain:   record header 8 | message header 48 |        | payload
//! sealed:  record header 8 | message header 48 | tag 16 | payload in chunks, each with a tag of 16
//! ```
//!
//! The payload length stands in the record header, in the clear, so that a receiver knows how many
//! bytes to wait for before it can (or may) look at the message. Neither the socket below nor the
//! protocol above sees which mode is in use: the socket is asked for [`Want::bytes`] at a time,
//! the protocol gets message headers and payload bytes.
//!
//! Only [`Mode::Plain`] is spoken by this version. The sizes of sealed mode are part of the format
//! and fixed here.
//!
//! [`Receiver`] holds a few words and does no I/O: the caller reads what it wants, straight into
//! its final place, and reports it.

use core::fmt;

use zerocopy::little_endian::{U16, U32};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire::{HEADER_BYTES, HELLO_MAX_BYTES, MAX_TRANSFER};

/// Bytes of a preface.
pub const PREFACE_BYTES: usize = 8;

/// Bytes of a record header.
pub const RECORD_BYTES: usize = 8;

/// Bytes of record header and message header together: what precedes a payload in plain mode.
pub const HEAD_BYTES: usize = RECORD_BYTES + HEADER_BYTES;

/// Bytes of an authentication tag in sealed mode.
pub const TAG_BYTES: usize = 16;

/// Bytes of payload in one chunk of sealed mode, but for the last of a message.
pub const SEALED_CHUNK_BYTES: u32 = 16 << 10;

/// Bytes that precede a payload in sealed mode.
pub const SEALED_HEAD_BYTES: usize = HEAD_BYTES + TAG_BYTES;

/// Version of the framing.
pub const SESSION_VERSION: u8 = 1;

/// Payload that is accepted before the hello is through, in bytes.
pub const FIRST_PAYLOAD_MAX: u32 = HELLO_MAX_BYTES as u32;

const MAGIC: [u8; 3] = *b"DST";

/// How the messages of a connection are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all.
    Plain = 0,
    /// Encrypted and authenticated.
    Sealed = 1,
}

impl Mode {
    /// Bytes that precede a payload.
    pub const fn head_bytes(self) -> usize {
        match self {
            Self::Plain => HEAD_BYTES,
            Self::Sealed => SEALED_HEAD_BYTES,
        }
    }

    /// Bytes that a payload takes on the stream.
    pub const fn payload_bytes(self, payload: u32) -> u64 {
        let bytes = payload as u64;
        match self {
            Self::Plain => bytes,
            Self::Sealed => bytes + payload.div_ceil(SEALED_CHUNK_BYTES) as u64 * TAG_BYTES as u64,
        }
    }

    /// Name, for status output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sealed => "sealed",
        }
    }
}

/// The first bytes of each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preface {
    /// What the sender is going to use.
    pub mode: Mode,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawPreface {
    magic: [u8; 3],
    version: u8,
    mode: u8,
    reserved: [u8; 3],
}

const _: () = assert!(size_of::<RawPreface>() == PREFACE_BYTES);

/// What is wrong with a stream. The connection must be closed: nothing after the fault has a
/// meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The peer does not speak DST at all.
    Magic([u8; 3]),
    /// Framing of another version.
    Version(u8),
    /// A mode that is unknown or not supported.
    Mode(u8),
    /// The peer uses another mode than this side.
    OtherMode(Mode, Mode),
    /// Reserved bytes are not zero.
    Reserved,
    /// A kind of record that does not belong here.
    Kind(u8),
    /// More payload than was agreed (first: found, second: agreed).
    Payload(u32, u32),
    /// Bytes reported that were not wanted (a fault of the caller).
    Unexpected,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic(bytes) => write!(
                f,
                "the peer does not speak DST (its first bytes are {:02x} {:02x} {:02x})",
                bytes[0], bytes[1], bytes[2]
            ),
            Self::Version(version) => write!(
                f,
                "the peer frames its messages by version {version}, this side by {SESSION_VERSION}; \
                 upgrade the older one"
            ),
            Self::Mode(mode) => write!(f, "session mode {mode} is not supported"),
            Self::OtherMode(theirs, ours) => write!(
                f,
                "the peer uses {} mode, this side {}",
                theirs.name(),
                ours.name()
            ),
            Self::Reserved => f.write_str("reserved bytes of the framing are not zero"),
            Self::Kind(kind) => write!(f, "record of kind {kind} is not expected here"),
            Self::Payload(have, most) => write!(
                f,
                "a payload of {have} bytes is announced, {most} are allowed"
            ),
            Self::Unexpected => f.write_str("bytes were received that nobody asked for"),
        }
    }
}

impl Preface {
    /// The bytes for the wire.
    pub fn encode(self) -> [u8; PREFACE_BYTES] {
        zerocopy::transmute!(RawPreface {
            magic: MAGIC,
            version: SESSION_VERSION,
            mode: self.mode as u8,
            reserved: [0; 3],
        })
    }

    /// Reads a peer's preface.
    pub fn parse(bytes: &[u8; PREFACE_BYTES]) -> Result<Self, FrameError> {
        let raw: RawPreface = zerocopy::transmute!(*bytes);
        if raw.magic != MAGIC {
            return Err(FrameError::Magic(raw.magic));
        }
        if raw.version != SESSION_VERSION {
            return Err(FrameError::Version(raw.version));
        }
        let mode = match raw.mode {
            0 => Mode::Plain,
            1 => Mode::Sealed,
            other => return Err(FrameError::Mode(other)),
        };
        if raw.reserved != [0; 3] {
            return Err(FrameError::Reserved);
        }
        Ok(Self { mode })
    }
}

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A message in the clear.
    Plain = 1,
    /// A step of the key exchange; only before the first sealed record.
    Handshake = 2,
    /// An encrypted message.
    Sealed = 3,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawRecord {
    kind: u8,
    flags: u8,
    reserved: U16,
    payload: U32,
}

const _: () = assert!(size_of::<RawRecord>() == RECORD_BYTES);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawHead {
    record: RawRecord,
    header: [u8; HEADER_BYTES],
}

const _: () = assert!(size_of::<RawHead>() == HEAD_BYTES);

/// Puts a record header before a message header: all that precedes the payload in plain mode.
pub fn plain_head(header: &[u8; HEADER_BYTES], payload: u32) -> [u8; HEAD_BYTES] {
    zerocopy::transmute!(RawHead {
        record: RawRecord {
            kind: RecordKind::Plain as u8,
            flags: 0,
            reserved: 0.into(),
            payload: payload.into(),
        },
        header: *header,
    })
}

/// What a receiver needs next from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The preface: [`PREFACE_BYTES`], then [`Receiver::preface`].
    Preface,
    /// Record header and message header: [`HEAD_BYTES`], then [`Receiver::head`].
    Head,
    /// So many more bytes of the current message's payload (never 0); report what came, in one or
    /// several steps, by [`Receiver::payload`].
    Payload(u32),
    /// Nothing: the stream is broken, close the connection.
    Nothing,
}

impl Want {
    /// How many bytes these are.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Preface => PREFACE_BYTES as u32,
            Self::Head => HEAD_BYTES as u32,
            Self::Payload(rest) => rest,
            Self::Nothing => 0,
        }
    }
}

/// Record and message header of a message whose payload is about to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// For [`Message::parse`](super::wire::Message::parse).
    pub header: [u8; HEADER_BYTES],
    /// Bytes of payload that follow.
    pub payload: u32,
}

/// Follows one direction of a plain stream, as its receiver.
///
/// The payload of a message must be taken off the stream (into its place, or into nowhere if the
/// message is stale or refused) before the next head comes; [`Receiver::want`] always says what
/// is due, so a caller cannot get out of step.
#[derive(Clone, Copy, Debug)]
pub struct Receiver {
    state: State,
    payload_max: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preface,
    Head,
    Payload(u32),
    Broken,
}

impl Receiver {
    /// For a stream of which nothing was read.
    pub const fn new() -> Self {
        Self {
            state: State::Preface,
            payload_max: FIRST_PAYLOAD_MAX,
        }
    }

    /// Sets the longest payload that the peer may announce from now on; called once the hello is
    /// through, with the negotiated transfer length.
    pub fn allow(&mut self, max_transfer: u32) {
        self.payload_max = max_transfer.clamp(FIRST_PAYLOAD_MAX, MAX_TRANSFER);
    }

    /// What to read next.
    pub const fn want(&self) -> Want {
        match self.state {
            State::Preface => Want::Preface,
            State::Head => Want::Head,
            State::Payload(rest) => Want::Payload(rest),
            State::Broken => Want::Nothing,
        }
    }

    /// Whether the stream may end here: between two messages.
    pub fn at_boundary(&self) -> bool {
        self.state == State::Head
    }

    fn fail<T>(&mut self, error: FrameError) -> Result<T, FrameError> {
        self.state = State::Broken;
        Err(error)
    }

    /// The preface was read. `ours` is the mode of this side, which has to be the peer's too.
    pub fn preface(&mut self, bytes: &[u8; PREFACE_BYTES], ours: Mode) -> Result<(), FrameError> {
        if self.state != State::Preface {
            return self.fail(FrameError::Unexpected);
        }
        let theirs = match Preface::parse(bytes) {
            Ok(preface) => preface.mode,
            Err(error) => return self.fail(error),
        };
        if theirs != ours {
            return self.fail(FrameError::OtherMode(theirs, ours));
        }
        if theirs != Mode::Plain {
            return self.fail(FrameError::Mode(theirs as u8));
        }
        self.state = State::Head;
        Ok(())
    }

    /// Record header and message header were read.
    pub fn head(&mut self, bytes: &[u8; HEAD_BYTES]) -> Result<Head, FrameError> {
        if self.state != State::Head {
            return self.fail(FrameError::Unexpected);
        }
        let raw: RawHead = zerocopy::transmute!(*bytes);
        let record = raw.record;
        if record.kind != RecordKind::Plain as u8 {
            return self.fail(FrameError::Kind(record.kind));
        }
        if record.flags != 0 || record.reserved.get() != 0 {
            return self.fail(FrameError::Reserved);
        }
        let payload = record.payload.get();
        if payload > self.payload_max {
            return self.fail(FrameError::Payload(payload, self.payload_max));
        }
        self.state = match payload {
            0 => State::Head,
            rest => State::Payload(rest),
        };
        Ok(Head {
            header: raw.header,
            payload,
        })
    }

    /// So many bytes of the payload were read. Gives what is still missing.
    pub fn payload(&mut self, bytes: u32) -> Result<u32, FrameError> {
        let rest = match self.state {
            State::Payload(rest) => rest.checked_sub(bytes),
            _ => None,
        };
        match rest {
            Some(0) => {
                self.state = State::Head;
                Ok(0)
            }
            Some(rest) => {
                self.state = State::Payload(rest);
                Ok(rest)
            }
            None => self.fail(FrameError::Unexpected),
        }
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}
