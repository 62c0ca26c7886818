// SPDX-License-Identifier: GPL-2.0

//! Internet socket addresses.

use core::{mem::size_of, net::IpAddr};
use kernel::{bindings, prelude::*};

/// An IPv4 or IPv6 address and a port, in host byte order where it is a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SocketAddress {
    /// IPv4.
    V4 {
        /// The address, most significant byte first.
        address: [u8; 4],
        /// The TCP port.
        port: u16,
    },
    /// IPv6.
    V6 {
        /// The address, most significant byte first.
        address: [u8; 16],
        /// The TCP port.
        port: u16,
        /// The interface index of a link-local address, else 0.
        scope_id: u32,
    },
}

/// Memory for any socket address, as `struct sockaddr_storage`.
#[repr(C, align(8))]
pub struct RawAddress {
    bytes: [u8; 128],
    length: usize,
}

impl RawAddress {
    /// Room for an address that the kernel is about to write.
    pub const fn empty() -> Self {
        Self {
            bytes: [0; 128],
            length: 0,
        }
    }

    /// The pointer that socket calls take.
    pub fn as_mut_ptr(&mut self) -> *mut bindings::sockaddr_unsized {
        self.bytes.as_mut_ptr().cast()
    }

    /// The length in bytes that socket calls take.
    pub fn length(&self) -> kernel::ffi::c_int {
        // At most 128.
        self.length as kernel::ffi::c_int
    }
}

impl SocketAddress {
    /// The address family, `AF_INET` or `AF_INET6`.
    pub fn family(&self) -> kernel::ffi::c_int {
        match self {
            Self::V4 { .. } => bindings::AF_INET as kernel::ffi::c_int,
            Self::V6 { .. } => bindings::AF_INET6 as kernel::ffi::c_int,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match *self {
            Self::V4 { port, .. } | Self::V6 { port, .. } => port,
        }
    }

    /// The IP address alone.
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::V4 { address, .. } => IpAddr::from(*address),
            Self::V6 { address, .. } => IpAddr::from(*address),
        }
    }

    /// Whether this is the wildcard address, on which a listener takes every local address.
    pub fn is_unspecified(&self) -> bool {
        match self {
            Self::V4 { address, .. } => *address == [0; 4],
            Self::V6 { address, .. } => *address == [0; 16],
        }
    }

    /// The form that socket calls take: `struct sockaddr_in` or `struct sockaddr_in6`.
    pub fn to_raw(self) -> RawAddress {
        let mut raw = RawAddress::empty();
        let family = (self.family() as u16).to_ne_bytes();
        raw.bytes[..2].copy_from_slice(&family);
        raw.bytes[2..4].copy_from_slice(&self.port().to_be_bytes());
        match self {
            Self::V4 { address, .. } => {
                raw.bytes[4..8].copy_from_slice(&address);
                raw.length = size_of::<bindings::sockaddr_in>();
            }
            Self::V6 {
                address, scope_id, ..
            } => {
                raw.bytes[8..24].copy_from_slice(&address);
                raw.bytes[24..28].copy_from_slice(&scope_id.to_ne_bytes());
                raw.length = size_of::<bindings::sockaddr_in6>();
            }
        }
        raw
    }

    /// Reads what a socket call wrote. Errors: `EAFNOSUPPORT` for another family.
    pub fn from_raw(raw: &RawAddress) -> Result<Self> {
        let bytes = &raw.bytes;
        let port = u16::from_be_bytes([bytes[2], bytes[3]]);
        match u32::from(u16::from_ne_bytes([bytes[0], bytes[1]])) {
            bindings::AF_INET => {
                let mut address = [0; 4];
                address.copy_from_slice(&bytes[4..8]);
                Ok(Self::V4 { address, port })
            }
            bindings::AF_INET6 => {
                let mut address = [0; 16];
                address.copy_from_slice(&bytes[8..24]);
                let scope_id = u32::from_ne_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
                Ok(Self::V6 {
                    address,
                    port,
                    scope_id,
                })
            }
            _ => Err(EAFNOSUPPORT),
        }
    }
}

crate::kernel_display!(SocketAddress);

impl core::fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::V4 { address, port } => {
                write!(f, "{}:{port}", core::net::Ipv4Addr::from(*address))
            }
            Self::V6 {
                address,
                port,
                scope_id: 0,
            } => write!(f, "[{}]:{port}", core::net::Ipv6Addr::from(*address)),
            Self::V6 {
                address,
                port,
                scope_id,
            } => write!(
                f,
                "[{}%{scope_id}]:{port}",
                core::net::Ipv6Addr::from(*address)
            ),
        }
    }
}
