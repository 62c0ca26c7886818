// SPDX-License-Identifier: GPL-2.0

//! May this be asked? Is this an answer to it?
//!
//! [`check_request`] is called by the server before it obeys and by the client before it sends;
//! [`check_reply`] by the client before a reply touches any memory.

use core::fmt;

use super::copy::COPY_SOURCE_BYTES;
use super::header::{request_flags, Goodbye, Kind, Message, Opcode};
use super::hello::{export_flags, HELLO_BYTES, HELLO_MAX_BYTES, REASON_BYTES};
use super::negotiate::{features, Negotiated};
use super::status::Status;

/// Bytes of a label in the payload of label-read and label-write.
pub const LABEL_BYTES: u32 = 4096;

/// A range of the export that was found to lie within it, in whole logical blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Bytes from the start of the export's data.
    pub offset: u64,
    /// Bytes, not 0.
    pub length: u32,
}

/// What changes while a connection lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Epoch in force on the device (server) or of the storage (client), 0 if none.
    pub epoch: u64,
    /// Nobody may write at present: export, device or the address list's present state.
    pub read_only: bool,
}

/// A request that may be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Answer with the range's bytes.
    Read(Range),
    /// Take the range's bytes from the payload.
    Write {
        /// Where.
        range: Range,
        /// Answer only when stable.
        fua: bool,
    },
    /// Make acknowledged writes stable.
    Flush,
    /// The range's content is not needed any more.
    Discard(Range),
    /// Make the range read as zeroes.
    WriteZeroes {
        /// Where.
        range: Range,
        /// Answer only when stable.
        fua: bool,
        /// Keep the blocks allocated.
        no_unmap: bool,
    },
    /// Read the range from the node that the payload, a [`CopySource`](super::CopySource), names,
    /// and write it here.
    CopyFromPeer(Range),
    /// Just answer.
    Ping,
    /// Answer with the newest valid label.
    LabelRead,
    /// Take the label from the payload.
    LabelWrite {
        /// Even over the label of another storage.
        force: bool,
    },
    /// Drain older writes, then let this epoch be in force.
    ClaimEpoch(u64),
    /// Do not answer; the peer is about to close.
    Goodbye(Goodbye),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A reply where a request belongs.
    NotARequest,
    /// More payload than this opcode has here (first: found, second: right).
    Payload(u32, u32),
    /// A second hello.
    Hello,
    /// Opcode known but not to be used.
    Unsupported(Opcode),
    /// Flags that this opcode does not have.
    Flags(Opcode, u16),
    /// Offset or length where the opcode has none.
    StrayRange(Opcode),
    /// A length of 0.
    Empty,
    /// Offset or length not in whole logical blocks.
    Unaligned(u64, u32),
    /// End of the range beyond the end of the export.
    OutOfRange(u64, u32),
    /// Longer than negotiated (first: found, second: right).
    TooLong(u32, u32),
    /// The export may not be written.
    ReadOnly,
    /// Another epoch (first: the request's, second: in force).
    Epoch(u64, u64),
    /// A label on an export without metadata area.
    RawHasNoLabel,
    /// Unknown reason of a goodbye.
    Goodbye(u32),
}

impl Refusal {
    /// The status of the reply, or `None` if the stream cannot be trusted any more (or no reply
    /// is due) and the connection must be closed.
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::NotARequest | Self::Payload(..) | Self::Goodbye(_) => None,
            Self::Hello
            | Self::Flags(..)
            | Self::StrayRange(_)
            | Self::Empty
            | Self::Unaligned(..)
            | Self::TooLong(..) => Some(Status::Invalid),
            Self::Unsupported(_) | Self::RawHasNoLabel => Some(Status::Unsupported),
            Self::OutOfRange(..) => Some(Status::OutOfRange),
            Self::ReadOnly => Some(Status::ReadOnly),
            Self::Epoch(..) => Some(Status::StaleEpoch),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARequest => f.write_str("a reply where a request was expected"),
            Self::Payload(have, want) => {
                write!(f, "{have} bytes of payload where {want} are due")
            }
            Self::Hello => f.write_str("a second hello on the connection"),
            Self::Unsupported(opcode) => write!(f, "{opcode} is not supported here"),
            Self::Flags(opcode, flags) => write!(f, "{opcode} with flags {flags:#06x}"),
            Self::StrayRange(opcode) => write!(f, "{opcode} with an offset or length"),
            Self::Empty => f.write_str("a range of 0 bytes"),
            Self::Unaligned(offset, length) => {
                write!(f, "{length} bytes at {offset} are not whole logical blocks")
            }
            Self::OutOfRange(offset, length) => {
                write!(f, "{length} bytes at {offset} lie outside the export")
            }
            Self::TooLong(have, most) => write!(f, "{have} bytes, {most} were negotiated"),
            Self::ReadOnly => f.write_str("the export may only be read"),
            Self::Epoch(have, want) => {
                write!(f, "epoch {have} in the request, {want} is in force")
            }
            Self::RawHasNoLabel => f.write_str("a raw export has no label"),
            Self::Goodbye(reason) => write!(f, "goodbye for unknown reason {reason}"),
        }
    }
}

/// How many bytes of payload a request must have.
pub const fn request_payload(message: &Message) -> u32 {
    match message.opcode {
        Opcode::Write => message.length,
        Opcode::LabelWrite => LABEL_BYTES,
        Opcode::CopyFromPeer => COPY_SOURCE_BYTES as u32,
        _ => 0,
    }
}

/// Judges a request on an established connection.
///
/// `payload` is the payload length from the record that carries the message; the session layer
/// has made sure that it is not above `negotiated.max_transfer` (or a label's size).
///
/// # Errors
///
/// The refusal; see [`Refusal::status`] for what to do with it.
pub fn check_request(
    message: &Message,
    payload: u32,
    negotiated: &Negotiated,
    gate: &Gate,
) -> Result<Request, Refusal> {
    if message.kind != Kind::Request {
        return Err(Refusal::NotARequest);
    }
    let opcode = message.opcode;
    // First of all, so that whatever is refused below can be drained and answered.
    let due = request_payload(message);
    if payload != due {
        return Err(Refusal::Payload(payload, due));
    }
    let stray = message.flags & !opcode.allowed_flags();
    if stray != 0 {
        return Err(Refusal::Flags(opcode, stray));
    }
    let read_only = !negotiated.write || gate.read_only || negotiated.has(export_flags::READ_ONLY);
    if opcode.modifies() && read_only {
        return Err(Refusal::ReadOnly);
    }
    if opcode.needs_epoch() && message.epoch != gate.epoch {
        return Err(Refusal::Epoch(message.epoch, gate.epoch));
    }
    if opcode.has_range() {
        return check_ranged(message, negotiated);
    }
    if message.offset != 0 || (message.length != 0 && opcode != Opcode::Goodbye) {
        return Err(Refusal::StrayRange(opcode));
    }
    let raw = negotiated.has(export_flags::RAW);
    match opcode {
        Opcode::LabelRead | Opcode::LabelWrite | Opcode::ClaimEpoch if raw => {
            Err(Refusal::RawHasNoLabel)
        }
        Opcode::Flush => Ok(Request::Flush),
        Opcode::Ping => Ok(Request::Ping),
        Opcode::LabelRead => Ok(Request::LabelRead),
        Opcode::LabelWrite => Ok(Request::LabelWrite {
            force: message.flags & request_flags::FORCE != 0,
        }),
        Opcode::ClaimEpoch if message.epoch == 0 || message.epoch < gate.epoch => {
            Err(Refusal::Epoch(message.epoch, gate.epoch))
        }
        Opcode::ClaimEpoch => Ok(Request::ClaimEpoch(message.epoch)),
        Opcode::Goodbye => goodbye_reason(message.length).map(Request::Goodbye),
        Opcode::Hello => Err(Refusal::Hello),
        Opcode::Read
        | Opcode::Write
        | Opcode::Discard
        | Opcode::WriteZeroes
        | Opcode::CopyFromPeer => Err(Refusal::StrayRange(opcode)),
    }
}

fn goodbye_reason(code: u32) -> Result<Goodbye, Refusal> {
    u8::try_from(code)
        .ok()
        .and_then(Goodbye::from_code)
        .ok_or(Refusal::Goodbye(code))
}

/// Whether copies from peers were agreed on. A node that is used raw has no label by which it could be known.
const fn can_copy(negotiated: &Negotiated) -> bool {
    negotiated.features & features::COPY_FROM_PEER != 0 && !negotiated.has(export_flags::RAW)
}

/// The range and the length limit of the opcodes that have a range.
fn check_ranged(message: &Message, negotiated: &Negotiated) -> Result<Request, Refusal> {
    let most = match message.opcode {
        Opcode::Discard => negotiated.max_discard,
        Opcode::WriteZeroes => negotiated.max_write_zeroes,
        Opcode::CopyFromPeer if !can_copy(negotiated) => 0,
        _ => negotiated.max_transfer,
    };
    if most == 0 {
        return Err(Refusal::Unsupported(message.opcode));
    }
    let (offset, length) = (message.offset, message.length);
    if length == 0 {
        return Err(Refusal::Empty);
    }
    // A power of two by negotiation.
    let mask = u64::from(negotiated.logical_block.saturating_sub(1));
    if (offset | u64::from(length)) & mask != 0 {
        return Err(Refusal::Unaligned(offset, length));
    }
    if length > most {
        return Err(Refusal::TooLong(length, most));
    }
    match offset.checked_add(length.into()) {
        Some(end) if end <= negotiated.size => {}
        _ => return Err(Refusal::OutOfRange(offset, length)),
    }
    let range = Range { offset, length };
    let fua = message.flags & request_flags::FUA != 0;
    Ok(match message.opcode {
        Opcode::Write => Request::Write { range, fua },
        Opcode::Discard => Request::Discard(range),
        Opcode::CopyFromPeer => Request::CopyFromPeer(range),
        Opcode::WriteZeroes => Request::WriteZeroes {
            range,
            fua,
            no_unmap: message.flags & request_flags::NO_UNMAP != 0,
        },
        _ => Request::Read(range),
    })
}

/// The first message that a server receives must be this.
///
/// # Errors
///
/// The connection must be closed; nothing is answered to somebody who does not say hello.
pub fn check_hello(message: &Message, payload: u32) -> Result<(), Refusal> {
    if message.kind != Kind::Request {
        return Err(Refusal::NotARequest);
    }
    if message.opcode != Opcode::Hello {
        return Err(Refusal::Unsupported(message.opcode));
    }
    if message.flags != 0 {
        return Err(Refusal::Flags(message.opcode, message.flags));
    }
    if message.offset != 0 || message.length != 0 {
        return Err(Refusal::StrayRange(message.opcode));
    }
    let fixed = HELLO_BYTES as u32;
    if payload < fixed || payload > HELLO_MAX_BYTES as u32 {
        return Err(Refusal::Payload(payload, fixed));
    }
    Ok(())
}

/// What is wrong with a reply. The connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// A request where a reply belongs.
    NotAReply,
    /// Opcode, tag, offset or length are not those of the request.
    NotForRequest(Opcode),
    /// More or less payload than this reply has (first: found, second: right or the most).
    Payload(Opcode, u32, u32),
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAReply => f.write_str("a request where a reply was expected"),
            Self::NotForRequest(opcode) => {
                write!(
                    f,
                    "the reply does not repeat the {opcode} request it answers"
                )
            }
            Self::Payload(opcode, have, want) => write!(
                f,
                "reply to {opcode} with {have} bytes of payload where {want} are due"
            ),
        }
    }
}

/// Judges a reply against the request that `sent` was. The caller has found the request by the
/// reply's tag.
///
/// On success the reply's status counts: if it is [`Status::Ok`], the payload is what the opcode
/// promises, completely; otherwise it is empty or a [`Reason`](super::Reason) (see
/// [`carries_reason`]).
///
/// # Errors
///
/// What is wrong; nothing of the payload may be used.
pub fn check_reply(reply: &Message, payload: u32, sent: &Message) -> Result<Status, ReplyError> {
    if reply.kind != Kind::Reply {
        return Err(ReplyError::NotAReply);
    }
    let opcode = sent.opcode;
    let same = reply.opcode == opcode
        && reply.tag == sent.tag
        && reply.offset == sent.offset
        && reply.length == sent.length;
    if !same {
        return Err(ReplyError::NotForRequest(opcode));
    }
    let (least, most) = reply_payload(reply);
    if payload < least || payload > most {
        return Err(ReplyError::Payload(opcode, payload, most));
    }
    Ok(reply.status)
}

/// The least and the most bytes of payload that a reply may have.
pub const fn reply_payload(reply: &Message) -> (u32, u32) {
    if !reply.status.is_ok() {
        return if carries_reason(reply.opcode) {
            (0, REASON_BYTES as u32)
        } else {
            (0, 0)
        };
    }
    match reply.opcode {
        Opcode::Hello => (HELLO_BYTES as u32, HELLO_MAX_BYTES as u32),
        Opcode::Read => (reply.length, reply.length),
        Opcode::LabelRead => (LABEL_BYTES, LABEL_BYTES),
        _ => (0, 0),
    }
}

/// Whether an unsuccessful reply to this opcode may carry a [`Reason`](super::Reason).
pub const fn carries_reason(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Hello | Opcode::LabelRead | Opcode::LabelWrite | Opcode::ClaimEpoch
    )
}
