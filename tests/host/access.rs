// SPDX-License-Identifier: GPL-2.0

//! Address lists, against a model that compares bit by bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dst_core::access::*;
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn list(rules: &[&str]) -> List<8> {
    let mut list = List::new();
    for rule in rules {
        list.add(Rule::parse(rule).unwrap()).unwrap();
    }
    list
}

#[test]
fn nobody_by_default() {
    let list = List::<8>::new();
    for address in ["127.0.0.1", "::1", "0.0.0.0", "::", "255.255.255.255"] {
        assert_eq!(list.lookup(ip(address)), None);
    }
}

#[test]
fn the_longest_prefix_decides() {
    let list = list(&[
        "10.0.0.0/8=ro",
        "10.1.0.0/16=rw",
        "10.1.2.3=ro",
        "fd00::/8=rw",
        "fd00::1/128=ro",
    ]);
    for (address, access) in [
        ("10.2.0.1", Some(Access::ReadOnly)),
        ("10.1.2.4", Some(Access::ReadWrite)),
        ("10.1.2.3", Some(Access::ReadOnly)),
        ("::ffff:10.1.2.4", Some(Access::ReadWrite)),
        ("11.0.0.0", None),
        ("fd12::5", Some(Access::ReadWrite)),
        ("fd00::1", Some(Access::ReadOnly)),
        ("fe80::1", None),
    ] {
        assert_eq!(list.lookup(ip(address)), access, "{address}");
    }
}

#[test]
fn families_are_kept_apart() {
    let v6 = list(&["::/0=rw"]);
    assert_eq!(v6.lookup(ip("10.0.0.1")), None);
    assert_eq!(v6.lookup(ip("::ffff:10.0.0.1")), None);
    assert_eq!(v6.lookup(ip("fd00::1")), Some(Access::ReadWrite));
    let v4 = list(&["0.0.0.0/0=rw"]);
    assert_eq!(v4.lookup(ip("::1")), None);
    assert_eq!(v4.lookup(ip("::ffff:1.2.3.4")), Some(Access::ReadWrite));
    let mapped = Prefix::parse("::ffff:10.0.0.0/104").unwrap();
    assert_eq!(mapped, Prefix::parse("10.0.0.0/8").unwrap());
    assert_eq!(mapped.to_string(), "10.0.0.0/8");
    assert_eq!(
        Prefix::parse("::ffff:1.2.3.4").unwrap().to_string(),
        "1.2.3.4/32"
    );
}

#[test]
fn mistakes_are_told() {
    for (text, error) in [
        ("", AccessError::Address),
        ("host", AccessError::Address),
        ("10.0.0.0/33", AccessError::Bits(33, 32)),
        ("::/129", AccessError::Bits(129, 128)),
        ("10.0.0.0/", AccessError::Bits(u32::MAX, 32)),
        ("10.0.0.0/+8", AccessError::Bits(u32::MAX, 32)),
        ("10.0.0.0/8/8", AccessError::Bits(u32::MAX, 32)),
        ("10.0.0.0/99999999999", AccessError::Bits(u32::MAX, 32)),
        (
            "10.0.0.1/8",
            AccessError::HostBits(Prefix::parse("10.0.0.0/8").unwrap()),
        ),
        (
            "fd00::1/8",
            AccessError::HostBits(Prefix::parse("fd00::/8").unwrap()),
        ),
    ] {
        assert_eq!(Prefix::parse(text), Err(error), "{text}");
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(Rule::parse("10.0.0.0/8"), Err(AccessError::Access));
    assert_eq!(Rule::parse("10.0.0.0/8=rwx"), Err(AccessError::Access));
    assert_eq!(
        Prefix::from_bytes(&[1; 5], 8),
        Err(AccessError::AddressBytes(5))
    );
    assert_eq!(
        Prefix::from_bytes(&[0; 4], u32::MAX),
        Err(AccessError::Bits(u32::MAX, 32))
    );
    assert_eq!(
        Prefix::from_bytes(&[10, 0, 0, 0], 8),
        Prefix::parse("10.0.0.0/8")
    );
}

#[test]
fn a_list_is_bounded_and_has_no_duplicates() {
    let mut list = List::<2>::new();
    let rule = |text| Rule::parse(text).unwrap();
    list.add(rule("10.0.0.0/8=ro")).unwrap();
    let duplicate = list.add(rule("::ffff:10.0.0.0/104=rw"));
    assert_eq!(
        duplicate,
        Err(AccessError::Duplicate(rule("10.0.0.0/8=ro").prefix))
    );
    list.add(rule("::/0=ro")).unwrap();
    assert_eq!(list.add(rule("1.1.1.1=ro")), Err(AccessError::Full(2)));
    assert_eq!(
        list.remove(rule("10.0.0.0/8=rw").prefix),
        Ok(rule("10.0.0.0/8=ro"))
    );
    let gone = rule("10.0.0.0/8=ro").prefix;
    assert_eq!(list.remove(gone), Err(AccessError::Missing(gone)));
    assert_eq!(list.rules(), &[rule("::/0=ro")]);
    assert_eq!(list.lookup(ip("10.0.0.1")), None);
}

/// The bits of an address as a text, IPv4 and mapped IPv4 alike.
fn bits(address: IpAddr) -> (bool, String) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (true, format!("{:032b}", u32::from(v4))),
        IpAddr::V6(v6) => (false, format!("{:0128b}", u128::from(v6))),
    }
}

fn model(rules: &[(IpAddr, u8, Access)], address: IpAddr) -> Option<Access> {
    let (is_v4, address) = bits(address);
    let mut best = None;
    for (prefix, length, access) in rules {
        let (prefix_is_v4, prefix) = bits(*prefix);
        let inside = is_v4 == prefix_is_v4 && address.starts_with(&prefix[..usize::from(*length)]);
        if inside && best.is_none_or(|(longest, _)| *length > longest) {
            best = Some((*length, *access));
        }
    }
    best.map(|(_, access)| access)
}

/// Addresses that lie close to each other, so that prefixes of all lengths are hit.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (any::<u32>(), 0_u32..32).prop_map(|(v, keep)| {
            IpAddr::V4(Ipv4Addr::from(
                0x0a00_0000 ^ v.checked_shr(keep).unwrap_or(0),
            ))
        }),
        (any::<u128>(), 0_u32..128).prop_map(|(v, keep)| {
            IpAddr::V6(Ipv6Addr::from(
                (0xfd00_u128 << 112) ^ v.checked_shr(keep).unwrap_or(0),
            ))
        }),
        any::<u32>().prop_map(|v| IpAddr::V6(Ipv4Addr::from(v).to_ipv6_mapped())),
    ]
}

/// A prefix in canonical form: address and number of bits.
fn rule() -> impl Strategy<Value = (IpAddr, u8, Access)> {
    (address(), 0_u8..=128, any::<bool>()).prop_map(|(address, length, write)| {
        let access = if write {
            Access::ReadWrite
        } else {
            Access::ReadOnly
        };
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let length = length % 33;
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                (
                    IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask)),
                    length,
                    access,
                )
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                (
                    IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask)),
                    length,
                    access,
                )
            }
        }
    })
}

proptest! {
    #![proptest_config(crate::fixed(2000, 4))]

    #[test]
    fn lookup_is_the_models(
        rules in proptest::collection::vec(rule(), 0..12),
        addresses in proptest::collection::vec(address(), 1..20),
    ) {
        let mut list = List::<16>::new();
        let mut unique: Vec<(IpAddr, u8, Access)> = Vec::new();
        for (address, length, access) in rules {
            let prefix = Prefix::new(address, length.into()).unwrap();
            if list.add(Rule { prefix, access }).is_ok() {
                unique.push((address, length, access));
            }
        }
        // The prefixes' own addresses are the interesting ones.
        for address in addresses.into_iter().chain(unique.iter().map(|(a, _, _)| *a)) {
            prop_assert_eq!(list.lookup(address), model(&unique, address));
        }
    }

    #[test]
    fn text_and_bytes_round_trip((address, length, access) in rule()) {
        let prefix = Prefix::new(address, length.into()).unwrap();
        let rule = Rule { prefix, access };
        prop_assert_eq!(Rule::parse(&rule.to_string()), Ok(rule));
        let bytes = match prefix.address() {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        prop_assert_eq!(Prefix::from_bytes(&bytes, prefix.bits().into()), Ok(prefix));
    }

    #[test]
    fn any_text_is_judged(text in "[0-9a-f:./=rw+-]{0,30}") {
        let _ = (Prefix::parse(&text), Rule::parse(&text));
    }
}
