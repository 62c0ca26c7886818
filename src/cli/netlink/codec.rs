// SPDX-License-Identifier: GPL-2.0

//! Building and reading netlink messages: the 16 byte message header, the 4 byte
//! generic netlink header and attributes (type, length, value, padded to 4 bytes).
//!
//! Everything is in native byte order, as netlink wants it. Reading never trusts a
//! length: a truncated or malformed message is an error, not a panic.

use std::fmt;

/// Length of `struct nlmsghdr` in bytes.
pub const HEADER_LEN: usize = 16;
/// Length of `struct genlmsghdr` in bytes.
pub const GENL_HEADER_LEN: usize = 4;
/// Length of `struct nlattr` in bytes.
pub const ATTR_HEADER_LEN: usize = 4;

/// Message types that netlink itself defines (`linux/netlink.h`).
pub mod message_type {
    /// An acknowledgement or an error.
    pub const ERROR: u16 = 2;
    /// The end of a dump.
    pub const DONE: u16 = 3;
}

/// Flags of a message header (`linux/netlink.h`).
pub mod flags {
    /// This is a request.
    pub const REQUEST: u16 = 0x1;
    /// The sender wants an acknowledgement.
    pub const ACK: u16 = 0x4;
    /// The dump was disturbed by a change and may be inconsistent.
    pub const DUMP_INTR: u16 = 0x10;
    /// Ask for all objects.
    pub const DUMP: u16 = 0x300;
    /// On an error message: the request's payload is not repeated.
    pub const CAPPED: u16 = 0x100;
    /// On an error or done message: extended acknowledgement attributes follow.
    pub const ACK_TLVS: u16 = 0x200;
}

/// Attributes of an extended acknowledgement (`enum nlmsgerr_attrs`).
pub mod extack {
    /// Text of the error.
    pub const MSG: u16 = 1;
    /// Offset of the offending attribute from the start of the request.
    pub const OFFS: u16 = 2;
    /// Type of a required attribute that is missing.
    pub const MISS_TYPE: u16 = 5;
    /// Offset of the nest in which the attribute is missing.
    pub const MISS_NEST: u16 = 6;
}

/// `NLA_F_NESTED`: the attribute holds attributes.
const NLA_F_NESTED: u16 = 0x8000;
/// Mask of the bits of an attribute's type that are the type.
const NLA_TYPE_MASK: u16 = 0x3fff;

const fn align4(len: usize) -> usize {
    (len + 3) & !3
}

/// A message that does not follow the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed netlink message: {}", self.0)
    }
}

/// Builds the attributes of one request (without the headers).
#[derive(Debug, Default, Clone)]
pub struct AttrWriter {
    bytes: Vec<u8>,
}

impl AttrWriter {
    /// An empty list of attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an attribute with the given value. Values longer than netlink's 16 bit
    /// length allows are a programming error: every caller checks its input first.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let len = ATTR_HEADER_LEN + value.len();
        let len16 = u16::try_from(len).expect("attribute values are checked to be short");
        self.bytes.extend_from_slice(&len16.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(align4(self.bytes.len()), 0);
        self
    }

    /// Appends a flag: an attribute without a value.
    pub fn flag(&mut self, kind: u16) -> &mut Self {
        self.put(kind, &[])
    }

    /// Appends a `u8`.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.put(kind, &[value])
    }

    /// Appends a `u16`.
    pub fn u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Appends a `u32`.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Appends a `uint`: four bytes where the value fits in four, else eight.
    pub fn uint(&mut self, kind: u16, value: u64) -> &mut Self {
        match u32::try_from(value) {
            Ok(short) => self.u32(kind, short),
            Err(_) => self.u64(kind, value),
        }
    }

    /// Appends a `u64`.
    pub fn u64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Appends a string with its terminating zero byte.
    pub fn string(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes)
    }

    /// Appends a nest of attributes.
    pub fn nest(&mut self, kind: u16, inner: &AttrWriter) -> &mut Self {
        self.put(kind | NLA_F_NESTED, &inner.bytes)
    }

    /// The attributes as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// One attribute of a received message.
#[derive(Debug, Clone, Copy)]
pub struct Attr<'a> {
    /// Type without the flag bits.
    pub kind: u16,
    /// The value.
    pub value: &'a [u8],
}

impl<'a> Attr<'a> {
    /// The value as an unsigned number of one, two, four or eight bytes.
    pub fn number(&self) -> Result<u64, Malformed> {
        let v = self.value;
        match v.len() {
            1 => Ok(u64::from(v[0])),
            2 => Ok(u64::from(u16::from_ne_bytes([v[0], v[1]]))),
            4 => Ok(u64::from(u32::from_ne_bytes([v[0], v[1], v[2], v[3]]))),
            8 => {
                let mut b = [0u8; 8];
                b.copy_from_slice(v);
                Ok(u64::from_ne_bytes(b))
            }
            _ => Err(Malformed("a number of odd length")),
        }
    }

    /// The value as text; what is not UTF-8 is replaced, a terminating zero dropped.
    pub fn text(&self) -> String {
        let end = self
            .value
            .iter()
            .position(|&b| b == 0)
            .unwrap_or(self.value.len());
        String::from_utf8_lossy(&self.value[..end]).into_owned()
    }

    /// The attributes in a nest.
    pub fn nested(&self) -> Attrs<'a> {
        Attrs { rest: self.value }
    }
}

/// Walks over attributes.
#[derive(Debug, Clone, Copy)]
pub struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    /// Reads attributes from `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        if rest.len() < ATTR_HEADER_LEN {
            return Some(Err(Malformed("truncated attribute header")));
        }
        let len = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        let kind = u16::from_ne_bytes([rest[2], rest[3]]) & NLA_TYPE_MASK;
        if len < ATTR_HEADER_LEN || len > rest.len() {
            return Some(Err(Malformed("attribute longer than its message")));
        }
        self.rest = rest.get(align4(len)..).unwrap_or(&[]);
        Some(Ok(Attr {
            kind,
            value: &rest[ATTR_HEADER_LEN..len],
        }))
    }
}

/// Builds a generic netlink request.
///
/// `family` is the message type, `command` and `version` belong to the family.
pub fn request(
    family: u16,
    flags: u16,
    sequence: u32,
    command: u8,
    version: u8,
    attrs: &AttrWriter,
) -> Vec<u8> {
    let len = HEADER_LEN + GENL_HEADER_LEN + attrs.bytes.len();
    let len32 = u32::try_from(len).expect("requests are a few kilobytes");
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&len32.to_ne_bytes());
    out.extend_from_slice(&family.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&0u32.to_ne_bytes());
    out.extend_from_slice(&[command, version, 0, 0]);
    out.extend_from_slice(&attrs.bytes);
    out
}

/// A received message: header fields and payload.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Message type: a family's number or one of [`message_type`].
    pub kind: u16,
    /// Flags, see [`flags`].
    pub flags: u16,
    /// Sequence number of the request that this answers.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Splits a generic netlink payload into the command and the attributes.
    pub fn genl(&self) -> Result<(u8, Attrs<'a>), Malformed> {
        if self.payload.len() < GENL_HEADER_LEN {
            return Err(Malformed("truncated generic netlink header"));
        }
        Ok((
            self.payload[0],
            Attrs::new(&self.payload[GENL_HEADER_LEN..]),
        ))
    }
}

/// Walks over the messages of one datagram.
#[derive(Debug, Clone, Copy)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Reads messages from a received datagram.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        if rest.len() < HEADER_LEN {
            return Some(Err(Malformed("truncated message header")));
        }
        let len = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        if len < HEADER_LEN || len > rest.len() {
            return Some(Err(Malformed("message longer than its datagram")));
        }
        self.rest = rest.get(align4(len)..).unwrap_or(&[]);
        Some(Ok(Message {
            kind: u16::from_ne_bytes([rest[4], rest[5]]),
            flags: u16::from_ne_bytes([rest[6], rest[7]]),
            sequence: u32::from_ne_bytes([rest[8], rest[9], rest[10], rest[11]]),
            payload: &rest[HEADER_LEN..len],
        }))
    }
}

/// What an error or done message says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ack {
    /// Positive errno, 0 for success.
    pub errno: i32,
    /// Text from the kernel.
    pub message: Option<String>,
    /// Offset in the request of the attribute that the kernel objects to.
    pub offset: Option<usize>,
    /// Type of an attribute that is missing, and the offset of its nest, if any.
    pub missing: Option<(u16, Option<usize>)>,
}

/// Reads an error (or acknowledgement) or done message.
pub fn read_ack(message: &Message<'_>) -> Result<Ack, Malformed> {
    let p = message.payload;
    let code = match p.get(..4) {
        Some(&[a, b, c, d]) => i32::from_ne_bytes([a, b, c, d]),
        // A done message without a code ends a dump in order.
        _ if message.kind == message_type::DONE => 0,
        _ => return Err(Malformed("truncated acknowledgement")),
    };
    let mut ack = Ack {
        errno: code.saturating_neg(),
        ..Ack::default()
    };
    if message.flags & flags::ACK_TLVS == 0 {
        return Ok(ack);
    }
    let tlvs = if message.kind == message_type::DONE {
        4
    } else {
        offset_of_tlvs(message)?
    };
    for attr in Attrs::new(p.get(tlvs..).unwrap_or(&[])) {
        let attr = attr?;
        match attr.kind {
            extack::MSG => ack.message = Some(attr.text()),
            extack::OFFS => ack.offset = usize::try_from(attr.number()?).ok(),
            extack::MISS_TYPE => {
                let kind = u16::try_from(attr.number()?).unwrap_or(0);
                ack.missing = Some((kind, ack.missing.and_then(|m| m.1)));
            }
            extack::MISS_NEST => {
                let nest = usize::try_from(attr.number()?).ok();
                ack.missing = Some((ack.missing.map_or(0, |m| m.0), nest));
            }
            _ => {}
        }
    }
    Ok(ack)
}

/// The extended acknowledgement follows the error code, the request's header and,
/// unless the message is capped or the error is 0, the request's payload.
fn offset_of_tlvs(message: &Message<'_>) -> Result<usize, Malformed> {
    let inner = message
        .payload
        .get(4..8)
        .ok_or(Malformed("truncated acknowledgement"))?;
    let echoed = u32::from_ne_bytes([inner[0], inner[1], inner[2], inner[3]]) as usize;
    let code = &message.payload[..4];
    if message.flags & flags::CAPPED != 0 || code == [0; 4] {
        Ok(4 + HEADER_LEN)
    } else {
        Ok(4 + align4(echoed.max(HEADER_LEN)))
    }
}
