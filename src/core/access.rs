// SPDX-License-Identifier: GPL-2.0

//! Which addresses may read or write an export.
//!
//! A list of prefixes, each with the access that it grants; the longest prefix that an address
//! lies in decides. An address in none of them has no access, so an empty list admits nobody.
//!
//! IPv4 and IPv6 are kept apart: `::/0` does not admit IPv4 clients. An IPv4 address that comes
//! mapped into IPv6 (`::ffff:a.b.c.d`, as a socket that serves both families shows it) counts as
//! the IPv4 address.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a client may do. Ordered: the greater includes the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

impl Access {
    /// As it is written in a list.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why something is not a prefix or a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// Not an address.
    Address,
    /// Address of a length that no family has.
    AddressBytes(usize),
    /// More bits than the address has (given, has).
    Bits(u32, u8),
    /// Bits behind the prefix are set; the prefix that they would be in.
    HostBits(Prefix),
    /// Access other than `ro` and `rw`.
    Access,
    /// The list is full (its capacity).
    Full(usize),
    /// The list has this prefix already.
    Duplicate(Prefix),
    /// The list does not have this prefix.
    Missing(Prefix),
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("not an IPv4 or IPv6 address"),
            Self::AddressBytes(bytes) => {
                write!(f, "an address of {bytes} bytes; IPv4 has 4, IPv6 has 16")
            }
            Self::Bits(given, has) => write!(
                f,
                "a prefix of {given} bits; an address of this family has {has}"
            ),
            Self::HostBits(prefix) => write!(
                f,
                "the address has bits behind the prefix; for the network write {prefix}"
            ),
            Self::Access => f.write_str("the access is ro or rw"),
            Self::Full(most) => write!(f, "the list has {most} entries and is full"),
            Self::Duplicate(prefix) => write!(f, "{prefix} is in the list already"),
            Self::Missing(prefix) => write!(f, "{prefix} is not in the list"),
        }
    }
}

/// The leading bits of an address.
///
/// INVARIANT: not a prefix of mapped IPv4 addresses (those are IPv4 prefixes), bits behind the
/// prefix are zero, `bits` is at most what the family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

/// Where the addresses mapped from IPv4 begin, and how many bits these have in common.
const MAPPED_BITS: u8 = 96;

/// Address and family width in one form: left-aligned in 128 bits.
fn aligned(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

/// The `bits` leading bits set. A shift by 128 would overflow; there all is masked out.
fn mask(bits: u8) -> u128 {
    128_u32
        .checked_sub(bits.into())
        .and_then(|zeroes| u128::MAX.checked_shl(zeroes))
        .unwrap_or(0)
}

impl Prefix {
    /// The prefix of so many bits.
    ///
    /// # Errors
    ///
    /// Too many bits, or bits set behind the prefix.
    pub fn new(address: IpAddr, bits: u32) -> Result<Self, AccessError> {
        let (_, width) = aligned(address);
        let bits = u8::try_from(bits)
            .ok()
            .filter(|bits| *bits <= width)
            .ok_or(AccessError::Bits(bits, width))?;
        let (address, bits) = match (address.to_canonical(), bits.checked_sub(MAPPED_BITS)) {
            (v4 @ IpAddr::V4(_), Some(rest)) if address.is_ipv6() => (v4, rest),
            _ => (address, bits),
        };
        let prefix = Self::masked(address, bits);
        if prefix.address != address {
            return Err(AccessError::HostBits(prefix));
        }
        Ok(prefix)
    }

    /// The prefix of one address.
    pub fn host(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let (_, bits) = aligned(address);
        Self { address, bits }
    }

    /// From the bytes of an address in network order: 4 for IPv4, 16 for IPv6.
    pub fn from_bytes(address: &[u8], bits: u32) -> Result<Self, AccessError> {
        let address = if let Ok(v4) = <[u8; 4]>::try_from(address) {
            IpAddr::V4(Ipv4Addr::from(v4))
        } else if let Ok(v6) = <[u8; 16]>::try_from(address) {
            IpAddr::V6(Ipv6Addr::from(v6))
        } else {
            return Err(AccessError::AddressBytes(address.len()));
        };
        Self::new(address, bits)
    }

    /// From text: an address, or an address, `/` and a number of bits.
    pub fn parse(text: &str) -> Result<Self, AccessError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| AccessError::Address)?;
        let Some(bits) = bits else {
            return Ok(Self::host(address));
        };
        let (_, width) = aligned(address);
        // `parse` alone would take a sign.
        if !bits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AccessError::Bits(u32::MAX, width));
        }
        let bits = bits
            .parse()
            .map_err(|_| AccessError::Bits(u32::MAX, width))?;
        Self::new(address, bits)
    }

    fn masked(address: IpAddr, bits: u8) -> Self {
        let (value, _) = aligned(address);
        let value = value & mask(bits);
        let address = match address {
            // The lower 96 bits are not part of the address.
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(
                u32::try_from(value >> 96).unwrap_or_default(),
            )),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(value)),
        };
        Self { address, bits }
    }

    /// Its address; the bits behind the prefix are zero.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits count.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && Self::masked(address, self.bits).address == self.address
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// One entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it concerns.
    pub prefix: Prefix,
    /// What they may do.
    pub access: Access,
}

impl Rule {
    /// From text: `PREFIX=ro` or `PREFIX=rw`.
    pub fn parse(text: &str) -> Result<Self, AccessError> {
        let (prefix, access) = text.rsplit_once('=').ok_or(AccessError::Access)?;
        let access = match access {
            "ro" => Access::ReadOnly,
            "rw" => Access::ReadWrite,
            _ => return Err(AccessError::Access),
        };
        Ok(Self {
            prefix: Prefix::parse(prefix)?,
            access,
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.prefix, self.access)
    }
}

/// What an address may do by a list of rules in any order: the longest prefix decides.
///
/// Time grows with the number of rules; no allocation.
pub fn lookup(rules: &[Rule], address: IpAddr) -> Option<Access> {
    let address = address.to_canonical();
    let mut best: Option<Rule> = None;
    for rule in rules {
        let longer = best.is_none_or(|best| rule.prefix.bits > best.prefix.bits);
        if longer && rule.prefix.contains(address) {
            best = Some(*rule);
        }
    }
    best.map(|rule| rule.access)
}

/// A list of at most `N` rules without duplicate prefixes.
#[derive(Clone, Copy, Debug)]
pub struct List<const N: usize> {
    // INVARIANT: `len <= N`, `rules[..len]` are set, no prefix is there twice.
    rules: [Rule; N],
    len: usize,
}

impl<const N: usize> List<N> {
    /// An empty list, which admits nobody.
    pub const fn new() -> Self {
        let filler = Rule {
            prefix: Prefix {
                address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                bits: 128,
            },
            access: Access::ReadOnly,
        };
        Self {
            rules: [filler; N],
            len: 0,
        }
    }

    /// The rules, in the order in which they were added.
    pub fn rules(&self) -> &[Rule] {
        self.rules.get(..self.len).unwrap_or(&[])
    }

    /// What an address may do.
    pub fn lookup(&self, address: IpAddr) -> Option<Access> {
        lookup(self.rules(), address)
    }

    /// Adds a rule.
    ///
    /// # Errors
    ///
    /// The list is full, or has a rule for the same prefix: remove that first.
    pub fn add(&mut self, rule: Rule) -> Result<(), AccessError> {
        if self.position(rule.prefix).is_some() {
            return Err(AccessError::Duplicate(rule.prefix));
        }
        let slot = self.rules.get_mut(self.len).ok_or(AccessError::Full(N))?;
        *slot = rule;
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Removes the rule for a prefix.
    pub fn remove(&mut self, prefix: Prefix) -> Result<Rule, AccessError> {
        let missing = AccessError::Missing(prefix);
        let tail = self
            .position(prefix)
            .and_then(|at| self.rules.get_mut(at..self.len))
            .ok_or(missing)?;
        let removed = *tail.first().ok_or(missing)?;
        tail.rotate_left(1);
        self.len = self.len.saturating_sub(1);
        Ok(removed)
    }

    fn position(&self, prefix: Prefix) -> Option<usize> {
        self.rules().iter().position(|rule| rule.prefix == prefix)
    }
}

impl<const N: usize> Default for List<N> {
    fn default() -> Self {
        Self::new()
    }
}
