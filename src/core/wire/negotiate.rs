// SPDX-License-Identifier: GPL-2.0

//! What two sides agree on in the hello.
//!
//! The server calls [`negotiate`], the client [`HelloReply::accept`]. Both end with a
//! [`Negotiated`], and it is the same one, because the server makes its own by accepting the
//! reply that it is about to send.

use core::fmt;

use super::super::units::{round_down, round_up};
use super::accept::HelloReplyError;
use super::hello::{export_flags, hello_flags, HelloReply, HelloRequest, Reason};
use super::status::Status;

/// Oldest version of the protocol that is spoken here.
pub const VERSION_MIN: u16 = 1;

/// Newest version of the protocol that is spoken here.
pub const VERSION_MAX: u16 = 1;

/// Every side can take transfers of this many bytes.
pub const MIN_TRANSFER: u32 = 4096;

/// Transfer length that a side asks for unless told otherwise, in bytes.
pub const DEFAULT_TRANSFER: u32 = 1 << 20;

/// No transfer is longer than this many bytes.
pub const MAX_TRANSFER: u32 = 32 << 20;

/// No connection has more requests in flight than this.
pub const MAX_QUEUE_DEPTH: u32 = 4096;

/// No node has more connections than this.
pub const MAX_CONNECTIONS: u16 = 64;

/// Largest logical block in bytes that a node may have.
pub const MAX_LOGICAL_BLOCK: u32 = 64 << 10;

/// Feature bits of the hello.
pub mod features {
    /// Copying straight from another node: [`Opcode::CopyFromPeer`](super::Opcode::CopyFromPeer).
    pub const COPY_FROM_PEER: u64 = 1 << 0;

    /// Those that this version can do.
    pub const SUPPORTED: u64 = COPY_FROM_PEER;
}

/// What a server has behind an export, before a client's wishes are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Feature bits that the server can use.
    pub supported: u64,
    /// Feature bits without which it serves nobody.
    pub required: u64,
    /// [`export_flags`] of the export *for this client*: `READ_ONLY` if the export, the device
    /// or the address list says so; `RAW` if the export has no metadata area at all.
    pub flags: u32,
    /// Bytes of the data area, or 0 if the device is too small to have one.
    pub data_size: u64,
    /// Bytes of the whole device.
    pub device_size: u64,
    /// See [`HelloReply`], as are the following.
    pub logical_block: u32,
    /// Bytes.
    pub physical_block: u32,
    /// Bytes.
    pub io_min: u32,
    /// Bytes.
    pub io_opt: u32,
    /// Bytes; the server's buffers.
    pub max_transfer: u32,
    /// The server's slots for this connection.
    pub queue_depth: u32,
    /// Bytes, 0 if the device cannot discard.
    pub max_discard: u32,
    /// Bytes.
    pub discard_granularity: u32,
    /// Bytes, 0 if the device cannot write zeroes.
    pub max_write_zeroes: u32,
    /// Identity of this boot of the machine.
    pub boot: [u8; 16],
    /// Identity of the cache.
    pub cache: u64,
    /// Identity of the device.
    pub device: [u8; 16],
    /// Epoch in force, 0 if none.
    pub epoch: u64,
}

/// Why a server refuses a hello. [`HelloRefusal::reason`] goes into the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloRefusal {
    /// No common version: what the client speaks.
    Version(u16, u16),
    /// The client requires features that the server lacks.
    ClientRequires(u64),
    /// The server requires features that the client lacks.
    ServerRequires(u64),
    /// Flags of the hello that the server does not know.
    Flags(u32),
    /// The client wants to write and may not.
    ReadOnly,
    /// The client asks for a label where there is no room for one.
    NoMetadataArea,
    /// The client asks for the whole device, which carries a label.
    RawOfLabelled,
    /// More than [`MAX_CONNECTIONS`].
    Connections(u16),
    /// The client cannot take transfers of the needed length (first: offered, second: needed).
    Transfer(u32, u32),
    /// The client wants no request in flight.
    QueueDepth,
    /// The client's epoch is older than the one in force (first: the client's).
    StaleEpoch(u64, u64),
    /// The server's own values contradict each other.
    Offer(HelloReplyError),
}

impl HelloRefusal {
    /// The status of the reply.
    pub const fn status(&self) -> Status {
        match self {
            Self::Version(..) => Status::Version,
            Self::ClientRequires(_) | Self::ServerRequires(_) => Status::Feature,
            Self::Flags(_) | Self::Connections(_) | Self::Transfer(..) | Self::QueueDepth => {
                Status::Invalid
            }
            Self::ReadOnly => Status::ReadOnly,
            Self::NoMetadataArea => Status::NoSpace,
            Self::RawOfLabelled => Status::LabelMismatch,
            Self::StaleEpoch(..) => Status::StaleEpoch,
            Self::Offer(_) => Status::Unsupported,
        }
    }

    /// The reason for the reply's payload.
    pub fn reason(&self) -> Reason {
        Reason::from_display(self)
    }
}

impl fmt::Display for HelloRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(min, max) => write!(
                f,
                "the client speaks protocol versions {min} to {max}, \
                 the server {VERSION_MIN} to {VERSION_MAX}; upgrade the older one"
            ),
            Self::ClientRequires(bits) => {
                write!(
                    f,
                    "the client requires features {bits:#x} that the server lacks"
                )
            }
            Self::ServerRequires(bits) => {
                write!(
                    f,
                    "the server requires features {bits:#x} that the client lacks"
                )
            }
            Self::Flags(bits) => write!(f, "unknown flags {bits:#x} in the hello"),
            Self::ReadOnly => f.write_str("this client may only read the export"),
            Self::NoMetadataArea => f.write_str(
                "the device has no room for a label; \
                 use a larger one, or use it raw on both sides",
            ),
            Self::RawOfLabelled => f.write_str(
                "the device carries a label that raw use would overwrite; \
                 wipe it first, or do not ask for raw",
            ),
            Self::Connections(count) => {
                write!(f, "{count} connections; the server takes {MAX_CONNECTIONS}")
            }
            Self::Transfer(have, need) => write!(
                f,
                "the two sides can transfer {have} bytes at a time, {need} are needed"
            ),
            Self::QueueDepth => f.write_str("a queue depth of 0"),
            Self::StaleEpoch(old, new) => write!(
                f,
                "the client's epoch {old} is over: the storage was taken over in epoch {new}"
            ),
            Self::Offer(error) => write!(f, "the exported device cannot be served: {error}"),
        }
    }
}

/// What holds on a connection after the hello, on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Version spoken.
    pub version: u16,
    /// Feature bits in use.
    pub features: u64,
    /// [`export_flags`].
    pub flags: u32,
    /// Whether the client asked to write and may.
    pub write: bool,
    /// Bytes that may be addressed.
    pub size: u64,
    /// Bytes; a power of two.
    pub logical_block: u32,
    /// Bytes; a power of two.
    pub physical_block: u32,
    /// Bytes, 0 if unknown.
    pub io_min: u32,
    /// Bytes, 0 if unknown.
    pub io_opt: u32,
    /// Bytes; a multiple of the logical block.
    pub max_transfer: u32,
    /// At least 1.
    pub queue_depth: u32,
    /// Bytes, a multiple of the logical block; 0 if discard is not supported.
    pub max_discard: u32,
    /// Bytes; 0 if discard is not supported.
    pub discard_granularity: u32,
    /// Bytes, a multiple of the logical block; 0 if write-zeroes is not supported.
    pub max_write_zeroes: u32,
}

impl Negotiated {
    /// Whether an [`export_flags`] bit is set.
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// The server's side of the hello.
///
/// Unknown optional features of the client are left out, unknown required ones refused; lengths
/// and depths are the smaller of both sides'. Whether the client may connect at all, which export
/// it means and who else uses it was decided before, and is expressed in `offer`.
///
/// # Errors
///
/// Why the client cannot be served; status and reason go into the reply.
pub fn negotiate(
    request: &HelloRequest,
    offer: &Offer,
) -> Result<(HelloReply, Negotiated), HelloRefusal> {
    let version = agree_on_version(request)?;
    let features = agree_on_features(request, offer)?;
    let raw = check_wishes(request, offer)?;
    let block = offer.logical_block;

    let max_transfer = request
        .max_transfer
        .min(offer.max_transfer)
        .min(MAX_TRANSFER);
    let max_transfer = floor_u32(max_transfer, block);
    let needed = block.max(MIN_TRANSFER);
    if max_transfer < needed {
        return Err(HelloRefusal::Transfer(max_transfer, needed));
    }
    let queue_depth = request
        .queue_depth
        .min(offer.queue_depth)
        .min(MAX_QUEUE_DEPTH);
    if queue_depth == 0 {
        return Err(HelloRefusal::QueueDepth);
    }
    let max_discard = floor_u32(offer.max_discard, block);
    let granularity = round_up(offer.discard_granularity.max(1).into(), block.into());
    let granularity = granularity
        .and_then(|bytes| u32::try_from(bytes).ok())
        .unwrap_or(block);

    let mut flags = offer.flags & !export_flags::RAW;
    if raw {
        flags = (flags & !export_flags::HAS_LABEL) | export_flags::RAW;
    }
    let reply = HelloReply {
        version,
        flags,
        features,
        size: if raw {
            offer.device_size
        } else {
            offer.data_size
        },
        logical_block: block,
        physical_block: offer.physical_block,
        io_min: offer.io_min,
        io_opt: offer.io_opt,
        max_transfer,
        queue_depth,
        max_discard,
        discard_granularity: if max_discard == 0 { 0 } else { granularity },
        max_write_zeroes: floor_u32(offer.max_write_zeroes, block),
        boot: offer.boot,
        cache: offer.cache,
        device: offer.device,
        epoch: offer.epoch,
        incarnation: request.incarnation,
    };
    let negotiated = reply.accept(request).map_err(HelloRefusal::Offer)?;
    Ok((reply, negotiated))
}

fn agree_on_version(request: &HelloRequest) -> Result<u16, HelloRefusal> {
    let version = request.version_max.min(VERSION_MAX);
    if version < request.version_min.max(VERSION_MIN) {
        return Err(HelloRefusal::Version(
            request.version_min,
            request.version_max,
        ));
    }
    Ok(version)
}

fn agree_on_features(request: &HelloRequest, offer: &Offer) -> Result<u64, HelloRefusal> {
    let missing = request.required & !offer.supported;
    if missing != 0 {
        return Err(HelloRefusal::ClientRequires(missing));
    }
    let wanted = request.required | request.optional;
    let missing = offer.required & !wanted;
    if missing != 0 {
        return Err(HelloRefusal::ServerRequires(missing));
    }
    Ok(wanted & offer.supported)
}

/// Judges access, area, epoch; says whether the whole device is meant.
fn check_wishes(request: &HelloRequest, offer: &Offer) -> Result<bool, HelloRefusal> {
    let unknown = request.flags & !hello_flags::ALL;
    if unknown != 0 {
        return Err(HelloRefusal::Flags(unknown));
    }
    if request.connections > MAX_CONNECTIONS {
        return Err(HelloRefusal::Connections(request.connections));
    }
    let write = request.flags & hello_flags::WRITE != 0;
    if write && offer.flags & export_flags::READ_ONLY != 0 {
        return Err(HelloRefusal::ReadOnly);
    }
    let raw = request.flags & hello_flags::RAW != 0;
    let raw_export = offer.flags & export_flags::RAW != 0;
    if !raw && (raw_export || offer.data_size == 0) {
        return Err(HelloRefusal::NoMetadataArea);
    }
    if raw && write && offer.flags & export_flags::HAS_LABEL != 0 {
        return Err(HelloRefusal::RawOfLabelled);
    }
    if request.epoch != 0 && request.epoch < offer.epoch {
        return Err(HelloRefusal::StaleEpoch(request.epoch, offer.epoch));
    }
    Ok(raw)
}

/// `round_down` cannot enlarge, so the result fits again.
fn floor_u32(value: u32, unit: u32) -> u32 {
    u32::try_from(round_down(value.into(), unit.into())).unwrap_or(value)
}
