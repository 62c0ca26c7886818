// SPDX-License-Identifier: GPL-2.0

//! The message header: 48 bytes before every payload.

use core::fmt;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::status::Status;

/// Bytes of a message header.
pub const HEADER_BYTES: usize = 48;

/// First word of every message header; its bytes on the wire are `DSTm`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"DSTm");

/// The header as it is on the wire. [`Message`] is its checked form.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: U32,
    /// [`Opcode`].
    pub opcode: u8,
    /// [`Kind`].
    pub kind: u8,
    /// [`request_flags`] in a request, 0 in a reply.
    pub flags: U16,
    /// Chosen by the client, returned by the server, otherwise opaque to it.
    pub tag: U64,
    /// Bytes from the start of the export's data.
    pub offset: U64,
    /// Bytes of the range.
    pub length: U32,
    /// [`Status`] in a reply, 0 in a request.
    pub status: U32,
    /// Epoch in which the client owns the storage; in a reply the epoch in force on the server.
    pub epoch: U64,
    /// In a reply to a flush the identity of the export's cache: another one than before means that unflushed writes
    /// may be lost. Zero in all else.
    pub cache: U64,
}

const _: () = assert!(size_of::<Header>() == HEADER_BYTES);

macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$doc])* $variant = $code,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number on the wire.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// From the number on the wire.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

wire_enum! {
    /// What a message asks for. The payloads are those of a request and of a successful reply.
    Opcode {
        /// Introduces a connection; payloads [`HelloRequest`](super::HelloRequest) and
        /// [`HelloReply`](super::HelloReply). The first message in each direction.
        Hello = 1,
        /// Reads a range; the reply carries `length` bytes.
        Read = 2,
        /// Writes a range; the request carries `length` bytes.
        Write = 3,
        /// Makes all writes durable that were acknowledged before it was sent.
        Flush = 4,
        /// Tells that the content of a range is no longer needed.
        Discard = 5,
        /// Writes zeroes to a range.
        WriteZeroes = 6,
        /// Asks for a sign of life.
        Ping = 7,
        /// Reads the newest valid label; the reply carries its 4096 bytes.
        LabelRead = 8,
        /// Writes the label to both places, durably; the request carries its 4096 bytes.
        LabelWrite = 9,
        /// Announces a new owner by its epoch. The reply is sent when older writes have drained
        /// and the epoch is durable.
        ClaimEpoch = 10,
        /// Copies a range from the same place of another node, which the payload, a
        /// [`CopySource`](super::CopySource), names; no data passes through the client.
        CopyFromPeer = 11,
        /// The sender is about to close the connection in order; `length` holds a [`Goodbye`].
        /// Either side may send it, as a request; it is not answered.
        Goodbye = 12,
    }
}

impl Opcode {
    /// Lower-case name, for logs and statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::Discard => "discard",
            Self::WriteZeroes => "write-zeroes",
            Self::Ping => "ping",
            Self::LabelRead => "label-read",
            Self::LabelWrite => "label-write",
            Self::ClaimEpoch => "claim-epoch",
            Self::CopyFromPeer => "copy-from-peer",
            Self::Goodbye => "goodbye",
        }
    }

    /// Whether it changes what is on the export's device.
    pub const fn modifies(self) -> bool {
        matches!(
            self,
            Self::Write
                | Self::Discard
                | Self::WriteZeroes
                | Self::LabelWrite
                | Self::ClaimEpoch
                | Self::CopyFromPeer
        )
    }

    /// Whether the header's offset and length name a range of the export.
    pub const fn has_range(self) -> bool {
        matches!(
            self,
            Self::Read | Self::Write | Self::Discard | Self::WriteZeroes | Self::CopyFromPeer
        )
    }

    /// Whether a request must carry the epoch that is in force on the server.
    pub const fn needs_epoch(self) -> bool {
        self.has_range() || matches!(self, Self::Flush | Self::LabelWrite)
    }

    /// Flags ([`request_flags`]) that a request with this opcode may have.
    pub const fn allowed_flags(self) -> u16 {
        match self {
            Self::Write => request_flags::FUA,
            Self::WriteZeroes => request_flags::FUA | request_flags::NO_UNMAP,
            Self::LabelWrite => request_flags::FORCE,
            _ => 0,
        }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

wire_enum! {
    /// Direction of a message.
    Kind {
        /// Asks.
        Request = 0,
        /// Answers.
        Reply = 1,
    }
}

wire_enum! {
    /// Why a side says goodbye.
    Goodbye {
        /// It does not say.
        Unspecified = 0,
        /// The client is done with the storage.
        Leaving = 1,
        /// The export is being removed or the machine shut down.
        Stopping = 2,
        /// The other side broke the protocol.
        Protocol = 3,
        /// A newer incarnation of the same session has taken over.
        Superseded = 4,
        /// The address list no longer allows this client.
        NotAllowed = 5,
        /// The device behind the export is gone.
        DeviceGone = 6,
    }
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "no reason given",
            Self::Leaving => "the client is done",
            Self::Stopping => "the export is being stopped",
            Self::Protocol => "protocol violation",
            Self::Superseded => "replaced by a newer connection of the same client",
            Self::NotAllowed => "the address list no longer allows this client",
            Self::DeviceGone => "the exported device is gone",
        })
    }
}

/// Bits of a request's `flags`.
pub mod request_flags {
    /// Write, write-zeroes: reply when the data is on stable storage.
    pub const FUA: u16 = 1 << 0;
    /// Write-zeroes: keep the blocks allocated.
    pub const NO_UNMAP: u16 = 1 << 1;
    /// Label-write: replace the label of another storage too.
    pub const FORCE: u16 = 1 << 2;
    /// All that are known.
    pub const ALL: u16 = FUA | NO_UNMAP | FORCE;
}

/// A header that passed [`Message::parse`], or one to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub opcode: Opcode,
    /// Request or reply.
    pub kind: Kind,
    /// [`request_flags`]; only known bits.
    pub flags: u16,
    /// Recognises the request a reply belongs to.
    pub tag: u64,
    /// Bytes from the start of the export's data.
    pub offset: u64,
    /// Bytes of the range.
    pub length: u32,
    /// Outcome, in a reply; [`Status::Ok`] in a request.
    pub status: Status,
    /// See [`Header::epoch`].
    pub epoch: u64,
    /// See [`Header::cache`]; 0 but in the reply to a flush.
    pub cache: u64,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Not ours, or the stream is out of step.
    Magic(u32),
    /// Neither request nor reply.
    Kind(u8),
    /// The identity of a cache in what is no reply to a flush.
    StrayCache(u64),
    /// An opcode that this version does not know.
    Opcode(u8),
    /// Flags that this version does not know.
    Flags(u16),
    /// A request with a status.
    Status(u32),
}

impl HeaderError {
    /// How to answer a *request* with this fault by [`Message::refuse_raw`]; `None` if the stream
    /// cannot be trusted any more and the connection must be closed.
    ///
    /// A reply with any fault closes the connection.
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Opcode(_) => Some(Status::Unsupported),
            Self::Flags(_) | Self::Status(_) => Some(Status::Invalid),
            Self::Magic(_) | Self::Kind(_) | Self::StrayCache(_) => None,
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic(magic) => write!(f, "no DST message: it begins with {magic:#010x}"),
            Self::Kind(kind) => write!(f, "message kind {kind} is neither request nor reply"),
            Self::StrayCache(value) => {
                write!(f, "a cache, {value:#x}, in what is no reply to a flush")
            }
            Self::Opcode(opcode) => write!(f, "unknown opcode {opcode}"),
            Self::Flags(flags) => write!(f, "unknown flags {flags:#06x}"),
            Self::Status(status) => write!(f, "a request with status {status}"),
        }
    }
}

impl Message {
    /// A request without flags and range.
    pub const fn request(opcode: Opcode, tag: u64, epoch: u64) -> Self {
        Self {
            opcode,
            kind: Kind::Request,
            flags: 0,
            tag,
            offset: 0,
            length: 0,
            status: Status::Ok,
            epoch,
            cache: 0,
        }
    }

    /// The same with flags.
    pub const fn with_flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    /// The same with a range in bytes.
    pub const fn with_range(mut self, offset: u64, length: u32) -> Self {
        self.offset = offset;
        self.length = length;
        self
    }

    /// The same with the identity of a cache; for the reply to a flush.
    pub const fn with_cache(mut self, cache: u64) -> Self {
        self.cache = cache;
        self
    }

    /// A notice that the connection is about to be closed.
    pub fn goodbye(reason: Goodbye) -> Self {
        Self::request(Opcode::Goodbye, 0, 0).with_range(0, u32::from(reason.code()))
    }

    /// The reply to this request. Opcode, tag and range are repeated; `epoch` is the one in
    /// force on the server.
    pub const fn reply(&self, status: Status, epoch: u64) -> Self {
        Self {
            kind: Kind::Reply,
            flags: 0,
            status,
            epoch,
            ..*self
        }
    }

    /// The header for the wire.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        zerocopy::transmute!(Header {
            magic: MAGIC.into(),
            opcode: self.opcode.code(),
            kind: self.kind.code(),
            flags: self.flags.into(),
            tag: self.tag.into(),
            offset: self.offset.into(),
            length: self.length.into(),
            status: self.status.code().into(),
            epoch: self.epoch.into(),
            cache: self.cache.into(),
        })
    }

    /// Checks a header by itself.
    ///
    /// # Errors
    ///
    /// The first fault found; those that leave the stream in step come last, so that
    /// [`HeaderError::status`] is `Some` only if everything that `refuse_raw` repeats is sound.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        let header: Header = zerocopy::transmute!(*bytes);
        if header.magic.get() != MAGIC {
            return Err(HeaderError::Magic(header.magic.get()));
        }
        let kind = Kind::from_code(header.kind).ok_or(HeaderError::Kind(header.kind))?;
        let opcode = Opcode::from_code(header.opcode);
        if header.cache.get() != 0 && (opcode, kind) != (Some(Opcode::Flush), Kind::Reply) {
            return Err(HeaderError::StrayCache(header.cache.get()));
        }
        let opcode = opcode.ok_or(HeaderError::Opcode(header.opcode))?;
        let flags = header.flags.get();
        let known = match kind {
            Kind::Request => request_flags::ALL,
            Kind::Reply => 0,
        };
        if flags & !known != 0 {
            return Err(HeaderError::Flags(flags & !known));
        }
        let status = header.status.get();
        if kind == Kind::Request && status != 0 {
            return Err(HeaderError::Status(status));
        }
        Ok(Self {
            opcode,
            kind,
            flags,
            tag: header.tag.get(),
            offset: header.offset.get(),
            length: header.length.get(),
            status: Status::from_code(status),
            epoch: header.epoch.get(),
            cache: header.cache.get(),
        })
    }

    /// The reply to a request that did not parse, made from its own bytes.
    ///
    /// `None` if the bytes are a reply: a reply is never answered.
    pub fn refuse_raw(
        bytes: &[u8; HEADER_BYTES],
        status: Status,
        epoch: u64,
    ) -> Option<[u8; HEADER_BYTES]> {
        let mut header: Header = zerocopy::transmute!(*bytes);
        if header.kind != Kind::Request.code() {
            return None;
        }
        header.kind = Kind::Reply.code();
        header.flags = 0.into();
        header.status = status.code().into();
        header.epoch = epoch.into();
        Some(zerocopy::transmute!(header))
    }
}
