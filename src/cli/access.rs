// SPDX-License-Identifier: GPL-2.0

//! Entries of an export's access list: `PREFIX[=ro|rw]`.
//!
//! What a prefix is, the core decides, as it does in the module; here are the names of machines
//! and the words for what is wrong.

use crate::netlink::uapi;
use dst_core::access::{AccessError, Prefix};
use serde::Serialize;
use std::fmt;
use std::net::IpAddr;

pub use dst_core::access::Access;

/// The number of an access in the netlink specification.
pub fn number(access: Access) -> u32 {
    match access {
        Access::ReadOnly => uapi::access::READ_ONLY,
        Access::ReadWrite => uapi::access::READ_WRITE,
    }
}

/// The access of that number; what is unknown counts as the least.
pub fn from_number(number: u64) -> Access {
    if number == u64::from(uapi::access::READ_WRITE) {
        Access::ReadWrite
    } else {
        Access::ReadOnly
    }
}

/// One entry of an access list with its address known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allow {
    /// Whom it concerns.
    pub prefix: Prefix,
    /// What they may do.
    pub access: Access,
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.prefix, self.access)
    }
}

impl Serialize for Allow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let access = uapi::access::NAMES.get(number(self.access) as usize);
        serde_json::json!({"prefix": self.prefix.to_string(), "access": access})
            .serialize(serializer)
    }
}

/// One entry as it was written: a prefix, or a host whose addresses are to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowSpec {
    /// A prefix.
    Prefix(Allow),
    /// All addresses of a host.
    Host(String, Access),
}

/// Reads `PREFIX[=ro|rw]`; without an access the entry grants `default`.
pub fn parse_allow(text: &str, default: Access) -> Result<AllowSpec, String> {
    let (prefix, access) = match text.rsplit_once('=') {
        Some((prefix, "ro")) => (prefix, Access::ReadOnly),
        Some((prefix, "rw")) => (prefix, Access::ReadWrite),
        Some((_, other)) => {
            return Err(format!(
                "unknown access \"{other}\" in \"{text}\": write =ro or =rw"
            ));
        }
        None => (text, default),
    };
    if prefix.is_empty() {
        return Err(format!(
            "\"{text}\" has no address: write e.g. 192.168.4.0/24=rw"
        ));
    }
    // Brackets around an IPv6 address are a habit from places with ports.
    let bare = prefix.replace(['[', ']'], "");
    match Prefix::parse(&bare) {
        Ok(prefix) => Ok(AllowSpec::Prefix(Allow { prefix, access })),
        Err(AccessError::Address) if is_host_name(prefix) => {
            Ok(AllowSpec::Host(prefix.to_string(), access))
        }
        Err(AccessError::Address) => Err(format!(
            "\"{prefix}\" is neither an address, a prefix nor a host's name"
        )),
        Err(AccessError::HostBits(network)) => {
            let address = bare.split('/').next().unwrap_or(&bare);
            Err(format!(
                "\"{prefix}\" has bits behind its prefix: write {network} for the network or \
                 {address} for the one address"
            ))
        }
        Err(AccessError::Bits(_, has)) => Err(format!(
            "\"{prefix}\": behind the / comes a number from 0 to {has}"
        )),
        Err(other) => Err(format!("\"{prefix}\": {other}")),
    }
}

/// The entry for one address.
pub fn single(ip: IpAddr, access: Access) -> Allow {
    Allow {
        prefix: Prefix::host(ip),
        access,
    }
}

/// Whether a text has the characters of a host's name.
pub fn is_host_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        && !text.starts_with('-')
        // A text of digits and dots only is a mistyped address.
        && text.bytes().any(|b| b.is_ascii_alphabetic())
}
