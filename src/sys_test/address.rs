// SPDX-License-Identifier: GPL-2.0

//! Socket addresses. That the kernel reads them as they are meant is shown by [`super::socket`].

use crate::{
    check,
    dst_core::text::Text,
    sys::socket_address::{RawAddress, SocketAddress},
};
use kernel::prelude::*;

const V4: SocketAddress = SocketAddress::V4 {
    address: [192, 0, 2, 1],
    port: 1025,
};

/// 2001:db8::1, or fe80::1 on an interface.
const fn v6(first: u16, scope_id: u32) -> SocketAddress {
    let [high, low] = first.to_be_bytes();
    let rest = if first == 0x2001 {
        [0x0d, 0xb8]
    } else {
        [0, 0]
    };
    SocketAddress::V6 {
        address: [
            high, low, rest[0], rest[1], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        ],
        port: 65535,
        scope_id,
    }
}

fn shown(address: SocketAddress) -> Text<60> {
    Text::from_display(&fmt!("{}", address))
}

/// The forms for people.
pub fn forms() -> Result {
    check!(shown(V4).as_str() == "192.0.2.1:1025");
    check!(shown(v6(0x2001, 0)).as_str() == "[2001:db8::1]:65535");
    check!(shown(v6(0xfe80, 7)).as_str() == "[fe80::1%7]:65535");
    check!(V4.port() == 1025 && v6(0xfe80, 7).port() == 65535);
    check!(!V4.is_unspecified() && !v6(0xfe80, 0).is_unspecified());
    let any = SocketAddress::V4 {
        address: [0; 4],
        port: 1,
    };
    check!(any.is_unspecified());
    let any = SocketAddress::V6 {
        address: [0; 16],
        port: 1,
        scope_id: 0,
    };
    check!(any.is_unspecified());
    Ok(())
}

/// The form for socket calls, there and back.
pub fn raw_forms() -> Result {
    for (address, length) in [(V4, 16), (v6(0x2001, 0), 28), (v6(0xfe80, u32::MAX), 28)] {
        let raw = address.to_raw();
        check!(raw.length() == length);
        check!(SocketAddress::from_raw(&raw)? == address);
    }
    check!(V4.family() == 2 && v6(0x2001, 0).family() == 10);
    Ok(())
}

/// An address of another family, as of a socket that is not bound, is none.
pub fn other_families() -> Result {
    let raw = RawAddress::empty();
    check!(raw.length() == 0);
    check!(SocketAddress::from_raw(&raw).err() == Some(EAFNOSUPPORT));
    Ok(())
}
