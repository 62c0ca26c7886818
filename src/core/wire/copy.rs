// SPDX-License-Identifier: GPL-2.0

//! The payload of copy-from-peer: which node is copied from, and how it is reached.

use core::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::super::text::Text;
use super::hello::{name, name_field, EXPORT_NAME_MAX, NAME_BYTES};

/// Bytes of the payload: a sector, so it can be sent as data is.
pub const COPY_SOURCE_BYTES: usize = 512;

/// Longest that a server may be told to wait for the other node, in milliseconds.
const MOST_WAIT_MS: u32 = 600_000;

const V4: u8 = 4;
const V6: u8 = 6;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct Raw {
    family: u8,
    reserved0: u8,
    port: U16,
    wait_ms: U32,
    address: [u8; 16],
    storage: [u8; 16],
    node: [u8; 16],
    job: U64,
    export: [u8; NAME_BYTES],
    device: [u8; 16],
    reserved1: [[u8; 46]; 8],
}

const _: () = assert!(size_of::<Raw>() == COPY_SOURCE_BYTES);

/// The node that a range is copied from. The range lies at the same offset there, and the request's
/// epoch is in force there too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// Where its export listens, as the client reaches it.
    pub address: IpAddr,
    /// TCP port, not 0.
    pub port: u16,
    /// Milliseconds after which the server has to answer that the other node does not; not 0.
    pub wait_ms: u32,
    /// UUID of the storage that both belong to.
    pub storage: [u8; 16],
    /// Identity of the node in the label there.
    pub node: [u8; 16],
    /// Identity of the device as its server has told the client: another server has another one.
    pub device: [u8; 16],
    /// The client's job, for people.
    pub job: u64,
    /// Name of the export; empty asks for the only one at the address.
    pub export: Text<EXPORT_NAME_MAX>,
}

/// Why a payload names no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopySourceError {
    /// Neither IPv4 nor IPv6, or bytes behind an IPv4 address.
    Family(u8),
    /// An address that names no single machine.
    Address,
    /// Port 0.
    Port,
    /// 0, or longer than ten minutes.
    Wait(u32),
    /// The name is not zero-padded UTF-8.
    Name,
    /// Reserved bytes are not zero.
    Reserved,
}

impl fmt::Display for CopySourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family(family) => write!(f, "an address of family {family} to copy from"),
            Self::Address => f.write_str("the address to copy from is not that of a machine"),
            Self::Port => f.write_str("port 0 to copy from"),
            Self::Wait(ms) => write!(f, "a wait of {ms} ms for the node to copy from"),
            Self::Name => f.write_str("the export to copy from has an impossible name"),
            Self::Reserved => f.write_str("reserved bytes of the copy source are not zero"),
        }
    }
}

impl CopySource {
    /// The payload for the wire.
    pub fn encode(&self) -> [u8; COPY_SOURCE_BYTES] {
        let (family, address) = match self.address {
            IpAddr::V4(v4) => {
                let mut bytes = [0; 16];
                for (place, byte) in bytes.iter_mut().zip(v4.octets()) {
                    *place = byte;
                }
                (V4, bytes)
            }
            IpAddr::V6(v6) => (V6, v6.octets()),
        };
        zerocopy::transmute!(Raw {
            family,
            reserved0: 0,
            port: self.port.into(),
            wait_ms: self.wait_ms.into(),
            address,
            storage: self.storage,
            node: self.node,
            job: self.job.into(),
            export: name_field(&self.export),
            device: self.device,
            reserved1: [[0; 46]; 8],
        })
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// The first fault; nobody is to be connected to then.
    pub fn parse(payload: &[u8; COPY_SOURCE_BYTES]) -> Result<Self, CopySourceError> {
        let raw: Raw = zerocopy::transmute!(*payload);
        if raw.reserved0 != 0 || raw.reserved1 != [[0; 46]; 8] {
            return Err(CopySourceError::Reserved);
        }
        let address = address(raw.family, &raw.address)?;
        let plain = address.to_canonical();
        let never = plain.is_unspecified() || plain.is_multicast();
        if never || plain == IpAddr::from([255, 255, 255, 255]) {
            return Err(CopySourceError::Address);
        }
        let wait_ms = raw.wait_ms.get();
        if raw.port.get() == 0 {
            return Err(CopySourceError::Port);
        }
        if wait_ms == 0 || wait_ms > MOST_WAIT_MS {
            return Err(CopySourceError::Wait(wait_ms));
        }
        Ok(Self {
            address,
            port: raw.port.get(),
            wait_ms,
            storage: raw.storage,
            node: raw.node,
            job: raw.job.get(),
            device: raw.device,
            export: name(&raw.export).map_err(|_| CopySourceError::Name)?,
        })
    }

    /// Whether `address`, by which the client reaches a machine, means that machine to the one at `teller` as well.
    /// A loopback address does only to the client's own, and one that holds on a link only is not told.
    pub fn is_meaningful(address: IpAddr, teller: IpAddr) -> bool {
        let (address, teller) = (address.to_canonical(), teller.to_canonical());
        let on_link = match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        !on_link && (!address.is_loopback() || teller.is_loopback())
    }

    /// Whether both can be read over the same connection: they name the same node at the same place.
    pub fn is_same_node(&self, other: &Self) -> bool {
        Self {
            wait_ms: other.wait_ms,
            job: other.job,
            ..*self
        } == *other
    }
}

fn address(family: u8, bytes: &[u8; 16]) -> Result<IpAddr, CopySourceError> {
    match (family, bytes) {
        (V4, [a, b, c, d, rest @ ..]) if rest.iter().all(|byte| *byte == 0) => {
            Ok(IpAddr::from([*a, *b, *c, *d]))
        }
        (V6, bytes) => Ok(IpAddr::V6(Ipv6Addr::from(*bytes))),
        _ => Err(CopySourceError::Family(family)),
    }
}
