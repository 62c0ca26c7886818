// SPDX-License-Identifier: GPL-2.0

//! Reading netlink attributes.
//!
//! The policies have been applied when these views are made; still, every length is checked
//! again here, so that nothing depends on a policy being right.
//!
//! C header: `include/net/netlink.h`.

use crate::dst_core::text::Text;
use kernel::{fmt, prelude::*};

/// Bytes of `struct nlattr`: length and type.
const HEADER: usize = 4;

/// Bits of the type that are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const TYPE_FLAGS: u16 = 0xc000;

/// The longest text of a [`Fault`] in bytes.
pub const FAULT_TEXT_MAX: usize = super::refusal::REFUSAL_TEXT_MAX;

/// Where in a request a [`Fault`] is. Offsets count bytes from the beginning of the message.
#[derive(Clone, Copy)]
pub enum At {
    /// Nowhere in particular.
    Request,
    /// In the attribute at this offset.
    Attribute(usize),
    /// An attribute of this type is missing at the top.
    Missing(u16),
    /// An attribute of this type is missing in the nest at this offset.
    MissingIn(usize, u16),
}

/// Why a request is not carried out, in the terms of netlink.
pub struct Fault {
    /// The error number.
    pub error: Error,
    /// Where.
    pub at: At,
    /// A text for a person; may be empty.
    pub text: Text<FAULT_TEXT_MAX>,
}

impl Fault {
    /// Composes a fault.
    pub fn new(error: Error, at: At, text: fmt::Arguments<'_>) -> Self {
        Self {
            error,
            at,
            text: Text::from_display(&text),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self {
            error,
            at: At::Request,
            text: Text::new(),
        }
    }
}

impl From<kernel::alloc::AllocError> for Fault {
    fn from(error: kernel::alloc::AllocError) -> Self {
        Self::from(Error::from(error))
    }
}

/// A sequence of attributes: the payload of a message or of a nest.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    /// Offset of `bytes` in the message.
    offset: usize,
    /// Whether this is a nest, whose attribute is just before `bytes`.
    nested: bool,
}

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`, which begin `offset` bytes behind the message's beginning.
    pub fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self {
            bytes,
            offset,
            nested: false,
        }
    }

    /// All attributes, in order.
    pub fn iter(&self) -> Iter<'a> {
        Iter { rest: *self }
    }

    /// The attribute of type `kind`; the last one if there are several.
    pub fn get(&self, kind: u16) -> Option<Attribute<'a>> {
        self.iter()
            .filter(|attribute| attribute.kind == kind)
            .last()
    }

    /// All attributes of type `kind`, in order.
    pub fn all(&self, kind: u16) -> impl Iterator<Item = Attribute<'a>> {
        self.iter().filter(move |attribute| attribute.kind == kind)
    }

    /// The attribute of type `kind`, or a fault that says that it is missing.
    pub fn require(&self, kind: u16, name: &str) -> Result<Attribute<'a>, Fault> {
        self.get(kind).ok_or_else(|| {
            let at = match self.offset.checked_sub(HEADER) {
                Some(nest) if self.nested => At::MissingIn(nest, kind),
                _ => At::Missing(kind),
            };
            Fault::new(EINVAL, at, fmt!("{} is missing", name))
        })
    }

    /// A number, if given.
    pub fn get_u32(&self, kind: u16) -> Result<Option<u32>, Fault> {
        self.get(kind).map(|attribute| attribute.u32()).transpose()
    }

    /// A signed number, if given.
    pub fn get_i32(&self, kind: u16) -> Result<Option<i32>, Fault> {
        self.get(kind).map(|attribute| attribute.i32()).transpose()
    }

    /// A number of four or eight bytes, if given.
    pub fn get_uint(&self, kind: u16) -> Result<Option<u64>, Fault> {
        self.get(kind).map(|attribute| attribute.uint()).transpose()
    }

    /// The bits of a flags attribute, none if not given.
    pub fn flags(&self, kind: u16) -> Result<u32, Fault> {
        Ok(self.get_u32(kind)?.unwrap_or(0))
    }
}

/// An iterator over [`Attributes`].
pub struct Iter<'a> {
    rest: Attributes<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let bytes = self.rest.bytes;
        let length = u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]);
        let kind = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]);
        let length = usize::from(length);
        let payload = bytes.get(HEADER..length)?;
        let attribute = Attribute {
            kind: kind & !TYPE_FLAGS,
            payload,
            offset: self.rest.offset,
        };
        // Attributes begin at multiples of four bytes; the last one may lack its padding.
        let step = length.next_multiple_of(4).min(bytes.len());
        self.rest.bytes = bytes.get(step..).unwrap_or(&[]);
        self.rest.offset = self.rest.offset.saturating_add(step);
        Some(attribute)
    }
}

/// One attribute.
#[derive(Clone, Copy)]
pub struct Attribute<'a> {
    kind: u16,
    payload: &'a [u8],
    offset: usize,
}

impl<'a> Attribute<'a> {
    /// A fault in this attribute.
    pub fn fault(&self, error: Error, text: fmt::Arguments<'_>) -> Fault {
        Fault::new(error, At::Attribute(self.offset), text)
    }

    /// Where the attribute is in the message.
    pub fn at(&self) -> At {
        At::Attribute(self.offset)
    }

    fn array<const N: usize>(&self) -> Result<[u8; N], Fault> {
        self.payload
            .try_into()
            .map_err(|_| self.fault(EINVAL, fmt!("the attribute must have {} bytes", N)))
    }

    /// A number of one byte.
    pub fn u8(&self) -> Result<u8, Fault> {
        Ok(u8::from_ne_bytes(self.array()?))
    }

    /// A number of two bytes.
    pub fn u16(&self) -> Result<u16, Fault> {
        Ok(u16::from_ne_bytes(self.array()?))
    }

    /// A number of four bytes.
    pub fn u32(&self) -> Result<u32, Fault> {
        Ok(u32::from_ne_bytes(self.array()?))
    }

    /// A signed number.
    pub fn i32(&self) -> Result<i32, Fault> {
        Ok(i32::from_ne_bytes(self.array()?))
    }

    /// A number of four or eight bytes.
    pub fn uint(&self) -> Result<u64, Fault> {
        match self.payload.len() {
            4 => Ok(u64::from(self.u32()?)),
            _ => Ok(u64::from_ne_bytes(self.array()?)),
        }
    }

    /// Bytes of any number.
    pub fn bytes(&self) -> &'a [u8] {
        self.payload
    }

    /// Exactly `N` bytes.
    pub fn exactly<const N: usize>(&self) -> Result<[u8; N], Fault> {
        self.array()
    }

    /// A string, without the zero at its end.
    pub fn text(&self) -> Result<&'a str, Fault> {
        let bytes = match self.payload {
            [text @ .., 0] => text,
            text => text,
        };
        if bytes.contains(&0) {
            return Err(self.fault(EINVAL, fmt!("the string contains a zero byte")));
        }
        core::str::from_utf8(bytes)
            .map_err(|_| self.fault(EINVAL, fmt!("the string is not valid UTF-8")))
    }

    /// The attributes in a nest.
    pub fn nest(&self) -> Attributes<'a> {
        Attributes {
            bytes: self.payload,
            offset: self.offset.saturating_add(HEADER),
            nested: true,
        }
    }
}
