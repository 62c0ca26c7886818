// SPDX-License-Identifier: GPL-2.0

//! Payloads of the hello: what a client wants, what a server has, or why not.
//!
//! A peer of a later version may append fields: a payload may be longer than [`HELLO_BYTES`], up
//! to [`HELLO_MAX_BYTES`], and what is appended is ignored by those who do not know it.

use core::fmt;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::super::text::{pad, padded_str, Text};

/// Bytes of a hello payload in this version, request and reply alike.
pub const HELLO_BYTES: usize = 256;

/// The most that a hello payload of any version may have.
pub const HELLO_MAX_BYTES: usize = 4096;

/// Bytes of the name field; a name has at least one byte less.
pub(super) const NAME_BYTES: usize = 64;

/// The longest name of an export in bytes.
pub const EXPORT_NAME_MAX: usize = NAME_BYTES - 1;

/// The most bytes of a reason in the payload of a refusal.
pub const REASON_BYTES: usize = 128;

/// Why a server refuses, in words: payload of an unsuccessful reply to hello, label-read,
/// label-write and claim-epoch. UTF-8, not padded, possibly empty.
pub type Reason = Text<REASON_BYTES>;

/// Bits of a hello request's `flags`.
pub mod hello_flags {
    /// The client wants to write.
    pub const WRITE: u32 = 1 << 0;
    /// The client accepts that others write too.
    pub const SHARED: u32 = 1 << 1;
    /// The client wants the whole device and asks for no label.
    pub const RAW: u32 = 1 << 2;
    /// All that are known.
    pub const ALL: u32 = WRITE | SHARED | RAW;
}

/// Bits of a hello reply's `flags`.
pub mod export_flags {
    /// The client may not write: export, device or address list say so.
    pub const READ_ONLY: u32 = 1 << 0;
    /// Writes may be acknowledged before they are stable: flush is needed.
    pub const VOLATILE_CACHE: u32 = 1 << 1;
    /// Writes with FUA are cheaper than a write and a flush.
    pub const FUA: u32 = 1 << 2;
    /// The device is a rotating disk.
    pub const ROTATIONAL: u32 = 1 << 3;
    /// Data must not change while a write is on its way.
    pub const STABLE_WRITES: u32 = 1 << 4;
    /// There is a valid label: label-read will give it.
    pub const HAS_LABEL: u32 = 1 << 5;
    /// `size` is that of the whole device; there is no metadata area.
    pub const RAW: u32 = 1 << 6;
    /// All that are known.
    pub const ALL: u32 =
        READ_ONLY | VOLATILE_CACHE | FUA | ROTATIONAL | STABLE_WRITES | HAS_LABEL | RAW;
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawRequest {
    version_min: U16,
    version_max: U16,
    flags: U32,
    required: U64,
    optional: U64,
    session: [u8; 16],
    incarnation: U64,
    connection: U16,
    connections: U16,
    max_transfer: U32,
    queue_depth: U32,
    reserved0: U32,
    storage: [u8; 16],
    epoch: U64,
    reserved1: [u8; 40],
    export: [u8; NAME_BYTES],
    client: [u8; NAME_BYTES],
}

const _: () = assert!(size_of::<RawRequest>() == HELLO_BYTES);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawReply {
    version: U16,
    reserved0: U16,
    flags: U32,
    features: U64,
    size: U64,
    logical_block: U32,
    physical_block: U32,
    io_min: U32,
    io_opt: U32,
    max_transfer: U32,
    queue_depth: U32,
    max_discard: U32,
    discard_granularity: U32,
    max_write_zeroes: U32,
    reserved1: U32,
    boot: [u8; 16],
    cache: U64,
    device: [u8; 16],
    epoch: U64,
    incarnation: U64,
    reserved2: [u8; 136],
}

const _: () = assert!(size_of::<RawReply>() == HELLO_BYTES);

/// What a client says of itself and wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloRequest {
    /// Oldest version of the protocol that the client speaks.
    pub version_min: u16,
    /// Newest version of the protocol that the client speaks.
    pub version_max: u16,
    /// [`hello_flags`]. Unknown bits are kept here; the server refuses them.
    pub flags: u32,
    /// Feature bits without which the client will not work.
    pub required: u64,
    /// Feature bits that the client could use.
    pub optional: u64,
    /// Random, chosen when the node was set up; the same for all connections of a node.
    pub session: [u8; 16],
    /// Grows with every reconnect of the session.
    pub incarnation: u64,
    /// This connection's number, below `connections`.
    pub connection: u16,
    /// How many connections the node has, at least 1.
    pub connections: u16,
    /// The longest transfer that the client can take, in bytes.
    pub max_transfer: u32,
    /// The most requests that the client will have in flight on this connection.
    pub queue_depth: u32,
    /// UUID of the storage, zero if it has none (yet).
    pub storage: [u8; 16],
    /// Epoch in which the client owns the storage, 0 if none.
    pub epoch: u64,
    /// Name of the export; empty asks for the only one, or for the one on that address.
    pub export: Text<EXPORT_NAME_MAX>,
    /// Name of the client's machine, for people.
    pub client: Text<EXPORT_NAME_MAX>,
}

/// Why a hello payload cannot be understood. The connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloParseError {
    /// Payload shorter or longer than a hello can be.
    Length(usize),
    /// The name field is not zero-padded UTF-8.
    Name,
    /// `version_min` is above `version_max`.
    VersionRange(u16, u16),
    /// Connection number not below the count.
    Connection(u16, u16),
    /// Reserved bytes are not zero, though the version is one that this side knows.
    Reserved,
}

impl fmt::Display for HelloParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => write!(
                f,
                "a hello of {len} bytes; it has {HELLO_BYTES} to {HELLO_MAX_BYTES}"
            ),
            Self::Name => f.write_str("the name in the hello is not zero-padded UTF-8"),
            Self::VersionRange(min, max) => {
                write!(f, "the version range {min} to {max} in the hello is empty")
            }
            Self::Connection(number, count) => {
                write!(f, "connection number {number} of {count} in the hello")
            }
            Self::Reserved => f.write_str("reserved bytes of the hello are not zero"),
        }
    }
}

/// The leading [`HELLO_BYTES`] of a payload, if its length is possible.
fn fixed_part(payload: &[u8]) -> Result<&[u8; HELLO_BYTES], HelloParseError> {
    let error = HelloParseError::Length(payload.len());
    if payload.len() > HELLO_MAX_BYTES {
        return Err(error);
    }
    payload.first_chunk().ok_or(error)
}

/// A zero-padded name of outside origin.
pub(super) fn name(field: &[u8; NAME_BYTES]) -> Result<Text<EXPORT_NAME_MAX>, HelloParseError> {
    let strict = padded_str(field).ok_or(HelloParseError::Name)?;
    if strict.len() > EXPORT_NAME_MAX || strict.chars().any(char::is_control) {
        return Err(HelloParseError::Name);
    }
    Ok(Text::from_padded(field))
}

/// `Text` is at most one byte shorter than the field, so this always fits.
pub(super) fn name_field(text: &Text<EXPORT_NAME_MAX>) -> [u8; NAME_BYTES] {
    pad(text.as_str()).unwrap_or([0; NAME_BYTES])
}

impl HelloRequest {
    /// The payload for the wire.
    pub fn encode(&self) -> [u8; HELLO_BYTES] {
        zerocopy::transmute!(RawRequest {
            version_min: self.version_min.into(),
            version_max: self.version_max.into(),
            flags: self.flags.into(),
            required: self.required.into(),
            optional: self.optional.into(),
            session: self.session,
            incarnation: self.incarnation.into(),
            connection: self.connection.into(),
            connections: self.connections.into(),
            max_transfer: self.max_transfer.into(),
            queue_depth: self.queue_depth.into(),
            reserved0: 0.into(),
            storage: self.storage,
            epoch: self.epoch.into(),
            reserved1: [0; 40],
            export: name_field(&self.export),
            client: name_field(&self.client),
        })
    }

    /// Reads a payload of [`HELLO_BYTES`] to [`HELLO_MAX_BYTES`].
    ///
    /// Values are judged by [`negotiate`](super::negotiate()), not here.
    pub fn parse(payload: &[u8]) -> Result<Self, HelloParseError> {
        let raw: RawRequest = zerocopy::transmute!(*fixed_part(payload)?);
        let (min, max) = (raw.version_min.get(), raw.version_max.get());
        if min > max {
            return Err(HelloParseError::VersionRange(min, max));
        }
        // A later version may have given the reserved bytes a meaning.
        let ours = max <= super::negotiate::VERSION_MAX;
        if ours && (raw.reserved0.get() != 0 || raw.reserved1 != [0; 40]) {
            return Err(HelloParseError::Reserved);
        }
        let (connection, connections) = (raw.connection.get(), raw.connections.get());
        if connection >= connections {
            return Err(HelloParseError::Connection(connection, connections));
        }
        Ok(Self {
            version_min: min,
            version_max: max,
            flags: raw.flags.get(),
            required: raw.required.get(),
            optional: raw.optional.get(),
            session: raw.session,
            incarnation: raw.incarnation.get(),
            connection,
            connections,
            max_transfer: raw.max_transfer.get(),
            queue_depth: raw.queue_depth.get(),
            storage: raw.storage,
            epoch: raw.epoch.get(),
            export: name(&raw.export)?,
            client: name(&raw.client)?,
        })
    }
}

/// What a server has to offer on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloReply {
    /// Version that will be spoken.
    pub version: u16,
    /// [`export_flags`].
    pub flags: u32,
    /// Feature bits that will be used.
    pub features: u64,
    /// Bytes that may be addressed: the data area, or the whole device if raw.
    pub size: u64,
    /// Logical block in bytes: every offset and length is a multiple of it.
    pub logical_block: u32,
    /// Physical block in bytes.
    pub physical_block: u32,
    /// Preferred smallest I/O in bytes, 0 if unknown.
    pub io_min: u32,
    /// Preferred I/O in bytes, 0 if unknown.
    pub io_opt: u32,
    /// The longest read and write in bytes.
    pub max_transfer: u32,
    /// The most requests in flight on this connection.
    pub queue_depth: u32,
    /// The longest discard in bytes, 0 if there is none.
    pub max_discard: u32,
    /// Discards smaller than this, or not aligned to it, do nothing; bytes.
    pub discard_granularity: u32,
    /// The longest write-zeroes in bytes, 0 if there is none.
    pub max_write_zeroes: u32,
    /// Identity of the server's boot.
    pub boot: [u8; 16],
    /// Identity of the cache: another number means that unflushed writes may be lost.
    pub cache: u64,
    /// Identity of the device.
    pub device: [u8; 16],
    /// Epoch in force, 0 if none.
    pub epoch: u64,
    /// Incarnation of the session that the server now serves.
    pub incarnation: u64,
}

impl HelloReply {
    /// The payload for the wire.
    pub fn encode(&self) -> [u8; HELLO_BYTES] {
        zerocopy::transmute!(RawReply {
            version: self.version.into(),
            reserved0: 0.into(),
            flags: self.flags.into(),
            features: self.features.into(),
            size: self.size.into(),
            logical_block: self.logical_block.into(),
            physical_block: self.physical_block.into(),
            io_min: self.io_min.into(),
            io_opt: self.io_opt.into(),
            max_transfer: self.max_transfer.into(),
            queue_depth: self.queue_depth.into(),
            max_discard: self.max_discard.into(),
            discard_granularity: self.discard_granularity.into(),
            max_write_zeroes: self.max_write_zeroes.into(),
            reserved1: 0.into(),
            boot: self.boot,
            cache: self.cache.into(),
            device: self.device,
            epoch: self.epoch.into(),
            incarnation: self.incarnation.into(),
            reserved2: [0; 136],
        })
    }

    /// Reads a payload of [`HELLO_BYTES`] to [`HELLO_MAX_BYTES`].
    ///
    /// Values are judged by [`HelloReply::accept`], not here.
    pub fn parse(payload: &[u8]) -> Result<Self, HelloParseError> {
        let raw: RawReply = zerocopy::transmute!(*fixed_part(payload)?);
        if raw.reserved0.get() != 0 || raw.reserved1.get() != 0 || raw.reserved2 != [0; 136] {
            return Err(HelloParseError::Reserved);
        }
        Ok(Self {
            version: raw.version.get(),
            flags: raw.flags.get(),
            features: raw.features.get(),
            size: raw.size.get(),
            logical_block: raw.logical_block.get(),
            physical_block: raw.physical_block.get(),
            io_min: raw.io_min.get(),
            io_opt: raw.io_opt.get(),
            max_transfer: raw.max_transfer.get(),
            queue_depth: raw.queue_depth.get(),
            max_discard: raw.max_discard.get(),
            discard_granularity: raw.discard_granularity.get(),
            max_write_zeroes: raw.max_write_zeroes.get(),
            boot: raw.boot,
            cache: raw.cache.get(),
            device: raw.device,
            epoch: raw.epoch.get(),
            incarnation: raw.incarnation.get(),
        })
    }
}
