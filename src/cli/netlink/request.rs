// SPDX-License-Identifier: GPL-2.0

//! One request to the module as data: a command and attributes that can be encoded,
//! printed (`--dry-run`) and searched for the attribute that the kernel objects to.

use super::codec::{AttrWriter, Attrs, ATTR_HEADER_LEN, GENL_HEADER_LEN, HEADER_LEN};
use super::uapi::{attr, UUID_LEN};
use crate::access::{self, Allow};
use dst_core::access::Prefix;
use serde::Serialize;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Address families of `struct sockaddr`.
pub const AF_INET: u16 = 2;
/// See [`AF_INET`].
pub const AF_INET6: u16 = 10;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A `u32`.
    U32(u32),
    /// An `s32`.
    S32(i32),
    /// A `uint` of four or eight bytes.
    Uint(u64),
    /// One of named values.
    Enum(u32, &'static [&'static str]),
    /// A set of named bits.
    Flags(u32, &'static [&'static str]),
    /// An identity.
    Uuid([u8; UUID_LEN]),
    /// A nest that holds the address of a socket.
    Address(SocketAddr),
    /// A nest that holds an entry of an access list.
    Allow(Allow),
    /// A nest that holds a prefix.
    Prefix(Prefix),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(t) => f.write_str(t),
            Value::U32(n) => write!(f, "{n}"),
            Value::S32(n) => write!(f, "{n}"),
            Value::Uint(n) => write!(f, "{n}"),
            Value::Enum(n, names) => match names.get(*n as usize) {
                Some(name) => f.write_str(name),
                None => write!(f, "{n}"),
            },
            Value::Flags(bits, names) => f.write_str(&flag_names(*bits, names).join("+")),
            Value::Uuid(id) => f.write_str(&uuid_text(id)),
            Value::Address(a) => write!(f, "{a}"),
            Value::Allow(a) => write!(f, "{a}"),
            Value::Prefix(p) => write!(f, "{p}"),
        }
    }
}

/// An identity as sysfs shows it: `8-4-4-4-12` digits.
pub fn uuid_text(id: &[u8; UUID_LEN]) -> String {
    let mut text = String::new();
    for (i, byte) in id.iter().enumerate() {
        let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
        text.push_str(&format!("{dash}{byte:02x}"));
    }
    text
}

/// The names of the bits that are set, unknown ones as numbers.
pub fn flag_names(bits: u32, names: &[&str]) -> Vec<String> {
    (0..32)
        .filter(|bit| bits & (1 << bit) != 0)
        .map(|bit| match names.get(bit as usize) {
            Some(name) => (*name).to_string(),
            None => format!("bit{bit}"),
        })
        .collect()
}

/// A request: a command of the family and its attributes in the order of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Number of the command, from [`super::uapi::cmd`].
    pub command: u8,
    /// Name of the command as in the specification.
    pub name: &'static str,
    /// Names of the attributes of the command's set.
    set: &'static [&'static str],
    attrs: Vec<(u16, Value)>,
}

impl Request {
    /// A request without attributes. `set` names the attributes it can have.
    pub fn new(command: u8, name: &'static str, set: &'static [&'static str]) -> Self {
        Self {
            command,
            name,
            set,
            attrs: Vec::new(),
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, kind: u16, value: Value) -> Self {
        self.attrs.push((kind, value));
        self
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        self.with(kind, Value::Text(value.to_string()))
    }

    /// Adds an attribute if there is a value for it.
    #[must_use]
    pub fn maybe(self, kind: u16, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(kind, value),
            None => self,
        }
    }

    /// Adds flags unless none is set.
    #[must_use]
    pub fn flags(self, kind: u16, bits: u32, names: &'static [&'static str]) -> Self {
        if bits == 0 {
            self
        } else {
            self.with(kind, Value::Flags(bits, names))
        }
    }

    /// The attributes in netlink's form.
    pub fn encode(&self) -> AttrWriter {
        let mut out = AttrWriter::new();
        for (kind, value) in &self.attrs {
            match value {
                Value::Text(t) => out.string(*kind, t),
                Value::U32(n) | Value::Enum(n, _) | Value::Flags(n, _) => out.u32(*kind, *n),
                Value::S32(n) => out.put(*kind, &n.to_ne_bytes()),
                Value::Uint(n) => out.uint(*kind, *n),
                Value::Uuid(id) => out.put(*kind, id),
                Value::Address(a) => out.nest(*kind, &encode_address(a)),
                Value::Allow(a) => out.nest(*kind, &encode_allow(a)),
                Value::Prefix(p) => out.nest(*kind, &encode_prefix(p)),
            };
        }
        out
    }

    /// The name of the attribute at `offset` of the encoded message, as in `address.ip`.
    pub fn attribute_at(&self, offset: usize) -> Option<String> {
        let encoded = self.encode();
        let bytes = encoded.as_bytes();
        let target = offset.checked_sub(HEADER_LEN + GENL_HEADER_LEN)?;
        let mut names = self.set;
        let mut start = 0;
        let mut range = bytes;
        let mut found: Option<String> = None;
        loop {
            let (kind, begin, value) = attribute_around(range, target.checked_sub(start)?)?;
            let name = names.get(usize::from(kind).checked_sub(1)?)?;
            let path = found.map_or_else(|| (*name).to_string(), |outer| format!("{outer}.{name}"));
            let Some(inner) = nest_names(name) else {
                return Some(path);
            };
            let value_start = start + begin + ATTR_HEADER_LEN;
            if target < value_start {
                return Some(path);
            }
            (names, start, range, found) = (inner, value_start, value, Some(path));
        }
    }

    /// The name of attribute `kind`, in the nest at `nest` if the kernel named one.
    pub fn attribute_named(&self, kind: u16, nest: Option<usize>) -> Option<String> {
        let nest = nest.and_then(|offset| self.attribute_at(offset));
        let names = nest.as_deref().and_then(nest_names).unwrap_or(self.set);
        let name = names.get(usize::from(kind).checked_sub(1)?)?;
        Some(nest.map_or_else(|| (*name).to_string(), |outer| format!("{outer}.{name}")))
    }

    /// The value of the first attribute of that kind, as text.
    pub fn value(&self, kind: u16) -> Option<String> {
        self.attrs
            .iter()
            .find(|(k, _)| *k == kind)
            .map(|(_, v)| v.to_string())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for (kind, value) in &self.attrs {
            let name = self
                .set
                .get(usize::from(*kind).wrapping_sub(1))
                .unwrap_or(&"?");
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

impl Serialize for Request {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attributes: Vec<serde_json::Value> = self
            .attrs
            .iter()
            .map(|(kind, value)| {
                let name = self
                    .set
                    .get(usize::from(*kind).wrapping_sub(1))
                    .unwrap_or(&"?");
                serde_json::json!({"name": name, "value": value.to_string()})
            })
            .collect();
        serde_json::json!({"operation": self.name, "attributes": attributes}).serialize(serializer)
    }
}

fn nest_names(attribute: &str) -> Option<&'static [&'static str]> {
    match attribute {
        "address" => Some(attr::address::NAMES),
        "allow" => Some(attr::allow::NAMES),
        "copy-from" => Some(attr::prefix::NAMES),
        _ => None,
    }
}

/// The type, offset and value of the attribute of `bytes` that contains `target`.
fn attribute_around(bytes: &[u8], target: usize) -> Option<(u16, usize, &[u8])> {
    let mut begin = 0;
    for attribute in Attrs::new(bytes) {
        let attribute = attribute.ok()?;
        let end = begin + (ATTR_HEADER_LEN + attribute.value.len()).next_multiple_of(4);
        if (begin..end).contains(&target) {
            return Some((attribute.kind, begin, attribute.value));
        }
        begin = end;
    }
    None
}

fn encode_ip(out: &mut AttrWriter, kind: u16, ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => out.put(kind, &v4.octets()),
        IpAddr::V6(v6) => out.put(kind, &v6.octets()),
    };
}

fn encode_address(address: &SocketAddr) -> AttrWriter {
    let mut out = AttrWriter::new();
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    out.u16(attr::address::FAMILY, family);
    encode_ip(&mut out, attr::address::IP, address.ip());
    out.u16(attr::address::PORT, address.port());
    if let SocketAddr::V6(v6) = address {
        if v6.scope_id() != 0 {
            out.u32(attr::address::SCOPE_ID, v6.scope_id());
        }
    }
    out
}

fn encode_allow(allow: &Allow) -> AttrWriter {
    let mut out = AttrWriter::new();
    encode_ip(&mut out, attr::allow::IP, allow.prefix.address());
    out.u8(attr::allow::PREFIX_LEN, allow.prefix.bits());
    out.u32(attr::allow::ACCESS, access::number(allow.access));
    out
}

fn encode_prefix(prefix: &Prefix) -> AttrWriter {
    let mut out = AttrWriter::new();
    encode_ip(&mut out, attr::prefix::IP, prefix.address());
    out.u8(attr::prefix::PREFIX_LEN, prefix.bits());
    out
}
